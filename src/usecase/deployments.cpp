#include "usecase/deployments.hpp"

#include <algorithm>

#include "domain/deployment.hpp"
#include "usecase/apps.hpp"
#include "usecase/capacity.hpp"

namespace loco {
namespace {

constexpr std::size_t kTagLength = 16;
constexpr auto kTokenRenewal = std::chrono::minutes(4);
// Longer than a client asks again for a token whose answer it has lost.
constexpr auto kTokenRepetition = std::chrono::seconds(30);
constexpr int kReleasesToSearch = 200;
constexpr int kDeploymentsAtOnce = 50;

std::unexpected<Error> nothing_live(const App& app) {
    return fail(ErrorKind::not_found, "app " + app.name + " has no release that is live",
                "deploy one with `loco deploy`", "nothing_live");
}

std::unexpected<Error> has_ended(const Deployment& deployment) {
    auto why = deployment.diagnosis ? ": " + deployment.diagnosis->message : std::string();
    return fail(
        ErrorKind::conflict,
        "the deployment has ended already (" + std::string(to_string(deployment.state)) + ")" + why,
        deployment.state == DeploymentState::live ? "" : "deploy again", "deployment_ended");
}

Result<> check_required_secrets(const ReadTx& tx, const App& app, const AppSpec& spec) {
    if (spec.required_secrets.empty()) return {};
    EnvVersion env;
    if (app.env_version > 0) {
        LOCO_ASSIGN(env, tx.env(app.id, app.env_version));
    }
    std::string missing;
    Error error{.kind = ErrorKind::refused, .message = {}, .code = "secret_unset"};
    for (const auto& name : spec.required_secrets) {
        if (env.sealed.contains(name)) continue;
        missing += (missing.empty() ? "" : ", ") + name;
        error.next_steps.push_back("loco env set " + name + " -a " + app.name + " --stage");
    }
    if (missing.empty()) return {};
    error.message = "[secrets] required names what is not set: " + missing;
    error.hint = "set each, its value is read from a prompt or from stdin";
    return fail(std::move(error));
}

Deployment new_deployment(Context& context, const Actor& actor, const App& app, DeploymentKind kind,
                          DeploymentState state) {
    const auto now = context.clock.now();
    Deployment deployment{.id = DeploymentId::make(context.clock, context.random),
                          .app = app.id,
                          .team = app.team,
                          .kind = kind,
                          .state = state,
                          .actor = actor.login,
                          .created_at = now,
                          .ended_at = {},
                          .lease_until = now + kBuildLease,
                          .deadline = now + kCheckingTimeout};
    deployment.phases[std::string(to_string(state))] = now;
    return deployment;
}

Result<> put_with_event(WriteTx& tx, const Deployment& deployment, const App& app,
                        std::string message, Time now) {
    LOCO_TRY(tx.put(deployment));
    LOCO_TRY(tx.append(event_of(deployment, app, std::move(message), now)));
    return {};
}

// Of a deployment that has ended without going live.
Result<> put_ended(WriteTx& tx, const Deployment& deployment, const App& app, std::string message,
                   Time now) {
    LOCO_TRY(put_with_event(tx, deployment, app, std::move(message), now));
    return free_unused_domains(tx, app.id, now);
}

Result<App> live_app(const ReadTx& tx, const AppId& id) {
    LOCO_ASSIGN(auto app, tx.app(id));
    if (app.destroying) {
        return fail(ErrorKind::not_found, "app " + app.name + " is being removed", {},
                    "app_being_destroyed");
    }
    return app;
}

// Runs `change` on a deployment that is still building, in one write.
Result<Deployment> change_building(
    Context& context, const DeploymentId& id,
    const std::function<Result<>(WriteTx&, Deployment&, App&)>& change) {
    Deployment deployment;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(deployment, tx.deployment(id));
        LOCO_ASSIGN(auto app, live_app(tx, deployment.app));
        if (deployment.state != DeploymentState::building) return has_ended(deployment);
        return change(tx, deployment, app);
    }));
    return deployment;
}

