// Archives made by hand, hostile ones too, and compressed by libarchive.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>
#include <string>
#include <vector>

namespace loco::test {

struct TarEntry {
    std::string name;
    std::string data = {};
    char type = '0';  // '1' hard link, '2' symbolic link, '3' device, '5' folder
    std::string link = {};
};

inline std::string tar_entry(const TarEntry& entry, std::size_t size) {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) {
        header.replace(at, text.size(), text);
    };
    char octal[13];
    std::snprintf(octal, sizeof octal, "%011zo", size);
    put(0, entry.name.substr(0, 100));
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, octal);
    put(136, "00000000000");
    put(148, "        ");
    header[156] = entry.type;
    put(157, entry.link.substr(0, 100));
    put(257, "ustar");
    put(263, "00");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    char checksum[8];
    std::snprintf(checksum, sizeof checksum, "%06o", sum & 0777777U);
    put(148, std::string(checksum) + std::string(1, '\0') + " ");
    return header;
}

inline std::string tar_of(const std::vector<TarEntry>& entries) {
    std::string tar;
    for (const auto& entry : entries) {
        tar += tar_entry(entry, entry.data.size());
        tar += entry.data;
        tar.resize((tar.size() + 511) / 512 * 512);
    }
    return tar + std::string(1024, '\0');
}

inline std::string compressed(const std::string& data, int filter) {
    std::string result(data.size() + (1U << 20), '\0');
    std::size_t used = 0;
    auto* writer = archive_write_new();
    archive_write_add_filter(writer, filter);
    archive_write_set_format_raw(writer);
    archive_write_set_bytes_per_block(writer, 1);
    archive_write_open_memory(writer, result.data(), result.size(), &used);
    auto* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(writer, entry);
    archive_write_data(writer, data.data(), data.size());
    archive_entry_free(entry);
    archive_write_close(writer);
    archive_write_free(writer);
    result.resize(used);
    return result;
}
inline std::string gzip(const std::string& data) { return compressed(data, ARCHIVE_FILTER_GZIP); }
inline std::string zstd(const std::string& data) { return compressed(data, ARCHIVE_FILTER_ZSTD); }

}  // namespace loco::test
