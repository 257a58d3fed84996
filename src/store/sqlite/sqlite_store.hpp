// The store of one machine: a SQLite database in the data folder, in WAL mode with synchronous=FULL. One thread writes
// and commits what waits together; readers have connections of their own and never wait for it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "os/file.hpp"
#include "ports/store.hpp"
#include "store/common/env_seal.hpp"

namespace loco::store {

struct SqliteOptions {
    std::filesystem::path
        folder;  // exists; holds loco.db (and what SQLite puts beside it) and loco-api.lock
    std::size_t readers = 4;     // reads at once
    int busy_timeout_ms = 2000;  // for a lock that another program holds
    EnvSeal env_seal = {};       // none: [env] is kept as it is
};

// Keeps another loco-api from the folder: conflict (code already_running) while one has it.
[[nodiscard]] Result<os::FileLock> lock_folder(const std::filesystem::path& folder);

class SqliteStore final : public Store {
  public:
    // Makes the database where there is none (mode 0600) and brings its schema up to date. conflict (code
    // already_running) while another loco-api uses the folder; refused when the database is a newer Loco's or no
    // Loco's at all; unavailable when it can't be read or written.
    [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> open(const SqliteOptions& options,
                                                                   const Clock& clock);
    // Waits for the writes that were begun, and leaves one file. No read or write may be running or come after.
    ~SqliteStore() override;

    [[nodiscard]] Result<> read(const ReadFn& work) override;
    [[nodiscard]] Result<> write(const WriteFn& work) override;
    // Also what another program writes into the database changes it.
    [[nodiscard]] std::optional<std::uint64_t> version() override;
    void on_events(std::function<void(const std::vector<Event>&)> listener) override;

  private:
    struct Impl;
    explicit SqliteStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::store
