#include "runtime/docker/examine.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <charconv>
#include <string>

#include "os/file.hpp"
#include "runtime/docker/program.hpp"
#include "runtime/docker/sockets.hpp"

namespace loco::runtime {
namespace {

constexpr std::size_t kMaxSmall = 64U << 10;
constexpr std::uint64_t kFull = 64U << 10;  // a file system with less free is full

// The folder of the process's control group (version 2); empty when it is not this container's process at all.
std::string cgroup_of(const engine::Container& container) {
    const auto text =
        os::read_file("/proc/" + std::to_string(container.state.pid) + "/cgroup", kMaxSmall);
    if (!text || container.id.empty() || text->find(container.id) == std::string::npos) return {};
    constexpr std::string_view kUnified = "0::";
    const auto at = text->find(kUnified);
    if (at == std::string::npos) return {};
    const auto begin = at + kUnified.size();
    return "/sys/fs/cgroup" + text->substr(begin, text->find('\n', begin) - begin);
}

std::optional<std::int64_t> number_in(const std::string& path) {
    const auto text = os::read_file(path, kMaxSmall);
    if (!text) return std::nullopt;
    std::int64_t value = 0;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), value);
    return read.ec == std::errc() ? std::optional(value) : std::nullopt;
}

// Of a tmpfs only: an image's own /tmp is as large as the machine's disk.
std::optional<bool> tmp_full(int pid) {
    struct statfs seen{};
    const auto path = "/proc/" + std::to_string(pid) + "/root/tmp";
    if (::statfs(path.c_str(), &seen) != 0 || seen.f_type != TMPFS_MAGIC) return std::nullopt;
    return static_cast<std::uint64_t>(seen.f_bavail) * static_cast<std::uint64_t>(seen.f_bsize) <
           kFull;
}

void look_inside(const engine::Container& container, ContainerFacts& facts) {
    const auto cgroup = cgroup_of(container);
    if (cgroup.empty()) return;  // its number is another's by now, or means nothing here
    facts.listeners = listeners_of(container.state.pid);
    facts.memory_peak_bytes = number_in(cgroup + "/memory.peak");
    facts.tmp_full = tmp_full(container.state.pid);
    const auto processes = number_in(cgroup + "/pids.current");
    const auto most = number_in(cgroup + "/pids.max");
    if (processes && most) facts.processes_at_limit = *processes >= *most;
}

}  // namespace

ContainerFacts examine(engine::Engine& engine, const engine::Container& container) {
    ContainerFacts facts;
    facts.processes_limit = container.pids_limit;
    const int code = container.state.exit_code;
    if (container.state.running && container.state.pid > 0) {
        look_inside(container, facts);
    } else if (!container.state.error.empty() || code == 1 || code == 2 ||
               (code >= 126 && code <= 128) || code == 255) {
        facts.program = program_of(engine, container);
    }
    return facts;
}

}  // namespace loco::runtime
