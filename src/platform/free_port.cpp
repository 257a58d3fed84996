#include "platform/free_port.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "platform/server_config.hpp"

namespace loco::platform {
namespace {

constexpr auto kLetsGoWithin = std::chrono::seconds(1);

// 0, or the errno.
int try_listening(const HostPort& at) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    // As the parts do: connections that ended a moment ago are no listener.
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(at.port);
    ::inet_pton(AF_INET, at.host.c_str(), &address.sin_addr);
    const bool good =
        ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(fd, 1) == 0;
    const int error = good ? 0 : errno;
    ::close(fd);
    return error;
}

}  // namespace

Result<> check_free(const Listener& listener) {
    LOCO_ASSIGN(const auto at, parse_host_port(listener.address));
    const auto end = std::chrono::steady_clock::now() + kLetsGoWithin;
    int error = try_listening(at);
    while (error == EADDRINUSE && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        error = try_listening(at);
    }
    const auto what = listener.who + " can't listen on " + listener.address + ": ";
    const auto port = std::to_string(at.port);
    switch (error) {
        case 0: return {};
        case EADDRINUSE:
            return fail(ErrorKind::unavailable, what + "another program does",
                        "stop it (`ss -ltnp sport = :" + port +
                            "` shows which), or choose another port with `loco up " +
                            listener.flag + " " + at.host + ":PORT`",
                        "port_taken");
        case EACCES:
            return fail(ErrorKind::forbidden, what + "ports below 1024 are for root",
                        "use sudo, or choose another port with `loco up " + listener.flag + "`",
                        "port_forbidden");
        case EADDRNOTAVAIL:
            return fail(ErrorKind::invalid, what + "this machine has no such address",
                        "`ip address` shows those that it has; choose one with `loco up " +
                            listener.flag + "`",
                        "no_such_address");
        default: return fail_errno(error, listener.who + ": listen on " + listener.address);
    }
}

}  // namespace loco::platform
