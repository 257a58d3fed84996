#include "api/ops.hpp"

#include <boost/json.hpp>

#include "api/json.hpp"

namespace loco::api {
namespace {

http::Response text(int status, std::string body) {
    http::Response response{.status = status, .body = std::move(body)};
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    return response;
}

// A part that is away does not keep the API from serving, but it keeps deploys from ending: so it is not ready, and says why.
http::Response ready(Services& services) {
    boost::json::object parts;
    bool all = true;
    const auto note = [&](std::string_view name, const Result<>& result) {
        parts[name] = result ? "ok" : result.error().message;
        all = all && result.has_value();
    };
    note("store", services.context.store.read([](const ReadTx& tx) -> Result<> {
        LOCO_TRY(tx.teams());
        return {};
    }));
    for (const auto& [name, ask] : services.sight.parts) note(name, ask());
    return json_response(all ? 200 : 503,
                         boost::json::object{{"ready", all}, {"parts", std::move(parts)}});
}

}  // namespace

http::Server::Handler make_ops(Services& services) {
    return [&services](http::Request&& request) {
        if (request.method != http::Method::get && request.method != http::Method::head)
            return text(405, "only GET\n");
        if (request.path == "/healthz") return text(200, "ok\n");
        if (request.path == "/readyz") return ready(services);
        if (request.path == "/metrics") {
            auto response = text(200, services.metrics.render());
            response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
            return response;
        }
        return text(404, "there are /healthz, /readyz and /metrics\n");
    };
}

}  // namespace loco::api
