// The effects of a plan, executed.
#include <algorithm>
#include <array>
#include <exception>
#include <functional>

#include "base/log.hpp"
#include "domain/diagnosis.hpp"
#include "reconcile/admit.hpp"
#include "reconcile/images.hpp"
#include "reconcile/pass.hpp"
#include "usecase/capacity.hpp"

namespace loco::reconcile {
namespace {

constexpr int kReleasesAtOnce = 100;
// How far back images of deployments that made no release are looked for.
constexpr int kDeploymentsToClean = 100;

Result<> ignore_not_found(Result<> result) {
    if (!result && result.error().kind == ErrorKind::not_found) return {};
    return result;
}

Result<ImageFacts> fetch_image(Runtime& runtime, const ImageRef& image) {
    try {
        return runtime.ensure_image(image);
    } catch (const std::exception& e) {
        return fail(ErrorKind::internal, std::string("fetching an image has thrown: ") + e.what());
    }
}

// The loop's own backoff begins anew with each fetch.
Duration fetch_again_after(int failures) {
    return std::min<Duration>(std::chrono::seconds(10),
                              std::chrono::milliseconds(100) * (1 << std::min(failures - 1, 16)));
}

const char* name_of(const Effect& effect) {
    static constexpr std::array<const char*, std::variant_size_v<Effect>> kNames{
        "check an image",
        "start a container",
        "stop a container",
        "remove a container",
        "tell the gateway",
        "remove an app's routes",
        "remove an app's images and logs",
        "order an app from the cluster",
        "stop an app on the cluster",
        "remove an app from the cluster",
        "run a release command on the cluster",
        "remove a release command from the cluster"};
    return kNames.at(effect.index());
}

}  // namespace

bool Reconciler::Pass::run_effects(const std::vector<Effect>& effects) {
    bool any = false;
    std::vector<std::function<void()>> work;
    for (const auto& effect : effects) {
        work.emplace_back([this, &effect, &any] {
            const auto done = run(effect);
            const std::lock_guard lock(mutex_);
            if (done) {
                any = true;
                return;
            }
            log::failure(std::string("cannot ") + name_of(effect), done.error());
            failed_.push_back(effect);
            if (!error_) error_ = done.error();
        });
    }
    if (ports_.run_all && work.size() > 1) {
        ports_.run_all(std::move(work));
    } else {
        for (auto& one : work) one();
    }
    // A failure may be news too: why an image cannot be checked, a container not started.
    return any || !failed_.empty();
}

Result<> Reconciler::Pass::run(const Effect& effect) {
    return std::visit([this](const auto& one) { return (*this)(one); }, effect);
}

Result<> Reconciler::Pass::operator()(const Admit& effect) {
    const auto deployment = std::ranges::find(rows_.open, effect.deployment, &Deployment::id);
    if (deployment == rows_.open.end()) return {};
    auto admission = admit(*deployment);
    const std::lock_guard lock(mutex_);
    if (!admission) {
        memo_.admission_errors.insert_or_assign(effect.deployment, admission.error());
        return fail(std::move(admission).error());
    }
    if (!*admission) {
        failed_.emplace_back(effect);  // nothing more of it in this pass: its end asks for another
        return {};
    }
    memo_.admission_errors.erase(effect.deployment);
    seen_.admissions[effect.deployment] = std::move(**admission);
    return {};
}

// Fetching takes as long as the registry and the network want; what else there is to do for this app and for others does not
// wait for it.
std::optional<Result<ImageFacts>> Reconciler::Pass::facts_of(const Deployment& deployment) {
    const ImageRef image{deployment.repository, deployment.digest};
    // A cluster only reads what the image says of itself; its nodes fetch it.
    if (!ports_.aside || cluster() != nullptr) return image_facts(image);
    const std::lock_guard lock(mutex_);
    auto& kept = memo_.fetches[deployment.id];
    const auto fetch = std::make_shared<Fetch>();
    if (kept) {
        const std::lock_guard fetched(kept->mutex);
        if (!kept->facts) return std::nullopt;
        if (kept->facts->has_value() || ports_.clock.steady() < kept->again_at) return kept->facts;
        fetch->failures = kept->failures;
    }
    kept = fetch;
    ports_.aside(app_, [fetch, image, &runtime = machine().runtime, &clock = ports_.clock] {
        auto facts = fetch_image(runtime, image);
        const std::lock_guard fetched(fetch->mutex);
        if (!facts) fetch->again_at = clock.steady() + fetch_again_after(++fetch->failures);
        fetch->facts = std::move(facts);
    });
    const std::lock_guard fetched(fetch->mutex);
    return fetch->facts;
}

Result<std::optional<Admission>> Reconciler::Pass::admit(const Deployment& deployment) {
    const auto refused = [&](const Error& error) {
        return Admission{.refusal = diagnose_error(DeploymentState::checking, error),
                         .release = {},
                         .image_id = {}};
    };
    const auto gone = [&](const Error& error) {
        return refused({.kind = ErrorKind::refused,
                        .message = "the image is not there: " + error.message,
                        .code = "image_not_found",
                        .next_steps = {"build and push it again: loco deploy"}});
    };
    if (deployment.kind == DeploymentKind::deploy) {
        const auto manifest = ports_.registry.manifest(deployment.repository, deployment.digest);
        if (!manifest) {
            if (manifest.error().kind == ErrorKind::not_found) return gone(manifest.error());
            return fail(manifest.error());
        }
        const auto fits = check_size(manifest->total_bytes, ports_.config.max_image_bytes);
        if (!fits) return refused(fits.error());
    }
    const auto fetched = facts_of(deployment);
    if (!fetched) return std::nullopt;
    const auto& facts = *fetched;
    if (!facts) {
        if (facts.error().kind == ErrorKind::not_found) return gone(facts.error());
        if (facts.error().kind == ErrorKind::refused || facts.error().kind == ErrorKind::invalid)
            return refused(facts.error());
        return fail(facts.error());
    }
    std::set<std::string> secrets;
    if (deployment.env_version > 0 && !deployment.spec.required_secrets.empty()) {
        LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto env, tx.env(app_, deployment.env_version));
            for (const auto& [name, value] : env.sealed) secrets.insert(name);
            return {};
        }));
    }
    Admission out;
    LOCO_ASSIGN(const auto platform, platform_for(*facts));
    out.refusal = check_image(deployment.spec, *facts, platform, secrets);
    if (!out.refusal && seen_.cluster && seen_.cluster->nodes) {
        const auto fits = check_fits(*seen_.cluster->nodes, deployment.spec, rows_.app.scale);
        if (!fits) out.refusal = diagnose_error(DeploymentState::checking, fits.error());
    }
    if (!out.refusal) {
        LOCO_ASSIGN(out.refusal, refused_for_room(deployment));
    }
    if (out.refusal) return std::optional(std::move(out));
    LOCO_ASSIGN(const auto user, image_user(deployment.spec, *facts));
    out.uid = user.uid;
    out.gid = user.gid;
    out.image_id = facts->image_id.empty() ? deployment.image_id : facts->image_id;
    out.release = ReleaseId::make(ports_.clock, ports_.random);
    return std::optional(std::move(out));
}

