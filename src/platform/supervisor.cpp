#include "platform/supervisor.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/log.hpp"
#include "os/file.hpp"

namespace loco::platform {
namespace {

using std::chrono::steady_clock;

constexpr auto kAskEvery = std::chrono::milliseconds(20);
constexpr auto kMaxBackoff = std::chrono::seconds(30);
// One that is ready and dies soon, again and again, must not eat a processor.
constexpr auto kSettled = std::chrono::seconds(1);
constexpr auto kPause = std::chrono::milliseconds(100);
constexpr auto kQuickAnswer = std::chrono::milliseconds(10);
constexpr std::size_t kMaxLogRead = 64U << 10;

std::filesystem::path pid_file(const Directories& d, const std::string& name) {
    return d.run / (name + ".pid");
}
std::filesystem::path log_file(const Directories& d, const std::string& name) {
    return d.log / (name + ".log");
}

int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// Waits until `done`, asking every 20 ms; false when the time is over.
bool wait_until(std::chrono::milliseconds within, const std::function<bool()>& done) {
    const auto end = steady_clock::now() + within;
    while (!done()) {
        if (steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(kAskEvery);
    }
    return true;
}

Result<> stop_process(const os::ProcessIdentity& process, const std::string& name, int signal,
                      std::chrono::seconds within) {
    const auto gone = [&] { return !os::is_alive(process); };
    if (gone()) return {};
    ::kill(process.pid, signal);
    if (wait_until(within, gone)) return {};
    log::warning("did not stop in time, killing it", {{"service", name}});
    ::kill(process.pid, SIGKILL);
    if (wait_until(std::chrono::seconds(5), gone)) return {};
    return fail(ErrorKind::internal,
                name + " (process " + std::to_string(process.pid) + ") can't be stopped");
}

Result<> note_process(const Directories& directories, const std::string& name,
                      const os::ProcessIdentity& process) {
    return os::write_file_atomically(
        pid_file(directories, name),
        std::to_string(process.pid) + " " + std::to_string(process.start_ticks), 0600);
}

void forget_process(const Directories& directories, const std::string& name) {
    std::error_code ignored;
    std::filesystem::remove(pid_file(directories, name), ignored);
}

}  // namespace

std::optional<os::ProcessIdentity> running(const Directories& directories,
                                           const std::string& name) {
    const auto text = os::read_file(pid_file(directories, name), 128);
    if (!text) return std::nullopt;
    // "PID START-TICKS"
    os::ProcessIdentity process;
    const auto* end = text->data() + text->size();
    const auto pid = std::from_chars(text->data(), end, process.pid);
    if (pid.ec != std::errc{} || pid.ptr == end) return std::nullopt;
    const auto ticks = std::from_chars(pid.ptr + 1, end, process.start_ticks);
    if (ticks.ec != std::errc{} || !os::is_alive(process)) return std::nullopt;
    return process;
}

Result<> stop(const Directories& directories, const std::string& name, int signal,
              std::chrono::seconds within) {
    if (const auto process = running(directories, name)) {
        LOCO_TRY(stop_process(*process, name, signal, within));
    }
    forget_process(directories, name);
    return {};
}

std::string log_tail(const Directories& directories, const std::string& name, std::size_t lines) {
    std::ifstream file(log_file(directories, name), std::ios::binary | std::ios::ate);
    if (!file) return {};
    const auto size = static_cast<std::size_t>(file.tellg());
    const auto from = size > kMaxLogRead ? size - kMaxLogRead : 0;
    file.seekg(static_cast<std::streamoff>(from));
    std::string text(size - from, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    while (text.ends_with('\n')) text.pop_back();
    std::size_t begin = text.size();
    for (std::size_t i = 0; i < lines && begin != std::string::npos && begin > 0; ++i)
        begin = text.rfind('\n', begin - 1);
    return begin == std::string::npos ? text : text.substr(begin == 0 ? 0 : begin + 1);
}

Result<os::ProcessIdentity> Supervisor::start(const Service& service) {
    if (service.before_start) service.before_start();
    LOCO_ASSIGN(const auto pid,
                os::start_daemon(service.command, log_file(directories_, service.name).string()));
    const auto process = os::identify(pid);
    if (!process) {
        return fail(ErrorKind::unavailable,
                    service.name + " ended at once: " + log_tail(directories_, service.name),
                    "read " + log_file(directories_, service.name).string(), "part_failed");
    }
    return *process;
}

Result<> Supervisor::wait_ready(const Service& service, const os::ProcessIdentity& process) {
    bool alive = true;
    const bool ready = wait_until(service.ready_within, [&] {
        alive = os::is_alive(process);
        return !alive || service.ready();
    });
    if (ready && alive) return {};
    const auto where = "read " + log_file(directories_, service.name).string();
    if (!alive) {
        return fail(
            ErrorKind::unavailable,
            service.name + " ended while it was starting: " + log_tail(directories_, service.name),
            where, "part_failed");
    }
    return fail(ErrorKind::unavailable,
                service.name + " was not ready within " +
                    std::to_string(service.ready_within.count()) + " s",
                where, "part_failed");
}

Result<bool> Supervisor::ensure(const Service& service) {
    Entry entry{.service = service, .started_at = steady_clock::now()};
    auto process = running(directories_, service.name);
    const bool adopted = process.has_value();
    if (!adopted) {
        LOCO_ASSIGN(process, start(service));
        if (auto noted = note_process(directories_, service.name, *process); !noted) {
            // Nobody would find it again.
            (void)stop_process(*process, service.name, SIGKILL, service.stop_within);
            return fail(noted.error());
        }
    }
    entry.process = *process;
    entry.pidfd = open_pidfd(process->pid);
    entry.adopted = adopted;
    entries_.push_back(std::move(entry));  // also when it is not ready: stop_all() must stop it
    LOCO_TRY(wait_ready(service, *process));
    return !adopted;
}

void Supervisor::note_death(Entry& entry) {
    if (entry.pidfd >= 0) ::close(entry.pidfd);
    entry.pidfd = -1;
    if (entry.held) return;
    const auto now = steady_clock::now();
    std::chrono::milliseconds pause(0);
    if (!entry.was_alive) {
        // The first may have been killed before it was alive; only one that fails again can't start.
        pause = entry.failed_starts == 0
                    ? kPause
                    : std::min<std::chrono::milliseconds>(
                          kMaxBackoff,
                          std::chrono::seconds(1LL << std::min(entry.failed_starts - 1, 5)));
        ++entry.failed_starts;
    } else if (now - entry.started_at < kSettled) {
        pause = kPause;
    }
    entry.restart_at = now + pause;
    log::warning("died, starting it again", {{"service", entry.service.name},
                                             {"in_ms", pause.count()},
                                             {"failed_starts", entry.failed_starts}});
}

void Supervisor::note_alive(Entry& entry) {
    if (entry.was_alive) return;
    if (!entry.asked.valid()) {
        entry.asked = std::async(std::launch::async,
                                 entry.service.alive ? entry.service.alive : entry.service.ready);
        entry.asked_of = entry.process.pid;
    }
    // Most answer at once.
    if (entry.asked.wait_for(kQuickAnswer) != std::future_status::ready) return;
    if (!entry.asked.get() || entry.asked_of != entry.process.pid) return;
    entry.was_alive = true;
    entry.failed_starts = 0;
}

// One that could not be noted (a full disk) runs on, watched: to start it once more would make two of it.
void Supervisor::note(Entry& entry) {
    auto noted = note_process(directories_, entry.service.name, entry.process);
    if (!noted && entry.noted) {
        log::failure(
            "can't note the process of " + entry.service.name + "; it runs on, and is noted later",
            noted.error());
    }
    entry.noted = noted.has_value();
}

void Supervisor::start_again(Entry& entry) {
    entry.restart_at.reset();
    entry.was_alive = false;
    entry.started_at = steady_clock::now();
    auto process = start(entry.service);
    if (!process) {
        log::failure("can't start " + entry.service.name, process.error());
        note_death(entry);
        return;
    }
    entry.process = *process;
    entry.pidfd = open_pidfd(process->pid);
    note(entry);
    log::info("started again", {{"service", entry.service.name}, {"pid", process->pid}});
}

Supervisor::Entry& Supervisor::entry(const std::string& name) {
    const auto found =
        std::ranges::find(entries_, name, [](const Entry& e) { return e.service.name; });
    LOCO_CHECK(found != entries_.end());
    return *found;
}

void Supervisor::hold(const std::string& name, std::optional<int> signal) {
    auto& one = entry(name);
    one.held = true;
    one.restart_at.reset();
    // Not by its process id alone, which may be another's by now.
    if (one.pidfd >= 0 && os::is_alive(one.process))
        ::kill(one.process.pid, signal.value_or(one.service.stop_signal));
}

void Supervisor::release(const std::string& name) {
    auto& one = entry(name);
    one.held = false;
    if (one.pidfd < 0) one.restart_at = steady_clock::now();
}

bool Supervisor::runs(const std::string& name) { return entry(name).pidfd >= 0; }

bool Supervisor::is_alive(const std::string& name) {
    const auto& one = entry(name);
    return one.pidfd >= 0 && one.was_alive;
}

void Supervisor::watch(const std::function<bool()>& stop, const std::function<void()>& tick) {
    while (!stop()) {
        if (tick) tick();
        std::vector<pollfd> descriptors;
        std::vector<Entry*> of;
        bool all_alive = true;
        for (auto& entry : entries_) {
            if (entry.pidfd >= 0) note_alive(entry);
            if (entry.pidfd >= 0 && !entry.noted) note(entry);
            all_alive = all_alive && entry.pidfd >= 0 && entry.was_alive;
            if (entry.pidfd < 0) continue;
            descriptors.push_back({.fd = entry.pidfd, .events = POLLIN, .revents = 0});
            of.push_back(&entry);
        }
        const auto wait = all_alive ? std::chrono::milliseconds(200) : kAskEvery;
        ::poll(descriptors.data(), descriptors.size(), static_cast<int>(wait.count()));
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
            if ((descriptors[i].revents & POLLIN) != 0) note_death(*of[i]);
        }
        for (auto& entry : entries_) {
            if (stop()) return;
            if (entry.held) continue;
            if (entry.pidfd < 0 && !entry.restart_at) note_death(entry);
            if (entry.restart_at && *entry.restart_at <= steady_clock::now()) start_again(entry);
        }
    }
}

void Supervisor::end(Entry& entry) {
    const auto& service = entry.service;
    // Not by its file, which may not be written yet.
    if (const auto stopped =
            stop_process(entry.process, service.name, service.stop_signal, service.stop_within);
        !stopped) {
        log::failure("stop " + service.name, stopped.error());
    }
    forget_process(directories_, service.name);
    if (entry.pidfd >= 0) ::close(entry.pidfd);
    entry.pidfd = -1;
}

Result<> Supervisor::restart(const std::string& name) {
    auto& one = entry(name);
    end(one);
    LOCO_ASSIGN(one.process, start(one.service));
    one.pidfd = open_pidfd(one.process.pid);
    note(one);
    return wait_ready(one.service, one.process);
}

void Supervisor::stop_all() {
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) end(*entry);
    entries_.clear();
}

void Supervisor::stop_started() {
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
        if (!entry->adopted) end(*entry);
    }
    entries_.clear();
}

}  // namespace loco::platform
