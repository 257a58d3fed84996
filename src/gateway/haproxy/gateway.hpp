// ports/gateway.hpp over a running HAProxy. Every call first writes the files that a start of HAProxy reads, then
// compares what HAProxy has with what they say and gives the orders that make up the difference. So whatever was
// interrupted (this process, HAProxy, both) is healed by the next call. No deploy reloads HAProxy; only when there
// are more routed ports than slots, slots are added and it is reloaded once.
// May be called from any thread; one call at a time does its work.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "gateway/haproxy/config.hpp"
#include "gateway/haproxy/runtime_api.hpp"
#include "gateway/haproxy/slots.hpp"
#include "ports/gateway.hpp"

namespace loco::gateway {

class HaproxyGateway final : public Gateway {
  public:
    // Reads the files that haproxy::prepare() made in options.data_dir; HAProxy need not run yet. `grow_by` slots are
    // added when there is none left.
    [[nodiscard]] static Result<std::unique_ptr<HaproxyGateway>> open(
        const haproxy::Options& options, int grow_by = 256);

    [[nodiscard]] Result<> apply(const AppRoutes& routes) override;
    [[nodiscard]] Result<> remove(const AppId& app) override;
    [[nodiscard]] Result<> sync(const std::vector<AppRoutes>& all) override;
    [[nodiscard]] Result<std::map<InstanceId, int>> connections(const AppId& app) override;
    [[nodiscard]] Result<std::vector<TrafficStats>> stats() override;

    // How often this object had HAProxy reloaded; for metrics.
    [[nodiscard]] std::uint64_t reloads() const { return reloads_.load(); }

  private:
    using Servers = std::vector<haproxy::ServerState>;
    HaproxyGateway(const haproxy::Options& options, haproxy::SlotFiles files, int grow_by);

    // --- files
    [[nodiscard]] Result<> put_routes(const AppRoutes& routes);
    [[nodiscard]] Result<> free_slots(const AppId& app, const std::set<int>& but);
    [[nodiscard]] Result<haproxy::Slot> slot_for(const AppId& app, const std::string& port);

    // --- HAProxy
    [[nodiscard]] Result<> settle(const AppId& app);
    [[nodiscard]] Result<> settle_app(haproxy::RuntimeSession& session, const AppId& app);
    [[nodiscard]] Result<haproxy::RuntimeSession> session_with_all_slots();
    [[nodiscard]] Result<> settle_all();
    [[nodiscard]] Result<> settle_slots(haproxy::RuntimeSession& session,
                                        const std::map<int, Servers>& actual);
    [[nodiscard]] Result<> settle_maps(haproxy::RuntimeSession& session);
    [[nodiscard]] Result<> bring_up(haproxy::RuntimeSession& session, const haproxy::Slot& slot,
                                    const Servers& actual);
    [[nodiscard]] Result<> cut_off(haproxy::RuntimeSession& session, const haproxy::Slot& slot,
                                   const Servers& actual);
    [[nodiscard]] Result<> reload();
    [[nodiscard]] Result<std::vector<int>> old_workers();
    // Notes that what HAProxy has is not known any more.
    template <class T>
    [[nodiscard]] Result<T> noted(Result<T> result);

    std::mutex mutex_;
    std::filesystem::path data_dir_;
    std::filesystem::path stats_socket_;
    std::filesystem::path master_socket_;
    int grow_by_;
    haproxy::SlotFiles files_;
    bool settled_ = false;     // HAProxy has what the files say, but for slots in leftovers_
    std::set<int> leftovers_;  // slots with servers that could not be deleted yet
    std::set<int> fresh_;      // slots that were given to a port and are routed nowhere yet
    std::map<std::string, std::string> known_routes_;  // what HAProxy's maps say, when settled_
    std::map<std::string, std::string> known_starting_;
    bool old_workers_possible_ = true;
    std::atomic<std::uint64_t> reloads_ = 0;
};

}  // namespace loco::gateway
