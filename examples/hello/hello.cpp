// A web server in one file and one static program: GET / greets, GET /healthz is for health checks.
// One thread, one poll(2) loop; HTTP/1.1 with keep-alive; on SIGTERM it answers what it has and ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kMaxConnections = 512;
constexpr std::size_t kMaxRequest = 16 * 1024;

volatile sig_atomic_t stopping = 0;

struct Connection {
    int fd;
    std::string in{};
    std::string out{};
    bool close_after = false;
};

std::string environment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

// Values of the environment are Loco's own, but a page escapes what it did not write itself.
std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '&')
            out += "&amp;";
        else
            out += c;
    }
    return out;
}

std::string page() {
    return "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
           "content=width=device-width>"
           "<title>Hello from Loco</title>"
           "<style>body{font:18px/1.6 system-ui,sans-serif;max-width:36em;margin:15vh "
           "auto;padding:0 1em}"
           "h1{font-size:2.4em;margin:0}code{background:#8882;padding:.1em "
           ".3em;border-radius:.2em}</style>"
           "<h1>Hello from Loco</h1><p>This is <code>" +
           escaped(environment("LOCO_APP", "hello")) + "</code>, release <code>" +
           escaped(environment("LOCO_RELEASE", "none")) + "</code>, instance <code>" +
           escaped(environment("LOCO_INSTANCE", "none")) +
           "</code>.</p>"
           "<p>Change <code>examples/hello/hello.cpp</code>, run <code>examples/hello/build</code> "
           "and "
           "<code>loco deploy examples/hello</code>: the next release takes over without a failed "
           "request.</p></html>\n";
}

std::string answer(std::string_view status, std::string_view type, std::string_view body,
                   bool with_body, bool close) {
    std::string out = "HTTP/1.1 ";
    out.append(status).append("\r\nContent-Type: ").append(type);
    out.append("\r\nContent-Length: ").append(std::to_string(body.size()));
    out.append(close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
    if (with_body) out.append(body);
    return out;
}

// Takes one request from `in`, if it is whole, and puts its answer into `out`. Bodies are not read: who sends one is
// answered and hung up on.
bool serve_one(Connection& c) {
    const auto end = c.in.find("\r\n\r\n");
    if (end == std::string::npos) {
        if (c.in.size() < kMaxRequest) return false;
        c.out +=
            answer("431 Request Header Fields Too Large", "text/plain", "too large\n", true, true);
        c.close_after = true;
        c.in.clear();
        return true;
    }
    const std::string head = c.in.substr(0, end + 2);
    c.in.erase(0, end + 4);
    std::string lower;
    for (char ch : head) lower += ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 32) : ch;

    const auto first = head.find(' ');
    const auto second = head.find(' ', first + 1);
    const std::string method = head.substr(0, first);
    const std::string path =
        second == std::string::npos ? "" : head.substr(first + 1, second - first - 1);
    const bool has_body = lower.find("\r\ntransfer-encoding:") != std::string::npos ||
                          (lower.find("\r\ncontent-length:") != std::string::npos &&
                           lower.find("\r\ncontent-length: 0\r\n") == std::string::npos);
    c.close_after = stopping || has_body ||
                    lower.find("\r\nconnection: close") != std::string::npos ||
                    head.find(" HTTP/1.0\r\n") != std::string::npos;

    const bool with_body = method != "HEAD";
    if (method != "GET" && method != "HEAD") {
        c.out += answer("405 Method Not Allowed", "text/plain", "GET only\n", true, c.close_after);
    } else if (path == "/healthz") {
        c.out += answer("200 OK", "text/plain", "ok\n", with_body, c.close_after);
    } else if (path == "/" || path.starts_with("/?")) {
        c.out += answer("200 OK", "text/html; charset=utf-8", page(), with_body, c.close_after);
        std::printf("%s %s 200\n", method.c_str(), path.c_str());
    } else {
        c.out += answer("404 Not Found", "text/plain", "not found\n", with_body, c.close_after);
    }
    return true;
}

// Reads, answers, writes; false: the connection is over.
bool step(Connection& c, short events) {
    if (events & (POLLIN | POLLHUP | POLLERR)) {
        char buffer[8192];
        const ssize_t n = recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return false;
        if (n > 0) c.in.append(buffer, static_cast<std::size_t>(n));
    }
    while (!c.close_after && serve_one(c)) {
    }
    if (!c.out.empty()) {
        const ssize_t n = send(c.fd, c.out.data(), c.out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (n > 0) c.out.erase(0, static_cast<std::size_t>(n));
    }
    return !(c.out.empty() && c.close_after);
}

}  // namespace

int main() {
    struct sigaction action{};
    action.sa_handler = [](int) { stopping = 1; };
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);

    const int port = std::atoi(environment("PORT", "8080").c_str());
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, 256) != 0) {
        std::perror("cannot listen");
        return 1;
    }
    std::printf("listening on port %d\n", port);

    std::vector<Connection> connections;
    while (!stopping || !connections.empty()) {
        std::vector<pollfd> polled;
        const bool accepting = !stopping && connections.size() < kMaxConnections;
        polled.push_back({listener, static_cast<short>(accepting ? POLLIN : 0), 0});
        for (const auto& c : connections)
            polled.push_back(
                {c.fd, static_cast<short>(c.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        // A signal between the test above and here is seen after at most a second. Once stopping, a look that finds
        // nothing on an idle connection is what closes it.
        if (poll(polled.data(), polled.size(), stopping ? 20 : 1000) < 0) {
            if (errno == EINTR) continue;
            return 1;
        }

        for (std::size_t i = connections.size(); i-- > 0;) {
            auto& c = connections[i];
            const short events = polled[i + 1].revents;
            const bool idle = c.in.empty() && c.out.empty();
            const bool alive =
                (events == 0 || step(c, events)) && !(stopping && idle && events == 0);
            if (!alive) {
                close(c.fd);
                connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        if (accepting && (polled[0].revents & POLLIN)) {
            if (const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); fd >= 0)
                connections.push_back({fd});
        }
    }
    std::puts("stopped");
    return 0;
}
