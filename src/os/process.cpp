#include "os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "os/file.hpp"

namespace loco::os {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr milliseconds kTick{100};
constexpr milliseconds kKillAfter{5'000};

class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        reset();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    ~Descriptor() { reset(); }
    void reset() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool ok() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

struct Pipe {
    Descriptor read;
    Descriptor write;

    static Result<Pipe> make() {
        std::array<int, 2> fds{};
        if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
        return Pipe{.read = Descriptor(fds[0]), .write = Descriptor(fds[1])};
    }
};

// A write to a child that has closed its stdin must give EPIPE, not kill this process.
class BlockedSigpipe {
  public:
    BlockedSigpipe() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &set_, &old_);
    }
    ~BlockedSigpipe() {
        const timespec now{};
        while (sigtimedwait(&set_, nullptr, &now) > 0) {
        }
        pthread_sigmask(SIG_SETMASK, &old_, nullptr);
    }
    BlockedSigpipe(const BlockedSigpipe&) = delete;
    BlockedSigpipe& operator=(const BlockedSigpipe&) = delete;

  private:
    sigset_t set_{};
    sigset_t old_{};
};

// The last path component: enough to name a program in an error; arguments never are.
std::string name_of(const Command& command) {
    const auto& path = command.argv.front();
    return path.substr(path.rfind('/') + 1);
}

Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (true) {
        const auto folder = rest.substr(0, rest.find(':'));
        auto candidate = std::string(folder.empty() ? "." : folder) + "/" + name;
        struct stat info{};
        if (::access(candidate.c_str(), X_OK) == 0 && ::stat(candidate.c_str(), &info) == 0 &&
            S_ISREG(info.st_mode)) {
            return candidate;
        }
        if (folder.size() == rest.size()) break;
        rest.remove_prefix(folder.size() + 1);
    }
    return fail(ErrorKind::not_found, "no program " + name + " in PATH",
                "install " + name + ", or add its folder to PATH", "program_not_found");
}

bool everything(std::string_view) { return true; }

bool for_daemons(std::string_view name) {
    constexpr std::array kNames{"PATH", "HOME", "TMPDIR", "TZ", "LANG"};
    return name.starts_with("LC_") || std::ranges::find(kNames, name) != kNames.end();
}

// Everything the child needs, made before the fork: between fork and exec only async-signal-safe
// calls.
struct Image {
    std::string program;
    std::vector<std::string> env;
    std::vector<char*> argv_pointers;
    std::vector<char*> env_pointers;
    std::string directory;
    std::string oom_score_adj;

    static Result<Image> prepare(const Command& command, bool (*passes_on)(std::string_view)) {
        LOCO_CHECK(!command.argv.empty());
        Image image;
        LOCO_ASSIGN(image.program, find_program(command.argv.front()));
        image.directory = command.directory;
        if (command.oom_score_adj != 0) image.oom_score_adj = std::to_string(command.oom_score_adj);
        for (char** entry = environ; *entry != nullptr; ++entry) {
            const std::string_view text = *entry;
            const auto name = text.substr(0, text.find('='));
            bool replaced = false;
            for (const auto& [added, value] : command.env) replaced = replaced || added == name;
            if (!replaced && passes_on(name)) image.env.emplace_back(text);
        }
        for (const auto& [name, value] : command.env) image.env.push_back(name + "=" + value);
        for (const auto& arg : command.argv) {
            image.argv_pointers.push_back(const_cast<char*>(arg.c_str()));
        }
        for (auto& entry : image.env) image.env_pointers.push_back(entry.data());
        image.argv_pointers.push_back(nullptr);
        image.env_pointers.push_back(nullptr);
        return image;
    }
};

// What a child reports before exec; nothing (end of file) means that exec worked.
struct Report {
    int error = 0;
    bool in_directory = false;  // chdir failed, not exec
    pid_t pid = 0;
};

void set_oom_score_adj(const std::string& value) {
    if (value.empty()) return;
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    [[maybe_unused]] const auto n = ::write(file, value.data(), value.size());
    ::close(file);
}

