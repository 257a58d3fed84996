// What a cluster sends and a kubeconfig holds. The first byte chooses, the second how a watch is cut into pieces: cut or
// whole, the events are the same.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "kubernetes/config.hpp"
#include "kubernetes/object.hpp"
#include "kubernetes/watch_decoder.hpp"

namespace {

using namespace loco;
using namespace loco::kubernetes;

std::string watch(std::string_view bytes, std::size_t step) {
    std::string out;
    WatchDecoder decoder(4096);
    while (!bytes.empty()) {
        const auto fed = decoder.feed(bytes.substr(0, step), [&](const WatchEvent& event) {
            out += std::to_string(static_cast<int>(event.type)) + key_of(event.object) +
                   resource_version_of(event.object) + '\n';
        });
        if (!fed) return out + "-";
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    return out + "+";
}

void config(std::string_view text) {
    const auto parsed = parse_kubeconfig(text, "/nowhere/config");
    if (!parsed) {
        LOCO_CHECK(!parsed.error().message.empty());
        return;
    }
    LOCO_CHECK(!parsed->server.ends_with('/'));
    LOCO_CHECK(!parsed->exec || !parsed->exec->argv.empty());
}

void object(std::string_view text) {
    const auto parsed = parse_object(text);
    if (!parsed) return;
    (void)key_of(*parsed);
    (void)label_of(*parsed, "loco.dev/app");
    const auto again = parse_object(boost::json::serialize(*parsed));
    LOCO_CHECK(again.has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = std::size_t{data[1]} + 1;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    switch (data[0] % 3) {
        case 0: config(bytes); break;
        case 1: object(bytes); break;
        default: LOCO_CHECK(watch(bytes, step) == watch(bytes, size));
    }
    return 0;
}