// The release of the app, among its newest, whose image the engine knows by that id.
Result<std::optional<Release>> find_image(const ReadTx& tx, const AppId& app,
                                          const std::string& image_id) {
    if (image_id.empty()) return std::nullopt;
    LOCO_ASSIGN(auto releases, tx.releases(app, 0, kReleasesToSearch));
    const auto found = std::ranges::find_if(
        releases, [&](const Release& r) { return r.image_kept && r.image_id == image_id; });
    if (found == releases.end()) return std::nullopt;
    return std::move(*found);
}

bool is_unchanged(const App& app, const Release& live, const Deployment& deployment) {
    return !app.lock && live.digest == deployment.digest && live.spec == deployment.spec &&
           live.env_version == app.env_version;
}

Diagnosis refusal_diagnosis(const Error& error) {
    return Diagnosis{.code = std::string(error.code_or_kind()),
                     .phase = "building",
                     .message = error.message,
                     .evidence = {},
                     .next_steps = error.next_steps,
                     .kind = static_cast<std::uint8_t>(error.kind)};
}

// Whether that deployment decided which code is live. A redeploy and a change of the environment only carry on what another
// has brought; a deploy that changed nothing refers to the release of another.
Result<bool> has_brought_code(const ReadTx& tx, const Deployment& by) {
    const bool decides = by.kind == DeploymentKind::deploy || by.kind == DeploymentKind::rollback;
    if (!decides || by.state != DeploymentState::live || !by.release) return false;
    LOCO_ASSIGN(const auto release, tx.release(*by.release));
    return release.deployment == by.id;
}

// What began later and has gone live, so that this one's code is older than what is live, or was decided against: whatever
// kind the live release itself is of. Ids tell the order.
Result<std::optional<Deployment>> superseding(const ReadTx& tx, const Deployment& deployment) {
    DeploymentId before;
    while (true) {
        LOCO_ASSIGN(const auto page, tx.deployments(deployment.app, before, kDeploymentsAtOnce));
        for (const auto& by : page) {
            if (by.id <= deployment.id) return std::nullopt;
            LOCO_ASSIGN(const bool brought, has_brought_code(tx, by));
            if (brought) return by;
        }
        if (page.empty()) return std::nullopt;
        before = page.back().id;
    }
}

Result<Release> release_before(const ReadTx& tx, const App& app) {
    LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
    LOCO_ASSIGN(auto releases, tx.releases(app.id, 0, kReleasesToSearch));
    const Release* best = nullptr;
    for (const auto& release : releases) {
        if (!release.live_at || release.id == live.id || *release.live_at > *live.live_at) continue;
        if (best == nullptr || *release.live_at > *best->live_at) best = &release;
    }
    if (best == nullptr) {
        return fail(ErrorKind::not_found,
                    "no release of " + app.name + " was live before " + release_name(live.number),
                    "see them with `loco releases`", "no_previous_release");
    }
    return *best;
}

Result<Release> release_named(const ReadTx& tx, const App& app, int number) {
    auto release = tx.release_by_number(app.id, number);
    if (release || release.error().kind != ErrorKind::not_found) return release;
    return fail(ErrorKind::not_found, "app " + app.name + " has no release " + release_name(number),
                "see them with `loco releases`", "no_such_release");
}

