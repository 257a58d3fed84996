// The rules behind plan(), over a copy of the rows that they change step by step. Private to reconcile/.
#pragma once

#include "domain/diagnosis.hpp"
#include "reconcile/plan.hpp"

namespace loco::reconcile {

class Planner {
  public:
    Planner(const AppRows& rows, const Observed& seen, Time now)
        : before_(rows), rows_(rows), seen_(seen), now_(now) {}
    [[nodiscard]] Plan run();

  private:
    struct Death {
        ContainerEnd end;
        std::string problem;  // set when its container lives but its health does not
        // Its checks fail, but it may have traffic: it is not killed, it is replaced.
        bool ailing = false;
    };

    // --- plan.cpp: what is wanted, and what follows
    [[nodiscard]] Changes changes() const;
    [[nodiscard]] std::vector<Effect> effects();
    void container_effects(const Instance& instance, std::vector<Effect>& out);
    void stop_effects(const Instance& instance, std::vector<Effect>& out);

    // --- plan_instances.cpp
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
    void observe_one_shot(Instance& instance);
    void fill(const DeploymentId& set, const ReleaseId& release,
              const std::map<std::string, ScaleOverride>& scale);
    void allow_time(Deployment& deployment, Millis before_start);
    void retire(Instance& instance);  // out of rotation when it has traffic, else stopping
    [[nodiscard]] bool is_dead(
        const Instance& instance) const;  // its container, not only its health
    void retire_set(const DeploymentId& set);
    void enter(Instance& instance, InstanceState state);
    [[nodiscard]] bool is_wanted(const Instance& instance) const;
    [[nodiscard]] bool stands_in(const Instance& instance, int replicas) const;
    [[nodiscard]] std::optional<Death> death_of(const Instance& instance);
    [[nodiscard]] bool ended_before_us(const Instance& instance) const;

    // --- plan_rollout.cpp
    void advance_deployments();
    void advance_building(Deployment& deployment);
    void advance_checking(Deployment& deployment);
    void advance_releasing(Deployment& deployment);
    void advance_rolling(Deployment& deployment);
    void record_release(Deployment& deployment, const Admission& admission);
    void begin_rolling(Deployment& deployment);
    void switch_traffic(Deployment& deployment);
    void confirm_switch(Deployment& deployment);
    void give_up_on_gateway(Deployment& deployment);
    void go_live(Deployment& deployment);
    void end(Deployment& deployment, DeploymentState state, Diagnosis diagnosis);
    [[nodiscard]] bool failed_by_death(Deployment& deployment);
    [[nodiscard]] bool failed_by_machine(Deployment& deployment);
    [[nodiscard]] Diagnosis never_healthy(const Deployment& deployment) const;
    void move(Deployment& deployment, DeploymentState state, std::string message);

    // --- facts
    [[nodiscard]] Deployment* holder();
    [[nodiscard]] bool switched(const Deployment& deployment) const;
    // Traffic should move, but nobody can say whether what it should move to still runs.
    [[nodiscard]] bool is_blind_switch();
    // The old set makes room before the new one starts.
    [[nodiscard]] bool recreates(const Deployment& deployment) const;
    [[nodiscard]] bool old_set_stopped() const;
    [[nodiscard]] bool is_complete(const Deployment& deployment) const;
    // In a change of replicas the set serves already: only what it adds is brought up, and can fail it.
    [[nodiscard]] bool brings_up(const Deployment& deployment, const Instance& instance) const;
    [[nodiscard]] bool has_healthy(const DeploymentId& set) const;
    [[nodiscard]] const std::map<std::string, ScaleOverride>& live_scale() const;
    [[nodiscard]] const ObservedContainer* container(const Instance& instance) const;
    [[nodiscard]] bool has_containers(const InstanceId& instance) const;
    [[nodiscard]] bool routed(const Instance& instance) const;
    [[nodiscard]] bool routes_applied() const;
    [[nodiscard]] bool unlisted(
        const Instance& instance) const;  // the gateway is known not to have it
    [[nodiscard]] const Error* start_error(
        const Instance& instance) const;  // of its present attempt
    [[nodiscard]] HealthView health(const Instance& instance) const;
    [[nodiscard]] ContainerEnd end_of(const Instance& instance,
                                      const ObservedContainer* seen) const;
    [[nodiscard]] Millis stop_timeout(const Instance& instance) const;
    void wake(Time at);
    void tell(const Instance& instance, std::string kind, std::string message);

    const AppRows& before_;
    AppRows rows_;  // new instances have an empty id
    const Observed& seen_;
    Time now_;
    std::map<InstanceId, Death> deaths_;
    std::vector<Instance> gone_;
    std::vector<Release> new_releases_;
    std::vector<Event> events_;
    std::optional<std::vector<std::string>> live_domains_;
    bool finish_destroy_ = false;
    std::optional<Time> wake_at_;
};

}  // namespace loco::reconcile
