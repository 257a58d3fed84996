#include "gateway/haproxy/config.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "gateway/haproxy/slots.hpp"
#include "gateway/routes.hpp"
#include "os/file.hpp"

namespace loco::gateway::haproxy {
namespace {

// A body of pages.map; json where nothing said that the client wants HTML.
std::string page(const Options& options, std::string_view name) {
    return fmt::format("lf-string \"%[var(txn.page,json),concat(-{}),map({}/pages.map)]\"", name,
                       options.data_dir.string());
}

// Both forms of a page that a rule gives under a condition.
std::string give(const Options& options, int status, std::string_view name, std::string_view extra,
                 std::string_view condition) {
    std::string text;
    for (const auto& [type, also] :
         {std::pair{"text/html; charset=utf-8", " { var(txn.page) -m found }"},
          std::pair{"application/problem+json", ""}}) {
        text += fmt::format(
            "    http-request return status {} content-type \"{}\" {} hdr Cache-Control no-store{} "
            "if {}{}\n",
            status, type, page(options, name), extra, condition, also);
    }
    return text;
}

// What HAProxy itself answers: its type is put right by the frontend, where the client's wish is known.
std::string error(const Options& options, int status, std::string_view name,
                  std::string_view extra = "") {
    return fmt::format(
        "    http-error status {} content-type application/problem+json {} hdr Cache-Control "
        "no-store hdr X-Loco-Page 1{}\n",
        status, page(options, name), extra);
}

std::string timeouts(const Options& options) {
    return fmt::format(
        "    mode http\n"
        "    option http-no-delay\n"  // else a message of a stream waits 200 ms for more to come
        "    timeout connect 3s\n"
        "    timeout client {}ms\n"
        "    timeout http-request {}ms\n"
        "    timeout http-keep-alive 75s\n"
        "    timeout server 60s\n"
        "    timeout tunnel 60s\n",
        options.client_timeout.count(), options.header_timeout.count());
}

constexpr std::string_view kGlobal =
    R"(# Written by Loco; replaced at each start of the gateway. What changes at run time is in slots/ and in the maps.
global
    log stderr format raw daemon notice
    stats socket {stats} mode 600 level admin expose-fd listeners
    stats timeout 60s
    maxconn {maxconn}
    nbthread {threads}
    hard-stop-after 12h
    tune.bufsize 16384
    tune.http.maxhdr 101
    tune.h2.max-concurrent-streams 100
)";

// A route is "BACKEND", or "BACKEND|SEGMENTS|IDLE" where segments are stripped or the idle timeout is not the usual.
constexpr std::string_view kFrontend = R"(
frontend gateway from front
{binds}    stick-table type ipv6 size 50k expire 5m store conn_cur
    tcp-request connection track-sc0 src unless {{ src 127.0.0.0/8 ::1{proxies} }}
    tcp-request connection reject if {{ sc0_conn_cur gt {per_source} }}
    acl special var(txn.route) -m sub |
    acl websocket req.hdr(Upgrade) -i websocket
    http-request set-var(txn.page) str(html) if {{ req.hdr(accept) -m sub text/html }}
    http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)
    http-request set-var(txn.path) path
    http-request set-var(txn.route) var(txn.host),concat(,txn.path,/),map_beg({dir}/routes.map)
    http-request set-var(txn.route) str(loco_api) if {{ var(txn.host) -m str loco.{domain} }}
{unknown}    http-request deny deny_status 405 if METH_CONNECT
    http-request set-var(txn.strip) var(txn.route),field(2,|) if special
    http-request set-var(txn.idle) var(txn.route),field(3,|) if special
{strip}    http-request del-header Upgrade unless websocket
    http-request del-header Connection unless websocket
    http-request set-header Connection Upgrade if websocket
{client}    http-request del-header HTTP2-Settings
    http-request del-header Proxy
    http-request del-header Forwarded
    http-request del-header X-Real-IP
    http-request del-header X-Forwarded- -m beg
    http-request del-header X_ -m beg
    http-request set-header X-Forwarded-For %[{source}]
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[{port}]
    http-request set-header X-Request-Id %[uuid] unless {{ req.hdr(X-Request-Id) -m reg ^[A-Za-z0-9._-]{{8,128}}$ }}
    http-after-response set-header Content-Type "text/html; charset=utf-8" if {{ res.hdr(X-Loco-Page) -m found }} {{ var(txn.page) -m found }}
    http-after-response set-status 502 if {{ res.hdr(X-Loco-Page) -m found }} {{ status 500 }}
    http-after-response del-header X-Loco-Page
    use_backend %[var(txn.route),field(1,|)]
)";

