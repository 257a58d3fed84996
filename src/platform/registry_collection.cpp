#include "platform/registry_collection.hpp"

#include <csignal>

#include "base/log.hpp"
#include "os/file.hpp"

namespace loco::platform {
namespace {

constexpr const char* kName = "registry-gc";
constexpr std::size_t kMostOutput = 64U << 10;

std::string last_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

}  // namespace

RegistryCollection::RegistryCollection(Supervisor& supervisor, Directories directories,
                                       CollectionOptions options)
    : supervisor_(supervisor),
      directories_(std::move(directories)),
      options_(std::move(options)),
      handover_(directories_.run) {}

RegistryCollection::~RegistryCollection() {
    cancelled_ = true;
    if (worker_.joinable()) worker_.join();
    if (step_ != Step::idle) handover_.abandon();
}

Result<> RegistryCollection::clear(const Directories& directories) {
    LOCO_TRY(platform::stop(directories, kName, SIGTERM, std::chrono::seconds(5)));
    registry::Handover(directories.run).abandon();
    return {};
}

void RegistryCollection::enter(Step step) {
    step_ = step;
    since_ = std::chrono::steady_clock::now();
}

void RegistryCollection::step() {
    switch (step_) {
        case Step::idle:
            if (!handover_.take()) return;
            log::info("collecting the registry's garbage", {});
            supervisor_.hold(options_.service);
            killed_ = false;
            return enter(Step::stopping);
        case Step::stopping:
            if (!supervisor_.runs(options_.service)) return start_collecting();
            if (!killed_ && std::chrono::steady_clock::now() > since_ + options_.stop_within) {
                killed_ = true;
                supervisor_.hold(options_.service, SIGKILL);
            }
            return;
        case Step::collecting:
            if (!ended_) return;
            worker_.join();
            supervisor_.release(options_.service);
            return enter(Step::starting);
        case Step::starting:
            if (!supervisor_.is_alive(options_.service)) return;
            handover_.finish(collected_);
            return enter(Step::idle);
    }
}

void RegistryCollection::start_collecting() {
    ended_ = false;
    collected_ = false;
    enter(Step::collecting);
    worker_ = std::thread([this] {
        collect();
        ended_ = true;
    });
}

void RegistryCollection::collect() {
    // The whole of it, one line for each blob, is of no use the day after: only the last run's is kept.
    std::string output;
    const auto take = [&](std::string_view chunk) {
        output += chunk;
        if (output.size() > 2 * kMostOutput) output.erase(0, output.size() - kMostOutput);
    };
    // It ends with this process, however that ends; by its pid file the next one makes sure of it.
    const auto note = [&](pid_t pid) {
        const auto process = os::identify(pid);
        if (!process) return;
        (void)os::write_file_atomically(
            directories_.run / (std::string(kName) + ".pid"),
            std::to_string(process->pid) + " " + std::to_string(process->start_ticks), 0600);
    };
    const auto exit = os::run(options_.collect, {.on_stdout = take,
                                                 .on_stderr = take,
                                                 .timeout = options_.collect_within,
                                                 .cancelled = [this] { return cancelled_.load(); },
                                                 .on_start = note});
    std::error_code ignored;
    std::filesystem::remove(directories_.run / (std::string(kName) + ".pid"), ignored);
    (void)os::write_file_atomically(directories_.log / (std::string(kName) + ".log"), output, 0600);
    collected_ = exit && exit->ok();
    if (!exit) {
        log::failure("the registry's garbage was not collected", exit.error());
    } else if (!exit->ok()) {
        log::warning("the registry's garbage was not collected",
                     {{"exit", exit->code}, {"said", last_line(output)}});
    }
}

}  // namespace loco::platform
