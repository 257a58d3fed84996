// What the layer between Loco and SQLite costs: upserts and reads of one row of eight columns through src/sqlite, SQLiteCpp
// and SOCI, in memory so that no disk is measured. For docs/adr/0004-sqlite-access.md. sqlite_access_bench [ROWS]
#include <cstdio>
#include <functional>

#include "bench/programs/measure.hpp"
#include "sqlite/database.hpp"

#ifdef WITH_SQLITECPP
#include <SQLiteCpp/SQLiteCpp.h>
#include <SQLiteCpp/VariadicBind.h>
#endif
#ifdef WITH_SOCI
#include <soci.h>
#include <sqlite3/soci-sqlite3.h>
#endif

namespace loco {
namespace {

constexpr const char* kTable =
    "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT, b TEXT, c TEXT, d INTEGER, e INTEGER, f INTEGER, "
    "g INTEGER)";
constexpr const char* kUpsert =
    "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET d = excluded.d";
constexpr const char* kSelect = "SELECT id, a, b, c, d, e, f, g FROM t WHERE id = ?";

struct Row {
    std::string id, a = "team_01hzy", b = "shop", c = "sha256:0123456789abcdef0123456789abcdef";
    std::int64_t d = 1, e = 2, f = 3, g = 4;
};

std::string id_of(int i) { return "app_01hzy0000000000000000" + std::to_string(i % 1000); }

// Interleaved, five times each; the least counts.
struct Subject {
    const char* name;
    std::function<void()> work;
    double best = 1e9;
};

void race(const char* what, int rows, std::vector<Subject> subjects) {
    for (int repeat = 0; repeat < 5; ++repeat) {
        for (auto& subject : subjects) {
            const bench::Stopwatch watch;
            subject.work();
            subject.best = std::min(subject.best, watch.cpu_seconds() / rows);
        }
    }
    for (const auto& subject : subjects)
        std::printf("%s %s: us=%.2f\n", what, subject.name, 1e6 * subject.best);
}

int run(int rows) {
    std::vector<Subject> writes;
    std::vector<Subject> reads;
    std::int64_t sum = 0;  // so that nothing is left out

    const auto own = *sqlite::Database::open(":memory:", {});
    (void)own->run(kTable);
    writes.push_back({"src/sqlite", [&] {
                          for (int i = 0; i < rows; ++i) {
                              Row row{.id = id_of(i)};
                              sqlite::Query query(*own, kUpsert);
                              query.bind(row.id).bind(row.a).bind(row.b).bind(row.c);
                              (void)query.bind(row.d).bind(row.e).bind(row.f).bind(row.g).run();
                          }
                      }});
    reads.push_back({"src/sqlite", [&] {
                         for (int i = 0; i < rows; ++i) {
                             sqlite::Query query(*own, kSelect);
                             if (!query.bind(id_of(i)).step().value_or(false)) std::abort();
                             const Row row{std::string(query.text(0)), std::string(query.text(1)),
                                           std::string(query.text(2)), std::string(query.text(3)),
                                           query.integer(4),           query.integer(5),
                                           query.integer(6),           query.integer(7)};
                             sum += row.g;
                         }
                     }});
#ifdef WITH_SQLITECPP
    SQLite::Database cpp(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    cpp.exec(kTable);
    SQLite::Statement cpp_upsert(cpp, kUpsert);
    SQLite::Statement cpp_select(cpp, kSelect);
    writes.push_back({"SQLiteCpp", [&] {
                          for (int i = 0; i < rows; ++i) {
                              Row row{.id = id_of(i)};
                              SQLite::bind(cpp_upsert, row.id, row.a, row.b, row.c, row.d, row.e,
                                           row.f, row.g);
                              cpp_upsert.exec();
                              cpp_upsert.reset();
                          }
                      }});
    reads.push_back(
        {"SQLiteCpp", [&] {
             for (int i = 0; i < rows; ++i) {
                 cpp_select.bind(1, id_of(i));
                 if (!cpp_select.executeStep()) std::abort();
                 const Row row{
                     cpp_select.getColumn(0).getString(), cpp_select.getColumn(1).getString(),
                     cpp_select.getColumn(2).getString(), cpp_select.getColumn(3).getString(),
                     cpp_select.getColumn(4).getInt64(),  cpp_select.getColumn(5).getInt64(),
                     cpp_select.getColumn(6).getInt64(),  cpp_select.getColumn(7).getInt64()};
                 sum += row.g;
                 cpp_select.reset();
             }
         }});
#endif
#ifdef WITH_SOCI
    soci::session session(soci::sqlite3, ":memory:");
    session << kTable;
    Row in;
    Row out;
    std::string wanted;
    long long d = 1, e = 2, f = 3, g = 4, od = 0, oe = 0, of = 0, og = 0;
    soci::statement soci_upsert =
        (session.prepare << "INSERT INTO t VALUES (:id, :a, :b, :c, :d, :e, :f, :g) ON CONFLICT "
                            "(id) DO UPDATE SET d = excluded.d",
         soci::use(in.id), soci::use(in.a), soci::use(in.b), soci::use(in.c), soci::use(d),
         soci::use(e), soci::use(f), soci::use(g));
    soci::statement soci_select =
        (session.prepare << "SELECT id, a, b, c, d, e, f, g FROM t WHERE id = :id",
         soci::use(wanted), soci::into(out.id), soci::into(out.a), soci::into(out.b),
         soci::into(out.c), soci::into(od), soci::into(oe), soci::into(of), soci::into(og));
    writes.push_back({"SOCI", [&] {
                          for (int i = 0; i < rows; ++i) {
                              in.id = id_of(i);
                              soci_upsert.execute(true);
                          }
                      }});
    reads.push_back({"SOCI", [&] {
                         for (int i = 0; i < rows; ++i) {
                             wanted = id_of(i);
                             if (!soci_select.execute(true)) std::abort();
                             const Row row = out;
                             sum += row.g + og;
                         }
                     }});
#endif
    race("upsert", rows, std::move(writes));
    race("read", rows, std::move(reads));
    return sum > 0 ? 0 : 1;
}

}  // namespace
}  // namespace loco

int main(int argc, char** argv) { return loco::run(argc > 1 ? std::atoi(argv[1]) : 200'000); }
