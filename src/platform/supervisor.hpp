// Keeps a few daemons running where no init system does: starts them, starts them again when they die, stops them. They are
// no children: they outlive the supervisor, and the next one finds them by their pid files (process id and start time).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "os/process.hpp"

namespace loco::platform {

struct Service {
    std::string name;  // "haproxy": RUN/haproxy.pid, LOG/haproxy.log
    os::Command command;
    std::function<bool()> ready;  // asked until it says yes
    // Whether it does what depends on no other: one that dies later was able to start. Without it: ready.
    std::function<bool()> alive = {};
    std::chrono::seconds ready_within{30};
    std::chrono::seconds stop_within{10};  // after SIGTERM, then SIGKILL
    int stop_signal = 15;
    std::function<void()> before_start = {};  // clears what a killed one has left
};

struct Directories {
    std::filesystem::path run;
    std::filesystem::path log;
};

// The process of that pid file, if it still lives.
[[nodiscard]] std::optional<os::ProcessIdentity> running(const Directories& directories,
                                                         const std::string& name);
// Asks it to end and waits; kills it at last. Nothing to do where it does not run.
[[nodiscard]] Result<> stop(const Directories& directories, const std::string& name, int signal,
                            std::chrono::seconds within);
// The end of its log, for errors.
[[nodiscard]] std::string log_tail(const Directories& directories, const std::string& name,
                                   std::size_t lines = 8);

class Supervisor {
  public:
    explicit Supervisor(Directories directories) : directories_(std::move(directories)) {}

    // Makes sure that it runs and is ready; true when it had to be started. unavailable with the end of its log when it
    // ends at once or is not ready in time.
    [[nodiscard]] Result<bool> ensure(const Service& service);
    // Watches all services that were ensured, and starts those that die again. One that had been alive: at once, or after
    // 100 ms when it had been started less than a second before; however often in a row, as it served each time. One that
    // was not alive yet: after 100 ms, then 1, 2, 4 … 30 s. Returns when `stop` (asked every 200 ms) says so. Stops nothing. `tick` is
    // called in every round, at least every 200 ms; it may call what follows.
    void watch(const std::function<bool()>& stop, const std::function<void()>& tick = {});
    // Asks one that was ensured to end (as Service::stop_signal says, or with `signal`), and does not start it again
    // until release().
    void hold(const std::string& name, std::optional<int> signal = {});
    void release(const std::string& name);
    [[nodiscard]] bool runs(const std::string& name);
    [[nodiscard]] bool is_alive(const std::string& name);
    // Stops one that was ensured and starts it again, ready.
    [[nodiscard]] Result<> restart(const std::string& name);
    // In the opposite order of ensure().
    void stop_all();
    // Only those that ensure() had to start: what ran before goes on.
    void stop_started();

  private:
    struct Entry {
        Service service;
        os::ProcessIdentity process;
        int pidfd = -1;
        bool adopted = false;
        bool was_alive = true;  // since its last start
        bool held = false;      // not to be started again
        bool noted = true;      // in its pid file
        int failed_starts = 0;  // deaths in a row before it was alive
        std::future<bool> asked =
            {};  // whether it is alive: the answer may take seconds, the watch has none
        pid_t asked_of = 0;
        std::chrono::steady_clock::time_point started_at;
        std::optional<std::chrono::steady_clock::time_point> restart_at;
    };

    [[nodiscard]] Entry& entry(const std::string& name);
    [[nodiscard]] Result<os::ProcessIdentity> start(const Service& service);
    [[nodiscard]] Result<> wait_ready(const Service& service, const os::ProcessIdentity& process);
    void note_death(Entry& entry);
    void note_alive(Entry& entry);
    void note(Entry& entry);
    void start_again(Entry& entry);
    void end(Entry& entry);

    Directories directories_;
    std::vector<Entry> entries_;
};

}  // namespace loco::platform
