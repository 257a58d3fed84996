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

// A consistent copy of all rows, as SQLite's `folder`/loco.db, whatever kind they come from: what was acknowledged before it
// began is in it, and of each later write all or nothing. Servers go on reading and writing meanwhile; their schema is not
// touched. `folder` exists and is empty. not_found (no_database) where there is none; refused where a database of PostgreSQL
// has another schema than this binary's (database_older, database_newer, database_foreign).
[[nodiscard]] Result<> snapshot(const TransferEnd& from, const std::filesystem::path& folder,
                                const Clock& clock);

// An image that a release may be started from again.
struct KeptImage {
    std::string app;
    int release = 0;
    bool live = false;
    std::string repository;
    std::string digest;
};

struct RowsSummary {
    std::int64_t apps = 0;
    std::int64_t releases = 0;
    std::vector<KeptImage> images = {};  // of apps that are not being destroyed
};

// Of what snapshot() has made.
[[nodiscard]] Result<RowsSummary> summarize(const std::filesystem::path& folder);

// Of `folder`/loco.db, which came from elsewhere: brings it up to this binary's schema and looks that it is a whole database of
// Loco's and nothing else. invalid (rows_damaged), refused (database_newer, database_foreign).
[[nodiscard]] Result<> check_rows(const std::filesystem::path& folder, const Clock& clock);

// Makes the rows of `folder`/loco.db those of another place: its instances have no containers there, no addresses and no names.
// What serves is then started anew; a release command that was under way counts as lost. Each app gets an event
// "app.restored" with that message and time: done twice with the same rows it gives the same.
[[nodiscard]] Result<> settle_elsewhere(const std::filesystem::path& folder,
                                        const std::string& message, Time at, const Clock& clock);

// refused (transfer_target_in_use) where a database of PostgreSQL has rows already, conflict (already_running) where a
// loco-api uses it; of a SQLite database its folder tells.
[[nodiscard]] Result<> check_free(const TransferEnd& to, const Clock& clock);

// Puts them where a server shall find them. A SQLite database must not be there yet, and is there whole or not at all; for one
// of PostgreSQL see transfer().
[[nodiscard]] Result<> put_back(const std::filesystem::path& folder, const TransferEnd& to,
                                const Clock& clock);

}  // namespace loco::store