void reset_signals() {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void exec_child(const Image& image, int in, int out, int err, int report_fd) {
    Report report;
    // Through high numbers first, so that no dup2 overwrites a descriptor that is still needed.
    const int high_in = ::fcntl(in, F_DUPFD_CLOEXEC, 10);
    const int high_out = ::fcntl(out, F_DUPFD_CLOEXEC, 10);
    const int high_err = ::fcntl(err, F_DUPFD_CLOEXEC, 10);
    const int high_report = ::fcntl(report_fd, F_DUPFD_CLOEXEC, 10);
    ::dup2(high_in, 0);
    ::dup2(high_out, 1);
    ::dup2(high_err, 2);
    // Descriptors of others that lack O_CLOEXEC do not leak into the program. No harm where the
    // kernel has no such call.
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    reset_signals();
    if (!image.directory.empty() && ::chdir(image.directory.c_str()) != 0) {
        report.in_directory = true;
    } else {
        ::execve(image.program.c_str(), image.argv_pointers.data(), image.env_pointers.data());
    }
    report.error = errno;
    [[maybe_unused]] const auto n = ::write(high_report, &report, sizeof report);
    ::_exit(127);
}

bool read_report(int fd, Report& report) {
    ssize_t n = 0;
    do {
        n = ::read(fd, &report, sizeof report);
    } while (n < 0 && errno == EINTR);
    return n == static_cast<ssize_t>(sizeof report);
}

std::unexpected<Error> start_failure(const Command& command, const Report& report) {
    if (report.in_directory) {
        return fail_errno(report.error, "go to " + command.directory + " for " + name_of(command));
    }
    return fail_errno(report.error, "start " + name_of(command));
}

// Signals wait while the child of a fork still has this process's handlers.
class BlockedSignals {
  public:
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old_);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;

  private:
    sigset_t old_{};
};

struct Child {
    pid_t pid = 0;
    Descriptor exited;  // a pidfd, or nothing on kernels without
    Descriptor in, out, err;
};

