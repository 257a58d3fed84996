#include <boost/json.hpp>

#include "api/handlers.hpp"
#include "api/json.hpp"

namespace loco::api {

namespace json = boost::json;

// What cannot be had now (the gateway or the engine is away) is null, not an error: the rest is worth showing.
Result<http::Response> get_metrics(Services& services, Call& call) {
    json::value http_ports = nullptr;
    if (const auto stats = services.sight.traffic()) {
        json::object ports;
        for (const auto& row : *stats) {
            if (row.app != call.app.id) continue;
            ports[row.port] = json::object{{"requests", row.requests},
                                           {"status_2xx", row.status_2xx},
                                           {"status_3xx", row.status_3xx},
                                           {"status_4xx", row.status_4xx},
                                           {"status_5xx", row.status_5xx},
                                           {"bytes_in", row.bytes_in},
                                           {"bytes_out", row.bytes_out},
                                           {"average_ms", row.average_ms},
                                           {"current_sessions", row.current_sessions}};
        }
        http_ports = std::move(ports);
    }
    json::value instances = nullptr;
    if (const auto usage = services.sight.usage(call.app.id)) {
        json::array list;
        for (const auto& row : *usage) {
            list.push_back(json::object{{"instance", row.instance.str()},
                                        {"cpu_millis", row.cpu_millis},
                                        {"memory_bytes", row.memory_bytes}});
        }
        instances = std::move(list);
    }
    return json_response(
        200, json::object{{"http", std::move(http_ports)}, {"instances", std::move(instances)}});
}

}  // namespace loco::api