// It was looked at when the deployment took its lock, unless the engine was away then and nobody knew how large the machine is.
Result<std::optional<Diagnosis>> Reconciler::Pass::refused_for_room(const Deployment& deployment) {
    if (!ports_.machine) return std::nullopt;
    if (!ports_.machine().size) {
        return fail(ErrorKind::unavailable,
                    "the container engine has not told yet how large its machine is");
    }
    std::optional<Diagnosis> refusal;
    LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
        const auto room = check_room(ports_.machine, tx, rows_.app,
                                     {.kind = deployment.kind,
                                      .next = &deployment.spec,
                                      .scale = rows_.app.scale,
                                      .in_place = false});
        if (!room && room.error().kind != ErrorKind::refused) return room;
        refusal.reset();
        if (!room) refusal = diagnose_error(DeploymentState::checking, room.error());
        return {};
    }));
    return refusal;
}

Result<> Reconciler::Pass::operator()(const StartContainer& effect) {
    const auto instance = std::ranges::find(rows_.instances, effect.instance, &Instance::id);
    if (instance == rows_.instances.end()) return {};
    const Release* release = rows_.release(instance->release);
    if (release == nullptr) return fail(ErrorKind::internal, "an instance's release is missing");
    const auto started = start(*instance, *release);
    const std::lock_guard lock(mutex_);
    if (!started) {
        memo_.start_errors.insert_or_assign(effect.instance,
                                            StartError{effect.attempt, started.error()});
        runtime_fresh_ = false;
        return started;
    }
    memo_.start_errors.erase(effect.instance);
    // It runs: the runtime need not be asked for what it has just said. Should it have ended already, the runtime tells.
    std::erase_if(seen_.containers,
                  [&](const ObservedContainer& seen) { return seen.instance == effect.instance; });
    ObservedContainer seen;
    seen.instance = effect.instance;
    seen.app = app_;
    seen.attempt = effect.attempt;
    seen.state = ContainerState::running;
    seen.address = instance->address;
    seen.started_at = ports_.clock.now();
    seen_.containers.push_back(std::move(seen));
    return {};
}

