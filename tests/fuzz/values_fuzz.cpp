// Small values from hostile hands: times, quantities, ids, parts of URLs, networks, users, registry scopes. The first
// byte chooses the parser. What is taken is the same when it is written and read again, and is safe to use.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "cluster/kubernetes/quantity.hpp"
#include "domain/ids.hpp"
#include "domain/image_user.hpp"
#include "domain/names.hpp"
#include "domain/network.hpp"
#include "http/message.hpp"
#include "registry/token_service.hpp"

namespace {

using namespace loco;

void time(std::string_view text) {
    const auto parsed = parse_rfc3339(text);
    if (!parsed) return;
    const auto again = parse_rfc3339(to_rfc3339_nano(*parsed));
    LOCO_CHECK(again && *again == *parsed);
    LOCO_CHECK(parse_rfc3339(to_rfc3339(*parsed)).has_value());
}

void quantity(std::string_view text) {
    const auto parsed = cluster::parse_quantity(text);
    LOCO_CHECK(parsed || (cluster::to_millis(text) == 0 && cluster::to_whole(text) == 0));
    if (parsed && *parsed > 0) LOCO_CHECK(cluster::to_whole(text) >= 1);
}

void url(std::string_view text) {
    const auto decoded = http::percent_decode(http::percent_encode(text));
    LOCO_CHECK(decoded && *decoded == text);
    if (const auto path = http::parse_path(text)) {
        LOCO_CHECK(path->starts_with('/'));
        LOCO_CHECK((*path + "/").find("/../") == std::string::npos);
        LOCO_CHECK((*path + "/").find("/./") == std::string::npos);
        for (const char c : *path) LOCO_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    }
    if (const auto query = http::parse_query(text)) {
        // What a cursor may be: an id of its kind, or nothing.
        for (const auto& [name, value] : *query) {
            if (const auto id = DeploymentId::parse(value)) LOCO_CHECK(id->str() == value);
        }
    }
}

void name(std::string_view text) {
    const auto near = to_app_name(text);
    LOCO_CHECK(near.empty() || is_reserved_app_name(near) || !app_name_problem(near));
    const auto label = to_dns_label(text, 20);
    LOCO_CHECK(label.size() <= 20);
    const auto variable = to_env_name(text);
    LOCO_CHECK(variable.empty() || is_reserved_env_name(variable) || !env_name_problem(variable));
    (void)host_name_problem(to_host_name(text));
    if (!env_name_problem(text)) LOCO_CHECK(text.find('=') == std::string_view::npos);
    (void)check_app_name(text);
    (void)check_env_name(text);
    (void)check_host_name(text);
}

void network(std::string_view text) {
    const auto subnet = parse_subnet(text);
    if (!subnet) return;
    const auto again = parse_subnet(subnet->text());
    LOCO_CHECK(again && *again == *subnet);
    if (const auto range = parse_network_range(text)) {
        const auto first = team_subnet(*range, 0);
        LOCO_CHECK(!first || range->contains(first->gateway()));
        if (first) (void)next_address(*first, {}, text);
    }
}

// The user, then a line feed, then the files.
void user(std::string_view text) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto who = text.substr(0, end);
    const auto files = text.substr(end);
    if (const auto found = resolve_user(who, files, files)) {
        LOCO_CHECK(found->uid >= 0 && found->uid <= 0xFFFF'FFFF);
        LOCO_CHECK(found->gid >= 0 && found->gid <= 0xFFFF'FFFF);
    }
    const auto needed = files_needed(who);
    if (!needed.passwd && !needed.group) {
        LOCO_CHECK(resolve_user(who, files, files) == resolve_user(who, {}, {}));
    }
}

void registry_request(std::string_view text) {
    if (const auto asked = registry::parse_scopes(text)) {
        for (const auto& access : *asked) LOCO_CHECK(registry::is_repository(access.repository));
    }
    (void)registry::parse_basic(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 7) {
        case 0: time(text); break;
        case 1: quantity(text); break;
        case 2: url(text); break;
        case 3: name(text); break;
        case 4: network(text); break;
        case 5: user(text); break;
        default: registry_request(text);
    }
    return 0;
}