Result<> check_scale(const Release& live, const Config& config, const ScaleRequest& request,
                     const std::string& process) {
    const bool known = process == main_process(live.spec) || live.spec.processes.contains(process);
    if (!known) {
        return fail(ErrorKind::not_found, "the app has no process \"" + process + "\"",
                    "see its processes with `loco status`", "no_such_process");
    }
    const auto& change = request.change;
    if (change.replicas && (*change.replicas < 0 || *change.replicas > config.max_replicas)) {
        return fail(ErrorKind::invalid, std::to_string(*change.replicas) + " replicas can't be",
                    "choose 0 to " + std::to_string(config.max_replicas), "invalid_scale");
    }
    if (change.cpu_millis && (*change.cpu_millis < 10 || *change.cpu_millis > 256'000)) {
        return fail(ErrorKind::invalid, "that much CPU can't be", "choose 10m to 256",
                    "invalid_scale");
    }
    if (change.memory_bytes &&
        (*change.memory_bytes < (6LL << 20) || *change.memory_bytes > (4LL << 40))) {
        return fail(ErrorKind::invalid, "that much memory can't be", "choose 6Mi to 4Ti",
                    "invalid_scale");
    }
    return {};
}

void apply_change(App& app, const ScaleRequest& request, const std::string& process) {
    if (request.reset && request.process.empty()) {
        app.scale.clear();
        return;
    }
    if (request.reset) {
        app.scale.erase(process);
        return;
    }
    auto& now = app.scale[process];
    if (request.change.replicas) now.replicas = request.change.replicas;
    if (request.change.cpu_millis) now.cpu_millis = request.change.cpu_millis;
    if (request.change.memory_bytes) now.memory_bytes = request.change.memory_bytes;
}

// Whether going from one scale to the other changes more than numbers of replicas: then new instances are needed.
bool needs_new_set(const std::map<std::string, ScaleOverride>& from,
                   const std::map<std::string, ScaleOverride>& to) {
    const auto sizes = [](const std::map<std::string, ScaleOverride>& scale) {
        std::map<std::string, std::pair<std::optional<std::int64_t>, std::optional<std::int64_t>>>
            result;
        for (const auto& [process, o] : scale) {
            if (o.cpu_millis || o.memory_bytes) result[process] = {o.cpu_millis, o.memory_bytes};
        }
        return result;
    };
    return sizes(from) != sizes(to);
}

}  // namespace

std::string repository_of(const AppId& app) {
    return "loco/" + app.str().substr(AppIdTag::kPrefix.size());
}

Result<> take_lock(const ReadTx& tx, App& app, const DeploymentId& deployment) {
    if (!app.lock) {
        app.lock = deployment;
        return {};
    }
    LOCO_ASSIGN(const auto holder, tx.deployment(*app.lock));
    return fail(Error{.kind = ErrorKind::conflict,
                      .message = "a " + std::string(to_string(holder.kind)) + " of " + app.name +
                                 " by " + holder.actor + " is under way since " +
                                 to_rfc3339(holder.created_at),
                      .hint = "wait until it has ended, or end it: Ctrl-C where it was started",
                      .code = "deploy_in_progress",
                      .next_steps = {"loco status -a " + app.name},
                      .context = {{"holder", holder.id.str()}}});
}

namespace {

Result<> check_spec(const Context& context, const ReadTx& tx, const App& app,
                    const AppSpec& wanted) {
    if (wanted.name != app.name) {
        return fail(
            ErrorKind::invalid,
            "the specification is for \"" + wanted.name + "\", the app is \"" + app.name + "\"",
            "deploy it to the app of its own name", "name_mismatch");
    }
    LOCO_TRY(check_required_secrets(tx, app, wanted));
    LOCO_TRY(check_domains(tx, app, wanted.domains, context.config.base_domain));
    // Nobody builds for minutes what then has no room; when it is built, it is looked at again.
    return check_room(
        context.machine, tx, app,
        {.kind = DeploymentKind::deploy, .next = &wanted, .scale = app.scale, .in_place = false});
}

}  // namespace

Result<std::optional<Release>> check_deploy(Context& context, const AppId& id,
                                            const AppSpec& spec) {
    LOCO_TRY(spec::check_runtime(spec, context.config.runtime));
    LOCO_TRY(check_disks(context.machine));
    std::optional<Release> live;
    LOCO_TRY(context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto app, live_app(tx, id));
        LOCO_TRY(check_spec(context, tx, app, spec));
        if (app.live_release) {
            LOCO_ASSIGN(live, tx.release(*app.live_release));
        }
        return {};
    }));
    return live;
}

Result<DeployStart> start_deploy(Context& context, const Actor& actor, const AppId& id,
                                 AppSpec spec) {
    const AppSpec wanted = std::move(spec);  // copied below: the write may run again
    LOCO_TRY(spec::check_runtime(wanted, context.config.runtime));
    LOCO_TRY(check_disks(context.machine));
    DeployStart start;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto app, live_app(tx, id));
        LOCO_TRY(check_spec(context, tx, app, wanted));
        LOCO_TRY(claim_domains(tx, app, wanted.domains, context.clock.now()));
        auto deployment =
            new_deployment(context, actor, app, DeploymentKind::deploy, DeploymentState::building);
        deployment.spec = wanted;
        deployment.repository = repository_of(app.id);
        deployment.tag = random_word(context.random, kTagLength);
        LOCO_TRY(put_with_event(tx, deployment, app, actor.login + " deploys " + app.name,
                                deployment.created_at));
        if (app.live_release) {
            LOCO_ASSIGN(start.live, tx.release(*app.live_release));
        }
        start.deployment = std::move(deployment);
        return {};
    }));
    context.wake(id);  // its lease ends some day
    return start;
}

