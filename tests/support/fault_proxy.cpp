#include "tests/support/fault_proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

namespace loco::test {
namespace {

std::size_t length_of_body(const std::string& head) {
    std::string lowered;
    for (const char c : head)
        lowered += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto at = lowered.find("\r\ncontent-length:");
    return at == std::string::npos ? 0 : std::strtoul(lowered.c_str() + at + 17, nullptr, 10);
}

// Until one of the two has ended, or was shut.
void pass_on(Connection& from, Connection& to) {
    while (true) {
        pollfd waiting[2] = {{from.fd(), POLLIN, 0}, {to.fd(), POLLRDHUP, 0}};
        if (::poll(waiting, 2, -1) < 0 || waiting[1].revents != 0) return;
        const auto piece = from.receive_some();
        if (!piece || !to.send(*piece)) return;
    }
}

}  // namespace

FaultProxy::FaultProxy(std::uint16_t upstream) : upstream_(upstream) {
    const auto listening = listen_on_loopback();
    listener_ = listening.fd;
    port_ = listening.port;
    acceptor_ = std::thread([this] { accept(); });
}

FaultProxy::~FaultProxy() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    cut_all();
    for (auto& thread : threads_) thread.join();
    ::close(listener_);
}

void FaultProxy::set_rule(Rule rule) {
    const std::lock_guard lock(mutex_);
    rule_ = std::move(rule);
}

void FaultProxy::cut_all() {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

void FaultProxy::accept() {
    while (!stopping_) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        open_.insert(fd);
        threads_.emplace_back([this, fd] {
            serve(Connection(::dup(fd)));
            const std::lock_guard closing(mutex_);
            open_.erase(fd);
            ::close(fd);
        });
    }
}

void FaultProxy::serve(Connection client) {
    auto head = client.receive_until("\r\n\r\n");
    if (!head) return;
    const auto body = client.receive_exactly(length_of_body(*head));
    const auto line_end = head->find("\r\n");
    Fault fault;
    {
        const std::lock_guard lock(mutex_);
        if (rule_) fault = rule_(head->substr(0, line_end));
    }
    // The client then takes the connection for ended at the answer's end, in each case.
    if (fault.type == Fault::Type::answer) client.send(fault.answer);
    if (fault.type == Fault::Type::answer || fault.type == Fault::Type::cut_before || !body) {
        ::shutdown(client.fd(), SHUT_RDWR);
        return;
    }
    if (!fault.ask.empty()) head->replace(0, line_end, fault.ask);
    head->insert(head->find("\r\n") + 2, "Connection: close\r\n");
    auto server = Connection::to(upstream_);
    if (!server.open() || !server.send(*head + *body)) return;
    ++passed_;
    if (fault.type == Fault::Type::cut_after) {
        (void)server.receive_some();  // the server has done it
    } else {
        pass_on(server, client);
    }
    ::shutdown(client.fd(), SHUT_RDWR);
}

}  // namespace loco::test
