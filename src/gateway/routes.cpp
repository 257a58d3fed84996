#include "gateway/routes.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <set>

namespace loco::gateway {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";
// RFC 3986 section 3.3 (pchar), without "%": an encoded prefix would not match its decoded spelling.
constexpr std::string_view kPathMarks = "-._~!$&'()*+,;=:@/";

bool only(std::string_view text, std::initializer_list<std::string_view> alphabets) {
    return std::ranges::all_of(text, [&](char c) {
        return std::ranges::any_of(alphabets, [&](auto a) { return a.contains(c); });
    });
}

bool is_host(std::string_view host) {
    return !host.empty() && host.size() <= 253 && host.front() != '.' && host.back() != '.' &&
           only(host, {kLower, kDigits, "-."});
}

bool is_path(std::string_view path) {
    return path.starts_with('/') && path.size() <= kMaxPathLength && !path.contains("//") &&
           only(path, {kLower, kUpper, kDigits, kPathMarks});
}

Result<> check(const PortRoute& port) {
    const auto invalid = [&](const std::string& what) {
        return fail(ErrorKind::invalid, "port " + port.name.substr(0, 64) + ": " + what);
    };
    if (port.name.empty() || port.name.size() > 63 || !only(port.name, {kLower, kDigits, "-"})) {
        return fail(ErrorKind::invalid, "a routed port's name is not a DNS label");
    }
    if (!is_path(port.path)) return invalid("its path is no plain path that begins with a slash");
    if (port.strip_path && segments_of(port.path) > kMaxPathSegments) {
        return invalid("a path that is stripped has at most 8 segments");
    }
    if (port.idle_timeout < Millis(1'000) || port.idle_timeout > Millis(24LL * 3600 * 1000)) {
        return invalid("its idle timeout is not between 1 s and 24 h");
    }
    if (port.endpoints.size() > kMaxEndpoints) return invalid("it has more than 256 endpoints");
    std::set<InstanceId> seen;
    for (const auto& endpoint : port.endpoints) {
        in_addr parsed{};
        if (inet_pton(AF_INET, endpoint.address.c_str(), &parsed) != 1 || endpoint.port < 1 ||
            endpoint.port > 65535) {
            return invalid("an endpoint has no IPv4 address and port");
        }
        if (endpoint.instance.empty() || !seen.insert(endpoint.instance).second) {
            return invalid("an instance is named twice or not at all");
        }
    }
    return {};
}

}  // namespace

std::string_view prefix_of(std::string_view path) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
}

int segments_of(std::string_view path) {
    return static_cast<int>(std::ranges::count(prefix_of(path), '/'));
}

std::string route_key(std::string_view host, std::string_view path) {
    std::string key(host);
    key += prefix_of(path);
    key += '/';
    return key;
}

Result<> check(const AppRoutes& routes) {
    if (routes.app.empty() || routes.app.str().size() > 64 ||
        !only(routes.app.str(), {kLower, kDigits, "_"})) {
        return fail(ErrorKind::invalid, "routes without an app's id");
    }
    if (routes.hosts.size() > kMaxHosts || routes.ports.size() > kMaxPorts) {
        return fail(ErrorKind::invalid, "an app has at most 256 hosts and 32 routed ports");
    }
    for (const auto& host : routes.hosts) {
        if (!is_host(host)) {
            return fail(ErrorKind::invalid, "no host name in lower case: " + host.substr(0, 64));
        }
    }
    std::set<std::string_view> names;
    std::set<std::string_view> prefixes;
    for (const auto& port : routes.ports) {
        LOCO_TRY(check(port));
        if (!names.insert(port.name).second || !prefixes.insert(prefix_of(port.path)).second) {
            return fail(ErrorKind::invalid, "two routed ports have one name or one path");
        }
    }
    return {};
}

}  // namespace loco::gateway
