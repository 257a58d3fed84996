// What apps write and engines wrap: Docker's frames and a kubelet's text, from bytes to lines. The first byte chooses,
// the second how the bytes are cut: cut or whole, the lines are the same, and none is longer than its bound.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cluster/kubernetes/pod_log_text.hpp"
#include "engine/streams.hpp"
#include "runtime/log_collector/log_follower.hpp"

namespace {

using namespace loco;

template <class Feed>
bool in_pieces(std::string_view bytes, std::size_t step, Feed feed) {
    while (!bytes.empty()) {
        if (!feed(bytes.substr(0, step))) return false;
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    return true;
}

std::vector<LogLine> kept_of(const std::vector<runtime::RawLine>& lines) {
    std::vector<LogLine> kept;
    for (const auto& line : lines) {
        LogLine one;
        one.stream = line.stream;
        one.at = line.at;
        one.text = line.text;
        kept.push_back(one);
    }
    std::ranges::sort(kept, {}, &LogLine::at);
    return kept;
}

std::string docker(std::string_view bytes, std::size_t step) {
    std::string out;
    std::vector<runtime::RawLine> lines;
    runtime::LineCutter cutter([&](runtime::RawLine line) {
        LOCO_CHECK(line.text.size() <= runtime::kMaxLineBytes);
        out += std::to_string(static_cast<int>(line.stream)) + to_rfc3339_nano(line.at) +
               line.text + '\n';
        lines.push_back(std::move(line));
    });
    const bool fine = in_pieces(
        bytes, step, [&](std::string_view piece) { return cutter.feed(piece).has_value(); });
    if (!fine) return "broken";  // how far it came depends on the pieces
    cutter.finish();
    // Read again after a break, what was kept is known, and is known once.
    if (lines.size() < runtime::Resume::kLines) {
        runtime::Resume resume(kept_of(lines));
        for (const auto& line : lines) {
            if (resume.since() && line.at >= *resume.since()) LOCO_CHECK(resume.was_kept(line));
        }
        for (const auto& line : lines) LOCO_CHECK(!resume.was_kept(line));
    }
    return out;
}

std::string kubelet(std::string_view bytes, std::size_t step) {
    std::string out;
    cluster::PodLogCutter cutter([&](cluster::PodLine line) {
        LOCO_CHECK(line.text.size() <= cluster::kMaxLogLine);
        out += to_rfc3339_nano(line.at) + line.text + '\n';
    });
    in_pieces(bytes, step, [&](std::string_view piece) { return cutter.feed(piece), true; });
    cutter.finish();
    return out;
}

std::string ndjson(std::string_view bytes, std::size_t step) {
    std::string out;
    engine::LineReader reader;
    const auto sink = [&](std::string_view line) -> Result<> {
        LOCO_CHECK(!line.empty() && line.find('\n') == std::string_view::npos);
        out += std::string(line) + '\n';
        return {};
    };
    if (!in_pieces(bytes, step,
                   [&](std::string_view piece) { return reader.feed(piece, sink).has_value(); })) {
        return "broken";
    }
    return reader.finish(sink) ? out : "broken";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = std::size_t{data[1]} + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto same = [&](auto read) { LOCO_CHECK(read(bytes, step) == read(bytes, size)); };
    switch (data[0] % 3) {
        case 0: same(docker); break;
        case 1: same(kubelet); break;
        default: same(ndjson);
    }
    return 0;
}