// An app's page comes first: a server that is drained or gone takes no request. Only a method that may safely be
// repeated is sent again when a kept connection turns out to be closed (RFC 9110 section 9.2.2).
constexpr std::string_view kSlot = R"(    balance roundrobin
    option redispatch
    retries 3
    retry-on conn-failure empty-response
    http-reuse safe
{starting}{down}    http-request disable-l7-retry unless METH_GET
    http-request set-timeout server var(txn.idle) if {{ var(txn.idle) -m found }}
    http-request set-timeout tunnel var(txn.idle) if {{ var(txn.idle) -m found }}
    http-response del-header X-Loco-Page
)";

constexpr std::string_view kApi = R"(
backend loco_api from api
    retries 3
    http-reuse safe
    server api {address} pool-purge-delay 500ms
)";

// What a proxy before the gateway says of the client, taken before its headers are removed. Of X-Forwarded-For only the last
// address is the proxy's own word: those before it came from the client.
constexpr std::string_view kClient = R"(    acl proxied src{proxies}
    http-request set-var(txn.client) src
    http-request set-var(txn.client) req.hdr_ip(X-Forwarded-For,-1) if proxied {{ req.hdr_ip(X-Forwarded-For,-1) -m found }}
    http-request set-var(txn.scheme) str(http)
    http-request set-var(txn.scheme) str(https) if proxied {{ req.hdr(X-Forwarded-Proto,-1) -i https }}
    http-request set-var(txn.port) dst_port
    http-request set-var(txn.port) int(443) if {{ var(txn.scheme) -m str https }}
    http-request set-var(txn.port) req.hdr(X-Forwarded-Port,-1) if proxied {{ req.hdr(X-Forwarded-Port,-1) -m reg ^[1-9][0-9]{{0,4}}$ }}
)";

std::string strip_rules() {
    std::string text;
    for (int n = 1; n <= kMaxPathSegments; ++n) {
        text += fmt::format(
            "    http-request set-path /%[path,field({},/,0)] if special {{ var(txn.strip) -m str "
            "{} }}\n",
            n + 2, n);
    }
    return text;
}

int bounded_connections(int wanted) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return wanted;
    // Two descriptors a connection, and some for listeners, threads and checks.
    const auto most = (static_cast<long long>(limit.rlim_max) - 200) / 2;
    return static_cast<int>(std::clamp<long long>(most, 100, wanted));
}

Result<> check_options(const Options& options) {
    const auto plain = [](const std::string& text) {
        return !text.empty() && std::ranges::all_of(text, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   std::string_view("/._-:[]").contains(c);
        });
    };
    for (const auto& path : {options.data_dir, stats_socket(options), master_socket(options)}) {
        if (!path.is_absolute() || !plain(path.string())) {
            return fail(ErrorKind::invalid, "the gateway can't use the path " + path.string(),
                        "use an absolute path of letters, digits and . _ - /");
        }
    }
    for (const auto& socket : {stats_socket(options), master_socket(options)}) {
        if (socket.string().size() > 100) {
            return fail(ErrorKind::invalid,
                        "the path of a Unix socket is too long: " + socket.string(),
                        "use a shorter data folder");
        }
    }
    if (options.listen.empty() || !std::ranges::all_of(options.listen, plain) ||
        !std::ranges::all_of(options.trusted_proxies, plain) || !plain(options.base_domain) ||
        !plain(options.api_address) || (!options.run_as.empty() && !plain(options.run_as))) {
        return fail(ErrorKind::invalid, "the gateway's addresses or its domain are malformed");
    }
    if (options.slots < 1 || options.slots > kMaxSlots || options.threads < 1 ||
        options.threads > 64) {
        return fail(ErrorKind::invalid, "the gateway has 1 to 9999 slots and 1 to 64 threads");
    }
    return {};
}

}  // namespace

