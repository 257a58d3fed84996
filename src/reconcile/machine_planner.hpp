// How one machine brings up a set: instance by instance, each a container with an address, behind the gateway. Private to
// reconcile/.
#pragma once

#include "reconcile/planner.hpp"

namespace loco::reconcile {

class MachinePlanner final : public Planner {
  public:
    using Planner::Planner;

  private:
    // Why one that should run does not: its container has ended, or only its health.
    struct Death {
        Facts facts;
        // Its checks fail, but it may have traffic: it is not killed, it is replaced.
        bool ailing = false;
    };

    // --- plan_machine.cpp: what is ordered, and facts
    void before_deployments() override;
    void after_deployments() override;
    [[nodiscard]] std::vector<Effect> effects() override;
    void container_effects(const Instance& instance, std::vector<Effect>& out);
    void stop_effects(const Instance& instance, std::vector<Effect>& out);
    // Traffic should move, but nobody can say whether what it should move to still runs.
    [[nodiscard]] bool is_blind_switch();
    // The old set makes room before the new one starts.
    [[nodiscard]] bool recreates(const Deployment& deployment) const;
    [[nodiscard]] bool old_set_stopped() const;
    [[nodiscard]] bool is_complete(const Deployment& deployment) const;
    // In a change of replicas the set serves already: only what it adds is brought up, and can fail it.
    [[nodiscard]] bool brings_up(const Deployment& deployment, const Instance& instance) const;
    [[nodiscard]] bool has_healthy(const DeploymentId& set) const;
    [[nodiscard]] const ObservedContainer* container(const Instance& instance) const;
    [[nodiscard]] bool has_containers(const InstanceId& instance) const;
    [[nodiscard]] bool routed(const Instance& instance) const;
    [[nodiscard]] bool routes_applied() const;
    // The gateway is known not to have it.
    [[nodiscard]] bool unlisted(const Instance& instance) const;
    // Of its present attempt.
    [[nodiscard]] const Error* start_error(const Instance& instance) const;
    [[nodiscard]] HealthView health(const Instance& instance) const;
    // With what is seen of its container.
    [[nodiscard]] Facts facts_of(const Instance& instance, Moment moment) const;
    [[nodiscard]] Millis stop_timeout(const Instance& instance) const;

    // --- plan_instances.cpp: the life of instances
    void observe_instances();  // what has started, become healthy, ended
    void find_deaths();
    void settle_deaths();  // those that failed no deployment
    // Live instances whose checks fail give way to others that are started beside them.
    void replace_ailing();
    void replace(std::size_t ailing);  // an index of rows_.instances
    [[nodiscard]] bool makes_room_for(const Instance& instance) const;
    [[nodiscard]] const Instance* beside(const Instance& instance) const;
    void drop_needless_replacements();
    void restart_what_waited();
    void keep_sets();  // instances that are missing, and those that nobody wants any more
    void advance_stops();
    void tell_ignored_stops();
    void observe_one_shot(Instance& instance);
    void fill(const DeploymentId& set, const ReleaseId& release,
              const std::map<std::string, ScaleOverride>& scale);
    void allow_time(Deployment& deployment, Millis before_start);
    void retire(Instance& instance);  // out of rotation when it has traffic, else stopping
    void retire_set(const DeploymentId& set);
    // Its container, not only its health.
    [[nodiscard]] bool is_dead(const Instance& instance) const;
    [[nodiscard]] bool is_wanted(const Instance& instance) const;
    [[nodiscard]] bool stands_in(const Instance& instance, int replicas) const;
    [[nodiscard]] bool has_place(const Instance& instance) const;
    [[nodiscard]] std::optional<Death> death_of(const Instance& instance);
    [[nodiscard]] bool ended_before_us(const Instance& instance) const;

    // --- plan_switch.cpp: release command, switch, way back
    void order_command(const Deployment& deployment, const Release& release) override;
    void advance_releasing(Deployment& deployment) override;
    void advance_rolling(Deployment& deployment) override;
    void take_back(Deployment& deployment) override;
    void switch_traffic(Deployment& deployment);
    void confirm_switch(Deployment& deployment);
    void give_up_on_gateway(Deployment& deployment);
    void settle(Deployment& deployment);
    [[nodiscard]] bool failed_by_death(Deployment& deployment);
    [[nodiscard]] bool failed_by_machine(Deployment& deployment);
    [[nodiscard]] Diagnosis never_healthy(const Deployment& deployment) const;
    // Of what is brought up and is not healthy.
    [[nodiscard]] std::vector<const Instance*> unhealthy(const Deployment& deployment) const;
    // Why the set is not complete yet, as far as anything is known; empty when nothing is.
    [[nodiscard]] std::string why_it_waits(const Deployment& deployment) const;

    std::map<InstanceId, Death> deaths_;
};

}  // namespace loco::reconcile
