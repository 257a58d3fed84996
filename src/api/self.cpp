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

Result<http::Response> get_me(Services&, Call& call) {
    boost::json::array teams;
    for (const auto& in : call.session->teams) {
        teams.push_back(boost::json::object{
            {"slug", in.team.slug}, {"role", to_string(in.role)}, {"first", in.team.number == 0}});
    }
    boost::json::array scopes;
    for (const auto& scope : call.principal().scopes) scopes.emplace_back(scope);
    const auto& user = call.principal().user;
    return json_response(200, boost::json::object{{"id", user.id.str()},
                                                  {"login", user.login},
                                                  {"provider", user.provider},
                                                  {"email", user.email},
                                                  {"teams", std::move(teams)},
                                                  {"scopes", std::move(scopes)}});
}

}  // namespace loco::api
