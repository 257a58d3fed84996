#include "api/handlers.hpp"

namespace loco::api {

Result<http::Response> get_registry_token(Services& services, Call& call) {
    const std::string_view target = call.request.target;
    const auto query = target.substr(std::min(target.find('?') + 1, target.size()));
    LOCO_ASSIGN(auto body,
                services.registry_token(call.request.headers.get("Authorization"), query));
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

}  // namespace loco::api
