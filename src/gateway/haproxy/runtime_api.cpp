#include "gateway/haproxy/runtime_api.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace loco::gateway::haproxy {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxAnswer = 64U << 20;
constexpr std::string_view kPrompt = "\n> ";

std::unexpected<Error> unavailable(const std::string& name, std::string_view why) {
    return fail(ErrorKind::unavailable,
                "the gateway (HAProxy) does not answer on " + name + ": " + std::string(why),
                "it is started by `loco up`; see its log", "gateway_unavailable");
}

// Waits for the event; false when the deadline passed.
bool wait_for(int fd, short events, Clock::time_point deadline) {
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) return false;
        pollfd poll{fd, events, 0};
        const int ready = ::poll(&poll, 1, static_cast<int>(left));
        if (ready > 0) return true;
        if (ready == 0 || errno != EINTR) return false;
    }
}

Result<int> connect_to(const std::filesystem::path& socket, std::chrono::milliseconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto& path = socket.native();
    if (path.size() >= sizeof address.sun_path) return unavailable(path, "its path is too long");
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail_errno(errno, "open a socket");
    const auto deadline = Clock::now() + timeout;
    while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        // A Unix socket's queue is full: it says so at once and there is nothing to wait on.
        if (error == EAGAIN && Clock::now() < deadline) {
            ::poll(nullptr, 0, 2);
            continue;
        }
        ::close(fd);
        return unavailable(path, std::strerror(error));
    }
    return fd;
}

Result<> send_all(int fd, std::string_view text, Clock::time_point deadline,
                  const std::string& name) {
    while (!text.empty()) {
        const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (n > 0) {
            text.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, deadline)) return unavailable(name, "it takes no orders");
        } else if (errno != EINTR) {
            return unavailable(name, std::strerror(errno));
        }
    }
    return {};
}

// Up to the prompt, or with until_end up to the connection's end.
Result<std::string> receive(int fd, bool until_end, Clock::time_point deadline,
                            const std::string& name) {
    std::string text;
    char buffer[65536];
    while (until_end || !text.ends_with(kPrompt)) {
        const auto n = ::recv(fd, buffer, sizeof buffer, 0);
        if (n > 0) {
            text.append(buffer, static_cast<std::size_t>(n));
            if (text.size() > kMaxAnswer)
                return fail(ErrorKind::too_large, "HAProxy's answer is larger than 64 MiB");
        } else if (n == 0) {
            if (until_end) return text;
            return unavailable(name, "it closed the connection");
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLIN, deadline)) return unavailable(name, "no answer in time");
        } else if (errno != EINTR) {
            return unavailable(name, std::strerror(errno));
        }
    }
    text.resize(text.size() - kPrompt.size());
    return text;
}

std::string_view next_line(std::string_view& text) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto end = text.find(by);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

int number_of(std::string_view text) {
    int value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

Result<RuntimeSession> RuntimeSession::open(const std::filesystem::path& socket,
                                            std::chrono::milliseconds timeout) {
    LOCO_ASSIGN(const int fd, connect_to(socket, timeout));
    RuntimeSession session(fd, timeout, socket.string());
    LOCO_TRY(session.ask("prompt"));
    return session;
}

RuntimeSession::RuntimeSession(RuntimeSession&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), timeout_(other.timeout_), name_(std::move(other.name_)) {}

RuntimeSession::~RuntimeSession() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::string> RuntimeSession::ask(std::string_view command) {
    const auto deadline = Clock::now() + timeout_;
    LOCO_TRY(send_all(fd_, std::string(command) + "\n", deadline, name_));
    return receive(fd_, /*until_end=*/false, deadline, name_);
}

Result<> RuntimeSession::order(std::string_view command,
                               std::initializer_list<std::string_view> expected) {
    LOCO_ASSIGN(auto answer, ask(command));
    while (!answer.empty() && (answer.back() == '\n' || answer.back() == ' ')) answer.pop_back();
    if (answer.empty() ||
        std::ranges::any_of(expected, [&](auto e) { return answer.starts_with(e); }))
        return {};
    return fail(Error{.kind = ErrorKind::internal,
                      .message = "HAProxy refused an order: " + answer.substr(0, 300),
                      .context = {{"order", std::string(command.substr(0, 300))}}});
}

Result<std::string> ask_once(const std::filesystem::path& socket, std::string_view command,
                             std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    auto connected = connect_to(socket, timeout);
    std::error_code error;
    // While a reload replaces the master, its socket refuses for a moment.
    while (!connected && Clock::now() < deadline && std::filesystem::exists(socket, error)) {
        ::poll(nullptr, 0, 5);
        connected = connect_to(socket, timeout);
    }
    LOCO_ASSIGN(const int fd, std::move(connected));
    auto sent = send_all(fd, std::string(command) + "\n", deadline, socket.string());
    ::shutdown(fd, SHUT_WR);  // else it waits for the next command
    auto answer = sent ? receive(fd, /*until_end=*/true, deadline, socket.string())
                       : Result<std::string>(std::unexpected(std::move(sent.error())));
    ::close(fd);
    return answer;
}

std::string escaped(std::string_view argument) {
    std::string text;
    for (const char c : argument) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || std::string_view("._-/:|").contains(c);
        if (!plain) text += '\\';
        text += c;
    }
    return text;
}

