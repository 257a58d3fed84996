// The things that Loco keeps, as plain values. Stores write and read them whole; rules over them live in
// domain/ (state machines), usecase/ and reconcile/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "domain/app_spec.hpp"
#include "domain/ids.hpp"

namespace loco {

// In order of power: each may do all that the ones before it may.
enum class Role : std::uint8_t { viewer, developer, admin, owner };

struct User {
    UserId id;
    std::string provider;  // "local" for the one that `loco up` makes
    std::string subject;   // unique within the provider
    std::string login;
    std::string email;
    Time created_at;
    bool operator==(const User&) const = default;
};

struct Team {
    TeamId id;
    std::string slug;  // unique, a DNS label
    int number =
        0;  // unique, from 0 and never used again; the team's subnet is made from it. Team 0 is the instance's first
    Time created_at;
    bool operator==(const Team&) const = default;
};

struct Membership {
    TeamId team;
    UserId user;
    Role role = Role::viewer;
    bool operator==(const Membership&) const = default;
};

// An API token; only its SHA-256 is kept.
struct Token {
    TokenId id;
    UserId user;
    std::string name;
    std::string sha256;               // lower-case hex
    std::vector<std::string> scopes;  // "*", or names of permissions (identity/authorization.hpp)
    std::optional<TeamId> team;       // limits the token to one team
    Time created_at;
    std::optional<Time> expires_at;
    std::optional<Time> last_used_at;
    bool revoked = false;
    bool operator==(const Token&) const = default;
};

// What `loco scale` set for one process; it outlives deploys until `--reset`.
struct ScaleOverride {
    std::optional<int> replicas = {};
    std::optional<std::int64_t> cpu_millis = {};
    std::optional<std::int64_t> memory_bytes = {};
    bool operator==(const ScaleOverride&) const = default;
};

struct App {
    AppId id;
    TeamId team;
    std::string name;  // unique in its team
    Time created_at;
    int next_release = 1;
    int env_version = 0;  // the newest; 0: no variable was ever set
    // What serves: the release, and the deployment whose instances run it (its set). `restart` makes a new set
    // of the same release. Both empty before the first deploy is live.
    std::optional<ReleaseId> live_release;
    std::optional<DeploymentId> live_set;
    // The set that served before live_set, kept while the switch is not yet confirmed by the gateway.
    std::optional<DeploymentId> previous_set;
    std::optional<ReleaseId> previous_release;
    // The deployment that holds the app. Set when it leaves `building`, cleared in the write that ends it.
    std::optional<DeploymentId> lock;
    std::map<std::string, ScaleOverride> scale;  // by process
    bool destroying = false;  // everything of it is being removed; its row goes last
    bool operator==(const App&) const = default;
};

// One version of an app's `loco env` values, each sealed (crypto/seal.hpp).
struct EnvVersion {
    AppId app;
    int version = 0;
    std::map<std::string, std::string> sealed;
    Time created_at;
    bool operator==(const EnvVersion&) const = default;
};

enum class DeploymentKind : std::uint8_t { deploy, redeploy, rollback, scale, env, restart };

// building → checking → releasing → rolling → live; from any of the first four also failed or cancelled;
// from building also superseded.
enum class DeploymentState : std::uint8_t {
    building,   // the client builds and pushes; holds a lease, not the app
    checking,   // the image is admitted or refused; from here on the app's lock is held
    releasing,  // the release is recorded; its release command runs
    rolling,    // new instances start, become healthy, traffic moves
    live,
    failed,
    cancelled,
    superseded,
};
[[nodiscard]] constexpr bool is_terminal(DeploymentState s) { return s >= DeploymentState::live; }
// Whether the state machine has that step.
[[nodiscard]] bool may_follow(DeploymentState from, DeploymentState to);

// Why a deployment failed, or an instance died: told to the user as it stands.
struct Diagnosis {
    std::string code;      // "exited_at_start", "never_healthy", "image_runs_as_root", …
    std::string phase;     // the deployment state's name in which it happened
    std::string message;   // what happened and why
    std::string evidence;  // last lines, exit status, what was asked and answered
    std::vector<std::string> next_steps;
    std::uint8_t kind = 0;  // ErrorKind, for the client's exit status
    bool operator==(const Diagnosis&) const = default;
};

struct Deployment {
    DeploymentId id;
    AppId app;
    TeamId team;
    DeploymentKind kind = DeploymentKind::deploy;
    DeploymentState state = DeploymentState::building;
    std::string actor;  // who asked: the user's login
    Time created_at;
    std::optional<Time> ended_at;
    Time lease_until;                    // building only: the client must show life before it
    Time deadline;                       // releasing and rolling: then it fails
    std::map<std::string, Time> phases;  // state's name → when it was entered
    AppSpec spec;                        // what is to be released (empty for restart and scale)
    std::string repository;              // in Loco's registry, without its host
    std::string tag;                     // random, for the push
    std::string digest;                  // "sha256:…", once reported
    std::string image_id;                // the engine's id of the image's config, once reported
    int env_version = 0;                 // what the release will run with
    std::optional<ReleaseId> release;    // made (or, for restart and scale, used) by it
    std::optional<DeploymentId>
        set;  // whose instances it brings up: its own id, or the live set for a change of replicas
    std::optional<int> rollback_to;  // number of the release that a rollback repeats
    std::map<std::string, ScaleOverride> previous_scale;  // kind scale: put back when it fails
    bool cancel_requested = false;
    bool push_token_given = false;
    std::optional<Diagnosis> diagnosis;
    bool operator==(const Deployment&) const = default;
};

// Immutable but for `ever_live` and `image_kept`.
struct Release {
    ReleaseId id;
    AppId app;
    int number = 0;  // v1, v2, …
    std::string repository;
    std::string digest;
    std::string image_id;
    AppSpec spec;
    int env_version = 0;
    std::int64_t uid = 0;  // resolved in the image's own passwd; never 0
    std::int64_t gid = 0;
    DeploymentId deployment;
    std::string actor;
    Time created_at;
    std::optional<Time> live_at;  // first time it served; none: no target of a rollback
    bool image_kept = true;       // false once its image was cleaned up
    bool operator==(const Release&) const = default;
};

// What was wrong with an instance last, as its status shows it: a Diagnosis without the name and the evidence.
struct Problem {
    std::string code;     // "oom_killed"; empty: it only waits for something
    std::string message;  // "exited with 3"; empty: nothing was wrong
    std::vector<std::string> next_steps = {};
    [[nodiscard]] bool empty() const { return message.empty(); }
    bool operator==(const Problem&) const = default;
};

enum class InstanceState : std::uint8_t {
    pending,   // address reserved; no container confirmed yet
    starting,  // its container was started; not healthy yet
    healthy,   // may have traffic
    backoff,   // its container died; the next is started at restart_at
    draining,  // out of rotation; requests in flight end, at most until deadline
    stopping,  // SIGTERM was sent (or nothing runs); SIGKILL at deadline; then container, gateway server and row go
    finished,  // one-shot: its container has exited with `exit_code`
};

struct Instance {
    InstanceId id;
    AppId app;
    TeamId team;
    ReleaseId release;
    DeploymentId set;       // see App::live_set
    std::string process;    // "web", "worker", a [process.NAME], or "release" (the release command)
    int index = 0;          // 0 … replicas-1 within set and process
    bool one_shot = false;  // runs once; its exit is its end
    InstanceState state = InstanceState::pending;
    std::string host;     // which runtime: "local"
    std::string address;  // IPv4 in the team's network; unique while the row lives
    std::int64_t cpu_millis = 0;
    std::int64_t cpu_max_millis = 0;
    std::int64_t memory_bytes = 0;
    int attempt = 0;   // containers started for it so far; names the container
    int restarts = 0;  // crashes since it was last healthy for long
    Time created_at;
    Time state_since;
    std::optional<Time> restart_at;
    std::optional<Time> deadline;
    std::optional<int> exit_code;  // of its last container that died
    bool oom_killed = false;
    Problem last_problem;  // of its last death or failed check, for status
    bool operator==(const Instance&) const = default;
};

// A host name that routes to an app, or is kept from other teams after it was freed.
struct Host {
    std::string name;
    TeamId team;
    std::optional<AppId> app;            // none: reserved only
    bool primary = false;                // given at creation; the rest are domains
    std::optional<Time> reserved_until;  // when app is none
    bool operator==(const Host&) const = default;
};

// What a person reads to know what happened. Append-only.
struct Event {
    std::int64_t seq = 0;  // grows with each; given by the store
    TeamId team;
    std::optional<AppId> app;
    std::optional<DeploymentId> deployment;
    std::string actor;  // a login, or "loco"
    std::string kind;   // "deployment.rolling", "instance.crashed", …
    std::string message;
    std::string data;  // a JSON object, or empty
    Time at;
    bool operator==(const Event&) const = default;
};

// The answer that was given to a POST with an Idempotency-Key, kept for a day.
struct IdempotencyRecord {
    std::string key;  // the header, prefixed with the user's id
    std::string
        fingerprint;  // SHA-256 of method, path and body: another request with the key is a conflict
    int status = 0;   // 0: still running
    std::string body;
    Time created_at;
    bool operator==(const IdempotencyRecord&) const = default;
};

[[nodiscard]] std::string_view to_string(Role value);
[[nodiscard]] std::string_view to_string(DeploymentKind value);
[[nodiscard]] std::string_view to_string(DeploymentState value);
[[nodiscard]] std::string_view to_string(InstanceState value);
[[nodiscard]] std::optional<Role> parse_role(std::string_view text);
[[nodiscard]] std::optional<DeploymentKind> parse_deployment_kind(std::string_view text);
[[nodiscard]] std::optional<DeploymentState> parse_deployment_state(std::string_view text);
[[nodiscard]] std::optional<InstanceState> parse_instance_state(std::string_view text);

// "v7"
[[nodiscard]] std::string release_name(int number);

}  // namespace loco
