#include "usecase/apps.hpp"

#include <boost/json.hpp>
#include <map>
#include <set>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "domain/hosts.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

// What `loco apps` shows of each: enough for one line.
Result<json::object> summary(const ReadTx& tx, const App& app, const Config& config) {
    LOCO_ASSIGN(const auto hosts, tx.hosts(app.id));
    json::array urls;
    for (const auto& host : hosts)
        urls.emplace_back(url_of(host.name, config.gateway_port, config.https));
    json::value release = nullptr;
    std::string state = app.destroying ? "destroying" : "empty";
    bool routed = true;
    if (app.live_release) {
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        release = release_name(live.number);
        routed = live.spec.type != AppType::worker;
        if (!app.destroying) {
            state = "live";
            LOCO_ASSIGN(const auto instances, tx.instances(app.id));
            bool any_healthy = false;
            bool all_healthy = true;
            bool any = false;
            for (const auto& instance : instances) {
                if (instance.set != *app.live_set || instance.one_shot) continue;
                any = true;
                any_healthy = any_healthy || instance.state == InstanceState::healthy;
                all_healthy = all_healthy && instance.state == InstanceState::healthy;
            }
            if (any && !all_healthy) state = any_healthy ? "degraded" : "down";
            if (!any) state = "stopped";
        }
    }
    return json::object{{"id", app.id.str()},
                        {"name", app.name},
                        {"state", state},
                        {"release", std::move(release)},
                        {"url", routed && !urls.empty() ? urls.front() : json::value(nullptr)},
                        {"urls", routed ? std::move(urls) : json::array()},
                        {"created_at", to_rfc3339(app.created_at)}};
}

// Numbers of releases by id, read once each.
class ReleaseNumbers {
  public:
    explicit ReleaseNumbers(const ReadTx& tx) : tx_(tx) {}
    std::optional<int> of(const ReleaseId& id) {
        if (const auto found = known_.find(id); found != known_.end()) return found->second;
        const auto release = tx_.release(id);
        return known_[id] = release ? std::optional(release->number) : std::nullopt;
    }

  private:
    const ReadTx& tx_;
    std::map<ReleaseId, std::optional<int>> known_;
};

Result<json::object> detail(const ReadTx& tx, const App& app, const Config& config) {
    LOCO_ASSIGN(auto result, summary(tx, app, config));
    ReleaseNumbers numbers(tx);
    LOCO_ASSIGN(const auto instances, tx.instances(app.id));
    json::array presented;
    std::map<std::string, std::pair<int, int>> processes;  // name → healthy, all; of the live set
    for (const auto& instance : instances) {
        presented.push_back(present(instance, numbers.of(instance.release)));
        if (app.live_set != instance.set || instance.one_shot) continue;
        auto& [healthy, all] = processes[instance.process];
        ++all;
        healthy += instance.state == InstanceState::healthy ? 1 : 0;
    }
    json::object by_process;
    for (const auto& [name, counts] : processes) {
        by_process[name] = json::object{{"healthy", counts.first}, {"instances", counts.second}};
    }
    result["processes"] = std::move(by_process);
    result["instances"] = std::move(presented);
    result["scale"] = present(app.scale);
    result["env_version"] = app.env_version;
    result["deployment"] = nullptr;
    if (app.lock) {
        LOCO_ASSIGN(const auto holder, tx.deployment(*app.lock));
        result["deployment"] =
            present(holder, holder.release ? numbers.of(*holder.release) : std::nullopt);
    }
    LOCO_ASSIGN(const auto last, tx.deployments(app.id, DeploymentId(), 1));
    result["last_deployment"] =
        last.empty() ? json::value(nullptr)
                     : json::value(present(last.front(), last.front().release
                                                             ? numbers.of(*last.front().release)
                                                             : std::nullopt));
    return result;
}

}  // namespace

Result<http::Response> list_apps(Services& services, Call& call) {
    LOCO_ASSIGN(const int limit, call.limit(100, 1000));
    json::array items;
    std::optional<std::string> next;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.apps(call.team.id, call.query("cursor"), limit));
        for (const auto& app : apps) {
            LOCO_ASSIGN(auto item, summary(tx, app, services.context.config));
            items.push_back(std::move(item));
        }
        if (static_cast<int>(apps.size()) == limit) next = apps.back().name;
        return {};
    }));
    return list_response(std::move(items), std::move(next));
}

Result<http::Response> create_app(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    const auto name = body.string("name", 64);
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto app,
                loco::create_app(services.context, call.actor(), call.team.id, name));
    json::object result;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(result, summary(tx, app, services.context.config));
        return {};
    }));
    return json_response(201, result);
}

Result<http::Response> get_app(Services& services, Call& call) {
    json::object result;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(result, detail(tx, call.app, services.context.config));
        return {};
    }));
    return json_response(200, result);
}

Result<http::Response> destroy_app(Services& services, Call& call) {
    // Read before: once it is on its way it may be gone at any moment.
    auto app = call.app;
    app.destroying = true;
    json::object result;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(result, summary(tx, app, services.context.config));
        return {};
    }));
    LOCO_TRY(loco::destroy_app(services.context, call.actor(), call.app.id));
    return json_response(202, result);
}

}  // namespace loco::api
