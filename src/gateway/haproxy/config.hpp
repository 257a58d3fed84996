// Everything that HAProxy reads when it starts: haproxy.cfg (what never changes at run time), slots/sNNNN.cfg (one
// backend each, with the servers that it has now), the maps of routes and of apps that are starting, the pages.
// `loco up` calls prepare() and starts argv(); HaproxyGateway rewrites slots and maps as routes change.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace loco::gateway::haproxy {

inline constexpr int kMaxSlots = 9'999;

struct Options {
    std::vector<std::string> listen = {
        "127.0.0.1:8080"};           // HAProxy's bind addresses: "IPv4:port", "[IPv6]:port"
    std::filesystem::path data_dir;  // DATA/gateway, absolute
    std::filesystem::path
        stats_socket;  // absolute, at most 100 bytes; empty: data_dir/haproxy.sock
    std::filesystem::path master_socket;  // the same; empty: data_dir/master.sock
    std::string base_domain = "localhost";
    std::string api_address = "127.0.0.1:8081";  // loco.BASE_DOMAIN goes there
    // Networks ("192.0.2.7/32") of proxies before the gateway: what they say of the client is believed.
    std::vector<std::string> trusted_proxies = {};
    int slots = 256;          // backends to declare at least; HaproxyGateway grows them
    std::string run_as = {};  // user and group that the worker becomes; empty: stay who started it
    int threads = 2;
    int max_connections = 20'000;  // lowered to what the limit of open files allows
    std::chrono::milliseconds client_timeout{60'000};  // a client that neither sends nor takes
    std::chrono::milliseconds header_timeout{10'000};  // until a request's headers are complete
};

[[nodiscard]] std::filesystem::path stats_socket(const Options& options);
[[nodiscard]] std::filesystem::path master_socket(const Options& options);

// haproxy.cfg's text. Pure but for max_connections, which is the caller's to bound.
[[nodiscard]] std::string render_config(const Options& options);
// pages.map's text: "KIND-PAGE BODY" a line; KIND is html or json.
[[nodiscard]] std::string render_pages();

// Writes what a start reads into data_dir. Slots that are there stay as they are: HAProxy comes back with all routes.
// invalid for options that can't be honoured; the error of the file system otherwise.
[[nodiscard]] Result<> prepare(const Options& options);

// Runs HAProxy in the foreground in master-worker mode. Either process killed, the other ends too: whoever supervises
// starts it again, it has all routes.
[[nodiscard]] std::vector<std::string> argv(const Options& options,
                                            const std::string& program = "haproxy");
// Checks the files that prepare() wrote: exit status 0 when HAProxy would take them.
[[nodiscard]] std::vector<std::string> check_argv(const Options& options,
                                                  const std::string& program = "haproxy");

}  // namespace loco::gateway::haproxy
