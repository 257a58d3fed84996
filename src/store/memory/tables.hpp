// All tables of the memory store, and the indexes by which they are read.
#pragma once

#include <set>
#include <vector>

#include "domain/model.hpp"
#include "store/memory/table.hpp"

namespace loco::store {

struct Tables {
    Table<User> users;
    Table<Token> tokens;
    Table<Team> teams;
    Table<Membership> memberships;
    Table<App> apps;
    Table<EnvVersion> envs;
    Table<Deployment> deployments;
    Table<Release> releases;
    Table<Instance> instances;
    Table<Host> hosts;
    Table<IdempotencyRecord> idempotency;
    std::vector<Event> events;              // events[i].seq == i + 1
    std::size_t events_kept = 0;            // committed
    std::set<std::int64_t> events_removed;  // their seqs
    std::set<std::int64_t> events_removed_kept;

    Tables();
    void commit();
    void roll_back();
};

// Positions in the list of indexes of each table.
inline constexpr std::size_t kUserBySubject = 0;
inline constexpr std::size_t kTokenByHash = 0;
inline constexpr std::size_t kTokenByUser = 1;
inline constexpr std::size_t kTeamBySlug = 0;
inline constexpr std::size_t kTeamByNumber = 1;
inline constexpr std::size_t kMembershipByUser = 0;
inline constexpr std::size_t kMembershipByTeam = 1;
inline constexpr std::size_t kAppByName = 0;
inline constexpr std::size_t kEnvByApp = 0;
inline constexpr std::size_t kDeploymentByApp = 0;
inline constexpr std::size_t kOpenDeployment = 1;
inline constexpr std::size_t kReleaseByNumber = 0;
inline constexpr std::size_t kInstanceByApp = 0;
inline constexpr std::size_t kInstanceByAddress = 1;
inline constexpr std::size_t kHostByApp = 0;

}  // namespace loco::store
