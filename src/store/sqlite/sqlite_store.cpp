#include "store/sqlite/sqlite_store.hpp"

#include "os/file.hpp"
#include "store/common/reader_pool.hpp"
#include "store/sqlite/migrate.hpp"
#include "store/sqlite/sqlite_sql.hpp"
#include "store/sqlite/writer.hpp"

namespace loco::store {
namespace {

Result<std::unique_ptr<sqlite::Database>> open_writer(const std::filesystem::path& file,
                                                      int busy_timeout_ms) {
    LOCO_ASSIGN(auto database,
                sqlite::Database::open(file, {.create = true, .busy_timeout_ms = busy_timeout_ms}));
    // The journal is cut back after a burst, or after a long read that kept it from being reused.
    LOCO_TRY(
        database->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "PRAGMA journal_size_limit = 67108864;"));
    return database;
}

}  // namespace

Result<os::FileLock> lock_folder(const std::filesystem::path& folder) {
    auto lock = os::FileLock::acquire(folder / "loco-api.lock");
    if (!lock && lock.error().kind == ErrorKind::conflict) {
        return fail(ErrorKind::conflict,
                    "another loco-api uses " + folder.string() + ": " + lock.error().message,
                    "stop that one first, or name another data folder", "already_running");
    }
    return lock;
}

struct SqliteStore::Impl {
    os::FileLock lock;  // released last
    EnvSeal env_seal;
    Writer writer;
    ReaderPool<SqliteSql>
        readers;  // closed first, so that the writer's connection is the last and clears the journal away
};

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const SqliteOptions& options,
                                                       const Clock& clock) {
    LOCO_ASSIGN(auto lock, lock_folder(options.folder));
    const auto file = options.folder / "loco.db";
    const int timeout = options.busy_timeout_ms;
    LOCO_ASSIGN(auto database, open_writer(file, timeout));
    LOCO_TRY(migrate(*database, migrations(), clock.now()));
    std::unique_ptr<Impl> impl(new Impl{
        .lock = std::move(lock),
        .env_seal = options.env_seal,
        .writer = Writer(
            std::move(database), [file, timeout] { return open_writer(file, timeout); },
            options.env_seal),
        .readers = ReaderPool<SqliteSql>(
            [file, timeout] {
                return sqlite::Database::open(
                    file, {.read_only = true, .busy_timeout_ms = timeout, .cache_kib = 1024});
            },
            options.readers),
    });
    return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SqliteStore::~SqliteStore() = default;

Result<> SqliteStore::read(const ReadFn& work) {
    return impl_->readers.read([&](sqlite::Database& database) -> Result<> {
        const SqliteTx tx(database, impl_->env_seal);
        auto result = work(tx);
        if (result && tx.trouble()) return fail(*tx.trouble());
        return result;
    });
}

Result<> SqliteStore::write(const WriteFn& work) { return impl_->writer.write(work); }

void SqliteStore::on_events(std::function<void(const std::vector<Event>&)> listener) {
    impl_->writer.set_listener(std::move(listener));
}

}  // namespace loco::store
