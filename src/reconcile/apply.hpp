// Writes a plan's changes, all or none.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "domain/network.hpp"
#include "ports/store.hpp"
#include "reconcile/plan.hpp"

namespace loco::reconcile {

// Gives addresses: behind the last given one of the team, so that a freed address rests before it is given again.
// Any thread.
class AddressBook {
  public:
    explicit AddressBook(Subnet range) : range_(range) {}

    [[nodiscard]] Result<TeamNetwork> network(const Team& team) const;
    // refused when the team's network, or the range, is full.
    [[nodiscard]] Result<std::string> give(const Team& team, const std::set<std::string>& taken);

  private:
    Subnet range_;
    std::mutex mutex_;
    std::map<TeamId, std::string> last_;
};

// Runs inside Store::write. conflict with code "rows_moved_on" when a row that would be changed is no longer what the plan
// was made from: plan again.
[[nodiscard]] Result<> write_changes(WriteTx& tx, const AppRows& rows, const Changes& changes,
                                     const std::set<std::string>& avoid_addresses,
                                     AddressBook& addresses, const Clock& clock, Random& random);

inline constexpr std::string_view kRowsMovedOn = "rows_moved_on";

}  // namespace loco::reconcile
