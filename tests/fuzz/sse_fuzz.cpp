// The parser of server-sent events must give the same events however the bytes are cut into pieces.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/sse.hpp"

namespace {

std::string parse(std::string_view bytes, std::size_t piece) {
    std::string events;
    loco::http::SseParser parser(
        [&](const loco::http::SseEvent& e) {
            events += e.id + "\n" + e.event + "\n" + e.data + "\n";
        },
        {.max_line = 64, .max_event = 128});
    while (!bytes.empty()) {
        if (!parser.feed(bytes.substr(0, piece))) return events + "too large";
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = parse(bytes, size + 1);
    if (parse(bytes, 1) != whole || parse(bytes, 7) != whole) std::abort();
    return 0;
}
