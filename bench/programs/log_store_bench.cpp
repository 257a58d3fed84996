// What keeping log lines costs: MB of text a second, and a second of CPU. log_store_bench [FOLDER [MB [LINE_BYTES]]]
#include <cstdio>

#include "bench/programs/measure.hpp"
#include "telemetry/sqlite_log_store.hpp"

namespace loco {
namespace {

constexpr int kInstances = 20;
constexpr int kBatch = 500;

int run(const std::string& parent, double megabytes, std::size_t line_bytes) {
    const bench::Folder folder(parent);
    SystemClock clock;
    auto opened = telemetry::SqliteLogStore::open({.folder = folder.path()}, clock);
    if (!opened) return 1;
    auto& store = **opened;
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
    double disk = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        if (entry.path().extension() == ".db") disk += static_cast<double>(entry.file_size());
    }
    std::printf(
        "sqlite append: line_bytes=%zu mb=%.0f mb_per_s=%.1f mb_per_cpu_s=%.1f "
        "disk_per_text=%.2f\n",
        line_bytes, mb, mb / seconds, mb / cpu_seconds, disk / 1e6 / mb);
    LogFilter filter;
    filter.app = AppId("app_00000000000000000000000001");
    const bench::Stopwatch last;
    if (!store.last(filter, 100)) return 1;
    std::printf("sqlite last 100: ms=%.2f\n", 1e3 * last.seconds());
    const bench::Stopwatch all;
    if (!store.after(filter, 0, 10'000)) return 1;
    std::printf("sqlite first 10000: ms=%.2f\n", 1e3 * all.seconds());
    return 0;
}

}  // namespace
}  // namespace loco

int main(int argc, char** argv) {
    return loco::run(argc > 1 ? argv[1] : "/tmp", argc > 2 ? std::atof(argv[2]) : 200,
                     argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 120);
}
