#include <algorithm>
#include <boost/json.hpp>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "domain/hosts.hpp"

namespace loco::api {

namespace json = boost::json;

Result<http::Response> list_domains(Services& services, Call& call) {
    json::array items;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        std::vector<std::string> live;
        if (call.app.live_release) {
            LOCO_ASSIGN(const auto release, tx.release(*call.app.live_release));
            live = release.spec.domains;
        }
        LOCO_ASSIGN(const auto hosts, tx.hosts(call.app.id));
        const auto& config = services.context.config;
        for (const auto& host : hosts) {
            const bool routed = call.app.live_release &&
                                (host.primary || std::ranges::find(live, host.name) != live.end());
            items.push_back(
                json::object{{"host", host.name},
                             {"primary", host.primary},
                             {"live", routed},
                             {"url", url_of(host.name, config.gateway_port, config.https)}});
        }
        return {};
    }));
    return list_response(std::move(items), std::nullopt);
}

}  // namespace loco::api