Result<> Reconciler::Pass::start(const Instance& instance, const Release& release) {
    LOCO_TRY(check_env(release.spec));
    LOCO_ASSIGN(const auto network, shared_.addresses.network(rows_.team));
    LOCO_ASSIGN(auto secrets, secrets_of(release));
    const auto spec = container_spec({.rows = rows_,
                                      .instance = instance,
                                      .release = release,
                                      .network = network,
                                      .secrets = std::move(secrets),
                                      .url = url()});
    LOCO_TRY(ensure_network(network));
    auto started = machine().runtime.start(spec);
    if (started || started.error().kind == ErrorKind::refused ||
        started.error().kind == ErrorKind::unavailable)
        return started;
    // The network or the image may have been removed behind our back.
    {
        const std::lock_guard lock(shared_.mutex);
        shared_.networks.erase(network.team);
    }
    if (started.error().kind != ErrorKind::not_found) return started;
    LOCO_TRY(ensure_network(network));
    LOCO_TRY(machine().runtime.ensure_image(spec.image));
    return machine().runtime.start(spec);
}

Result<> Reconciler::Pass::ensure_network(const TeamNetwork& network) {
    {
        const std::lock_guard lock(shared_.mutex);
        if (shared_.networks.contains(network.team)) return {};
    }
    LOCO_TRY(machine().runtime.ensure_network(network));
    const std::lock_guard lock(shared_.mutex);
    shared_.networks.insert(network.team);
    return {};
}

Result<SecretEnv> Reconciler::Pass::secrets_of(const Release& release) {
    if (release.env_version == 0) return SecretEnv{};
    EnvVersion env;
    LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(env, tx.env(app_, release.env_version));
        return {};
    }));
    return ports_.unseal(env);
}

std::string Reconciler::Pass::url() const {
    return rows_.hosts.empty() ? std::string() : ports_.url_of(rows_.hosts.front().name);
}

Result<> Reconciler::Pass::operator()(const Terminate& effect) {
    LOCO_TRY(machine().runtime.signal(effect.instance, Signal::terminate));
    const std::lock_guard lock(mutex_);
    memo_.terminated.insert(effect.instance);
    return {};
}

Result<> Reconciler::Pass::operator()(const RemoveContainers& effect) {
    LOCO_TRY(machine().runtime.remove(effect.instance));
    const std::lock_guard lock(mutex_);
    runtime_fresh_ = false;
    return {};
}

Result<> Reconciler::Pass::operator()(const ApplyRoutes& effect) {
    const auto applied = machine().gateway.apply(effect.routes);
    const std::lock_guard lock(mutex_);
    gateway_fresh_ = false;
    memo_.routes_known = applied.has_value();
    memo_.routes = effect.routes;
    memo_.gateway_error = applied ? std::nullopt : std::optional(applied.error());
    return applied;
}

Result<> Reconciler::Pass::operator()(const RemoveRoutes&) {
    const auto removed = machine().gateway.remove(app_);
    const std::lock_guard lock(mutex_);
    gateway_fresh_ = false;
    memo_.routes_known = removed.has_value();
    memo_.routes.reset();
    return removed;
}

Result<std::vector<Release>> Reconciler::Pass::all_releases() {
    std::vector<Release> out;
    for (int before = 0;;) {
        std::vector<Release> some;
        LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(some, tx.releases(app_, before, kReleasesAtOnce));
            return {};
        }));
        if (some.empty()) return out;
        before = some.back().number;
        const bool last = static_cast<int>(some.size()) < kReleasesAtOnce || before <= 1;
        std::ranges::move(some, std::back_inserter(out));
        if (last) return out;
    }
}

Result<std::vector<Deployment>> Reconciler::Pass::newest_deployments() {
    std::vector<Deployment> out;
    LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(out, tx.deployments(app_, {}, kDeploymentsToClean));
        return {};
    }));
    return out;
}

Result<> Reconciler::Pass::remove_image(const ImageRef& image) {
    // Nodes clean up after themselves.
    if (cluster() == nullptr) LOCO_TRY(ignore_not_found(machine().runtime.remove_image(image)));
    return ignore_not_found(ports_.registry.remove_manifest(image.repository, image.digest));
}

