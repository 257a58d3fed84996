// The same lines as log_store_bench into RocksDB, for docs/adr/0005-log-store.md: key = app, seq; a write batch per
// 500 lines. rocksdb_logs_bench [FOLDER [MB [LINE_BYTES]]]
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <cstdio>

#include "bench/programs/measure.hpp"

namespace {

constexpr int kInstances = 20;
constexpr int kBatch = 500;

std::string big_endian(std::uint64_t value) {
    std::string bytes(8, '\0');
    for (int i = 7; i >= 0; --i, value >>= 8)
        bytes[static_cast<std::size_t>(i)] = static_cast<char>(value & 0xff);
    return bytes;
}

int run(const std::string& parent, double megabytes, std::size_t line_bytes,
        rocksdb::CompressionType compression, const char* name) {
    const loco::bench::Folder folder(parent);
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = compression;
    options.IncreaseParallelism(1);
    rocksdb::DB* opened = nullptr;
    if (!rocksdb::DB::Open(options, folder.path(), &opened).ok()) return 1;
    std::unique_ptr<rocksdb::DB> db(opened);
    const std::string text(line_bytes, 'x');
    const auto batches =
        static_cast<int>(megabytes * 1e6 / kBatch / static_cast<double>(line_bytes));
    std::uint64_t seq = 0;
    const loco::bench::Stopwatch watch;
    for (int batch = 0; batch < batches; ++batch) {
        rocksdb::WriteBatch lines;
        for (int i = 0; i < kBatch; ++i) {
            const auto number = std::to_string(i / 10 % kInstances);
            const auto key = big_endian(++seq);
            lines.Put("app_0000000000000000000000000" + number + key,
                      key + "ins_0000000000000000000000000" + number + "web1" + text);
        }
        if (!db->Write(rocksdb::WriteOptions(), &lines).ok()) return 1;
    }
    db->Flush(rocksdb::FlushOptions());
    const double mb = static_cast<double>(batches) * kBatch * static_cast<double>(line_bytes) / 1e6;
    std::printf("rocksdb %s append: line_bytes=%zu mb=%.0f mb_per_s=%.1f mb_per_cpu_s=%.1f\n", name,
                line_bytes, mb, mb / watch.seconds(), mb / watch.cpu_seconds());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string parent = argc > 1 ? argv[1] : "/tmp";
    const double megabytes = argc > 2 ? std::atof(argv[2]) : 200;
    const auto line = argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 120;
    return run(parent, megabytes, line, rocksdb::kNoCompression, "plain") +
           run(parent, megabytes, line, rocksdb::kZSTD, "zstd");
}
