// Durable writes a second of a store with many clients, and what a read costs.
// store_bench [FOLDER|postgres:TARGET [CLIENTS [SECONDS]]]: SQLite in a folder of its own in FOLDER, or the (empty) database
// that TARGET is.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "bench/programs/measure.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace loco {
namespace {

App app_of(int client) {
    App app;
    app.id = AppId("app_" + std::to_string(client));
    app.team = TeamId("team_1");
    app.name = "app-" + std::to_string(client);
    return app;
}

// As a use case writes: reads the app, changes it, appends an event.
Result<> change(Store& store, int client) {
    return store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, tx.app(AppId("app_" + std::to_string(client))));
        ++app.next_release;
        LOCO_TRY(tx.put(app));
        Event event;
        event.team = app.team;
        event.app = app.id;
        event.actor = "bench";
        event.kind = "bench.changed";
        event.message = "The app was changed by a client of the benchmark";
        LOCO_TRY(tx.append(event));
        return {};
    });
}

template <class Operation>
void measure(const char* what, int clients, double seconds, Operation operation) {
    std::atomic<bool> stop = false;
    std::vector<std::vector<double>> latencies(static_cast<std::size_t>(clients));
    const bench::Stopwatch total;
    {
        std::vector<std::jthread> threads;
        for (int client = 0; client < clients; ++client) {
            threads.emplace_back([&, client] {
                auto& own = latencies[static_cast<std::size_t>(client)];
                while (!stop) {
                    const bench::Stopwatch one;
                    if (!operation(client)) std::abort();
                    own.push_back(one.seconds());
                }
            });
        }
        while (total.seconds() < seconds)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        stop = true;
    }
    const double elapsed = total.seconds();
    const double cpu = total.cpu_seconds();
    std::vector<double> all;
    for (const auto& own : latencies) all.insert(all.end(), own.begin(), own.end());
    std::ranges::sort(all);
    const auto count = static_cast<double>(all.size());
    std::printf("%s: clients=%d per_second=%.0f p50_ms=%.2f p99_ms=%.2f cpu_us=%.1f\n", what,
                clients, count / elapsed, 1e3 * all[all.size() / 2],
                1e3 * all[all.size() * 99 / 100], 1e6 * cpu / count);
}

int run(Store& store, int clients, double seconds) {
    const auto prepared = store.write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(
            tx.put(Team{.id = TeamId("team_1"), .slug = "main", .number = 0, .created_at = {}}));
        for (int client = 0; client < clients; ++client) LOCO_TRY(tx.put(app_of(client)));
        return {};
    });
    if (!prepared) return 1;
    measure("write", 1, seconds, [&](int client) { return change(store, client).has_value(); });
    measure("write", clients, seconds,
            [&](int client) { return change(store, client).has_value(); });
    measure("read", 2, seconds, [&](int client) {
        return store
            .read([&](const ReadTx& tx) -> Result<> {
                LOCO_TRY(tx.app(AppId("app_" + std::to_string(client))));
                return {};
            })
            .has_value();
    });
    return 0;
}

template <class Opened>
int run_opened(const Opened& opened, int clients, double seconds) {
    if (opened) return run(**opened, clients, seconds);
    std::fprintf(stderr, "%s\n", opened.error().message.c_str());
    return 1;
}

int run(const std::string& where, int clients, double seconds) {
    constexpr std::string_view kPostgres = "postgres:";
    if (!where.starts_with(kPostgres)) {
        const bench::Folder folder(where);
        return run_opened(store::SqliteStore::open({.folder = folder.path()}, SystemClock()),
                          clients, seconds);
    }
    const auto target = postgres::Target::parse(Secret<>(where.substr(kPostgres.size())));
    if (!target) return 1;
    return run_opened(store::PostgresStore::open({.target = *target}, SystemClock()), clients,
                      seconds);
}

}  // namespace
}  // namespace loco

int main(int argc, char** argv) {
    return loco::run(argc > 1 ? argv[1] : "/tmp", argc > 2 ? std::atoi(argv[2]) : 64,
                     argc > 3 ? std::atof(argv[3]) : 3);
}
