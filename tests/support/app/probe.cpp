// The tests' app: one static program that behaves as its environment, its arguments and its requests tell it.
//   probe [serve]       PORT (8080), EXTRA_PORT (one more), START_DELAY_MS, HEALTH (ok, or a status such as 503),
//                       CRASH_AFTER_MS, CRASH_EXIT (3), IGNORE_TERM, DRAIN_MS, VERSION
//                       LISTEN: 127.0.0.1 (or another address), udp, /path (a Unix socket), nothing; LISTEN_PORT (PORT)
//                       SPEAKS: tls, garbage, silence, nothing (closes); HEALTH also: redirect, hang
//                       TROUBLE, before anything else, also of `release`: exit:N, signal:N, memory, processes, files,
//                       write:PATH, fill:FOLDER, chown:PATH, connect:HOST:PORT, resolve:HOST, need:VARIABLE; it is told on stderr as
//                       programs tell it
//   probe work          logs "tick N" every TICK_MS (100) until SIGTERM
//   probe has FILE      exits with 0 when the file has anything in it
//   probe release       logs "release command ran", waits RELEASE_MS, exits with RELEASE_EXIT
// GET /healthz            HEALTH
// GET /env/NAME           that variable, or 404      GET /args (a line each), /uid, /headers, /connect?host=&port=, /write?path=&mb=
// POST /echo              the body back              GET /slow?ms=N, /big?bytes=N, /crash?code=N, /memory?mb=N
// GET /hang               from then on no request has an answer
// GET /log?text=, /err?text=  one line to stdout, stderr
// GET /flood?lines=N&rate=R   "flood 1" … "flood N" to stdout, R a second (0: as fast as it can); answers at once
// GET /line?bytes=N&byte=B    one line of N bytes B (120, an x) to stdout
// GET /hex?bytes=00ff1b5b…    these bytes and a line feed to stdout
// GET /sse?n=&every_ms=   server-sent events         GET /ws (upgrade)  WebSocket that echoes
// anything else           JSON: version, release, instance, process, path
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::atomic<bool> stopping = false;
std::atomic<int> busy = 0;  // requests being answered
std::atomic<bool> hanging = false;

std::string env(const char* name, const char* otherwise = "") {
    const char* value = std::getenv(name);
    return value ? value : otherwise;
}
int env_int(const char* name, int otherwise = 0) {
    const std::string value = env(name);
    return value.empty() ? otherwise : std::atoi(value.c_str());
}
void pause_ms(int ms) {
    if (ms > 0) ::poll(nullptr, 0, ms);
}

struct Request {
    std::string method, target, path, head, lower_head, body;

