// What keeping log lines costs: MB of text a second, and a second of this program's CPU.
// log_store_bench [FOLDER|postgres:TARGET [MB [LINE_BYTES]]]
#include <cstdio>

#include "base/random.hpp"
#include "bench/programs/measure.hpp"
#include "telemetry/postgres_log_store.hpp"
#include "telemetry/sqlite_log_store.hpp"

namespace loco {
namespace {

constexpr int kInstances = 20;
constexpr int kBatch = 500;

// `kind` stands in what is printed; `disk` gives the bytes that the lines take.
int measure(LogStore& store, const char* kind, double megabytes, std::size_t line_bytes,
            const std::function<double()>& disk) {
    const SystemClock clock;
    LogLine line;
    line.text = std::string(line_bytes, 'x');
    line.release = 1;
    line.process = "web";
    const auto batches =
        static_cast<int>(megabytes * 1e6 / kBatch / static_cast<double>(line_bytes));
    double seconds = 0;
    double cpu_seconds = 0;
    for (int batch = 0; batch < batches; ++batch) {
        std::vector<LogLine> lines;
        lines.reserve(kBatch);
        for (int i = 0; i < kBatch; ++i) {
            // A few lines of one instance, then of another, as containers write.
            const auto number = std::to_string(i / 10 % kInstances);
            line.app = AppId("app_0000000000000000000000000" + number);
            line.instance = "ins_0000000000000000000000000" + number;
            line.at = clock.now();
            lines.push_back(line);
        }
        const bench::Stopwatch watch;
        if (!store.append(std::move(lines))) return 1;
        seconds += watch.seconds();
        cpu_seconds += watch.cpu_seconds();
    }
    const double mb = static_cast<double>(batches) * kBatch * static_cast<double>(line_bytes) / 1e6;
    std::printf(
        "%s append: line_bytes=%zu mb=%.0f mb_per_s=%.1f mb_per_cpu_s=%.1f "
        "disk_per_text=%.2f\n",
        kind, line_bytes, mb, mb / seconds, mb / cpu_seconds, disk() / 1e6 / mb);
    LogFilter filter;
    filter.app = AppId("app_00000000000000000000000001");
    const bench::Stopwatch last;
    if (!store.last(filter, 100)) return 1;
    std::printf("%s last 100: ms=%.2f\n", kind, 1e3 * last.seconds());
    const bench::Stopwatch all;
    if (!store.after(filter, 0, 10'000)) return 1;
    std::printf("%s first 10000: ms=%.2f\n", kind, 1e3 * all.seconds());
    return 0;
}

int run(const std::string& where, double megabytes, std::size_t line_bytes) {
    constexpr std::string_view kPostgres = "postgres:";
    SystemClock clock;
    if (!where.starts_with(kPostgres)) {
        const bench::Folder folder(where);
        auto opened = telemetry::SqliteLogStore::open({.folder = folder.path()}, clock);
        if (!opened) return 1;
        return measure(**opened, "sqlite", megabytes, line_bytes, [&] {
            double bytes = 0;
            for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
                if (entry.path().extension() == ".db")
                    bytes += static_cast<double>(entry.file_size());
            }
            return bytes;
        });
    }
    SystemRandom random;
    auto target = postgres::Target::parse(Secret<>(where.substr(kPostgres.size())));
    if (!target) return 1;
    auto opened = telemetry::PostgresLogStore::open({.target = *target}, clock, random);
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().message.c_str());
        return 1;
    }
    return measure(**opened, "postgres", megabytes, line_bytes, [&]() -> double {
        auto database = postgres::Database::open(*target, {});
        if (!database) return 0;
        const auto bytes = (*database)->value_within(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = "
            "'log_lines'::regclass",
            std::chrono::seconds(5));
        return bytes ? std::atof(bytes->c_str()) : 0;
    });
}

}  // namespace
}  // namespace loco

int main(int argc, char** argv) {
    return loco::run(argc > 1 ? argv[1] : "/tmp", argc > 2 ? std::atof(argv[2]) : 200,
                     argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 120);
}