Result<> Reconciler::Pass::operator()(const Forget&) {
    LOCO_ASSIGN(const auto releases, all_releases());
    std::set<std::string> removed;
    for (const auto& release : releases) {
        if (!release.image_kept || !removed.insert(release.digest).second) continue;
        LOCO_TRY(remove_image({release.repository, release.digest}));
    }
    LOCO_TRY(clean_unreleased(releases));
    LOCO_TRY(ports_.forget_logs(app_));
    if (cluster() != nullptr) {
        memo_.forgotten = true;
        return {};
    }
    bool team_is_empty = false;
    LOCO_TRY(ports_.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto addresses, tx.addresses(rows_.team.id));
        team_is_empty = addresses.empty();
        return {};
    }));
    if (team_is_empty) {
        {
            // Another app of the team that starts now makes sure of the network again.
            const std::lock_guard lock(shared_.mutex);
            shared_.networks.erase(rows_.team.id);
        }
        LOCO_TRY(machine().runtime.remove_network(rows_.team.id));
    }
    memo_.forgotten = true;
    return {};
}

// What was pushed and never became a release: refused, superseded, or another deployment held the app.
Result<> Reconciler::Pass::clean_unreleased(const std::vector<Release>& releases) {
    LOCO_ASSIGN(const auto deployments, newest_deployments());
    // One that began meanwhile may push the same image again; its end asks for another cleaning.
    const bool any_open = std::ranges::any_of(
        deployments, [](const Deployment& one) { return !is_terminal(one.state); });
    if (any_open) return {};
    std::erase_if(memo_.cleaned, [&](const DeploymentId& id) {
        return !contains(deployments, id, &Deployment::id);
    });
    Result<> all;
    for (const auto& deployment : unreleased_images(rows_, releases, deployments)) {
        if (memo_.cleaned.contains(deployment.id)) continue;
        auto removed = remove_image({deployment.repository, deployment.digest});
        if (removed) {
            memo_.cleaned.insert(deployment.id);
        } else if (all) {
            all = std::move(removed);
        }
    }
    auto others = clean_unreported(releases, deployments);
    return all ? others : all;
}

// What a client pushed that was cancelled or killed before it said so. Its push may go on as long as its token is good:
// then it is looked for once more.
Result<> Reconciler::Pass::clean_unreported(const std::vector<Release>& releases,
                                            const std::vector<Deployment>& deployments) {
    memo_.cleanup_at.reset();
    Result<> all;
    for (const auto& deployment : unreported_pushes(deployments)) {
        if (memo_.cleaned.contains(deployment.id)) continue;
        auto removed = remove_tagged(releases, deployment);
        if (!removed) {
            if (all) all = std::move(removed);
            continue;
        }
        const auto ends = push_ends(deployment);
        if (ports_.clock.now() >= ends || rows_.app.destroying) {
            memo_.cleaned.insert(deployment.id);
        } else {
            memo_.cleanup_at = std::min(memo_.cleanup_at.value_or(ends), ends);
        }
    }
    return all;
}

Result<> Reconciler::Pass::remove_tagged(const std::vector<Release>& releases,
                                         const Deployment& deployment) {
    const auto digest = ports_.registry.tagged(deployment.repository, deployment.tag);
    if (!digest && digest.error().kind != ErrorKind::not_found) return fail(digest.error());
    if (digest && !is_needed(rows_, releases, deployment.repository, *digest))
        LOCO_TRY(remove_image({deployment.repository, *digest}));
    if (cluster() != nullptr) return {};  // nobody pushes from a node
    return machine().runtime.remove_tag(deployment.repository, deployment.tag);
}

Result<> Reconciler::Pass::clean_images() {
    LOCO_ASSIGN(const auto releases, all_releases());
    // One that cannot be removed does not keep the others.
    Result<> all;
    std::set<std::pair<std::string, std::string>> stay;
    for (const auto& obsolete : obsolete_images(rows_, releases)) {
        const std::pair image{obsolete.release.repository, obsolete.release.digest};
        if (obsolete.remove) {
            if (auto removed = remove_image({image.first, image.second}); !removed) {
                stay.insert(image);
                if (all) all = std::move(removed);
            }
        }
        if (stay.contains(image)) continue;
        // Marked after it is gone: what is marked is never looked at again.
        LOCO_TRY(ports_.store.write([&](WriteTx& tx) -> Result<> {
            LOCO_ASSIGN(auto release, tx.release(obsolete.release.id));
            release.image_kept = false;
            return tx.put(release);
        }));
    }
    LOCO_TRY(clean_unreleased(releases));
    return all;
}

}  // namespace loco::reconcile
