#include "api/handlers.hpp"

namespace loco::api {

Result<http::Response> get_registry_token(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, services.registry_token({.authorization = std::string(call.request.headers.get("Authorization")),
                                                    .service = std::string(call.query("service")),
                                                    .scope = std::string(call.query("scope"))}));
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = std::move(body);
    return response;
}

}  // namespace loco::api