std::filesystem::path stats_socket(const Options& options) {
    return options.stats_socket.empty() ? options.data_dir / "haproxy.sock" : options.stats_socket;
}

std::filesystem::path master_socket(const Options& options) {
    return options.master_socket.empty() ? options.data_dir / "master.sock" : options.master_socket;
}

std::string render_config(const Options& options) {
    std::string text = fmt::format(
        fmt::runtime(kGlobal), fmt::arg("stats", stats_socket(options).string()),
        fmt::arg("maxconn", options.max_connections), fmt::arg("threads", options.threads));
    if (!options.run_as.empty())
        text += fmt::format("    user {0}\n    group {0}\n", options.run_as);

    text += "\ndefaults front\n" + timeouts(options);
    text +=
        "\ndefaults api\n" + timeouts(options) + "    timeout server 1h\n    timeout tunnel 1h\n";
    for (const int status : {502, 503, 504})
        text += error(options, status, "loco", " hdr Retry-After 1");

    text += "\ndefaults slot\n" + timeouts(options);
    // 500 is what a request gets whose instance has just died, when Loco cuts its connections off.
    text += error(options, 500, "broken") + error(options, 502, "broken") +
            error(options, 503, "refused", " hdr Retry-After 2") + error(options, 504, "late");
    const auto none = fmt::format("{{ nbsrv eq 0 }}");
    const auto starting = fmt::format("{} {{ be_name,map({}/starting.map) -m found }}", none,
                                      options.data_dir.string());
    text += fmt::format(
        fmt::runtime(kSlot),
        fmt::arg("starting", give(options, 503, "starting", " hdr Retry-After 2", starting)),
        fmt::arg("down", give(options, 503, "down", " hdr Retry-After 10", none)));

    const bool proxied = !options.trusted_proxies.empty();
    std::string proxies;
    for (const auto& network : options.trusted_proxies) proxies += " " + network;
    std::string binds;
    for (const auto& address : options.listen) binds += "    bind " + address + "\n";
    text += fmt::format(
        fmt::runtime(kFrontend), fmt::arg("binds", binds),
        fmt::arg("dir", options.data_dir.string()), fmt::arg("domain", options.base_domain),
        fmt::arg("proxies", proxies),
        fmt::arg("client",
                 proxied ? fmt::format(fmt::runtime(kClient), fmt::arg("proxies", proxies)) : ""),
        fmt::arg("source", proxied ? "var(txn.client)" : "src"),
        fmt::arg("scheme", proxied ? "%[var(txn.scheme)]" : "http"),
        fmt::arg("port", proxied ? "var(txn.port)" : "dst_port"),
        fmt::arg("per_source", std::max(options.max_connections / 2, 1)),
        fmt::arg("unknown", give(options, 404, "unknown", "", "!{ var(txn.route) -m found }")),
        fmt::arg("strip", strip_rules()));
    text += fmt::format(fmt::runtime(kApi), fmt::arg("address", options.api_address));
    return text;
}

Result<> prepare(const Options& options) {
    LOCO_TRY(check_options(options));
    LOCO_TRY(os::make_directories(options.data_dir / "slots"));
    auto bounded = options;
    bounded.max_connections = bounded_connections(options.max_connections);
    LOCO_ASSIGN(auto slots, SlotFiles::open(options.data_dir));
    while (slots.count() < options.slots) LOCO_TRY(slots.grow(options.slots - slots.count()));
    LOCO_TRY(slots.write_maps());
    LOCO_TRY(os::write_file_atomically(options.data_dir / "pages.map", render_pages()));
    return os::write_file_atomically(options.data_dir / "haproxy.cfg", render_config(bounded));
}

std::vector<std::string> argv(const Options& options, const std::string& program) {
    return {program, "-W",
            "-S",    master_socket(options).string() + ",mode,600,level,admin",
            "-f",    (options.data_dir / "haproxy.cfg").string(),
            "-f",    (options.data_dir / "slots").string()};
}

std::vector<std::string> check_argv(const Options& options, const std::string& program) {
    return {program,
            "-c",
            "-q",
            "-f",
            (options.data_dir / "haproxy.cfg").string(),
            "-f",
            (options.data_dir / "slots").string()};
}

}  // namespace loco::gateway::haproxy
