// How a cluster brings up a set: the app is ordered whole, and its processes are watched. The rows of instances mirror the pods
// that are seen. Private to reconcile/.
#pragma once

#include "reconcile/planner.hpp"

namespace loco::reconcile {

class ClusterPlanner final : public Planner {
  public:
    ClusterPlanner(const AppRows& rows, const Observed& seen, Time now)
        : Planner(rows, seen, now), cluster_(*seen.cluster) {}

  private:
    // --- plan_pods.cpp: the rows of instances
    void before_deployments() override;
    void after_deployments() override;
    void mirror(Instance& instance, const ObservedPod& pod);
    void note_problem(Instance& instance, const ObservedPod& pod);
    void note_state(Instance& instance, const ObservedPod& pod, bool crashed);
    void add_new(const ObservedPod& pod);
    [[nodiscard]] bool is_missed(Instance& instance);  // its pod is not seen: true once that counts
    void tell_unhealthy(Instance& instance, const ObservedPod& pod);
    void tell_removal(const Instance& instance, const ObservedPod* pod, const std::string& how);
    [[nodiscard]] bool is_mirrored(const ObservedPod& pod) const;

    // --- plan_cluster.cpp
    [[nodiscard]] std::vector<Effect> effects() override;
    void order_command(const Deployment&, const Release&) override {}  // effects() orders it
    void advance_releasing(Deployment& deployment) override;
    void advance_rolling(Deployment& deployment) override;
    void take_back(Deployment&) override {}  // what the rows want is ordered again
    void command_effects(std::vector<Effect>& out);
    void destroy_effects(std::vector<Effect>& out);
    void settle(Deployment& deployment);
    [[nodiscard]] bool failed_by_order(Deployment& deployment,
                                       const std::optional<OrderError>& error);
    [[nodiscard]] bool failed_by_pod(Deployment& deployment);
    [[nodiscard]] bool failed_by_limit(Deployment& deployment);
    [[nodiscard]] std::optional<Diagnosis> failure_of(const Instance& instance,
                                                      const ObservedPod& pod) const;
    [[nodiscard]] bool is_complete(const Deployment& deployment);
    [[nodiscard]] bool is_complete(const Deployment& deployment, const WantedProcess& process);
    [[nodiscard]] bool needs_route(const Deployment& deployment) const;
    [[nodiscard]] bool ordered(const Deployment& deployment) const;  // the cluster has its set
    [[nodiscard]] bool brings_up(const Deployment& deployment, const Instance& instance) const;
    // What was live before may still answer requests; not waited for beyond the deadline.
    [[nodiscard]] bool old_may_answer(const Deployment& deployment);
    [[nodiscard]] Diagnosis out_of_time(const Deployment& deployment) const;
    [[nodiscard]] bool anything_runs() const;
    // Asked for so recently that what is seen may be older.
    [[nodiscard]] bool just_asked(const std::optional<Time>& asked);

    // --- facts
    [[nodiscard]] const ObservedPod* pod(const InstanceId& instance) const;
    // With what is seen of its pod.
    [[nodiscard]] Facts facts_of(const Instance& instance, const ObservedPod* seen,
                                 Moment moment) const;
    // A problem that often passes has lasted.
    [[nodiscard]] bool has_lasted(const Instance& instance) const;

    const ClusterView& cluster_;
};

}  // namespace loco::reconcile
