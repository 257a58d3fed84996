// domains list, check: where an app answers, and whether the world's DNS says so.
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <set>

#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

using Addresses = std::set<std::string>;

// None: it has no address. Names under localhost are this machine's, whatever resolver there is (RFC 6761).
Addresses addresses_of(const std::string& host) {
    if (host == "localhost" || host.ends_with(".localhost")) return {"127.0.0.1"};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    Addresses out;
    for (const auto* one = found; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                          NI_NUMERICHOST) == 0)
            out.insert(text);
    }
    return out;
}

std::string joined(const Addresses& addresses) {
    std::string text;
    for (const auto& one : addresses) text += (text.empty() ? "" : ", ") + one;
    return text;
}

bool is_true(const json::value& item, const char* key) {
    const auto& value = at(item, key);
    return value.is_bool() && value.as_bool();
}

Result<> run_list(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto domains, invocation.api().get(path + "/domains"));
    if (invocation.json()) {
        invocation.print_json(domains);
        return {};
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& item : array_at(domains, "items"))
        rows.push_back({text_at(item, "host"), is_true(item, "primary") ? "given by Loco" : "",
                        is_true(item, "live") ? "live" : "not live yet"});
    invocation.print(table(rows, 0));
    return {};
}

struct Checked {
    std::string host;
    Addresses addresses;
    bool good = false;
};

void print(Invocation& invocation, const Addresses& target, const std::vector<Checked>& all) {
    if (invocation.json()) {
        const auto list = [](const Addresses& addresses) {
            json::array out;
            for (const auto& one : addresses) out.emplace_back(one);
            return out;
        };
        json::array items;
        for (const auto& one : all) {
            items.push_back(json::object{
                {"host", one.host}, {"addresses", list(one.addresses)}, {"good", one.good}});
        }
        invocation.print_json(json::object{{"target", list(target)}, {"items", std::move(items)}});
        return;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& one : all) {
        rows.push_back(
            {one.good ? "✓" : "✗", one.host,
             one.addresses.empty() ? "has no address" : "points to " + joined(one.addresses)});
    }
    invocation.print(table(rows, 0));
}

Result<> run_check(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto domains, invocation.api().get(path + "/domains"));
    std::string primary;
    for (const auto& item : array_at(domains, "items")) {
        if (is_true(item, "primary")) primary = text_at(item, "host");
    }
    const auto target = addresses_of(primary);
    if (target.empty()) {
        return fail(
            ErrorKind::not_found,
            "the app's own host " + primary + " has no address: there is nothing to compare with",
            "point *." + primary.substr(primary.find('.') + 1) + " to the gateway", "no_address");
    }
    std::vector<Checked> all;
    std::string bad;
    for (const auto& item : array_at(domains, "items")) {
        Checked one{.host = text_at(item, "host"), .addresses = {}};
        one.addresses = addresses_of(one.host);
        // Some of a name's addresses may be IPv6 where the other has none: one that both have is what is needed.
        one.good = std::ranges::any_of(
            one.addresses, [&](const std::string& each) { return target.contains(each); });
        if (!one.good) bad += (bad.empty() ? "" : ", ") + one.host;
        all.push_back(std::move(one));
    }
    print(invocation, target, all);
    if (bad.empty()) return {};
    return fail(ErrorKind::not_found, bad + " does not point to where this app answers",
                "make it a CNAME of " + primary + ", or an A record of " + joined(target) +
                    "; behind a proxy of your own it may be right as it is",
                "domain_elsewhere");
}

}  // namespace

Command domains_list_command() {
    return {.name = "domains list",
            .summary = "List the host names of the app",
            .help =
                "The one that Loco has given it, then those of [http] domains in its "
                "loco.toml: that is where they are added and removed, with the next "
                "deploy.\n\n    loco domains list",
            .about_an_app = true,
            .run = run_list};
}

Command domains_check_command() {
    return {.name = "domains check",
            .summary = "Check that the host names of the app point to it",
            .help =
                "Asks this machine's DNS for each, and compares with the host that Loco has "
                "given the app. Exit status 4 when one points elsewhere or "
                "nowhere.\n\n    loco domains check",
            .about_an_app = true,
            .run = run_check};
}

}  // namespace loco::cli
