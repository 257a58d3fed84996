// The rules behind plan(), over a copy of the rows that they change step by step. Private to reconcile/.
//
// The life of a deployment is the same wherever apps run and is here; how a set of instances is brought up, and what is told of
// it, differs: MachinePlanner (machine_planner.hpp), ClusterPlanner (cluster_planner.hpp).
#pragma once

#include "domain/diagnosis.hpp"
#include "reconcile/plan.hpp"

namespace loco::reconcile {

// The process of a release command's instance.
inline constexpr std::string_view kReleaseProcess = "release";

class Planner {
  public:
    Planner(const AppRows& rows, const Observed& seen, Time now)
        : before_(rows), rows_(rows), seen_(seen), now_(now) {}
    virtual ~Planner() = default;
    Planner(const Planner&) = delete;
    Planner& operator=(const Planner&) = delete;
    [[nodiscard]] Plan run();

  protected:
    // --- how a set is brought up
    // Brings the rows of instances up to what is seen, before deployments are looked at and after.
    virtual void before_deployments() = 0;
    virtual void after_deployments() = 0;
    // What is to be done when there is nothing to write.
    [[nodiscard]] virtual std::vector<Effect> effects() = 0;
    // The release was recorded, and its command is to run.
    virtual void order_command(const Deployment& deployment, const Release& release) = 0;
    // Waits for the release command; then begin_rolling(), or end().
    virtual void advance_releasing(Deployment& deployment) = 0;
    // Waits for the set; then go_live(), or end().
    virtual void advance_rolling(Deployment& deployment) = 0;
    // It has failed or was cancelled: what it had brought up goes, what served before serves.
    virtual void take_back(Deployment& deployment) = 0;

    // --- plan_rollout.cpp: the life of a deployment
    void advance_deployments();
    // The release command has ended: `how` adds what is known besides the row.
    void judge_command(Deployment& deployment, const Instance& command, Facts how);
    void begin_rolling(Deployment& deployment);
    void go_live(Deployment& deployment);
    void end(Deployment& deployment, DeploymentState state, Diagnosis diagnosis);
    void admit_effect(std::vector<Effect>& out);
    // It has waited for a while, and that is why: told once, and not more than a few of a deployment.
    void tell_wait(const Deployment& deployment, const std::string& problem);

    // --- plan.cpp: facts, and what is said of them
    [[nodiscard]] Deployment* holder();
    [[nodiscard]] bool switched(const Deployment& deployment) const;
    void enter(Instance& instance, InstanceState state);
    void wake(Time at);
    void tell(const Instance& instance, std::string kind, std::string message,
              const std::string& code = {});
    // What was ordered of it, and what a closer look has found.
    [[nodiscard]] Facts known_of(const Instance& instance, Moment moment) const;

    const AppRows& before_;
    AppRows rows_;  // new instances of a machine have an empty id
    const Observed& seen_;
    Time now_;
    std::vector<Instance> gone_;
    std::vector<Event> events_;
    bool finish_destroy_ = false;

  private:
    [[nodiscard]] Changes changes() const;
    void advance_building(Deployment& deployment);
    void advance_checking(Deployment& deployment);
    void record_release(Deployment& deployment, const Admission& admission);
    void move(Deployment& deployment, DeploymentState state, std::string message);

    std::vector<Release> new_releases_;
    std::optional<std::vector<std::string>> live_domains_;
    std::optional<Time> wake_at_;
};

}  // namespace loco::reconcile
