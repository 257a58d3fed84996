// A server that says exactly the bytes a test wants, over TCP or a Unix socket: one thread a
// connection.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace loco::http::test {

class RawConnection {
  public:
    explicit RawConnection(int fd) : fd_(fd) {}
    ~RawConnection() { ::close(fd_); }
    RawConnection(const RawConnection&) = delete;
    RawConnection& operator=(const RawConnection&) = delete;

    // What came until `end` was seen (included), or until the peer closed.
    std::string read_until(std::string_view end) {
        while (true) {
            if (const auto at = buffer_.find(end); at != std::string::npos) {
                auto text = buffer_.substr(0, at + end.size());
                buffer_.erase(0, text.size());
                return text;
            }
            if (!fill()) return std::exchange(buffer_, {});
        }
    }
    std::string read_bytes(std::size_t count) {
        while (buffer_.size() < count && fill()) {
        }
        auto text = buffer_.substr(0, count);
        buffer_.erase(0, text.size());
        return text;
    }
    std::string read_head() { return read_until("\r\n\r\n"); }
    // Everything until the peer closes or nothing came for 10 s.
    std::string read_to_end() {
        while (fill()) {
        }
        return std::exchange(buffer_, {});
    }
    bool send(std::string_view text) {
        while (!text.empty()) {
            const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            text.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    // True when the peer closes within the time.
    bool closed_within(int ms) {
        pollfd p{fd_, POLLIN, 0};
        if (::poll(&p, 1, ms) <= 0) return false;
        char c = 0;
        return ::recv(fd_, &c, 1, MSG_PEEK) <= 0;
    }
    [[nodiscard]] int fd() const { return fd_; }

  private:
    bool fill() {
        pollfd p{fd_, POLLIN, 0};
        if (::poll(&p, 1, 10'000) <= 0) return false;
        char chunk[65536];
        const auto n = ::recv(fd_, chunk, sizeof chunk, 0);
        if (n <= 0) return false;
        buffer_.append(chunk, static_cast<std::size_t>(n));
        return true;
    }
    int fd_;
    std::string buffer_;
};

class RawServer {
  public:
    using Script = std::function<void(RawConnection&)>;

    explicit RawServer(Script script, const std::string& unix_path = {})
        : script_(std::move(script)) {
        if (unix_path.empty()) {
            listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t length = sizeof address;
            ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
            port_ = ntohs(address.sin_port);
        } else {
            listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
            ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
        }
        ::listen(listener_, 1024);
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~RawServer() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        ::close(listener_);
        for (auto& thread : connections_) thread.join();
    }
    RawServer(const RawServer&) = delete;
    RawServer& operator=(const RawServer&) = delete;

    [[nodiscard]] std::string url(std::string_view path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
    }
    [[nodiscard]] int connections() const { return accepted_; }

  private:
    void accept_all() {
        while (!stopping_) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            ++accepted_;
            connections_.emplace_back([this, fd] {
                RawConnection connection(fd);
                script_(connection);
            });
        }
    }
    Script script_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<int> accepted_ = 0;
    std::atomic<bool> stopping_ = false;
    std::thread acceptor_;
    std::vector<std::thread> connections_;
};

// A connected client socket that says exactly the bytes a test wants.
inline int connect_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

inline std::string ok(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

}  // namespace loco::http::test
