#include "tests/support/upstream.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace loco::test {
namespace {

std::string header_of(const std::string& head, const std::string& name) {
    std::string lowered;
    for (const char c : head)
        lowered += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto at = lowered.find("\r\n" + name + ":");
    if (at == std::string::npos) return {};
    const auto value = lowered.find_first_not_of(' ', at + name.size() + 3);
    return head.substr(value, head.find("\r\n", value) - value);
}

}  // namespace

Upstream::Upstream(std::string name) : name_(std::move(name)) {
    const auto listening = listen_on_loopback();
    listener_ = listening.fd;
    port_ = listening.port;
    acceptor_ = std::thread([this] { accept(); });
}

Upstream::~Upstream() {
    kill();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
}

void Upstream::accept() {
    while (true) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            ::close(fd);
            return;
        }
        all_.insert(fd);
        threads_.emplace_back([this, fd] { serve(Connection(fd)); });
    }
}

void Upstream::serve(Connection connection) {
    const int fd = connection.fd();
    while (true) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) break;
            idle_.insert(fd);
        }
        const auto head = connection.receive_until("\r\n\r\n", std::chrono::seconds(120));
        {
            const std::lock_guard lock(mutex_);
            idle_.erase(fd);
        }
        if (!head || !answer(connection, *head)) break;
    }
    const std::lock_guard lock(mutex_);
    idle_.erase(fd);
    all_.erase(fd);
    connection.close();
}

bool Upstream::answer(Connection& connection, const std::string& head) {
    ++requests_;
    const auto target_at = head.find(' ') + 1;
    const auto target = head.substr(target_at, head.find(' ', target_at) - target_at);
    const auto path = target.substr(0, target.find('?'));
    std::uint64_t body = 0;
    if (header_of(head, "expect") == "100-continue")
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    if (header_of(head, "transfer-encoding") == "chunked") {
        while (true) {
            const auto line = connection.receive_until("\r\n");
            if (!line) return false;
            const auto size = std::strtoull(line->c_str(), nullptr, 16);
            if (!connection.receive_exactly(size + 2)) return false;
            if (size == 0) break;
            body += size;
        }
    } else if (const auto length = header_of(head, "content-length"); !length.empty()) {
        body = std::strtoull(length.c_str(), nullptr, 10);
        for (std::uint64_t got = 0; got < body;) {
            const auto part = std::min<std::uint64_t>(body - got, 65536);
            if (!connection.receive_exactly(part)) return false;
            got += part;
        }
    }
    const auto common = "X-Instance: " + name_ + "\r\nX-Path: " + target +
                        "\r\nX-Body: " + std::to_string(body) + "\r\n";

    if (path.ends_with("/ws")) {
        // RFC 6455 section 1.3: the answer to the key dGhlIHNhbXBsZSBub25jZQ==, the only one that tests use.
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
            common + "\r\n");
        while (auto data = connection.receive_some(std::chrono::seconds(120))) {
            if (!connection.send(*data)) break;
        }
        return false;
    }
    if (path.ends_with("/events")) {
        connection.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" +
            common + "\r\n");
        std::unique_lock lock(mutex_);
        auto seen = emitted_;
        while (connection.send("9\r\ndata: x\n\n\r\n")) {
            changed_.wait(lock, [&] { return emitted_ != seen || stopping_; });
            if (emitted_ == seen) break;
            ++seen;
        }
        return false;
    }
    if (path.ends_with("/close")) return false;
    if (path.ends_with("/hold")) {
        std::unique_lock lock(mutex_);
        const auto before = released_;
        ++held_;
        changed_.wait(lock, [&] { return released_ != before || killed_; });
        --held_;
        if (killed_) return false;
    }
    const auto content = path.ends_with("/big") ? std::string(1U << 20, 'b') : head;
    const bool last = stopping_ || head.starts_with("HEAD ");
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) +
                    "\r\n" + common + (last ? "Connection: close\r\n\r\n" : "\r\n") +
                    (head.starts_with("HEAD ") ? "" : content));
    return !last;
}

void Upstream::release() {
    const std::lock_guard lock(mutex_);
    ++released_;
    changed_.notify_all();
}

void Upstream::emit() {
    const std::lock_guard lock(mutex_);
    ++emitted_;
    changed_.notify_all();
}

void Upstream::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
        for (const int fd : idle_) ::shutdown(fd, SHUT_RDWR);
        changed_.notify_all();
    }
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
}

void Upstream::kill() {
    {
        const std::lock_guard lock(mutex_);
        killed_ = true;
        for (const int fd : all_) ::shutdown(fd, SHUT_RDWR);
        changed_.notify_all();
    }
    stop();
}

}  // namespace loco::test
