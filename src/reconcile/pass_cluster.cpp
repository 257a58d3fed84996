// A pass where apps run on a cluster: what is seen, and the effects on it.
#include <algorithm>

#include "base/log.hpp"
#include "domain/diagnosis.hpp"
#include "reconcile/admit.hpp"
#include "reconcile/cluster_app.hpp"
#include "reconcile/pass.hpp"

namespace loco::reconcile {

void Reconciler::Pass::observe_cluster() {
    auto& view = seen_.cluster.emplace();
    view.order_error = memo_.order_error;
    view.command_error = memo_.command_error;
    view.commands = memo_.commands;
    view.stop_asked = memo_.stop_asked;
    view.removal_asked = memo_.removal_asked;
    view.command_removal_asked = memo_.command_removal_asked;
    view.put_right = memo_.put_right;
    auto app = cluster()->observe(app_);
    if (!app) {
        log::failure("cannot say how an app is on the cluster", app.error());
        if (!error_) error_ = std::move(app).error();
        return;
    }
    observe_pod_trouble(*app);
    view.app = std::move(*app);
    if (const auto order = cluster_order(rows_)) {
        // Just taken, so whatever is seen of it is older.
        const auto wanted = applied_ == order ? Result<ClusterApp>() : wanted_app(*order);
        // What cannot be made out is found out when it is ordered.
        view.differs = applied_ != order && (!wanted || cluster()->differs(*wanted));
    }
    const Deployment* open = rows_.holder();
    if (open == nullptr) return;
    auto nodes = cluster()->nodes();
    if (nodes) {
        view.nodes = std::move(*nodes);
    } else {
        log::failure("cannot list the cluster's nodes", nodes.error());
        if (!error_) error_ = std::move(nodes).error();
    }
}

// The last words of what has ended by itself, or is out of time. What else there is to see of it is in what is observed.
void Reconciler::Pass::observe_pod_trouble(const ObservedApp& app) {
    for (const auto& instance : rows_.instances) {
        const auto open = std::ranges::find_if(
            rows_.open, [&](const Deployment& d) { return d.set == instance.set; });
        const auto pod = std::ranges::find(app.pods, instance.id, &ObservedPod::instance);
        if (pod == app.pods.end() || seen_.tails.contains(instance.id)) continue;
        const bool awaited = open != rows_.open.end();
        const bool late = awaited && ports_.clock.now() >= open->deadline &&
                          instance.state == InstanceState::starting;
        const bool crashed = pod->exit_code && (awaited || ends_of(*pod) > instance.restarts);
        if (late || crashed) seen_.tails[instance.id] = ports_.log_tail(instance);
    }
}

Result<ClusterApp> Reconciler::Pass::wanted_app(const ClusterOrder& order) {
    const Release* release = rows_.release(order.release);
    if (release == nullptr)
        return fail(ErrorKind::internal, "what is to be ordered has no release");
    LOCO_TRY(check_env(release->spec));
    LOCO_ASSIGN(auto secrets, secrets_of(*release));
    return cluster_app(rows_, order, std::move(secrets), url());
}

Result<ImageFacts> Reconciler::Pass::image_facts(const ImageRef& image) {
    return cluster() != nullptr ? cluster()->image_facts(image)
                                : machine().runtime.ensure_image(image);
}

Result<std::string> Reconciler::Pass::platform_for(const ImageFacts& facts) {
    if (cluster() == nullptr) return ports_.config.platform;
    LOCO_ASSIGN(const auto nodes, cluster()->nodes());
    if (nodes.empty() || contains(nodes, facts.platform, &ObservedNode::platform))
        return facts.platform;
    return nodes.front().platform;
}

Result<> Reconciler::Pass::operator()(const ApplyApp& effect) {
    const auto order = cluster_order(rows_);
    if (!order || order->set != effect.set) return {};
    auto applied = [&]() -> Result<Applied> {
        LOCO_ASSIGN(const auto wanted, wanted_app(*order));
        return cluster()->apply(wanted);
    }();
    const std::lock_guard lock(mutex_);
    if (!applied) {
        memo_.order_error = OrderError{effect.set, applied.error()};
        return fail(std::move(applied).error());
    }
    memo_.order_error.reset();
    memo_.stop_asked.reset();
    std::ranges::move(applied->put_right, std::back_inserter(memo_.put_right));
    applied_ = order;
    return {};
}

Result<> Reconciler::Pass::operator()(const StopApp&) {
    LOCO_TRY(cluster()->stop(app_));
    const std::lock_guard lock(mutex_);
    memo_.stop_asked = ports_.clock.now();
    return {};
}

Result<> Reconciler::Pass::operator()(const RemoveApp&) {
    LOCO_TRY(cluster()->remove(app_));
    const std::lock_guard lock(mutex_);
    memo_.removal_asked = ports_.clock.now();
    return {};
}

Result<> Reconciler::Pass::operator()(const RunCommand& effect) {
    const auto open = std::ranges::find(rows_.open, effect.deployment, &Deployment::id);
    const Release* release = open == rows_.open.end() ? nullptr : rows_.release(open->release);
    if (release == nullptr || !open->set) return {};
    const auto ran = [&]() -> Result<> {
        LOCO_ASSIGN(auto app, wanted_app({*open->release, *open->set, rows_.app.scale}));
        return cluster()->run(
            {.app = std::move(app),
             .command = release->spec.deploy.release_command,
             .timeout = std::chrono::ceil<std::chrono::seconds>(release->spec.deploy.timeout)});
    }();
    const std::lock_guard lock(mutex_);
    if (!ran) {
        memo_.command_error = OrderError{*open->set, ran.error()};
        return ran;
    }
    memo_.command_error.reset();
    memo_.commands.insert(effect.deployment);
    return {};
}

Result<> Reconciler::Pass::operator()(const RemoveCommand& effect) {
    LOCO_TRY(cluster()->remove_command(app_, effect.deployment));
    const std::lock_guard lock(mutex_);
    memo_.command_removal_asked[effect.deployment] = ports_.clock.now();
    std::erase_if(memo_.command_removal_asked, [&](const auto& one) {
        return one.second + std::chrono::minutes(1) < ports_.clock.now();
    });
    return {};
}

}  // namespace loco::reconcile
