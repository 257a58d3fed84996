// Images from strangers: manifests, configs, layers. The first byte chooses, the second how a layer is cut into pieces.
// Whatever a layer holds, reading it ends within its bounds, no path leads out of the image, and it is the same however
// its bytes come.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "registry/image_inspector.hpp"
#include "registry/layer_tar.hpp"
#include "registry/layer_walk.hpp"
#include "registry/manifest.hpp"

namespace {

using namespace loco;
using namespace loco::registry;

constexpr WalkBounds kBounds{.stored_bytes = 1 << 20,
                             .unpacked_bytes = 4 << 20,
                             .entries = 1000,
                             .file_bytes = 64 << 10,
                             .time = std::chrono::seconds(20)};

ByteSource source_of(std::string_view bytes, std::size_t step) {
    return [bytes, step]() mutable -> Result<std::string> {
        const auto piece = std::string(bytes.substr(0, step));
        bytes.remove_prefix(piece.size());
        return piece;
    };
}

std::string layer(std::string_view bytes, std::size_t step) {
    const SystemClock clock;
    WalkBudget budget(kBounds, clock);
    std::string seen;
    const auto result =
        read_layer(source_of(bytes, step), budget,
                   [&](const LayerEntry& entry, const ReadEntry& read) -> Result<> {
                       LOCO_CHECK(!entry.path.starts_with('/'));
                       LOCO_CHECK(("/" + entry.path + "/").find("/../") == std::string::npos);
                       seen += entry.path + '|' + entry.target + '|';
                       if (entry.kind == LayerEntry::Kind::file) {
                           LOCO_ASSIGN(const auto content, read());
                           LOCO_CHECK(content.size() <= kBounds.file_bytes);
                           seen += content;
                       }
                       seen += '\n';
                       return {};
                   });
    return result ? seen : "refused: " + result.error().message;
}

void walk(std::string_view bytes, std::size_t cut) {
    const std::string_view layers[] = {bytes.substr(0, std::min(cut * 512, bytes.size())),
                                       bytes.substr(std::min(cut * 512, bytes.size()))};
    const SystemClock clock;
    WalkBudget budget(kBounds, clock);
    const auto found = read_files(
        {"etc/passwd", "etc/group"}, 2,
        [&](std::size_t number) -> Result<ByteSource> { return source_of(layers[number], 512); },
        budget);
    if (found) LOCO_CHECK(found->size() == 2);
}

void manifest(std::string_view text) {
    const auto parsed = parse_manifest(text);
    if (!parsed) return;
    (void)parsed->total_bytes();
    for (const auto* platform : {"linux/amd64", "linux/arm64/v8", "", "/"}) {
        (void)manifest_for(*parsed, platform);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = std::size_t{data[1]} + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    switch (data[0] % 4) {
        case 0: manifest(bytes); break;
        case 1: (void)parse_image_config(bytes); break;
        case 2: walk(bytes, step); break;
        default: LOCO_CHECK(layer(bytes, step) == layer(bytes, size));
    }
    return 0;
}
