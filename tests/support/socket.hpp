// Plain TCP for tests: a client that never retries and never hides what came over the wire.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace loco::test {

struct RawResponse {
    int status = 0;
    std::map<std::string, std::string> headers = {};  // names in lower case
    std::string body = {};
    [[nodiscard]] std::string header(const std::string& name) const {
        const auto it = headers.find(name);
        return it == headers.end() ? std::string() : it->second;
    }
};

class Connection {
  public:
    Connection() = default;
    explicit Connection(int fd) : fd_(fd) {}
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&& other) noexcept;
    ~Connection();

    // 127.0.0.1:port, from the given loopback address where one is given; not open() when it is refused.
    [[nodiscard]] static Connection to(std::uint16_t port, const char* from = nullptr);

    [[nodiscard]] bool open() const { return fd_ >= 0; }
    [[nodiscard]] int fd() const { return fd_; }
    bool send(std::string_view data);
    // At least one byte within the time, or nothing: the end, a reset, or too late.
    std::optional<std::string> receive_some(
        std::chrono::milliseconds timeout = std::chrono::seconds(10));
    // Reads up to and with `mark`; what follows stays for the next call.
    std::optional<std::string> receive_until(
        std::string_view mark, std::chrono::milliseconds timeout = std::chrono::seconds(10));
    std::optional<std::string> receive_exactly(
        std::size_t count, std::chrono::milliseconds timeout = std::chrono::seconds(10));
    // A whole HTTP/1.1 response (Content-Length, chunked, or up to the end); nothing when it is cut short.
    std::optional<RawResponse> receive_response(
        bool head_only = false, std::chrono::milliseconds timeout = std::chrono::seconds(10));
    // The other side has closed, seen within the time.
    bool closed_within(std::chrono::milliseconds timeout);
    void close();
    // Closes with a reset.
    void abort();

  private:
    int fd_ = -1;
    std::string buffer_;
};

// Listens on a free port of 127.0.0.1; the socket is the caller's to close.
struct Listening {
    int fd = -1;
    std::uint16_t port = 0;
};
[[nodiscard]] Listening listen_on_loopback();

// A port of 127.0.0.1 that was free just now.
[[nodiscard]] std::uint16_t free_port();

// Asks again every few milliseconds until it holds; false when it did not in time.
template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds timeout = std::chrono::seconds(10));
void pause_briefly();

template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        pause_briefly();
    }
    return true;
}

}  // namespace loco::test
