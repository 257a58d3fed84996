#include "runtime/health/health_monitor.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "runtime/health/probe.hpp"

namespace loco {
namespace {

using runtime::Probe;
using std::chrono::milliseconds;

constexpr auto kUntilHealthy = milliseconds(50);
// Most that are quick to start are so in their first half second: what they wait to be asked is a part of each deploy.
constexpr auto kAtFirst = milliseconds(10);
constexpr auto kAtFirstFor = milliseconds(500);
constexpr auto kFirstConnect = milliseconds(200);
constexpr auto kRestOfBody = milliseconds(500);
constexpr auto kIdle = milliseconds(60'000);

}  // namespace

// The questions in flight; of the monitor's thread only, but for wake().
class ProbingHealthMonitor::Asker {
  public:
    struct Question {
        InstanceId instance;
        std::uint64_t number = 0;
        std::unique_ptr<Probe> probe;
        std::optional<SteadyTime> told_at;  // the answer is known; what follows of it is still read
    };
    using Tell = std::function<void(const InstanceId&, std::uint64_t, HealthCheck)>;

    Asker() : multi_(curl_multi_init()) { LOCO_CHECK(multi_ != nullptr); }
    ~Asker() {
        for (auto& question : questions_) curl_multi_remove_handle(multi_, question->probe->easy());
        questions_.clear();
        curl_multi_cleanup(multi_);
    }
    Asker(const Asker&) = delete;
    Asker& operator=(const Asker&) = delete;

    void wake() { curl_multi_wakeup(multi_); }

    void ask(const HealthTarget& target, std::uint64_t number, milliseconds connect_timeout) {
        auto question = std::make_unique<Question>();
        question->instance = target.instance;
        question->number = number;
        question->probe = std::make_unique<Probe>(target, connect_timeout);
        curl_easy_setopt(question->probe->easy(), CURLOPT_PRIVATE, question.get());
        curl_multi_add_handle(multi_, question->probe->easy());
        questions_.push_back(std::move(question));
    }

    void transfer(SteadyTime now, const Tell& tell) {
        int running = 0;
        curl_multi_perform(multi_, &running);
        int left = 0;
        while (const auto* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            Question* done = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done);
            const CURLcode code = message->data.result;
            if (!done->told_at) tell(done->instance, done->number, done->probe->result(code));
            end(done);
        }
        std::vector<Question*> cut;
        for (auto& question : questions_) {
            if (!question->told_at && question->probe->decided()) {
                tell(question->instance, question->number, question->probe->result(CURLE_OK));
                question->told_at = now;
            }
            if (question->told_at && now - *question->told_at >= kRestOfBody) {
                cut.push_back(question.get());
            }
        }
        for (Question* question : cut) end(question);
    }

    void wait(milliseconds at_most) {
        const bool reading =
            std::ranges::any_of(questions_, [](const auto& q) { return q->told_at.has_value(); });
        if (reading) at_most = std::min(at_most, milliseconds(100));
        curl_multi_poll(multi_, nullptr, 0, static_cast<int>(at_most.count()), nullptr);
    }

  private:
    void end(Question* question) {
        curl_multi_remove_handle(multi_, question->probe->easy());
        std::erase_if(questions_, [&](const auto& q) { return q.get() == question; });
    }

    CURLM* multi_;
    std::vector<std::unique_ptr<Question>> questions_;
};

ProbingHealthMonitor::ProbingHealthMonitor(const Clock& clock)
    : clock_(clock), asker_(std::make_unique<Asker>()) {
    thread_ = std::thread([this] { run(); });
}

ProbingHealthMonitor::~ProbingHealthMonitor() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    asker_->wake();
    thread_.join();
}

void ProbingHealthMonitor::watch(const HealthTarget& target) {
    {
        const std::lock_guard lock(mutex_);
        Watched& watched = watched_[target.instance];
        if (watched.number != 0 && watched.target == target) return;
        const SteadyTime now = clock_.steady();
        watched = {.target = target, .number = ++numbers_, .since = now, .next = now, .view = {}};
    }
    asker_->wake();
}

void ProbingHealthMonitor::unwatch(const InstanceId& instance) {
    const std::lock_guard lock(mutex_);
    watched_.erase(instance);
}

HealthView ProbingHealthMonitor::view(const InstanceId& instance) const {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find(instance);
    return found == watched_.end() ? HealthView{} : found->second.view;
}

void ProbingHealthMonitor::on_change(std::function<void(const AppId&)> listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
}

void ProbingHealthMonitor::run() {
    struct Due {
        HealthTarget target;
        std::uint64_t number;
        milliseconds connect_timeout;
    };
    while (true) {
        std::vector<Due> due;
        const SteadyTime now = clock_.steady();
        SteadyTime wake = now + kIdle;
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
            for (auto& [id, watched] : watched_) {
                if (watched.asking) continue;
                if (watched.next > now) {
                    wake = std::min(wake, watched.next);
                    continue;
                }
                watched.asking = true;
                due.push_back({.target = watched.target,
                               .number = watched.number,
                               .connect_timeout = watched.view.ever_healthy
                                                      ? watched.target.spec.timeout
                                                      : kFirstConnect});
            }
        }
        for (const auto& [target, number, connect_timeout] : due) {
            asker_->ask(target, number, connect_timeout);
        }
        bool told = false;
        asker_->transfer(now,
                         [&](const InstanceId& instance, std::uint64_t number, HealthCheck seen) {
                             judge(instance, number, std::move(seen));
                             told = true;
                         });
        if (told) continue;  // when the next is due has changed
        asker_->wait(std::chrono::ceil<milliseconds>(wake - now));
    }
}

void ProbingHealthMonitor::judge(const InstanceId& instance, std::uint64_t number,
                                 HealthCheck seen) {
    std::function<void(const AppId&)> listener;
    AppId app;
    {
        const std::lock_guard lock(mutex_);
        const auto found = watched_.find(instance);
        if (found == watched_.end() || found->second.number != number) return;
        Watched& watched = found->second;
        const HealthSpec& spec = watched.target.spec;
        const HealthView before = watched.view;
        const SteadyTime now = clock_.steady();
        watched.asking = false;
        const bool healthy = seen.saw == HealthCheck::Saw::healthy;
        watched.view.last = std::move(seen);
        if (healthy) {
            watched.failures = 0;
            watched.view.ever_healthy = true;
            watched.view.failing = false;
        } else {
            if (now - watched.since >= spec.grace) ++watched.failures;
            if (watched.failures >= std::max(spec.failures, 1)) watched.view.failing = true;
        }
        milliseconds pause = now - watched.since < kAtFirstFor ? kAtFirst : kUntilHealthy;
        if (watched.view.ever_healthy) pause = std::max<milliseconds>(spec.interval, kUntilHealthy);
        watched.next = now + pause;
        const bool changed = before.ever_healthy != watched.view.ever_healthy ||
                             before.failing != watched.view.failing;
        if (!changed) return;
        listener = listener_;
        app = watched.target.app;
    }
    if (listener) listener(app);
}

}  // namespace loco
