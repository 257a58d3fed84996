#include "tests/support/socket.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace loco::test {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port, const char* address = "127.0.0.1") {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &result.sin_addr);
    return result;
}

bool readable(int fd, Clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, static_cast<int>(std::max<long long>(left, 0))) > 0;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
        buffer_ = std::move(other.buffer_);
    }
    return *this;
}

Connection::~Connection() { close(); }

Connection Connection::to(std::uint16_t port, const char* from) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (from != nullptr) {
        const auto local = loopback(0, from);
        ::bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof local);
    }
    const auto address = loopback(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return Connection();
    }
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return Connection(fd);
}

bool Connection::send(std::string_view data) {
    while (!data.empty()) {
        const auto n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

std::optional<std::string> Connection::receive_some(std::chrono::milliseconds timeout) {
    if (!buffer_.empty()) return std::exchange(buffer_, {});
    if (fd_ < 0 || !readable(fd_, Clock::now() + timeout)) return std::nullopt;
    std::string data(65536, '\0');
    const auto n = ::recv(fd_, data.data(), data.size(), 0);
    if (n <= 0) return std::nullopt;
    data.resize(static_cast<std::size_t>(n));
    return data;
}

std::optional<std::string> Connection::receive_until(std::string_view mark,
                                                     std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    std::string data;
    while (true) {
        if (const auto at = data.find(mark); at != std::string::npos) {
            buffer_ = data.substr(at + mark.size()) + buffer_;
            data.resize(at + mark.size());
            return data;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        auto more = receive_some(std::max(left, std::chrono::milliseconds(0)));
        if (!more) {
            buffer_ = std::move(data);
            return std::nullopt;
        }
        data += *more;
    }
}

std::optional<std::string> Connection::receive_exactly(std::size_t count,
                                                       std::chrono::milliseconds timeout) {
    std::string data;
    while (data.size() < count) {
        auto more = receive_some(timeout);
        if (!more) return std::nullopt;
        data += *more;
    }
    buffer_ = data.substr(count) + buffer_;
    data.resize(count);
    return data;
}

std::optional<RawResponse> Connection::receive_response(bool head_only,
                                                        std::chrono::milliseconds timeout) {
    auto head = receive_until("\r\n\r\n", timeout);
    if (!head || head->size() < 12) return std::nullopt;
    RawResponse response;
    response.status = std::atoi(head->substr(9, 3).c_str());
    std::size_t at = head->find("\r\n") + 2;
    while (at + 2 < head->size()) {
        const auto end = head->find("\r\n", at);
        const auto colon = head->find(':', at);
        if (colon == std::string::npos || colon > end) return std::nullopt;
        const auto value = head->find_first_not_of(' ', colon + 1);
        response.headers[lower(head->substr(at, colon - at))] =
            head->substr(value, end > value ? end - value : 0);
        at = end + 2;
    }
    if (head_only || response.status == 204 || response.status == 304 || response.status < 200)
        return response;
    if (response.header("transfer-encoding") == "chunked") {
        while (true) {
            const auto size_line = receive_until("\r\n", timeout);
            if (!size_line) return std::nullopt;
            const auto size = std::strtoull(size_line->c_str(), nullptr, 16);
            if (size == 0) {
                for (auto line = receive_until("\r\n", timeout);;
                     line = receive_until("\r\n", timeout)) {
                    if (!line) return std::nullopt;
                    if (*line == "\r\n") return response;
                }
            }
            const auto chunk = receive_exactly(size + 2, timeout);
            if (!chunk) return std::nullopt;
            response.body += chunk->substr(0, size);
        }
    }
    if (const auto length = response.header("content-length"); !length.empty()) {
        auto body = receive_exactly(std::strtoull(length.c_str(), nullptr, 10), timeout);
        if (!body) return std::nullopt;
        response.body = std::move(*body);
        return response;
    }
    while (auto more = receive_some(timeout)) response.body += *more;
    return response;
}

bool Connection::closed_within(std::chrono::milliseconds timeout) {
    if (fd_ < 0) return true;
    const auto deadline = Clock::now() + timeout;
    while (readable(fd_, deadline)) {
        char buffer[65536];
        if (::recv(fd_, buffer, sizeof buffer, 0) <= 0) return true;
    }
    return false;
}

void Connection::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    buffer_.clear();
}

void Connection::abort() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close();
}

// Below the range that connect() takes its own ports from (32768 up): a client that asks a closed port of that range again
// and again is sooner or later connected to itself, and then keeps the port from its server.
Listening listen_on_loopback() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(0);
    socklen_t size = sizeof address;
    ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(fd, 1024);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    return {.fd = fd, .port = ntohs(address.sin_port)};
}

std::uint16_t free_port() {
    static std::atomic<unsigned> next = static_cast<unsigned>(::getpid()) * 7U;
    while (true) {
        const auto port = static_cast<std::uint16_t>(12'000 + next++ % 20'000);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto address = loopback(port);
        const bool free =
            ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        if (free) return port;
    }
}

void pause_briefly() { ::poll(nullptr, 0, 2); }

}  // namespace loco::test
