#include "tests/support/tcp_relay.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/support/socket.hpp"

namespace loco::test {
namespace {

constexpr int kLookMs = 20;

// False at the end of the line.
bool carry_some(int from, int to) {
    std::array<char, 16384> bytes{};
    const auto count = ::recv(from, bytes.data(), bytes.size(), 0);
    if (count <= 0) return false;
    for (ssize_t sent = 0; sent < count;) {
        const auto more =
            ::send(to, bytes.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
        if (more <= 0) return false;
        sent += more;
    }
    return true;
}

}  // namespace

TcpRelay::TcpRelay(std::uint16_t upstream) : upstream_(upstream) {
    const auto listening = listen_on_loopback();
    listener_ = listening.fd;
    port_ = listening.port;
    acceptor_ = std::thread([this] { accept(); });
}

TcpRelay::~TcpRelay() {
    stopping_ = true;
    acceptor_.join();
    cut_all();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
}

void TcpRelay::accept() {
    while (!stopping_) {
        pollfd descriptor{.fd = listener_, .events = POLLIN, .revents = 0};
        if (::poll(&descriptor, 1, kLookMs) <= 0 || hangs_) continue;
        const int client = ::accept(listener_, nullptr, nullptr);
        if (client < 0) continue;
        const std::lock_guard lock(mutex_);
        open_.insert(client);
        threads_.emplace_back([this, client] { carry(client); });
    }
}

void TcpRelay::carry(int client) {
    const Connection server = Connection::to(upstream_);
    std::array<pollfd, 2> ends{pollfd{.fd = client, .events = POLLIN, .revents = 0},
                               pollfd{.fd = server.fd(), .events = POLLIN, .revents = 0}};
    bool is_open = server.open();
    while (is_open && !stopping_) {
        if (hangs_) {
            ::poll(nullptr, 0, kLookMs);
            std::array<pollfd, 1> cut{pollfd{.fd = client, .events = POLLRDHUP, .revents = 0}};
            is_open = ::poll(cut.data(), 1, 0) == 0;
            continue;
        }
        if (::poll(ends.data(), ends.size(), kLookMs) <= 0) continue;
        if (ends[0].revents != 0) is_open = carry_some(client, server.fd());
        if (is_open && ends[1].revents != 0) is_open = carry_some(server.fd(), client);
    }
    const std::lock_guard lock(mutex_);
    open_.erase(client);
    ::close(client);
}

void TcpRelay::cut_all() {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

}  // namespace loco::test