Result<> renew_lease(Context& context, const DeploymentId& id) {
    LOCO_ASSIGN(const auto deployment,
                change_building(context, id, [&](WriteTx& tx, Deployment& d, App&) {
                    d.lease_until = std::max(d.lease_until, context.clock.now() + kBuildLease);
                    return tx.put(d);
                }));
    return {};
}

Result<> renew_all_leases(Context& context) {
    return context.store.write([&](WriteTx& tx) -> Result<> {
        const auto until = context.clock.now() + kBuildLease;
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& app : apps) {
            LOCO_ASSIGN(auto open, tx.open_deployments(app));
            for (auto& deployment : open) {
                if (deployment.state != DeploymentState::building ||
                    deployment.lease_until >= until)
                    continue;
                deployment.lease_until = until;
                LOCO_TRY(tx.put(deployment));
            }
        }
        return {};
    });
}

Result<RegistryToken> push_token(Context& context, Registry& registry, const DeploymentId& id) {
    std::optional<PushGate::Pass> pass;
    if (context.pushes != nullptr) {
        pass = context.pushes->enter();
        if (!pass) {
            LOCO_TRY(renew_lease(context, id));
            return fail(ErrorKind::unavailable, "the registry is being cleaned",
                        "it takes seconds; if it lasts, run `loco up` on the server's machine",
                        "registry_busy");
        }
    }
    // The disk may have filled while it was built.
    LOCO_TRY(check_disks(context.machine));
    LOCO_ASSIGN(
        const auto deployment,
        change_building(context, id, [&](WriteTx& tx, Deployment& d, App&) -> Result<> {
            const auto now = context.clock.now();
            if (const auto given = d.phases.find("pushing");
                d.push_token_given && given != d.phases.end()) {
                // The time of the first counts, so that asking again and again gets nobody any further.
                if (now < given->second + kTokenRepetition) return {};
                if (now < given->second + kTokenRenewal) {
                    return fail(
                        ErrorKind::conflict, "this deployment's push token was given already",
                        "it is given once; it can be renewed when 4 of its 5 minutes are over",
                        "token_given");
                }
            }
            d.push_token_given = true;
            d.phases["pushing"] = now;
            d.lease_until = now + kBuildLease;
            return tx.put(d);
        }));
    return registry.push_token(deployment.repository);
}

