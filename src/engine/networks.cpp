// Networks.
#include "engine/engine.hpp"
#include "engine/json.hpp"

namespace loco::engine {
namespace {

std::string path_of(const std::string& id) { return "/networks/" + http::percent_encode(id); }

std::string without_prefix_length(std::string address) {
    if (const auto slash = address.find('/'); slash != std::string::npos) address.resize(slash);
    return address;
}

Network network_of(const json::value& v) {
    Network network{.id = json::text(v, "Id"),
                    .name = json::text(v, "Name"),
                    .driver = json::text(v, "Driver"),
                    .subnet = {},
                    .gateway = {},
                    .internal = json::boolean(v, "Internal"),
                    .options = json::text_map(v, "Options"),
                    .labels = json::text_map(v, "Labels"),
                    .members = {}};
    const json::array& pools = json::list(json::member(v, "IPAM"), "Config");
    if (!pools.empty()) {
        network.subnet = json::text(pools.front(), "Subnet");
        network.gateway = json::text(pools.front(), "Gateway");
    }
    for (const auto& [id, member] : json::fields(v, "Containers")) {
        network.members.push_back(
            {.container_id = id,
             .name = json::text(member, "Name"),
             .address = without_prefix_length(json::text(member, "IPv4Address"))});
    }
    return network;
}

}  // namespace

Result<std::string> Engine::create_network(const NetworkSpec& spec) {
    json::object body{{"Name", spec.name},
                      {"CheckDuplicate", true},
                      {"Driver", "bridge"},
                      {"Internal", spec.internal},
                      {"Labels", json::from_map(spec.labels)}};
    json::object options = json::from_map(spec.options);
    options["com.docker.network.bridge.enable_icc"] = spec.enable_icc ? "true" : "false";
    if (!spec.bridge_name.empty()) options["com.docker.network.bridge.name"] = spec.bridge_name;
    body["Options"] = std::move(options);
    if (!spec.subnet.empty()) {
        json::object pool{{"Subnet", spec.subnet}};
        if (!spec.gateway.empty()) pool["Gateway"] = spec.gateway;
        if (!spec.ip_range.empty()) pool["IPRange"] = spec.ip_range;
        body["IPAM"] =
            json::object{{"Driver", "default"}, {"Config", json::array{std::move(pool)}}};
    }
    auto response = call(http::Method::post, "/networks/create", boost::json::serialize(body));
    if (!response) {
        // "Pool overlaps with other one on this address space" comes as 403 or 500 by version.
        Error error = std::move(response).error();
        if (error.message.find("overlaps") != std::string::npos) error.kind = ErrorKind::conflict;
        return fail(std::move(error));
    }
    LOCO_ASSIGN(const json::value v, json::parse(response->body));
    return json::text(v, "Id");
}

Result<Network> Engine::inspect_network(const std::string& id) {
    LOCO_ASSIGN(const http::ClientResponse response, call(http::Method::get, path_of(id)));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    return network_of(v);
}

Result<std::vector<Network>> Engine::list_networks(const Labels& labels) {
    const std::string filters = boost::json::serialize(json::label_filter(labels));
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get, "/networks?filters=" + http::percent_encode(filters)));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    std::vector<Network> result;
    for (const auto& item : json::list(v)) result.push_back(network_of(item));
    return result;
}

Result<> Engine::remove_network(const std::string& id) {
    auto done = call(http::Method::delete_, path_of(id));
    if (!done && done.error().kind != ErrorKind::not_found) return fail(std::move(done).error());
    return {};
}

Result<> Engine::connect_network(const std::string& network, const std::string& container,
                                 const std::string& address,
                                 const std::vector<std::string>& aliases) {
    json::object endpoint;
    if (!address.empty()) endpoint["IPAMConfig"] = json::object{{"IPv4Address", address}};
    if (!aliases.empty()) endpoint["Aliases"] = json::from_texts(aliases);
    const json::object body{{"Container", container}, {"EndpointConfig", std::move(endpoint)}};
    LOCO_TRY(call(http::Method::post, path_of(network) + "/connect", boost::json::serialize(body)));
    return {};
}

Result<> Engine::disconnect_network(const std::string& network, const std::string& container,
                                    bool force) {
    const json::object body{{"Container", container}, {"Force", force}};
    LOCO_TRY(
        call(http::Method::post, path_of(network) + "/disconnect", boost::json::serialize(body)));
    return {};
}

}  // namespace loco::engine
