// Moves an instance's rows from one database to another, of whatever kind: every table, events with their numbers, sealed
// values as they are (the key that sealed them is not in the database). All in one transaction: it is there whole or not at
// all, and may be begun anew.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "postgres/target.hpp"

namespace loco::store {

// One of both.
struct TransferEnd {
    std::optional<postgres::Target> postgres = {};
    std::filesystem::path folder = {};  // of a SQLite database; exists
};

struct Transferred {
    std::vector<std::pair<std::string, std::int64_t>> rows = {};  // by table
    bool was_there = false;  // all of it already: nothing was written
};

// Brings both to this binary's schema first. Afterwards every row of both was compared with the other's.
// conflict (already_running) while a loco-api uses one of them; refused where nothing is to be moved (transfer_empty) or
// the target has rows of its own (transfer_target_in_use): then nothing is changed.
[[nodiscard]] Result<Transferred> transfer(const TransferEnd& from, const TransferEnd& to,
                                           const Clock& clock);

}  // namespace loco::store