Result<Child> start_child(const Command& command, bool with_input) {
    LOCO_ASSIGN(const auto image, Image::prepare(command, everything));
    LOCO_ASSIGN(auto report, Pipe::make());
    LOCO_ASSIGN(auto out, Pipe::make());
    LOCO_ASSIGN(auto err, Pipe::make());
    Pipe in;
    if (with_input) {
        LOCO_ASSIGN(in, Pipe::make());
    } else {
        in.read = Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if (!in.read.ok()) return fail_errno(errno, "open /dev/null");
    }

    const pid_t parent = ::getpid();
    pid_t pid = 0;
    {
        const BlockedSignals blocked;
        pid = ::fork();
        if (pid == 0) {
            ::setpgid(0, 0);
            // The kernel sends it when the thread that forked ends; that thread waits in run() for
            // as long as the child lives.
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            if (::getppid() != parent) ::_exit(127);
            exec_child(image, in.read.get(), out.write.get(), err.write.get(), report.write.get());
        }
    }
    if (pid < 0) return fail_errno(errno, "start " + name_of(command));
    ::setpgid(pid, pid);  // also here: whichever of the two runs first
    report.write.reset();
    Report problem;
    if (read_report(report.read.get(), problem)) {
        ::waitpid(pid, nullptr, 0);
        return start_failure(command, problem);
    }
    for (const int fd : {out.read.get(), err.read.get(), in.write.get()}) {
        if (fd >= 0) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return Child{.pid = pid,
                 .exited = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
                 .in = std::move(in.write),
                 .out = std::move(out.read),
                 .err = std::move(err.read)};
}

// One run from start to end: moves bytes between the child's pipes and the callbacks.
class Run {
  public:
    Run(Child child, const RunOptions& options, std::string name)
        : child_(std::move(child)), options_(options), name_(std::move(name)) {
        if (options.timeout) deadline_ = SteadyClock::now() + *options.timeout;
    }

    Result<Exit> to_end() {
        while (!has_exited()) {
            check_limits();
            wait();
            feed();
            drain(child_.out, options_.on_stdout);
            drain(child_.err, options_.on_stderr);
        }
        // What the child left in the pipes. Not until end of file: a grandchild may keep them open.
        drain_all(child_.out, options_.on_stdout);
        drain_all(child_.err, options_.on_stderr);
        // While the child is a zombie its process group's id cannot be reused.
        if (stopped_) ::kill(-child_.pid, SIGKILL);
        int status = 0;
        while (::waitpid(child_.pid, &status, 0) < 0) {
            if (errno != EINTR) return fail_errno(errno, "wait for " + name_);
        }
        if (stopped_) return std::unexpected(std::move(*stopped_));
        return Exit{WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
    }

  private:
    [[nodiscard]] bool has_exited() const {
        siginfo_t info{};
        const int rc =
            ::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOWAIT | WNOHANG);
        return rc != 0 ? errno != EINTR : info.si_pid == child_.pid;
    }

    void check_limits() {
        const auto now = SteadyClock::now();
        if (stopped_) {
            if (now >= kill_at_) ::kill(-child_.pid, SIGKILL);
            return;
        }
        if (deadline_ && now >= *deadline_) {
            stop(Error{.kind = ErrorKind::unavailable,
                       .message = name_ + " was stopped: it took longer than " +
                                  std::to_string(options_.timeout->count()) + " ms",
                       .code = "timed_out"});
        } else if (options_.cancelled && now >= next_ask_) {
            next_ask_ = now + kTick;
            if (options_.cancelled()) {
                stop(Error{.kind = ErrorKind::interrupted, .message = name_ + " was cancelled"});
            }
        }
    }

    void stop(Error error) {
        if (stopped_) return;
        stopped_ = std::move(error);
        kill_at_ = SteadyClock::now() + kKillAfter;
        child_.in.reset();
        ::kill(-child_.pid, SIGTERM);
    }

    void wait() {
        std::array<pollfd, 4> fds{
            pollfd{child_.out.get(), POLLIN, 0}, pollfd{child_.err.get(), POLLIN, 0},
            pollfd{child_.in.get(), POLLOUT, 0}, pollfd{child_.exited.get(), POLLIN, 0}};
        ::poll(fds.data(), fds.size(), static_cast<int>(kTick.count()));
    }

    void feed() {
        if (!child_.in.ok()) return;
        if (pending_.empty()) {
            pollfd writable{child_.in.get(), POLLOUT, 0};
            if (::poll(&writable, 1, 0) <= 0) return;
            auto chunk = options_.input();
            if (!chunk) return stop(std::move(chunk).error());
            if (chunk->empty()) return child_.in.reset();
            pending_ = std::move(*chunk);
            written_ = 0;
        }
        const auto n =
            ::write(child_.in.get(), pending_.data() + written_, pending_.size() - written_);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n < 0)
            return child_.in
                .reset();  // the child wants no more: its exit tells whether that is a failure
        written_ += static_cast<std::size_t>(n);
        if (written_ == pending_.size()) pending_.clear();
    }

    // One read: false when there was nothing.
    bool drain(Descriptor& fd, const std::function<void(std::string_view)>& sink) {
        if (!fd.ok()) return false;
        const auto n = ::read(fd.get(), buffer_.data(), buffer_.size());
        if (n > 0) {
            if (sink) sink(std::string_view(buffer_.data(), static_cast<std::size_t>(n)));
            return true;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) fd.reset();
        return false;
    }

    void drain_all(Descriptor& fd, const std::function<void(std::string_view)>& sink) {
        // A pipe holds 64 KiB by default and 1 MiB at most: more than this is a grandchild that
        // writes on.
        for (int i = 0; i < 64 && drain(fd, sink); ++i) {
        }
    }

    Child child_;
    const RunOptions& options_;
    std::string name_;
    BlockedSigpipe no_sigpipe_;
    std::optional<SteadyClock::time_point> deadline_;
    SteadyClock::time_point next_ask_;
    SteadyClock::time_point kill_at_;
    std::optional<Error> stopped_;
    std::string pending_;
    std::size_t written_ = 0;
    std::array<char, 65536> buffer_;
};

// The last lines of a program's stderr, for an error.
std::string tail_of(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

}  // namespace

