// What the watches know: one per kind over this Loco's label, and one over the nodes, whatever the number of apps. Kept by
// app, reduced to what is read of it, never older than what this process has itself written.
//
// Any thread may ask; the listener is called on the watches' threads and must not block.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kubernetes/reflector.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

// Secrets are not among them: they are never read.
inline constexpr std::array<kubernetes::Kind, 12> kWatched{kubernetes::kNamespace,
                                                           kubernetes::kPod,
                                                           kubernetes::kDeployment,
                                                           kubernetes::kService,
                                                           kubernetes::kServiceAccount,
                                                           kubernetes::kNetworkPolicy,
                                                           kubernetes::kResourceQuota,
                                                           kubernetes::kLimitRange,
                                                           kubernetes::kHorizontalPodAutoscaler,
                                                           kubernetes::kPodDisruptionBudget,
                                                           kubernetes::kHttpRoute,
                                                           kubernetes::kJob};
[[nodiscard]] std::optional<std::size_t> watched_index(const kubernetes::Kind& kind);

// All that is there of one app, at one moment.
struct Held {
    using Objects = std::map<std::string, kubernetes::SharedObject>;  // by key_of
    std::array<Objects, kWatched.size()> objects;

    [[nodiscard]] const Objects& of(const kubernetes::Kind& kind) const;
    // nullptr when there is none.
    [[nodiscard]] kubernetes::SharedObject find(const kubernetes::Kind& kind,
                                                const std::string& key) const;
    [[nodiscard]] bool empty() const;
};

struct CacheChange {
    AppId app;
    std::size_t kind = 0;  // in kWatched
    kubernetes::SharedObject object;
    bool deleted = false;
};

struct CacheListener {
    std::function<void(const CacheChange&)> on_change = {};
    std::function<void()> on_everything = {};  // a list came in, or a node changed
};

struct CacheOptions {
    std::string instance;                  // label::kInstanceOf
    std::chrono::seconds stale_after{60};  // not heard of the cluster for so long
};

class Cache {
  public:
    // Begins to watch at once. All that is given must outlive it.
    Cache(kubernetes::Client& client, http::StreamClient& streams, const Clock& clock,
          Random& random, CacheOptions options, CacheListener listener);
    ~Cache();
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

    // unavailable while the first lists have not all come in, or when the cluster was not heard of for too long.
    [[nodiscard]] Result<> ready() const;
    [[nodiscard]] Held held(const AppId& app) const;
    // That namespace, if it carries this Loco's label; else nullptr.
    [[nodiscard]] kubernetes::SharedObject place(const std::string& namespace_) const;
    [[nodiscard]] std::vector<AppId> apps() const;
    [[nodiscard]] std::vector<ObservedNode> nodes() const;
    // Known and not ready.
    [[nodiscard]] bool node_lost(const std::string& name) const;

    // What the server answered to an apply: seen from now on, though the watch may tell of it later.
    void wrote(const kubernetes::Kind& kind, const kubernetes::Object& answer);
    // When the cluster was last heard of, by any watch or heard().
    [[nodiscard]] SteadyTime last_contact() const;
    void heard();

  private:
    struct Watch;
    using Index = std::unordered_map<std::string, std::array<Held::Objects, kWatched.size()>>;

    void take(std::size_t kind, const kubernetes::Change& change);
    void settle(std::size_t kind);
    void take_node(const kubernetes::Change& change);
    void trouble(std::size_t watch, const Error& error);
    // With the lock held.
    void put(std::size_t kind, const std::string& key, kubernetes::SharedObject object);
    void drop(std::size_t kind, const std::string& key);

    kubernetes::Client& client_;
    const Clock& clock_;
    const CacheOptions options_;
    const CacheListener listener_;

    mutable std::mutex mutex_;
    Index index_;                                                                       // by app
    std::array<std::unordered_map<std::string, std::string>, kWatched.size()> app_of_;  // by key
    std::unordered_map<std::string, ObservedNode> nodes_;
    SteadyTime heard_{};

    std::vector<std::unique_ptr<Watch>> watches_;  // as kWatched, then the nodes
};

}  // namespace loco::cluster