    std::string query(std::string_view key, std::string otherwise = "") const {
        const auto mark = target.find('?');
        std::string_view rest =
            mark == std::string::npos ? "" : std::string_view(target).substr(mark + 1);
        while (!rest.empty()) {
            const auto pair = rest.substr(0, rest.find('&'));
            rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
            if (pair.starts_with(key) && pair.size() > key.size() && pair[key.size()] == '=')
                return std::string(pair.substr(key.size() + 1));
        }
        return otherwise;
    }
    std::string header(std::string_view lower_name) const {
        const auto at = lower_head.find("\r\n" + std::string(lower_name) + ":");
        if (at == std::string::npos) return "";
        auto begin = at + lower_name.size() + 3;
        while (begin < head.size() && head[begin] == ' ') ++begin;
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
};

// A connection with what was read ahead of it.
class Stream {
  public:
    explicit Stream(int fd) : fd_(fd) {}
    ~Stream() { ::close(fd_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    bool fill() {
        char buffer[65536];
        const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
        if (n <= 0) return false;
        in_.append(buffer, static_cast<std::size_t>(n));
        return true;
    }
    // Waits for bytes; false: the peer is gone, or the program stops and nothing has begun.
    bool wait_for_request() {
        while (in_.empty()) {
            pollfd p{fd_, POLLIN, 0};
            const int ready = ::poll(&p, 1, 50);
            if (ready > 0 && !fill()) return false;
            if (ready == 0 && stopping) return false;
        }
        return true;
    }
    bool take_line(std::string& line) {
        std::size_t end;
        while ((end = in_.find("\r\n")) == std::string::npos)
            if (in_.size() > 65536 || !fill()) return false;
        line = in_.substr(0, end);
        in_.erase(0, end + 2);
        return true;
    }
    bool take(std::size_t n, std::string& out) {
        while (in_.size() < n)
            if (!fill()) return false;
        out.append(in_, 0, n);
        in_.erase(0, n);
        return true;
    }
    bool write(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

  private:
    int fd_;
    std::string in_;
};

bool read_request(Stream& stream, Request& r) {
    std::string line;
    if (!stream.take_line(line)) return false;
    const auto a = line.find(' '), b = line.rfind(' ');
    if (a == std::string::npos || b <= a) return false;
    r.method = line.substr(0, a);
    r.target = line.substr(a + 1, b - a - 1);
    r.path = r.target.substr(0, r.target.find('?'));
    r.head = "\r\n";
    while (stream.take_line(line) && !line.empty()) r.head += line + "\r\n";
    for (char c : r.head) r.lower_head += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (r.header("expect") == "100-continue" && !stream.write("HTTP/1.1 100 Continue\r\n\r\n"))
        return false;
    if (r.header("transfer-encoding") == "chunked") {
        for (;;) {
            if (!stream.take_line(line)) return false;
            const auto size = std::strtoull(line.c_str(), nullptr, 16);
            if (!stream.take(size, r.body) || !stream.take_line(line)) return false;
            if (size == 0) return true;
        }
    }
    const std::string length = r.header("content-length");
    return length.empty() || stream.take(std::strtoull(length.c_str(), nullptr, 10), r.body);
}

// RFC 3174, for the WebSocket handshake only.
std::array<std::uint8_t, 20> sha1(std::string text) {
    std::uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    const std::uint64_t bits = text.size() * 8;
    text += '\x80';
    while (text.size() % 64 != 56) text += '\0';
    for (int i = 7; i >= 0; --i) text += static_cast<char>(bits >> (8 * i));
    const auto rotate = [](std::uint32_t x, int n) { return x << n | x >> (32 - n); };
    for (std::size_t block = 0; block < text.size(); block += 64) {
        std::uint32_t w[80];
        for (std::size_t i = 0; i < 16; ++i) {
            w[i] = 0;
            for (std::size_t k = 0; k < 4; ++k)
                w[i] = w[i] << 8 | static_cast<std::uint8_t>(text[block + 4 * i + k]);
        }
        for (int i = 16; i < 80; ++i) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        std::uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; ++i) {
            const std::uint32_t f = i < 20   ? (b & c) | (~b & d)
                                    : i < 40 ? b ^ c ^ d
                                    : i < 60 ? (b & c) | (b & d) | (c & d)
                                             : b ^ c ^ d;
            const std::uint32_t k = i < 20   ? 0x5A827999
                                    : i < 40 ? 0x6ED9EBA1
                                    : i < 60 ? 0x8F1BBCDC
                                             : 0xCA62C1D6;
            const std::uint32_t next = rotate(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rotate(b, 30), b = a, a = next;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    std::array<std::uint8_t, 20> out{};
    for (std::size_t i = 0; i < 20; ++i)
        out[i] = static_cast<std::uint8_t>(h[i / 4] >> (24 - 8 * (i % 4)));
    return out;
}
std::string base64(const std::array<std::uint8_t, 20>& bytes) {
    static constexpr char kDigits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < 20; i += 3) {
        const std::uint32_t v =
            static_cast<std::uint32_t>(bytes[i] << 16 | (i + 1 < 20 ? bytes[i + 1] << 8 : 0) |
                                       (i + 2 < 20 ? bytes[i + 2] : 0));
        for (std::size_t k = 0; k < 4; ++k)
            out += i + k <= 20 ? kDigits[v >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

void websocket(Stream& stream, const Request& r) {
    const auto accept =
        base64(sha1(r.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    stream.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
        "Upgrade\r\nSec-WebSocket-Accept: " +
        accept + "\r\n\r\n");
    for (;;) {
        std::string head, extended, mask, payload;
        if (!stream.take(2, head)) return;
        std::uint64_t length = head[1] & 0x7f;
        if (length >= 126) {
            if (!stream.take(length == 126 ? 2 : 8, extended)) return;
            length = 0;
            for (char c : extended) length = length << 8 | static_cast<std::uint8_t>(c);
        }
        if (!stream.take(4, mask) || !stream.take(length, payload)) return;
        for (std::size_t i = 0; i < payload.size(); ++i) payload[i] ^= mask[i % 4];
        const int op = head[0] & 0x0f;
        std::string frame(1, static_cast<char>(0x80 | (op == 9 ? 10 : op)));
        if (payload.size() < 126) {
            frame += static_cast<char>(payload.size());
        } else {
            frame += '\x7f';
            for (int i = 7; i >= 0; --i)
                frame += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i));
        }
        if (!stream.write(frame + payload) || op == 8) return;
    }
}

void events(Stream& stream, const Request& r) {
    stream.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: "
        "no-cache\r\nConnection: close\r\n\r\n");
    const int count = std::atoi(r.query("n", "3").c_str()),
              every = std::atoi(r.query("every_ms", "100").c_str());
    for (int i = 1; i <= count && stream.write("id: " + std::to_string(i) + "\ndata: event " +
                                               std::to_string(i) + "\n\n");
         ++i)
        pause_ms(every);
}

// What became of a TCP connection from inside the container: connected, refused, timeout or unreachable.
std::string try_connect(const std::string& host, int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    std::string outcome = "unreachable";
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1 &&
        (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
         errno == EINPROGRESS)) {
        pollfd p{fd, POLLOUT, 0};
        int error = 0;
        socklen_t size = sizeof error;
        if (::poll(&p, 1, 1500) == 0)
            outcome = "timeout";
        else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0)
            outcome = error == 0 ? "connected" : error == ECONNREFUSED ? "refused" : "unreachable";
    }
    ::close(fd);
    return outcome;
}

void answer(Stream& stream, int status, std::string_view type, std::string_view body) {
    std::string head = "HTTP/1.1 " + std::to_string(status) + (status == 200 ? " OK" : " Status") +
                       "\r\nContent-Type: ";
    head.append(type).append("\r\nContent-Length: ").append(std::to_string(body.size()));
    head += stopping ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n";
    stream.write(head);
    stream.write(body);
}

void flood(int lines, int rate) {
    const auto began = Clock::now();
    for (int i = 1; i <= lines && !stopping; ++i) {
        std::printf("flood %d\n", i);
        if (rate <= 0 || i % 100 != 0) continue;
        const auto due = began + std::chrono::microseconds(1'000'000LL * i / rate);
        const auto left = due - Clock::now();
        pause_ms(
            static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count()));
    }
    std::fflush(stdout);
}

std::string bytes_of(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::strtol(std::string(hex.substr(i, 2)).c_str(), nullptr, 16));
    return bytes;
}

// false: the connection was used up.
bool handle(Stream& stream, const Request& r) {
    const std::string& p = r.path;
    const auto text = [&](std::string_view body, int status = 200) {
        answer(stream, status, "text/plain", body);
    };
    if (p == "/ws") return websocket(stream, r), false;
    if (p == "/sse") return events(stream, r), false;
    while (hanging) pause_ms(1000);
    if (p == "/hang") {
        hanging = true;
        text("hanging");
    } else if (p == "/healthz" && env("HEALTH") == "redirect") {
        stream.write(
            "HTTP/1.1 302 Found\r\nLocation: /healthz\r\nContent-Length: 0\r\nConnection: "
            "close\r\n\r\n");
        return false;
    } else if (p == "/healthz" && env("HEALTH") == "hang") {
        for (;;) pause_ms(1000);
    } else if (p == "/healthz") {
        const std::string health = env("HEALTH", "ok");
        text(health, health == "ok" ? 200 : std::atoi(health.c_str()));
    } else if (p.starts_with("/env/")) {
        const char* value = std::getenv(p.c_str() + 5);
        text(value ? value : "", value ? 200 : 404);
    } else if (p == "/args") {
        std::string words;
        if (std::FILE* file = std::fopen("/proc/self/cmdline", "rb")) {
            char buffer[65536];
            words.assign(buffer, std::fread(buffer, 1, sizeof buffer, file));
            std::fclose(file);
        }
        for (char& c : words)
            if (c == '\0') c = '\n';
        text(words);
    } else if (p == "/uid") {
        text(std::to_string(::getuid()));
    } else if (p == "/headers") {
        text(r.head);
    } else if (p == "/echo") {
        answer(stream, 200, "application/octet-stream", r.body);
    } else if (p == "/slow") {
        pause_ms(std::atoi(r.query("ms", "1000").c_str()));
        text("slow");
    } else if (p == "/big") {
        answer(stream, 200, "application/octet-stream",
               std::string(std::strtoull(r.query("bytes", "1048576").c_str(), nullptr, 10), 'x'));
    } else if (p == "/log" || p == "/err") {
        std::fprintf(p == "/log" ? stdout : stderr, "%s\n", r.query("text").c_str());
        std::fflush(nullptr);
        text("logged");
    } else if (p == "/flood") {
        const int lines = std::atoi(r.query("lines", "1000").c_str());
        std::thread(flood, lines, std::atoi(r.query("rate", "0").c_str())).detach();
        text("flooding");
    } else if (p == "/line" || p == "/hex") {
        const std::string line =
            p == "/hex" ? bytes_of(r.query("bytes"))
                        : std::string(std::strtoull(r.query("bytes", "1").c_str(), nullptr, 10),
                                      static_cast<char>(std::atoi(r.query("byte", "120").c_str())));
        std::fwrite((line + "\n").data(), 1, line.size() + 1, stdout);
        std::fflush(stdout);
        text("written");
    } else if (p == "/connect") {
        text(try_connect(r.query("host"), std::atoi(r.query("port").c_str())));
    } else if (p == "/write") {
        const int fd = ::open(r.query("path").c_str(), O_WRONLY | O_CREAT, 0600);
        bool done = fd >= 0;
        const std::string megabyte(1 << 20, 'x');
        for (int i = std::atoi(r.query("mb", "0").c_str()); done && i > 0; --i)
            done = ::write(fd, megabyte.data(), megabyte.size()) ==
                   static_cast<ssize_t>(megabyte.size());
        text(done ? "written" : std::strerror(errno));
        if (fd >= 0) ::close(fd);
    } else if (p == "/memory") {
        std::vector<char> memory(std::strtoull(r.query("mb", "1").c_str(), nullptr, 10) << 20);
        for (std::size_t i = 0; i < memory.size(); i += 4096) memory[i] = 1;
        text("held");
    } else if (p == "/crash") {
        std::fprintf(stderr, "crashing as asked\n");
        std::_Exit(std::atoi(r.query("code", "1").c_str()));
    } else {
        answer(stream, 200, "application/json",
               "{\"version\": \"" + env("VERSION") + "\", \"release\": \"" + env("LOCO_RELEASE") +
                   "\", \"instance\": \"" + env("LOCO_INSTANCE") + "\", \"process\": \"" +
                   env("LOCO_PROCESS") + "\", \"path\": \"" + p + "\"}\n");
    }
    return true;
}

// Whatever it is asked.
void speak(Stream& stream, const std::string& how) {
    if (how == "silence")
        for (;;) pause_ms(1000);
    std::string ignored;
    if (how != "nothing") stream.fill();
    if (how == "tls") stream.write(std::string("\x15\x03\x01\x00\x02\x02\x46", 7));
    if (how == "garbage") stream.write("220 mail.example ESMTP\r\n");
}

void serve_connection(int fd) {
    Stream stream(fd);
    if (const std::string how = env("SPEAKS"); !how.empty()) return speak(stream, how);
    for (bool open = true; open && stream.wait_for_request();) {
        Request request;
        ++busy;
        open = read_request(stream, request) && handle(stream, request) && !stopping;
        --busy;
    }
}

int fail_as(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
    return 1;
}

// Does what goes wrong in real programs, and says what the system says. -1: there is none.
int trouble() {
    const std::string all = env("TROUBLE");
    const auto colon = all.find(':');
    const std::string kind = all.substr(0, colon);
    const std::string what = colon == std::string::npos ? "" : all.substr(colon + 1);
    if (kind.empty()) return -1;
    std::fprintf(stderr, "starting\n");  // in the order of what follows
    if (kind == "exit") return std::atoi(what.c_str());
    if (kind == "signal") {
        ::signal(std::atoi(what.c_str()), SIG_DFL);
        ::raise(std::atoi(what.c_str()));
    }
    if (kind == "memory") {
        for (;;) {
            auto* block = static_cast<volatile char*>(std::malloc(1 << 20));
            for (int i = 0; i < 1 << 20; i += 4096) block[i] = 1;
        }
    }
    if (kind == "processes") {
        for (;;) {
            const pid_t child = ::fork();
            if (child < 0) return fail_as("fork");
            if (child == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;) ::pause();
            }
        }
    }
    if (kind == "files") {
        while (::open("/dev/null", O_RDONLY) >= 0) {
        }
        return fail_as("open /dev/null");
    }
    if (kind == "write") {
        if (::open(what.c_str(), O_WRONLY | O_CREAT, 0600) < 0) return fail_as("open " + what);
    }
    if (kind == "chown" && ::chown(what.c_str(), 1, 1) != 0) return fail_as("chown " + what);
    if (kind == "fill") {
        const std::string path = what + "/filler";
        const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
        const std::string block(1 << 16, 'x');
        while (::write(fd, block.data(), block.size()) > 0) {
        }
        return fail_as("write " + path);
    }
    if (kind == "connect") {
        const auto port = what.rfind(':');
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(what.c_str() + port + 1)));
        ::inet_pton(AF_INET, what.substr(0, port).c_str(), &address.sin_addr);
        if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            return fail_as("dial tcp " + what);
    }
    if (kind == "resolve") {
        addrinfo* found = nullptr;
        if (const int error = ::getaddrinfo(what.c_str(), "80", nullptr, &found)) {
            std::fprintf(stderr, "could not translate host name \"%s\" to address: %s\n",
                         what.c_str(), ::gai_strerror(error));
            return 1;
        }
    }
    if (kind == "need" && !std::getenv(what.c_str())) {
        std::fprintf(stderr, "environment variable %s is not set\n", what.c_str());
        return 1;
    }
    return -1;
}

