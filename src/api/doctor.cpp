#include "api/doctor.hpp"

#include <boost/json.hpp>
#include <thread>

#include "api/handlers.hpp"
#include "api/json.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kHoldFor{1};
constexpr int kMostAsking = 8;

Finding of_part(const Result<>& asked, RuntimeKind runtime) {
    if (asked) return {.message = "answers"};
    auto finding = failed(asked.error());
    if (!finding.next_steps.empty()) return finding;
    finding.next_steps.emplace_back(
        runtime == RuntimeKind::machine
            ? "loco up --detach    # on the server's machine: starts what is missing"
            : "kubectl -n loco-system get pods    # and the log of loco-api");
    return finding;
}

}  // namespace

std::string_view to_string(Finding::State state) {
    switch (state) {
        case Finding::State::ok: return "ok";
        case Finding::State::warning: return "warning";
        case Finding::State::failed: return "failed";
        case Finding::State::not_applicable: return "not_applicable";
    }
    return "failed";
}

Finding failed(const Error& error) {
    Finding finding{
        .state = Finding::State::failed, .message = error.message, .next_steps = error.next_steps};
    if (finding.next_steps.empty() && !error.hint.empty()) finding.next_steps.push_back(error.hint);
    return finding;
}

Result<Doctor::Findings> Doctor::findings(const std::vector<Examination>& examinations,
                                          const Clock& clock) {
    struct Asking {
        explicit Asking(std::atomic<int>& all) : count(all), mine(++all) {}
        ~Asking() { --count; }
        Asking(const Asking&) = delete;
        Asking& operator=(const Asking&) = delete;
        std::atomic<int>& count;
        int mine;
    };
    const Asking asking(asking_);
    if (asking.mine > kMostAsking) {
        return fail(ErrorKind::rate_limited, "others ask the same already, and wait for an answer",
                    "ask again in a moment", "doctor_busy");
    }
    const std::lock_guard lock(mutex_);
    if (at_ && clock.steady() - *at_ < kHoldFor) return last_;
    last_.clear();
    for (const auto& one : examinations) last_.emplace_back(one.name, Finding{});
    {
        std::vector<std::jthread> looking;
        for (std::size_t i = 0; i < examinations.size(); ++i)
            looking.emplace_back([&, i] { last_[i].second = examinations[i].look(); });
    }
    at_ = clock.steady();
    return last_;
}

Result<http::Response> get_doctor(Services& services, Call&) {
    const auto runtime = services.context.config.runtime;
    const auto database = [&services, runtime] {
        const auto read = services.context.store.read([](const ReadTx& tx) -> Result<> {
            LOCO_TRY(tx.teams());
            return {};
        });
        return of_part(read, runtime);
    };
    std::vector<Examination> all{{"database", database}};
    for (const auto& [name, ask] : services.sight.parts)
        all.push_back({name, [&ask, runtime] { return of_part(ask(), runtime); }});
    all.insert(all.end(), services.examinations.begin(), services.examinations.end());
    LOCO_ASSIGN(const auto findings, services.doctor->findings(all, services.context.clock));
    json::array checks;
    for (const auto& [name, finding] : findings) {
        json::array steps;
        for (const auto& step : finding.next_steps) steps.emplace_back(step);
        checks.push_back(json::object{{"name", name},
                                      {"state", to_string(finding.state)},
                                      {"message", finding.message},
                                      {"next_steps", std::move(steps)}});
    }
    const auto& config = services.context.config;
    return json_response(200, json::object{{"version", services.version},
                                           {"url", services.external_url},
                                           {"base_domain", config.base_domain},
                                           {"registry", services.build_host},
                                           {"checks", std::move(checks)}});
}

}  // namespace loco::api