Result<Exit> run(const Command& command, const RunOptions& options) {
    LOCO_ASSIGN(auto child, start_child(command, static_cast<bool>(options.input)));
    if (options.on_start) options.on_start(child.pid);
    return Run(std::move(child), options, name_of(command)).to_end();
}

Result<std::string> output_of(const Command& command, milliseconds timeout, std::size_t max_bytes) {
    constexpr std::size_t kTail = 4096;
    std::string out;
    std::string err;
    bool overflow = false;
    const auto result = run(command, {.on_stdout =
                                          [&](std::string_view chunk) {
                                              overflow =
                                                  overflow || out.size() + chunk.size() > max_bytes;
                                              if (!overflow) out += chunk;
                                          },
                                      .on_stderr =
                                          [&](std::string_view chunk) {
                                              err += chunk;
                                              if (err.size() > kTail)
                                                  err.erase(0, err.size() - kTail);
                                          },
                                      .timeout = timeout,
                                      .cancelled = [&] { return overflow; }});
    if (overflow) {
        return fail(ErrorKind::too_large,
                    name_of(command) + " gave more than " + std::to_string(max_bytes) + " bytes");
    }
    if (!result) return std::unexpected(result.error());
    if (!result->ok()) {
        auto message = name_of(command) + " ended with " + std::to_string(result->code);
        if (const auto tail = tail_of(std::move(err)); !tail.empty()) message += ": " + tail;
        return fail(ErrorKind::internal, std::move(message), {}, "program_failed");
    }
    return out;
}

Result<pid_t> start_daemon(const Command& command, const std::string& log_file) {
    LOCO_ASSIGN(const auto image, Image::prepare(command, for_daemons));
    LOCO_ASSIGN(auto report, Pipe::make());
    const Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null.ok()) return fail_errno(errno, "open /dev/null");
    const Descriptor log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log.ok()) return fail_errno(errno, "open " + log_file);

    pid_t middle = 0;
    {
        const BlockedSignals blocked;
        middle = ::fork();
        if (middle == 0) {
            // A second fork, so that the daemon is init's child and never a zombie of ours.
            const pid_t daemon = ::fork();
            if (daemon != 0) ::_exit(daemon < 0 ? 1 : 0);
            ::setsid();
            set_oom_score_adj(image.oom_score_adj);
            const Report started{.error = 0, .in_directory = false, .pid = ::getpid()};
            if (::write(report.write.get(), &started, sizeof started) < 0) ::_exit(127);
            exec_child(image, null.get(), log.get(), log.get(), report.write.get());
        }
    }
    if (middle < 0) return fail_errno(errno, "start " + name_of(command));
    report.write.reset();
    while (::waitpid(middle, nullptr, 0) < 0 && errno == EINTR) {
    }
    Report started;
    if (!read_report(report.read.get(), started)) {
        return fail(ErrorKind::unavailable, "start " + name_of(command) + ": no more processes");
    }
    Report problem;
    if (read_report(report.read.get(), problem)) return start_failure(command, problem);
    return started.pid;
}

std::optional<ProcessIdentity> identify(pid_t pid) {
    const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 8192);
    if (!stat) return std::nullopt;
    // The name, in parentheses, may itself hold spaces and parentheses: fields count from the last
    // one.
    const auto name_end = stat->rfind(')');
    if (name_end == std::string::npos || name_end + 2 >= stat->size()) return std::nullopt;
    std::string_view rest = std::string_view(*stat).substr(name_end + 2);
    const char state = rest.front();
    if (state == 'Z' || state == 'X') return std::nullopt;
    constexpr int kState = 3;
    constexpr int kStartTime = 22;
    for (int field = kState; field < kStartTime; ++field) {
        const auto space = rest.find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        rest.remove_prefix(space + 1);
    }
    ProcessIdentity identity{.pid = pid};
    const auto parsed =
        std::from_chars(rest.data(), rest.data() + rest.size(), identity.start_ticks);
    if (parsed.ec != std::errc()) return std::nullopt;
    return identity;
}

bool is_alive(const ProcessIdentity& process) {
    const auto now = identify(process.pid);
    return now && now->start_ticks == process.start_ticks;
}

}  // namespace loco::os
