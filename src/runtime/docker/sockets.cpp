#include "runtime/docker/sockets.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "os/file.hpp"

namespace loco::runtime {
namespace {

constexpr std::size_t kMaxTable = 4U << 20;
constexpr std::size_t kMaxListeners = 64;  // more say no more
constexpr std::string_view kEngineResolver = "127.0.0.11";
constexpr unsigned kTcpListen = 0x0A;                   // TCP_LISTEN
constexpr unsigned kUdpUnbound = 0x07;                  // TCP_CLOSE: no peer
constexpr unsigned long kAcceptsConnections = 0x10000;  // __SO_ACCEPTCON

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> out;
    while (true) {
        const auto begin = line.find_first_not_of(' ');
        if (begin == std::string_view::npos) return out;
        const auto end = std::min(line.find(' ', begin), line.size());
        out.push_back(line.substr(begin, end - begin));
        line.remove_prefix(end);
    }
}

template <class T>
std::optional<T> hex(std::string_view text) {
    T value{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

// "0100007F:1F90": 32-bit words in this machine's order.
std::optional<Listener> inet_address(std::string_view text) {
    const auto colon = text.find(':');
    if (colon != 8 && colon != 32) return std::nullopt;
    const auto port = hex<unsigned>(text.substr(colon + 1));
    std::array<std::uint32_t, 4> words{};
    for (std::size_t i = 0; i < colon / 8; ++i) {
        const auto word = hex<std::uint32_t>(text.substr(i * 8, 8));
        if (!word) return std::nullopt;
        words.at(i) = *word;
    }
    if (!port) return std::nullopt;
    std::array<char, INET6_ADDRSTRLEN> written{};
    const bool six = colon == 32;
    if (::inet_ntop(six ? AF_INET6 : AF_INET, words.data(), written.data(), written.size()) ==
        nullptr)
        return std::nullopt;
    std::string address = written.data();
    constexpr std::string_view kMapped = "::ffff:";
    if (address.starts_with(kMapped) && address.find('.') != std::string::npos)
        address.erase(0, kMapped.size());
    return Listener{.kind = {}, .address = std::move(address), .port = static_cast<int>(*port)};
}

template <class Each>
void each_line(std::string_view table, Each each) {
    for (auto end = table.find('\n'); end != std::string_view::npos; end = table.find('\n')) {
        table.remove_prefix(end + 1);  // the head's line, or the one before
        if (const auto line = table.substr(0, table.find('\n')); !line.empty()) each(line);
    }
}

void add(std::vector<Listener>& out, Listener one) {
    if (out.size() < kMaxListeners && std::ranges::find(out, one) == out.end())
        out.push_back(std::move(one));
}

}  // namespace

void read_inet_sockets(std::string_view table, Listener::Kind kind, std::vector<Listener>& out) {
    const unsigned wanted = kind == Listener::Kind::tcp ? kTcpListen : kUdpUnbound;
    each_line(table, [&](std::string_view line) {
        const auto words = words_of(line);
        if (words.size() < 4 || hex<unsigned>(words[3]) != wanted) return;
        auto one = inet_address(words[1]);
        if (!one || one->port == 0 || one->address == kEngineResolver) return;
        one->kind = kind;
        add(out, std::move(*one));
    });
}

void read_unix_sockets(std::string_view table, std::vector<Listener>& out) {
    each_line(table, [&](std::string_view line) {
        // Num RefCount Protocol Flags Type St Inode Path
        const auto words = words_of(line);
        if (words.size() < 8 ||
            (hex<unsigned long>(words[3]).value_or(0) & kAcceptsConnections) == 0)
            return;
        add(out,
            {.kind = Listener::Kind::unix_socket, .address = std::string(words[7]), .port = 0});
    });
}

std::optional<std::vector<Listener>> listeners_of(int pid) {
    const std::string folder = "/proc/" + std::to_string(pid) + "/net/";
    std::vector<Listener> out;
    const auto tcp = os::read_file(folder + "tcp", kMaxTable);
    if (!tcp) return std::nullopt;
    read_inet_sockets(*tcp, Listener::Kind::tcp, out);
    // Without IPv6 there is no such table.
    if (const auto table = os::read_file(folder + "tcp6", kMaxTable))
        read_inet_sockets(*table, Listener::Kind::tcp, out);
    for (const auto* name : {"udp", "udp6"}) {
        if (const auto table = os::read_file(folder + name, kMaxTable))
            read_inet_sockets(*table, Listener::Kind::udp, out);
    }
    if (const auto table = os::read_file(folder + "unix", kMaxTable))
        read_unix_sockets(*table, out);
    return out;
}

}  // namespace loco::runtime
