// The effects of a plan, executed.
#include <algorithm>
#include <array>
#include <functional>

#include "base/log.hpp"
#include "domain/diagnosis.hpp"
#include "reconcile/admit.hpp"
#include "reconcile/images.hpp"
#include "reconcile/pass.hpp"

namespace loco::reconcile {
namespace {

constexpr int kReleasesAtOnce = 100;
// How far back images of deployments that made no release are looked for.
constexpr int kDeploymentsToClean = 100;

Result<> ignore_not_found(Result<> result) {
    if (!result && result.error().kind == ErrorKind::not_found) return {};
    return result;
}

const char* name_of(const Effect& effect) {
    static constexpr std::array<const char*, std::variant_size_v<Effect>> kNames{
        "check an image",
        "start a container",
        "stop a container",
        "remove a container",
        "tell the gateway",
        "remove an app's routes",
        "remove an app's images and logs"};
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
    seen_.admissions[effect.deployment] = std::move(*admission);
    return {};
}

Result<Admission> Reconciler::Pass::admit(const Deployment& deployment) {
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
    }
    const auto facts = ports_.runtime.ensure_image({deployment.repository, deployment.digest});
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
    out.refusal = check_image(deployment.spec, *facts, ports_.config.platform, secrets);
    if (out.refusal) return out;
    LOCO_ASSIGN(const auto user, image_user(deployment.spec, *facts));
    out.uid = user.uid;
    out.gid = user.gid;
    out.image_id = facts->image_id.empty() ? deployment.image_id : facts->image_id;
    out.release = ReleaseId::make(ports_.clock, ports_.random);
    return out;
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
    auto started = ports_.runtime.start(spec);
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
    LOCO_TRY(ports_.runtime.ensure_image(spec.image));
    return ports_.runtime.start(spec);
}

Result<> Reconciler::Pass::ensure_network(const TeamNetwork& network) {
    {
        const std::lock_guard lock(shared_.mutex);
        if (shared_.networks.contains(network.team)) return {};
    }
    LOCO_TRY(ports_.runtime.ensure_network(network));
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
    LOCO_TRY(ports_.runtime.signal(effect.instance, Signal::terminate));
    const std::lock_guard lock(mutex_);
    memo_.terminated.insert(effect.instance);
    return {};
}

Result<> Reconciler::Pass::operator()(const RemoveContainers& effect) {
    LOCO_TRY(ports_.runtime.remove(effect.instance));
    const std::lock_guard lock(mutex_);
    runtime_fresh_ = false;
    return {};
}

Result<> Reconciler::Pass::operator()(const ApplyRoutes& effect) {
    const auto applied = ports_.gateway.apply(effect.routes);
    const std::lock_guard lock(mutex_);
    gateway_fresh_ = false;
    memo_.routes_known = applied.has_value();
    memo_.routes = effect.routes;
    memo_.gateway_error = applied ? std::nullopt : std::optional(applied.error());
    return applied;
}

Result<> Reconciler::Pass::operator()(const RemoveRoutes&) {
    const auto removed = ports_.gateway.remove(app_);
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
    LOCO_TRY(ignore_not_found(ports_.runtime.remove_image(image)));
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
        LOCO_TRY(ports_.runtime.remove_network(rows_.team.id));
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
    return all;
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