Result<Deployment> report_built(Context& context, const DeploymentId& id,
                                const BuildResult& result) {
    Deployment deployment;
    std::optional<Error> refusal;  // the deployment failed for it: kept, and told
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        refusal.reset();  // the write may run again
        LOCO_ASSIGN(deployment, tx.deployment(id));
        LOCO_ASSIGN(auto app, live_app(tx, deployment.app));
        const auto now = context.clock.now();
        if (deployment.state != DeploymentState::building) {
            // The answer to the first report may have been lost.
            const bool repeated = result.digest.empty() ? deployment.image_id == result.image_id
                                                        : deployment.digest == result.digest;
            if (repeated && deployment.state < DeploymentState::failed) return {};
            return has_ended(deployment);
        }
        deployment.digest = result.digest;
        deployment.image_id = result.image_id;
        if (result.digest.empty()) {
            LOCO_ASSIGN(const auto known, find_image(tx, app.id, result.image_id));
            if (!known) {
                return fail(ErrorKind::not_found, "none of the app's releases has that image",
                            "push it first", "unknown_image");
            }
            deployment.digest = known->digest;
        }
        if (app.live_release) {
            LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
            if (is_unchanged(app, live, deployment)) {
                deployment.release = live.id;
                LOCO_TRY(enter(deployment, DeploymentState::live, now));
                return put_with_event(tx, deployment, app,
                                      "already live as " + release_name(live.number), now);
            }
        }
        LOCO_ASSIGN(const auto newer, superseding(tx, deployment));
        if (newer) {
            refusal = Error{.kind = ErrorKind::conflict,
                            .message = "a " + std::string(to_string(newer->kind)) +
                                       " that began after this one is live already",
                            .hint = "deploy again if yours is the newer",
                            .code = "superseded"};
            deployment.diagnosis = refusal_diagnosis(*refusal);
            LOCO_TRY(enter(deployment, DeploymentState::superseded, now));
            return put_ended(tx, deployment, app, refusal->message, now);
        }
        // In the write that takes the lock: whoever asks next counts what this one was given.
        auto locked = take_lock(tx, app, id);
        if (locked) {
            locked = check_room(context.machine, tx, app,
                                {.kind = DeploymentKind::deploy,
                                 .next = &deployment.spec,
                                 .scale = app.scale,
                                 .in_place = false});
        }
        if (!locked) {
            const auto kind = locked.error().kind;
            if (kind != ErrorKind::conflict && kind != ErrorKind::refused) return locked;
            refusal = locked.error();
            deployment.diagnosis = refusal_diagnosis(*refusal);
            LOCO_TRY(enter(deployment, DeploymentState::failed, now));
            return put_ended(tx, deployment, app, refusal->message, now);
        }
        deployment.env_version = app.env_version;
        deployment.deadline = now + kCheckingTimeout;
        LOCO_TRY(enter(deployment, DeploymentState::checking, now));
        LOCO_TRY(tx.put(app));
        return put_with_event(tx, deployment, app, "the image is being checked", now);
    }));
    context.wake(deployment.app);  // when it is refused its image goes
    if (refusal) return fail(std::move(*refusal));
    return deployment;
}

Result<Deployment> report_build_failure(Context& context, const DeploymentId& id,
                                        Diagnosis diagnosis) {
    const Diagnosis told = std::move(diagnosis);  // copied below: the write may run again
    return change_building(context, id, [&](WriteTx& tx, Deployment& d, App& app) -> Result<> {
        const auto now = context.clock.now();
        auto message = "the build failed: " + told.message;
        d.diagnosis = told;
        LOCO_TRY(enter(d, DeploymentState::failed, now));
        return put_ended(tx, d, app, std::move(message), now);
    });
}

Result<Deployment> cancel_deployment(Context& context, const Actor& actor, const DeploymentId& id) {
    Deployment deployment;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(deployment, tx.deployment(id));
        LOCO_ASSIGN(const auto app, tx.app(deployment.app));
        if (is_terminal(deployment.state)) return has_ended(deployment);
        const auto now = context.clock.now();
        if (deployment.state == DeploymentState::building) {
            LOCO_TRY(enter(deployment, DeploymentState::cancelled, now));
            return put_ended(tx, deployment, app, "cancelled by " + actor.login, now);
        }
        if (deployment.cancel_requested) return {};
        deployment.cancel_requested = true;
        auto event = event_of(deployment, app, actor.login + " asks to cancel it", now);
        event.kind = "deployment.cancel_requested";
        LOCO_TRY(tx.append(std::move(event)));
        return tx.put(deployment);
    }));
    context.wake(deployment.app);
    return deployment;
}

Result<Deployment> begin_from_release(WriteTx& tx, Context& context, const Actor& actor, App& app,
                                      DeploymentKind kind, const Release& from, int env_version) {
    // It may come from a Loco on the other kind of runtime.
    LOCO_TRY(spec::check_runtime(from.spec, context.config.runtime));
    auto deployment = new_deployment(context, actor, app, kind, DeploymentState::checking);
    deployment.spec = from.spec;
    deployment.repository = from.repository;
    deployment.digest = from.digest;
    deployment.image_id = from.image_id;
    deployment.env_version = env_version;
    LOCO_TRY(take_lock(tx, app, deployment.id));
    LOCO_TRY(check_room(context.machine, tx, app,
                        {.kind = kind, .next = &from.spec, .scale = app.scale, .in_place = false}));
    LOCO_TRY(tx.put(app));
    return deployment;
}

