#include <boost/json.hpp>

#include "api/handlers.hpp"
#include "api/json.hpp"

namespace loco::api {

Result<http::Response> get_version(Services& services, Call&) {
    return json_response(
        200, boost::json::object{{"name", "loco"}, {"version", services.version}, {"api", "v1"}});
}

Result<http::Response> get_openapi(Services& services, Call&) {
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = openapi(services.version);
    return response;
}

Result<http::Response> get_me(Services& services, Call& call) {
    boost::json::array teams;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto memberships, tx.memberships(call.principal.user.id));
        for (const auto& membership : memberships) {
            if (call.principal.only_team && *call.principal.only_team != membership.team) continue;
            LOCO_ASSIGN(const auto team, tx.team(membership.team));
            teams.push_back(boost::json::object{{"slug", team.slug},
                                                {"role", to_string(membership.role)},
                                                {"first", team.number == 0}});
        }
        return {};
    }));
    boost::json::array scopes;
    for (const auto& scope : call.principal.scopes) scopes.emplace_back(scope);
    const auto& user = call.principal.user;
    return json_response(200, boost::json::object{{"id", user.id.str()},
                                                  {"login", user.login},
                                                  {"provider", user.provider},
                                                  {"email", user.email},
                                                  {"teams", std::move(teams)},
                                                  {"scopes", std::move(scopes)}});
}

}  // namespace loco::api
