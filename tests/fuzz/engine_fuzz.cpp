// What a container engine sends, from hostile hands. The first byte chooses the reader, the second how the bytes are
// cut: cut or whole, the outcome is the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/streams.hpp"

namespace {

using namespace loco;

template <class Reader>
bool feed(Reader& reader, std::string_view bytes, std::size_t step) {
    while (!bytes.empty()) {
        if (!reader.feed(bytes.substr(0, step))) return false;
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    return true;
}

std::string frames(std::string_view bytes, std::size_t step) {
    std::string out[3];
    std::size_t given = 0;
    engine::FrameDemuxer demuxer([&](engine::Stream stream, std::string_view data) {
        out[static_cast<std::size_t>(stream)] += data;
        given += data.size();
    });
    const bool fine = feed(demuxer, bytes, step);
    LOCO_CHECK(given <= bytes.size());
    if (!fine) LOCO_CHECK(!demuxer.feed("x"));
    return out[0] + '|' + out[1] + '|' + out[2] + (fine ? "+" : "-") +
           (fine && demuxer.complete() ? "." : "");
}

std::string events(std::string_view bytes, std::size_t step) {
    std::string out;
    engine::EventReader reader([&](const engine::Event& e) {
        out += e.type + '|' + e.action + '|' + e.actor + '|' + std::to_string(e.attributes.size()) +
               to_rfc3339(e.at) + '\n';
    });
    return feed(reader, bytes, step) ? out + "+" : out + "-";
}

std::string transfer(std::string_view bytes, std::size_t step) {
    std::string out;
    engine::TransferReader reader([&](const engine::TransferProgress& p) {
        out += p.layer + '|' + p.status + '|' + std::to_string(p.current) + '\n';
    });
    if (!feed(reader, bytes, step)) return out + "-";
    const auto result = reader.finish();
    return out + (result ? result->digest : result.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = std::size_t{data[1]} + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto same = [&](auto read) { LOCO_CHECK(read(bytes, step) == read(bytes, size)); };
    switch (data[0] % 3) {
        case 0: same(frames); break;
        case 1: same(events); break;
        default: same(transfer);
    }
    return 0;
}
