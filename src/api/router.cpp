#include "api/router.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "api/idempotency.hpp"
#include "api/json.hpp"
#include "base/log.hpp"
#include "domain/catalogue.hpp"

namespace loco::api {
namespace {

using Params = std::map<std::string_view, std::string_view>;

// Takes the segment before the next "/" off the front.
std::string_view take_segment(std::string_view& path) {
    const auto end = path.find('/');
    const auto segment = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    return segment;
}

bool matches(std::string_view pattern, std::string_view path, Params& params) {
    params.clear();
    if (path.ends_with('/'))
        return false;  // ".../apps/" is no app without a name, and not the list either
    while (!pattern.empty() && !path.empty()) {
        const auto wanted = take_segment(pattern);
        const auto given = take_segment(path);
        if (wanted.starts_with('{')) {
            if (given.empty()) return false;
            params[wanted.substr(1, wanted.size() - 2)] = given;
        } else if (wanted != given) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

struct Found {
    const Route* route = nullptr;
    Params params;
    std::string allowed;  // methods of the path, when none was the request's
};

Found find_route(const http::Request& request) {
    Found found;
    const auto method = request.method == http::Method::head ? http::Method::get : request.method;
    for (const auto& route : routes()) {
        Params params;
        if (!matches(route.path, request.path, params)) continue;
        if (route.method == method) {
            found.route = &route;
            found.params = std::move(params);
            return found;
        }
        found.allowed +=
            (found.allowed.empty() ? "" : ", ") + std::string(http::to_string(route.method));
    }
    return found;
}

std::unexpected<Error> no_such(std::string_view noun, std::string_view name, std::string hint,
                               std::string code) {
    return fail(ErrorKind::not_found,
                "no " + std::string(noun) + " " + std::string(name.substr(0, 64)), std::move(hint),
                std::move(code));
}

const identity::TeamRole* membership(const identity::Session& session, auto is_it) {
    const auto found = std::ranges::find_if(session.teams, is_it);
    return found == session.teams.end() ? nullptr : &*found;
}

// Fills in the team that the path names, for a principal who may see it and do what the route does.
Result<> resolve_team(const Params& params, const Route& route, Call& call) {
    const auto name = params.find("team");
    if (name == params.end()) return {};
    const auto* in =
        membership(*call.session, [&](const auto& one) { return one.team.slug == name->second; });
    if (in == nullptr)
        return no_such("team", name->second, "see yours with `loco whoami`", "no_such_team");
    call.team = in->team;
    call.role = in->role;
    const auto may = [&](identity::Permission permission) {
        return identity::may(call.principal(), call.team.id, call.role, permission);
    };
    if (may(route.permission) || (route.or_permission && may(*route.or_permission))) return {};
    const auto& row = identity::row_of(route.permission);
    return fail(ErrorKind::forbidden,
                "this needs the role " + std::string(to_string(row.least_role)) + " in team " +
                    call.team.slug + " and a token with the scope " + std::string(row.scope) +
                    "; your role is " + std::string(to_string(call.role)),
                "ask an admin of the team", "forbidden");
}

// Fills in the app, and the deployment, that the path names.
Result<> resolve_app(const ReadTx& tx, const Params& params, Call& call) {
    const auto name = params.find("app");
    auto app = tx.app_by_name(call.team.id, name->second);
    if (!app) {
        if (app.error().kind != ErrorKind::not_found) return fail(app.error());
        return no_such("app", name->second, "see the team's with `loco apps`", "no_such_app");
    }
    call.app = std::move(*app);
    const auto id = params.find("id");
    if (id == params.end()) return {};
    LOCO_ASSIGN(const auto parsed, DeploymentId::parse(id->second));
    auto deployment = tx.deployment(parsed);
    if (!deployment && deployment.error().kind != ErrorKind::not_found)
        return fail(deployment.error());
    if (!deployment || deployment->app != call.app.id) {
        return no_such("deployment", id->second, "see the app's history with `loco events`",
                       "no_such_deployment");
    }
    call.deployment = std::move(*deployment);
    return {};
}

std::function<bool()> still_allowed(Services& services, const Route& route, const Call& call) {
    return [&services, &route, team = call.team.id,
            authorization = std::string(call.request.headers.get("Authorization"))] {
        const auto session = services.sessions.of(authorization, services.context.clock.now());
        if (!session) return session.error().kind != ErrorKind::unauthenticated;
        const auto* in =
            membership(**session, [&](const auto& one) { return one.team.id == team; });
        return in != nullptr &&
               identity::may((*session)->principal, team, in->role, route.permission);
    };
}

Result<http::Response> answer(Services& services, const Route& route, const Params& params,
                              Call& call) {
    if (route.permission != identity::Permission::nobody_asked) {
        LOCO_ASSIGN(call.session, services.sessions.of(call.request.headers.get("Authorization"),
                                                       services.context.clock.now()));
        LOCO_TRY(resolve_team(params, route, call));
        if (params.contains("app")) {
            LOCO_TRY(services.context.store.read(
                [&](const ReadTx& tx) -> Result<> { return resolve_app(tx, params, call); }));
        }
        call.still_allowed = still_allowed(services, route, call);
    }
    const log::Context fields{
        {"team", call.team.slug}, {"app", call.app.name}, {"deployment", call.deployment.id.str()}};
    if (route.idempotency && call.request.headers.has("Idempotency-Key")) {
        return idempotently(services, route, call);
    }
    return route.handle(services, call);
}

http::Response not_routed(const Found& found, const http::Request& request,
                          std::string_view request_id) {
    if (found.allowed.empty()) {
        return problem(Error{.kind = ErrorKind::not_found,
                             .message = "no such path: " + request.path.substr(0, 200),
                             .hint = "the API is described at /api/v1/openapi.json",
                             .code = "no_such_path"},
                       request_id);
    }
    auto response = problem(
        Error{.kind = ErrorKind::invalid,
              .message = "this path does not take " + std::string(http::to_string(request.method)),
              .hint = "it takes " + found.allowed,
              .code = "method_not_allowed"},
        request_id, 405);
    response.headers.set("Allow", found.allowed);
    return response;
}

}  // namespace

std::string_view Call::query(std::string_view name) const {
    const auto found = request.query.find(std::string(name));
    return found == request.query.end() ? std::string_view() : std::string_view(found->second);
}

Result<int> Call::limit(int standard, int max) const {
    const auto text = query("limit");
    if (text.empty()) return standard;
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > max) {
        return fail(ErrorKind::invalid, "limit must be 1 to " + std::to_string(max), {},
                    "invalid_limit");
    }
    return value;
}

http::Server::Handler make_api(Services& services) {
    return [&services](http::Request&& request) {
        const auto request_id =
            make_id("req_", services.context.clock.now(), services.context.random);
        const log::Context fields{{"request_id", request_id}};
        const auto started = services.context.clock.steady();
        const auto found = find_route(request);
        http::Response response;
        if (found.route == nullptr) {
            response = not_routed(found, request, request_id);
        } else {
            Call call{.request = request, .request_id = request_id};
            auto result = answer(services, *found.route, found.params, call);
            if (!result && traits(result.error().kind).http_status >= 500)
                log::failure("request failed", result.error());
            response = result ? std::move(*result) : problem(result.error(), request_id);
        }
        response.headers.set("X-Request-Id", request_id);
        response.headers.set("Cache-Control", "no-store");
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
            services.context.clock.steady() - started);
        services.metrics.request(found.route == nullptr ? "none" : found.route->operation,
                                 response.status, static_cast<double>(took.count()) / 1e6);
        log::debug("request", {{"method", http::to_string(request.method)},
                               {"path", request.path},
                               {"status", response.status},
                               {"microseconds", took.count()}});
        return response;
    };
}

std::function<http::Response(int, std::string_view, std::string_view)> make_refusals(
    Services& services) {
    return [&services](int status, std::string_view code, std::string_view detail) {
        const auto request_id =
            make_id("req_", services.context.clock.now(), services.context.random);
        const auto* known = explain(code).entry;
        const auto kind = known != nullptr ? known->kind : ErrorKind::invalid;
        auto response =
            problem(Error{.kind = kind, .message = std::string(detail), .code = std::string(code)},
                    request_id, status);
        response.headers.set("X-Request-Id", request_id);
        return response;
    };
}

http::Response problem(const Error& error, std::string_view request_id) {
    return problem(error, request_id, traits(error.kind).http_status);
}

http::Response problem(const Error& error, std::string_view request_id, int status) {
    const auto& kind = traits(error.kind);
    boost::json::array steps;
    for (const auto& step : error.next_steps) steps.emplace_back(step);
    boost::json::object body{
        {"type", "about:blank"},          {"title", kind.name},           {"status", status},
        {"detail", error.message},        {"code", error.code_or_kind()}, {"hint", error.hint},
        {"next_steps", std::move(steps)}, {"request_id", request_id},
    };
    auto response = json_response(status, body);
    response.headers.set("Content-Type", "application/problem+json");
    if (error.kind == ErrorKind::unauthenticated)
        response.headers.set("WWW-Authenticate", "Bearer realm=\"loco\"");
    if (error.kind == ErrorKind::rate_limited || error.kind == ErrorKind::unavailable) {
        response.headers.set("Retry-After", "1");
    }
    return response;
}

}  // namespace loco::api
