#include "store/postgres/postgres_store.hpp"

#include <mutex>
#include <optional>

#include "store/common/reader_pool.hpp"
#include "store/postgres/follower.hpp"
#include "store/postgres/migrate.hpp"
#include "store/postgres/postgres_sql.hpp"
#include "store/postgres/writer.hpp"

namespace loco::store {

struct PostgresStore::Impl {
    EnvSeal env_seal;
    PostgresWriter::Open open;
    std::int64_t last_event;  // when it was opened
    PostgresWriter writer;
    ReaderPool<PostgresSql> readers;
    std::function<void(const std::optional<AppId>&)> on_wake = {};
    std::mutex mutex = {};
    std::unique_ptr<Follower> follower = {};  // guarded by mutex
};

Result<std::unique_ptr<PostgresStore>> PostgresStore::open(const PostgresOptions& options,
                                                           const Clock& clock) {
    const PostgresWriter::Open open = [target = options.target, limits = options.limits] {
        return postgres::Database::open(target, limits);
    };
    LOCO_ASSIGN(auto database, open());
    LOCO_TRY(migrate(*database, postgres_migrations(), clock.now()));
    postgres::Query last(*database, "SELECT coalesce(max(seq), 0) FROM events");
    LOCO_TRY(last.step());
    std::unique_ptr<Impl> impl(new Impl{
        .env_seal = options.env_seal,
        .open = open,
        .last_event = last.integer(0),
        .writer = PostgresWriter(std::move(database), open, options.env_seal),
        .readers = ReaderPool<PostgresSql>(open, options.readers),
    });
    return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(impl)));
}

PostgresStore::PostgresStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PostgresStore::~PostgresStore() = default;

Result<> PostgresStore::read(const ReadFn& work) {
    return impl_->readers.read([&](postgres::Database& database) -> Result<> {
        const PostgresTx tx(database, impl_->env_seal);
        auto result = work(tx);
        if (result && tx.trouble()) return fail(*tx.trouble());
        return result;
    });
}

Result<> PostgresStore::write(const WriteFn& work) { return impl_->writer.write(work); }

void PostgresStore::on_events(std::function<void(const std::vector<Event>&)> listener) {
    impl_->writer.set_listener(std::move(listener));
}

void PostgresStore::on_events_of_all(std::function<void(const std::vector<Event>&)> listener) {
    std::unique_ptr<Follower> before;
    {
        const std::lock_guard lock(impl_->mutex);
        before.swap(impl_->follower);
    }
    before.reset();
    if (!listener) return;
    auto follower = std::make_unique<Follower>(impl_->open, impl_->last_event, std::move(listener),
                                               impl_->on_wake);
    const std::lock_guard lock(impl_->mutex);
    impl_->follower = std::move(follower);
}

void PostgresStore::wake_others(const AppId& app) {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->follower) impl_->follower->tell(app);
}

void PostgresStore::on_wakes_of_others(std::function<void(const std::optional<AppId>&)> listener) {
    impl_->on_wake = std::move(listener);
}

}  // namespace loco::store
