// Other programs, started with an argument vector; never a shell. Secrets go in through stdin or the
// environment of the child, never through its arguments.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::os {

struct Command {
    std::vector<std::string> argv;  // argv[0] is looked up in PATH unless it has a slash
    std::vector<std::pair<std::string, std::string>> env = {};  // added to the parent's
    std::string directory = {};  // working folder; empty: the parent's
    // Of a daemon: how gladly the kernel takes it when memory is short (proc(5), oom_score_adj); 0: as the parent. Less than the
    // parent's needs a right that not everybody has; without it the daemon is started all the same.
    int oom_score_adj = 0;
};

struct Exit {
    int code = 0;  // 128 + signal when killed by one
    [[nodiscard]] bool ok() const { return code == 0; }
};

struct RunOptions {
    // Called until it gives an empty chunk; what it gives is the child's stdin. Unset: /dev/null.
    std::function<Result<std::string>()> input = {};
    // Chunks as they come, from the calling thread. Unset: thrown away.
    std::function<void(std::string_view)> on_stdout = {};
    std::function<void(std::string_view)> on_stderr = {};
    std::optional<std::chrono::milliseconds> timeout = {};  // then SIGTERM, 5 s later SIGKILL
    // Asked every 100 ms; true: the same as a timeout, the error's kind is interrupted.
    std::function<bool()> cancelled = {};
    // Called once, when it runs.
    std::function<void(pid_t)> on_start = {};
};

// Runs it to its end. not_found when there is no such program. The child is its own process group and
// dies with this process (PR_SET_PDEATHSIG).
[[nodiscard]] Result<Exit> run(const Command& command, const RunOptions& options = {});

// Runs it and gives its stdout (at most max_bytes); an exit other than 0 is an error with the end of its stderr.
[[nodiscard]] Result<std::string> output_of(const Command& command,
                                            std::chrono::milliseconds timeout,
                                            std::size_t max_bytes = 4U << 20);

// Starts a daemon: a session of its own, stdin from /dev/null, stdout and stderr appended to log_file.
// It outlives this process. Gives its process id. Of this process's environment it gets only PATH, HOME, TMPDIR, TZ and the
// locale: what else stands there may be a secret, or steer the daemon (REGISTRY_*).
[[nodiscard]] Result<pid_t> start_daemon(const Command& command, const std::string& log_file);

// A process is known by its id and its start time (field 22 of /proc/PID/stat), so that a reused id is not taken for it.
struct ProcessIdentity {
    pid_t pid = 0;
    unsigned long long start_ticks = 0;
};
[[nodiscard]] std::optional<ProcessIdentity> identify(
    pid_t pid);  // nothing when it is gone or a zombie
[[nodiscard]] bool is_alive(const ProcessIdentity& process);

}  // namespace loco::os