Result<Deployment> redeploy(Context& context, const Actor& actor, const AppId& id) {
    Deployment deployment;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, live_app(tx, id));
        if (!app.live_release) return nothing_live(app);
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        LOCO_TRY(check_required_secrets(tx, app, live.spec));
        LOCO_ASSIGN(deployment,
                    begin_from_release(tx, context, actor, app, DeploymentKind::redeploy, live,
                                       app.env_version));
        return put_with_event(tx, deployment, app,
                              actor.login + " redeploys " + release_name(live.number),
                              deployment.created_at);
    }));
    context.wake(id);
    return deployment;
}

Result<Deployment> rollback(Context& context, const Actor& actor, const AppId& id,
                            std::optional<int> number) {
    Deployment deployment;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, live_app(tx, id));
        if (!app.live_release) return nothing_live(app);
        LOCO_ASSIGN(const auto target,
                    number ? release_named(tx, app, *number) : release_before(tx, app));
        const auto name = release_name(target.number);
        if (!target.live_at) {
            return fail(ErrorKind::refused,
                        name + " never was live, so it is no target of a rollback",
                        "see those that were with `loco releases`", "never_live");
        }
        if (target.id == *app.live_release) {
            return fail(ErrorKind::refused, name + " is what is live now",
                        "see the others with `loco releases`", "is_live");
        }
        if (!target.image_kept) {
            return fail(ErrorKind::refused, "the image of " + name + " was cleaned up",
                        "deploy that version of the source again", "image_gone");
        }
        LOCO_ASSIGN(deployment,
                    begin_from_release(tx, context, actor, app, DeploymentKind::rollback, target,
                                       target.env_version));
        deployment.rollback_to = target.number;
        return put_with_event(tx, deployment, app, actor.login + " rolls back to " + name,
                              deployment.created_at);
    }));
    context.wake(id);
    return deployment;
}

Result<Deployment> restart(Context& context, const Actor& actor, const AppId& id) {
    Deployment deployment;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, live_app(tx, id));
        if (!app.live_release) return nothing_live(app);
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        deployment =
            new_deployment(context, actor, app, DeploymentKind::restart, DeploymentState::rolling);
        deployment.release = live.id;
        deployment.set = deployment.id;
        deployment.env_version = live.env_version;
        deployment.deadline = deployment.created_at + live.spec.deploy.timeout;
        LOCO_TRY(take_lock(tx, app, deployment.id));
        LOCO_TRY(check_room(context.machine, tx, app,
                            {.kind = DeploymentKind::restart,
                             .next = &live.spec,
                             .scale = app.scale,
                             .in_place = false}));
        LOCO_TRY(tx.put(app));
        return put_with_event(tx, deployment, app,
                              actor.login + " restarts " + release_name(live.number),
                              deployment.created_at);
    }));
    context.wake(id);
    return deployment;
}

Result<std::optional<Deployment>> scale(Context& context, const Actor& actor, const AppId& id,
                                        const ScaleRequest& request) {
    std::optional<Deployment> made;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, live_app(tx, id));
        if (!app.live_release) return nothing_live(app);
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        const auto process =
            request.process.empty() ? std::string(main_process(live.spec)) : request.process;
        LOCO_TRY(check_scale(live, context.config, request, process));
        const auto before = app;
        apply_change(app, request, process);
        if (app.scale == before.scale) return {};
        const bool new_set = needs_new_set(before.scale, app.scale);
        auto deployment =
            new_deployment(context, actor, app, DeploymentKind::scale, DeploymentState::rolling);
        deployment.release = live.id;
        deployment.set = new_set ? deployment.id : *app.live_set;
        deployment.env_version = live.env_version;
        deployment.previous_scale = before.scale;
        deployment.deadline = deployment.created_at + live.spec.deploy.timeout;
        LOCO_TRY(take_lock(tx, app, deployment.id));
        LOCO_TRY(check_room(context.machine, tx, before,
                            {.kind = DeploymentKind::scale,
                             .next = &live.spec,
                             .scale = app.scale,
                             .in_place = !new_set}));
        LOCO_TRY(tx.put(app));
        LOCO_TRY(put_with_event(tx, deployment, app, actor.login + " scales " + process,
                                deployment.created_at));
        made = std::move(deployment);
        return {};
    }));
    context.wake(id);
    return made;
}

}  // namespace loco
