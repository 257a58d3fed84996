#include "reconcile/apply.hpp"

#include <algorithm>

#include "usecase/apps.hpp"

namespace loco::reconcile {
namespace {

std::unexpected<Error> moved_on() {
    return fail(ErrorKind::conflict, "the rows have changed since the plan was made", {},
                std::string(kRowsMovedOn));
}

// not_found is a change like any other.
template <class T>
Result<> expect(const Result<T>& now, const T& before) {
    if (!now) return now.error().kind == ErrorKind::not_found ? moved_on() : fail(now.error());
    if (*now != before) return moved_on();
    return {};
}

Result<> check_unchanged(const ReadTx& tx, const Changes& changes) {
    if (changes.app) LOCO_TRY(expect(tx.app(changes.app->before.id), changes.app->before));
    for (const auto& change : changes.deployments)
        LOCO_TRY(expect(tx.deployment(change.before.id), change.before));
    for (const auto& change : changes.releases)
        LOCO_TRY(expect(tx.release(change.before.id), change.before));
    for (const auto& change : changes.instances)
        LOCO_TRY(expect(tx.instance(change.before.id), change.before));
    for (const auto& row : changes.gone_instances) LOCO_TRY(expect(tx.instance(row.id), row));
    return {};
}

Result<> add_instances(WriteTx& tx, const AppRows& rows, const Changes& changes,
                       std::set<std::string> taken, AddressBook& addresses, const Clock& clock,
                       Random& random) {
    if (changes.new_instances.empty()) return {};
    LOCO_ASSIGN(const auto used, tx.addresses(rows.team.id));
    taken.insert(used.begin(), used.end());
    for (auto instance : changes.new_instances) {
        if (instance.id.empty()) {
            LOCO_ASSIGN(instance.address, addresses.give(rows.team, taken));
            taken.insert(instance.address);
            instance.id = InstanceId::make(clock, random);
        } else if (const auto there = tx.instance(instance.id);
                   there || there.error().kind != ErrorKind::not_found) {
            return there ? moved_on() : fail(there.error());  // another process has seen it first
        }
        LOCO_TRY(tx.put(instance));
    }
    return {};
}

// A domain may have been taken by another app since the release was first live: then it stays there.
Result<> claim_live_domains(WriteTx& tx, const App& app, const std::vector<std::string>& domains,
                            Time now) {
    for (const auto& domain : domains) {
        const auto claimed = claim_domains(tx, app, {domain}, now);
        if (!claimed && claimed.error().kind != ErrorKind::conflict) return claimed;
    }
    return {};
}

}  // namespace

Result<TeamNetwork> AddressBook::network(const Team& team) const {
    LOCO_ASSIGN(const auto subnet, team_subnet(range_, team.number));
    return TeamNetwork{.team = team.id,
                       .team_slug = team.slug,
                       .subnet = subnet.text(),
                       .gateway = subnet.gateway()};
}

Result<std::string> AddressBook::give(const Team& team, const std::set<std::string>& taken) {
    LOCO_ASSIGN(const auto subnet, team_subnet(range_, team.number));
    const std::lock_guard lock(mutex_);
    auto& last = last_[team.id];
    LOCO_ASSIGN(last, next_address(subnet, taken, last));
    return last;
}

Result<> write_changes(WriteTx& tx, const AppRows& rows, const Changes& changes,
                       const std::set<std::string>& avoid_addresses, AddressBook& addresses,
                       const Clock& clock, Random& random) {
    LOCO_TRY(check_unchanged(tx, changes));
    if (changes.app) LOCO_TRY(tx.put(changes.app->after));
    for (const auto& release : changes.new_releases) LOCO_TRY(tx.put(release));
    for (const auto& change : changes.releases) LOCO_TRY(tx.put(change.after));
    for (const auto& change : changes.deployments) LOCO_TRY(tx.put(change.after));
    for (const auto& change : changes.instances) LOCO_TRY(tx.put(change.after));
    for (const auto& row : changes.gone_instances) LOCO_TRY(tx.remove_instance(row.id));
    LOCO_TRY(add_instances(tx, rows, changes, avoid_addresses, addresses, clock, random));
    for (const auto& event : changes.events) LOCO_TRY(tx.append(event));
    if (changes.live_domains)
        LOCO_TRY(claim_live_domains(tx, rows.app, *changes.live_domains, clock.now()));
    const bool ended = std::ranges::any_of(
        changes.deployments, [](const auto& change) { return is_terminal(change.after.state); });
    if (ended) LOCO_TRY(free_unused_domains(tx, rows.app.id, clock.now()));
    if (changes.finish_destroy) LOCO_TRY(finish_destroy(tx, rows.app, clock.now()));
    return {};
}

}  // namespace loco::reconcile
