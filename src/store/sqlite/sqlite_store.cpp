#include "store/sqlite/sqlite_store.hpp"

#include <mutex>

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

// Asks one connection of its own, which writes nothing, whether others have committed since
// (https://www.sqlite.org/pragma.html#pragma_data_version).
class DataVersion {
  public:
    explicit DataVersion(std::unique_ptr<sqlite::Database> database)
        : database_(std::move(database)) {}

    std::optional<std::uint64_t> now() {
        const std::lock_guard lock(mutex_);
        sqlite::Query query(*database_, "PRAGMA data_version");
        const auto row = query.step();
        if (!row || !*row) return std::nullopt;
        return static_cast<std::uint64_t>(query.integer(0));
    }

  private:
    std::mutex mutex_;
    std::unique_ptr<sqlite::Database> database_;
};

struct SqliteStore::Impl {
    os::FileLock lock;  // released last
    EnvSeal env_seal;
    Writer writer;
    // These are closed first, so that the writer's connection is the last and clears the journal away.
    ReaderPool<SqliteSql> readers;
    DataVersion data_version;
};

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const SqliteOptions& options,
                                                       const Clock& clock) {
    LOCO_ASSIGN(auto lock, lock_folder(options.folder));
    const auto file = options.folder / "loco.db";
    const int timeout = options.busy_timeout_ms;
    LOCO_ASSIGN(auto database, open_writer(file, timeout));
    LOCO_TRY(migrate(*database, migrations(), clock.now()));
    const auto open_reader = [file, timeout] {
        return sqlite::Database::open(
            file, {.read_only = true, .busy_timeout_ms = timeout, .cache_kib = 1024});
    };
    LOCO_ASSIGN(auto watching, open_reader());
    std::unique_ptr<Impl> impl(new Impl{
        .lock = std::move(lock),
        .env_seal = options.env_seal,
        .writer = Writer(
            std::move(database), [file, timeout] { return open_writer(file, timeout); },
            options.env_seal),
        .readers = ReaderPool<SqliteSql>(open_reader, options.readers),
        .data_version = DataVersion(std::move(watching)),
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

std::optional<std::uint64_t> SqliteStore::version() { return impl_->data_version.now(); }

void SqliteStore::on_events(std::function<void(const std::vector<Event>&)> listener) {
    impl_->writer.set_listener(std::move(listener));
}

}  // namespace loco::store
