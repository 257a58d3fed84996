#include "registry/collector.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace loco::registry {
namespace {

constexpr int kFewWaitLonger = 24;
constexpr auto kHurriedEvery = std::chrono::minutes(1);

// A build that has got its push token may be pushing until its deployment has left `building`, however old the token is: an
// upload that has begun outlives it. From then on until it has ended a deployment may need the registry for a pull.
bool needs_registry(const Deployment& deployment) {
    return deployment.state != DeploymentState::building || deployment.push_token_given;
}

}  // namespace

Collector::Collector(Store& store, const Clock& clock, PushGate& gate, Garbage& garbage,
                     Handover handover, CollectorOptions options)
    : store_(store),
      clock_(clock),
      gate_(gate),
      garbage_(garbage),
      handover_(std::move(handover)),
      options_(options) {}

void Collector::begin() {
    handover_.withdraw();
    if (!handover_.under_way()) return;
    gate_.close();
    manifests_ = garbage_.state().manifests;
    enter(Step::running);
}

void Collector::step() {
    switch (step_) {
        case Step::idle: return look();
        case Step::holding: return hold();
        case Step::asked: return await();
        case Step::running:
            if (!handover_.under_way()) end();
    }
}

void Collector::stop() {
    handover_.withdraw();
    due_since_.reset();
    if (step_ == Step::idle) return;
    gate_.open();
    enter(Step::idle);
}

void Collector::enter(Step step) {
    step_ = step;
    since_ = clock_.now();
}

bool Collector::is_due() {
    const auto state = garbage_.state();
    if (state.manifests == 0) {
        hurried_ = false;
        return false;
    }
    if (hurried_ && clock_.now() >= state.collected_at + kHurriedEvery) return true;
    const auto wait =
        state.manifests >= options_.enough ? options_.every : options_.every * kFewWaitLonger;
    return clock_.now() >= state.collected_at + wait;
}

bool Collector::is_quiet() const {
    bool quiet = true;
    const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& app : apps) {
            LOCO_ASSIGN(const auto open, tx.open_deployments(app));
            quiet = quiet && std::ranges::none_of(open, needs_registry);
        }
        return {};
    });
    return read && quiet;
}

void Collector::look() {
    const auto now = clock_.now();
    if (now < next_look_ || now < put_off_until_) return;
    next_look_ = now + options_.look_every;
    if (!is_due()) {
        due_since_.reset();
        return;
    }
    if (!due_since_) due_since_ = now;
    if (now < *due_since_ + options_.patience && !is_quiet()) return;
    gate_.close();
    enter(Step::holding);
    hold();
}

void Collector::hold() {
    if (is_quiet()) {
        manifests_ = garbage_.state().manifests;
        if (const auto asked = handover_.ask(); !asked) {
            log::failure("can't ask for the registry's garbage to be collected", asked.error());
            return give_up();
        }
        return enter(Step::asked);
    }
    if (clock_.now() >= since_ + options_.hold_at_most) give_up();
}

void Collector::await() {
    // In this order: a request that is no longer there was taken before, and is under way or over.
    if (!handover_.asked()) return handover_.under_way() ? enter(Step::running) : end();
    if (clock_.now() < since_ + options_.taken_within) return;
    if (handover_.withdraw()) {
        log::warning("nobody collects the registry's garbage: is `loco up` running?", {});
        give_up();
    }
}

void Collector::give_up() {
    put_off_until_ = clock_.now() + options_.patience;
    gate_.open();
    enter(Step::idle);
}

void Collector::end() {
    due_since_.reset();
    if (!handover_.take_done()) {
        log::warning("the registry's garbage was not collected; it is tried again later", {});
        return give_up();
    }
    garbage_.collected(manifests_);
    hurried_ = false;
    log::info(
        "the registry's garbage was collected",
        {{"manifests", manifests_},
         {"ms",
          std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - since_).count()}});
    gate_.open();
    enter(Step::idle);
}

}  // namespace loco::registry