Result<std::vector<Row>> parse_csv(std::string_view text,
                                   const std::vector<std::string_view>& columns) {
    auto head = next_line(text);
    if (head.starts_with("# ")) head.remove_prefix(2);
    const auto names = split(head, ',');
    std::vector<std::pair<std::size_t, std::string_view>> wanted;
    for (const auto column : columns) {
        const auto found = std::ranges::find(names, column);
        if (found != names.end())
            wanted.emplace_back(static_cast<std::size_t>(found - names.begin()), column);
    }
    if (wanted.size() != columns.size()) {
        return fail(ErrorKind::internal,
                    "HAProxy answered no table: " + std::string(head.substr(0, 100)));
    }
    std::vector<Row> rows;
    while (!text.empty()) {
        const auto line = next_line(text);
        if (line.empty()) continue;
        const auto values = split(line, ',');
        Row row;
        for (const auto& [index, name] : wanted) {
            row.emplace(name, index < values.size() ? values[index] : std::string_view());
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

Result<std::vector<ServerState>> parse_servers(std::string_view text) {
    if (next_line(text) != "1") {
        return fail(ErrorKind::internal,
                    "HAProxy's `show servers state` has another version than Loco knows");
    }
    constexpr int kMaintenance = 0x01 | 0x02 | 0x04;  // forced, inherited, by configuration
    constexpr int kDrain = 0x08 | 0x10;
    std::vector<ServerState> servers;
    while (!text.empty()) {
        const auto line = next_line(text);
        if (line.empty() || line.starts_with('#')) continue;
        const auto fields = split(line, ' ');
        if (fields.size() < 19)
            return fail(ErrorKind::internal, "HAProxy's `show servers state` is cut short");
        const int admin = number_of(fields[6]);
        servers.push_back({.backend = std::string(fields[1]),
                           .name = std::string(fields[3]),
                           .address = std::string(fields[4]),
                           .port = number_of(fields[18]),
                           .maintenance = (admin & kMaintenance) != 0,
                           .draining = (admin & kDrain) != 0});
    }
    return servers;
}

std::map<std::string, std::string> parse_map(std::string_view text) {
    std::map<std::string, std::string> entries;
    while (!text.empty()) {
        const auto fields = split(next_line(text), ' ');
        if (fields.size() < 2) continue;
        const auto value = fields.size() > 2 ? fields[2] : std::string_view();
        const auto [it, first] = entries.emplace(fields[1], value);
        if (!first) it->second.clear();
    }
    return entries;
}

// "# old workers" is followed by "PID worker [was: 1] RELOADS UPTIME …" lines, up to the next "#".
std::vector<int> parse_old_workers(std::string_view text) {
    std::vector<int> pids;
    bool old = false;
    while (!text.empty()) {
        const auto line = next_line(text);
        if (line.starts_with('#')) {
            old = line.starts_with("# old workers");
        } else if (old) {
            if (const int pid = number_of(line); pid > 0) pids.push_back(pid);
        }
    }
    return pids;
}

}  // namespace loco::gateway::haproxy
