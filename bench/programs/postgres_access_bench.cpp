// What the layer between Loco and PostgreSQL costs: a refusable upsert of one row of eight columns (in a savepoint, as every
// write of the store) and a read of it, through src/postgres and libpqxx. For docs/adr/0021-postgresql-with-libpq.md.
// postgres_access_bench [ROWS]; LOCO_TEST_POSTGRES as in the tests.
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "bench/programs/measure.hpp"
#include "postgres/database.hpp"
#include "tests/support/postgres_server.hpp"

#ifdef WITH_LIBPQXX
#include <pqxx/pqxx>
#endif

namespace loco {
namespace {

constexpr const char* kTable =
    "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT, b TEXT, c TEXT, d BIGINT, e BIGINT, f BIGINT, "
    "g BIGINT)";
const std::string kA = "team_01hzy", kB = "shop", kC = "sha256:0123456789abcdef0123456789abcdef";

std::string id_of(int i) { return "app_01hzy0000000000000000" + std::to_string(i % 1000); }

struct Subject {
    const char* name;
    std::function<void(int row)> work;
    double best_cpu = 1e9;
    double best_wall = 1e9;
};

// Interleaved, five times each; the least counts.
void race(const char* what, int rows, std::vector<Subject> subjects) {
    for (int repeat = 0; repeat < 5; ++repeat) {
        for (auto& subject : subjects) {
            const bench::Stopwatch watch;
            for (int i = 0; i < rows; ++i) subject.work(i);
            subject.best_cpu = std::min(subject.best_cpu, watch.cpu_seconds() / rows);
            subject.best_wall = std::min(subject.best_wall, watch.seconds() / rows);
        }
    }
    for (const auto& subject : subjects) {
        std::printf("%s %s: us=%.1f cpu_us=%.1f\n", what, subject.name, 1e6 * subject.best_wall,
                    1e6 * subject.best_cpu);
    }
}

void run(int rows) {
    const test::TestDatabase database;
    const auto own = database.connect();
    const auto must = [](bool good) {
        if (!good) std::abort();
    };
    must(own->run(kTable).has_value());
    std::vector<Subject> writes, reads;
    must(own->run("BEGIN").has_value());
    writes.push_back(
        {.name = "src/postgres", .work = [&](int i) {
             postgres::Query query(*own,
                                   "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) "
                                   "DO UPDATE SET d = excluded.d");
             query.bind(id_of(i)).bind(kA).bind(kB).bind(kC).bind(i).bind(2).bind(3).bind(4);
             must(query.run_guarded().has_value());
         }});
    reads.push_back({.name = "src/postgres", .work = [&](int i) {
                         postgres::Query query(
                             *own, "SELECT id, a, b, c, d, e, f, g FROM t WHERE id = ?");
                         query.bind(id_of(i));
                         must(query.step().value_or(false) && query.text(1) == kA);
                     }});
#ifdef WITH_LIBPQXX
    std::string target;
    for (const auto& [key, value] : database.target().settings())
        target += key + "='" + value.reveal() + "' ";
    pqxx::connection connection(target);
    connection.prepare("write",
                       "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO "
                       "UPDATE SET d = excluded.d");
    connection.prepare("read", "SELECT id, a, b, c, d, e, f, g FROM t WHERE id = $1");
    pqxx::work transaction(connection);
    // A table of its own kind of row would wait for the other's transaction: it has rows of its own.
    const auto theirs = [](int i) { return "x" + id_of(i); };
    writes.push_back({.name = "libpqxx", .work = [&](int i) {
                          // By hand: 6.4's subtransaction sends no SAVEPOINT before a prepared statement.
                          transaction.exec0("SAVEPOINT guarded");
                          transaction.exec_prepared0("write", theirs(i), kA, kB, kC, i, 2, 3, 4);
                          transaction.exec0("RELEASE SAVEPOINT guarded");
                      }});
    reads.push_back({.name = "libpqxx", .work = [&](int i) {
                         const auto row = transaction.exec_prepared1("read", theirs(i));
                         must(kA == row[1].c_str());
                     }});
#endif
    race("write", rows, writes);
    race("read", rows, reads);
}

}  // namespace
}  // namespace loco

int main(int argc, char** argv) { loco::run(argc > 1 ? std::atoi(argv[1]) : 2000); }
