#include "api/manifests.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "domain/hosts.hpp"
#include "domain/names.hpp"
#include "reconcile/cluster_app.hpp"
#include "spec/difference.hpp"
#include "spec/json_value.hpp"
#include "usecase/deployments.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxRegistryHost = 260;

bool is_dns_label(std::string_view text) {
    return !text.empty() && text.size() <= 63 && to_dns_label(text, 63) == text;
}

// A host with or without a port.
bool is_registry_host(std::string_view text) {
    return !text.empty() && text.size() <= kMaxRegistryHost &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-:/_") ==
               std::string_view::npos;
}

Result<std::optional<int>> asked_release(const Call& call) {
    const auto text = call.query("release");
    if (text.empty()) return std::nullopt;
    const auto digits = text.substr(text.starts_with('v') ? 1 : 0);
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number < 1) {
        return fail(ErrorKind::invalid, "\"" + std::string(text.substr(0, 32)) + "\" is no release",
                    "write it like v7", "invalid_release");
    }
    return number;
}

// Where it is to run, by what was asked.
Result<> read_place(const Services& services, const Call& call, ManifestRequest& request) {
    request.namespace_ = std::string(call.query("namespace"));
    if (!request.namespace_.empty() && !is_dns_label(request.namespace_)) {
        return fail(ErrorKind::invalid, "namespace is no DNS label", {}, "invalid_namespace");
    }
    auto gateway = call.query("gateway");
    if (gateway.empty()) gateway = "loco-system/loco";
    const auto slash = gateway.find('/');
    request.gateway_namespace = std::string(gateway.substr(0, slash));
    if (slash != std::string_view::npos)
        request.gateway_name = std::string(gateway.substr(slash + 1));
    if (!is_dns_label(request.gateway_namespace) || !is_dns_label(request.gateway_name)) {
        return fail(ErrorKind::invalid, "gateway is not NAMESPACE/NAME", {}, "invalid_gateway");
    }
    request.registry_host = std::string(call.query("registry"));
    if (request.registry_host.empty()) request.registry_host = services.build_host;
    if (!is_registry_host(request.registry_host)) {
        return fail(ErrorKind::invalid, "registry is no host", "write it like registry.example.com",
                    "invalid_registry");
    }
    return {};
}

Result<> read_app(const Config& config, const ReadTx& tx, const AppId& id,
                  std::optional<int> number, ManifestRequest& request) {
    LOCO_ASSIGN(auto rows, reconcile::load_rows(tx, id));
    Release release;
    if (number) {
        LOCO_ASSIGN(release, tx.release_by_number(id, *number));
    } else if (const auto* live = rows.release(rows.app.live_release)) {
        release = *live;
    } else {
        return fail(ErrorKind::not_found, "nothing of " + rows.app.name + " is live",
                    "deploy it, or name a release: loco releases", "nothing_live");
    }
    rows.releases[release.id] = release;
    const auto primary = std::ranges::find(rows.hosts, true, &Host::primary);
    const auto url = primary == rows.hosts.end()
                         ? std::string()
                         : url_of(primary->name, config.gateway_port, config.https);
    request.app = reconcile::cluster_app(
        rows, {.release = release.id, .set = release.deployment, .scale = rows.app.scale}, {}, url);
    if (release.env_version == 0) return {};
    LOCO_ASSIGN(const auto env, tx.env(id, release.env_version));
    for (const auto& [name, sealed] : env.sealed) request.secrets.push_back(name);
    return {};
}

}  // namespace

Result<http::Response> get_manifests(Services& services, Call& call) {
    LOCO_ASSIGN(const auto number, asked_release(call));
    ManifestRequest place;
    LOCO_TRY(read_place(services, call, place));
    ManifestRequest request;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) {
        request = place;
        return read_app(services.context.config, tx, call.app.id, number, request);
    }));
    json::array secrets;
    for (const auto& name : request.secrets) secrets.emplace_back(name);
    const auto release = release_name(request.app.release.number);
    LOCO_ASSIGN(const auto yaml, services.manifests(std::move(request)));
    return json_response(
        200,
        json::object{{"release", release}, {"manifests", yaml}, {"fill_in", std::move(secrets)}});
}

Result<http::Response> plan_deployment(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    const auto* given = body.value("spec");
    if (given == nullptr) body.wrong("spec is missing");
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto spec, spec::from_json_value(*given));
    LOCO_ASSIGN(const auto live, check_deploy(services.context, call.app.id, spec));
    json::array changes;
    if (live) {
        for (const auto& [key, from, to] : spec::difference(live->spec, spec)) {
            const auto value = [](const std::string& text) {
                return text.empty() ? json::value(nullptr) : json::parse(text);
            };
            changes.push_back({{"key", key}, {"from", value(from)}, {"to", value(to)}});
        }
    }
    return json_response(200, json::object{{"live", live ? json::value(release_name(live->number))
                                                         : json::value(nullptr)},
                                           {"changes", std::move(changes)}});
}

}  // namespace loco::api
