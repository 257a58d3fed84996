// The store of a cluster: a PostgreSQL database that several loco-api share. Writes of all of them run one after the
// other under one lock of the database; each commits what waits together. Reads have connections of their own.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "ports/store.hpp"
#include "postgres/database.hpp"
#include "store/common/env_seal.hpp"

namespace loco::store {

struct PostgresOptions {
    postgres::Target target;
    std::size_t readers = 8;  // reads at once; connections are at most this and two
    postgres::Database::Limits limits = {};
    EnvSeal env_seal = {};  // none: [env] is kept as it is
};

class PostgresStore final : public Store {
  public:
    // Brings the schema up to date. refused when the database is a newer Loco's or another program's; unavailable when it
    // can't be reached.
    [[nodiscard]] static Result<std::unique_ptr<PostgresStore>> open(const PostgresOptions& options,
                                                                     const Clock& clock);
    // Waits for the writes that were begun. No read or write may be running or come after.
    ~PostgresStore() override;

    [[nodiscard]] Result<> read(const ReadFn& work) override;
    [[nodiscard]] Result<> write(const WriteFn& work) override;
    void on_events(std::function<void(const std::vector<Event>&)> listener) override;
    void on_events_of_all(std::function<void(const std::vector<Event>&)> listener) override;
    void wake_others(const AppId& app) override;
    void on_wakes_of_others(std::function<void(const std::optional<AppId>&)> listener) override;

  private:
    struct Impl;
    explicit PostgresStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::store
