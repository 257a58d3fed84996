// The REST API: one table of routes (routes.cpp). A route names its method, path, operation id and permission; the
// router finds it, authenticates, resolves {team}, {app} and {deployment}, checks the permission through identity's
// table, and only then calls the handler. What a caller may not see is 404, what they see but may not do is 403.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/build_logs.hpp"
#include "api/doctor.hpp"
#include "api/manifests.hpp"
#include "crypto/box.hpp"
#include "http/server.hpp"
#include "identity/authenticator.hpp"
#include "ports/feed.hpp"
#include "ports/gateway.hpp"
#include "ports/log_store.hpp"
#include "ports/registry.hpp"
#include "ports/runtime.hpp"
#include "telemetry/metrics.hpp"
#include "usecase/context.hpp"
#include "usecase/env.hpp"
#include "usecase/move.hpp"

namespace loco::api {

// What the registry's token endpoint answers (registry/token_service): a JSON document. `query` as it was received.
using RegistryTokenFn =
    std::function<Result<std::string>(std::string_view authorization, std::string_view query)>;

// One machine that runs apps.
struct MachineReport {
    MachineFacts facts;
    std::map<std::string, std::int64_t> held;  // of the disk, by kind; empty: not measured yet
};

// What can be seen of where the apps run, be it one machine or a cluster.
struct Sight {
    std::function<Result<std::vector<ResourceUsage>>(const AppId&)> usage;
    // Of all apps; not_found where the gateway counts nothing.
    std::function<Result<std::vector<TrafficStats>>()> traffic;
    // Empty: apps run on a cluster.
    std::function<MachineReport()> machine;
    // What must answer for deploys to end, each asked for something cheap: "engine", "gateway", …
    std::vector<std::pair<std::string, std::function<Result<>()>>> parts;
};

struct Services {
    Context& context;
    identity::Sessions& sessions;
    Registry& registry;
    Sight sight;
    LogStore& logs;
    Feed& log_feed;    // keys: app ids
    Feed& event_feed;  // keys: team, app and deployment ids
    telemetry::Metrics& metrics;
    SealFn seal;
    UnsealFn unseal;                         // for an export, which seals again
    std::shared_ptr<const crypto::Box> box;  // what other Locos seal for this one
    RegistryTokenFn registry_token;
    std::string version;
    std::string build_host;         // the registry's host as the client's engine reaches it
    ManifestFn manifests;           // of a release, on Kubernetes
    Time started_at = {};           // of this loco-api
    std::string server_id;          // of its data folder: no other loco-api has it at the same time
    std::string external_url = {};  // where clients reach the API
    std::vector<Examination> examinations = {};
    std::shared_ptr<Doctor> doctor = std::make_shared<Doctor>();
    std::shared_ptr<BuildLogs> build_logs = std::make_shared<BuildLogs>();
};

// One request on its way through the router.
struct Call {
    const http::Request& request;
    std::string request_id;
    std::shared_ptr<const identity::Session> session;  // but where nobody is asked who they are
    Team team;                                         // with {team}
    Role role = Role::viewer;
    App app;                // with {app}
    Deployment deployment;  // with {id}
    // Whether this caller may still read what was asked for; true while that can't be found out. For answers that go
    // on for long, see Leave.
    std::function<bool()> still_allowed;

    [[nodiscard]] const identity::Principal& principal() const { return session->principal; }
    [[nodiscard]] Actor actor() const { return {principal().user.id, principal().user.login}; }
    // A query parameter; empty if it is not there.
    [[nodiscard]] std::string_view query(std::string_view name) const;
    // ?limit= within 1 … max. invalid else.
    [[nodiscard]] Result<int> limit(int standard, int max) const;
};

// A stream's leave to go on: a token may be revoked or expire, a member leave the team. Asked for again every 15 s.
class Leave {
  public:
    Leave(std::function<bool()> ask, const Clock& clock)
        : ask_(std::move(ask)), clock_(clock), asked_(clock.steady()) {}

    [[nodiscard]] bool holds() {
        constexpr std::chrono::seconds kAskAgain{15};
        if (clock_.steady() - asked_ < kAskAgain) return true;
        asked_ = clock_.steady();
        return ask_();
    }

  private:
    std::function<bool()> ask_;
    const Clock& clock_;
    SteadyTime asked_;
};

using Handler = Result<http::Response> (*)(Services&, Call&);

struct Route {
    http::Method method;
    std::string_view path;       // "/api/v1/teams/{team}/apps/{app}"
    std::string_view operation;  // operationId in the OpenAPI
    identity::Permission permission;
    Handler handle;
    std::string_view summary;
    std::string_view request_schema;   // name under components/schemas; empty: no body
    std::string_view response_schema;  // empty: no JSON body
    int success = 200;
    bool idempotency = false;  // takes Idempotency-Key
    // Lets a request in as `permission` does; the handler looks which of the two the body needs.
    std::optional<identity::Permission> or_permission = {};
};

[[nodiscard]] std::span<const Route> routes();

// The whole API as a handler for http::Server. Never throws; every answer carries X-Request-Id.
[[nodiscard]] http::Server::Handler make_api(Services& services);

// What the server answers by itself (a malformed or oversized request, too many of them), in the same form.
[[nodiscard]] std::function<http::Response(int status, std::string_view code,
                                           std::string_view detail)>
make_refusals(Services& services);

// RFC 9457 with Loco's code, hint, next_steps and request_id.
[[nodiscard]] http::Response problem(const Error& error, std::string_view request_id);
[[nodiscard]] http::Response problem(const Error& error, std::string_view request_id, int status);

// The OpenAPI 3.1 document of all routes.
[[nodiscard]] std::string openapi(std::string_view version);

}  // namespace loco::api
