// Everything that the store knows of one app and that its reconciliation needs, read in one transaction.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "domain/model.hpp"
#include "domain/processes.hpp"
#include "ports/store.hpp"

namespace loco::reconcile {

// std::ranges::contains, which libstdc++ 12 lacks.
template <class Range, class Value, class Projection = std::identity>
[[nodiscard]] bool contains(const Range& range, const Value& value, Projection projection = {}) {
    return std::ranges::find(range, value, projection) != std::ranges::end(range);
}

struct AppRows {
    Team team;
    App app;
    std::vector<Deployment> open;  // those that have not ended, oldest first
    // What serves or served, what open deployments bring up, what instances run.
    std::map<ReleaseId, Release> releases;
    std::vector<Instance> instances;  // by id
    std::vector<Host> hosts;          // the primary first

    [[nodiscard]] const Release* release(const std::optional<ReleaseId>& id) const;
    // The deployment that holds the app.
    [[nodiscard]] const Deployment* holder() const;
    // Under which what is live runs: a change of scale that makes a new set leaves the old one as it was.
    [[nodiscard]] const std::map<std::string, ScaleOverride>& live_scale() const;
};

// not_found when there is no such app (any more).
[[nodiscard]] Result<AppRows> load_rows(const ReadTx& tx, const AppId& app);

// Whether that process of the release takes traffic through the gateway.
[[nodiscard]] bool is_routed(const Release& release, const std::string& process);

}  // namespace loco::reconcile