// A socket to wait at; its family and kind are LISTEN's.
int listener_at(const std::string& where, int port) {
    const bool local = where.starts_with("/");
    const bool datagrams = where == "udp";
    const int fd = ::socket(local ? AF_UNIX : AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in inet{};
    inet.sin_family = AF_INET;
    inet.sin_port = htons(static_cast<std::uint16_t>(port));
    if (!where.empty() && !local && !datagrams) ::inet_pton(AF_INET, where.c_str(), &inet.sin_addr);
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::strncpy(path.sun_path, where.c_str(), sizeof path.sun_path - 1);
    const auto* address =
        local ? reinterpret_cast<const sockaddr*>(&path) : reinterpret_cast<const sockaddr*>(&inet);
    if (::bind(fd, address, local ? sizeof path : sizeof inet) != 0) return -1;
    return datagrams || ::listen(fd, 512) == 0 ? fd : -1;
}

int serve() {
    pause_ms(env_int("START_DELAY_MS"));
    if (const int ms = env_int("CRASH_AFTER_MS"); ms > 0)
        std::thread([ms] {
            pause_ms(ms);
            std::fprintf(stderr, "crashing as configured\n");
            std::_Exit(env_int("CRASH_EXIT", 3));
        }).detach();

    int port = env_int("LISTEN_PORT", env_int("PORT", 8080));
    const std::string where = env("LISTEN");
    while (where == "nothing" && !stopping) pause_ms(100);
    // A second listener is a second process, which says so in its version and ends with the container.
    if (const int extra = env_int("EXTRA_PORT"); extra > 0 && ::fork() == 0) {
        port = extra;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setenv("VERSION", "extra", 1);
    }
    const int listener = listener_at(where, port);
    if (listener < 0) return std::perror("listen"), 1;
    if (where.empty()) std::printf("listening on %d version %s\n", port, env("VERSION").c_str());

    Clock::time_point stop_at = Clock::time_point::max();
    for (;;) {
        pollfd p{listener, POLLIN, 0};
        if (::poll(&p, 1, 20) > 0 && where != "udp")
            if (const int fd = ::accept(listener, nullptr, nullptr); fd >= 0)
                std::thread(serve_connection, fd).detach();
        if (!stopping) continue;
        // DRAIN_MS: goes on for so long although asked to end. Answers under way are always finished.
        if (stop_at == Clock::time_point::max())
            stop_at = Clock::now() + std::chrono::milliseconds(env_int("DRAIN_MS"));
        if (Clock::now() >= stop_at && busy == 0) break;
    }
    std::puts("stopped");
    std::fflush(nullptr);
    std::_Exit(0);
}

int work() {
    for (int i = 1; !stopping; ++i) {
        std::printf("tick %d\n", i);
        pause_ms(env_int("TICK_MS", 100));
    }
    std::puts("worker stopped");
    return 0;
}

int has(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    return file != nullptr && std::fgetc(file) != EOF ? 0 : 1;
}

int release() {
    std::puts("release command ran");
    std::fflush(nullptr);
    pause_ms(env_int("RELEASE_MS"));
    if (const int code = env_int("RELEASE_EXIT"))
        std::fprintf(stderr, "release command fails as configured\n"), std::exit(code);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    struct sigaction action{};
    action.sa_handler = [](int) {
        if (!std::getenv("IGNORE_TERM")) stopping = true;
    };
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::string_view command = argc > 1 ? argv[1] : "serve";
    if (const int code = trouble(); code >= 0) return code;
    if (command == "work") return work();
    if (command == "has") return has(argc > 2 ? argv[2] : "");
    if (command == "release") return release();
    return serve();
}
