#include "runtime/docker/program.hpp"

#include <elf.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

namespace loco::runtime {
namespace {

constexpr std::size_t kHead = 64U << 10;  // a binary's headers and its loader's name are within it
constexpr std::size_t kMaxInterpreter = 256;
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string machine_name(unsigned machine) {
    constexpr std::array<std::pair<unsigned, const char*>, 8> kNames{{{EM_X86_64, "amd64"},
                                                                      {EM_AARCH64, "arm64"},
                                                                      {EM_386, "386"},
                                                                      {EM_ARM, "arm"},
                                                                      {EM_RISCV, "riscv64"},
                                                                      {EM_PPC64, "ppc64le"},
                                                                      {EM_S390, "s390x"},
                                                                      {EM_MIPS, "mips"}}};
    for (const auto& [number, name] : kNames) {
        if (number == machine) return name;
    }
    return {};
}

std::string this_machine() {
    utsname names{};
    if (::uname(&names) != 0) return {};
    const std::string_view machine = names.machine;
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    return std::string(machine);
}

template <class T>
std::optional<T> at(std::string_view bytes, std::size_t offset) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T out;
    std::memcpy(&out, bytes.data() + offset, sizeof out);
    return out;
}

template <class Header, class Program>
void read_elf(std::string_view bytes, ProgramFacts& facts) {
    const auto header = at<Header>(bytes, 0);
    if (!header) return;
    facts.machine = machine_name(header->e_machine);
    for (std::size_t i = 0; i < header->e_phnum; ++i) {
        const auto program = at<Program>(bytes, header->e_phoff + i * header->e_phentsize);
        if (!program) return;
        if (program->p_type != PT_INTERP || program->p_offset >= bytes.size()) continue;
        const auto name = bytes.substr(program->p_offset,
                                       std::min<std::size_t>(program->p_filesz, kMaxInterpreter));
        facts.interpreter = std::string(name.substr(0, name.find('\0')));
        return;
    }
}

bool may_execute(const engine::FileHead& file, const std::string& user) {
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    const auto colon = std::min(user.find(':'), user.size());
    std::from_chars(user.data(), user.data() + colon, uid);
    if (colon < user.size())
        std::from_chars(user.data() + colon + 1, user.data() + user.size(), gid);
    if (uid == 0) return (file.mode & 0111U) != 0;
    if (uid == file.uid) return (file.mode & 0100U) != 0;
    if (gid == file.gid) return (file.mode & 0010U) != 0;
    return (file.mode & 0001U) != 0;
}

std::vector<std::string> candidates(const engine::Container& container) {
    const auto& program = container.program;
    if (program.starts_with('/')) return {program};
    if (program.find('/') != std::string::npos) {
        return {(container.working_dir.empty() ? "/" : container.working_dir + "/") + program};
    }
    std::vector<std::string> out;
    std::string_view rest =
        container.search_path.empty() ? kDefaultPath : std::string_view(container.search_path);
    while (!rest.empty()) {
        const auto folder = rest.substr(0, rest.find(':'));
        if (!folder.empty()) out.push_back(std::string(folder) + "/" + program);
        rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    }
    return out;
}

// True only when the engine says so.
bool is_missing(engine::Engine& engine, const std::string& container, const std::string& path) {
    const auto head = engine.read_head(container, path, 1);
    return !head && head.error().kind == ErrorKind::not_found;
}

}  // namespace

void read_program(std::string_view bytes, ProgramFacts& facts) {
    facts.file = ProgramFacts::File::other;
    if (bytes.starts_with("#!")) {
        facts.file = ProgramFacts::File::script;
        auto line = bytes.substr(2, std::min(bytes.find('\n'), kMaxInterpreter) - 2);
        const auto begin = line.find_first_not_of(" \t");
        line = begin == std::string_view::npos ? std::string_view() : line.substr(begin);
        facts.interpreter = std::string(line.substr(0, line.find_first_of(" \t")));
        return;
    }
    // Of this machine's byte order; others are of another machine anyhow.
    if (!bytes.starts_with(std::string_view(ELFMAG, SELFMAG)) || bytes.size() < EI_NIDENT) return;
    facts.file = ProgramFacts::File::binary;
    if (bytes[EI_CLASS] == ELFCLASS64) read_elf<Elf64_Ehdr, Elf64_Phdr>(bytes, facts);
    if (bytes[EI_CLASS] == ELFCLASS32) read_elf<Elf32_Ehdr, Elf32_Phdr>(bytes, facts);
}

std::optional<ProgramFacts> program_of(engine::Engine& engine, const engine::Container& container) {
    if (container.program.empty()) return std::nullopt;
    ProgramFacts facts;
    facts.path = container.program;
    facts.file = ProgramFacts::File::missing;
    for (const auto& path : candidates(container)) {
        const auto head = engine.read_head(container.id, path, kHead);
        if (!head && head.error().kind == ErrorKind::not_found) continue;
        if (!head) return std::nullopt;
        facts.path = path;
        if (head->directory) {
            facts.file = ProgramFacts::File::folder;
            return facts;
        }
        read_program(head->bytes, facts);
        facts.executable = may_execute(*head, container.user);
        break;
    }
    facts.runs_on = this_machine();
    // What runs here too, by the kernel's own doing.
    if ((facts.machine == "386" && facts.runs_on == "amd64") ||
        (facts.machine == "arm" && facts.runs_on == "arm64"))
        facts.runs_on = facts.machine;
    if (!facts.interpreter.empty())
        facts.interpreter_missing = is_missing(engine, container.id, facts.interpreter);
    return facts;
}

}  // namespace loco::runtime
