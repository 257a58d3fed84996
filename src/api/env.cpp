#include "usecase/env.hpp"

#include <boost/json.hpp>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "domain/names.hpp"

namespace loco::api {

namespace json = boost::json;

Result<http::Response> get_env(Services& services, Call& call) {
    json::array names;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        if (call.app.env_version == 0) return {};
        LOCO_ASSIGN(const auto env, tx.env(call.app.id, call.app.env_version));
        for (const auto& [name, sealed] : env.sealed) names.push_back(json::object{{"name", name}});
        return {};
    }));
    json::value live_version = nullptr;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        if (!call.app.live_release) return {};
        LOCO_ASSIGN(const auto live, tx.release(*call.app.live_release));
        live_version = live.env_version;
        return {};
    }));
    return json_response(200, json::object{{"version", call.app.env_version},
                                           {"live_version", std::move(live_version)},
                                           {"items", std::move(names)}});
}

Result<http::Response> patch_env(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    EnvChange change;
    if (const auto* set = body.value("set")) {
        if (set->is_object() && set->as_object().size() <= kMaxEnvNames) {
            for (const auto& [name, value] : set->as_object()) {
                if (!value.is_string()) {
                    body.wrong("every value of set must be a string");
                    break;
                }
                change.values[std::string(name)] = Secret<>(std::string(value.as_string()));
            }
        } else {
            body.wrong("set must be an object of at most " + std::to_string(kMaxEnvNames) +
                       " strings");
        }
    }
    for (const auto& name : body.strings("unset", kMaxEnvNames)) {
        if (change.values.contains(name)) body.wrong(name + " is both set and unset");
        change.values[name] = std::nullopt;
    }
    change.stage = body.boolean("stage", false);
    if (change.values.empty()) body.wrong("set or unset is needed");
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto result,
                change_env(services.context, call.actor(), call.app.id, change, services.seal));
    return json_response(
        200, json::object{{"version", result.version},
                          {"deployment", result.deployment ? json::value(present(*result.deployment,
                                                                                 std::nullopt))
                                                           : json::value(nullptr)}});
}

}  // namespace loco::api
