// What HAProxy answers on its Runtime API, and the files of slots that are read at a start. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "gateway/haproxy/runtime_api.hpp"
#include "gateway/haproxy/slots.hpp"

namespace {

using namespace loco;
using namespace loco::gateway::haproxy;

void stat(std::string_view text) {
    const std::vector<std::string_view> columns{"pxname", "svname", "status"};
    if (const auto rows = parse_csv(text, columns)) {
        for (const auto& row : *rows) LOCO_CHECK(row.size() == columns.size());
    }
}

void servers(std::string_view text) {
    if (const auto states = parse_servers(text)) {
        for (const auto& state : *states) (void)slot_number(state.backend);
    }
}

// A file of ours that was cut or changed: nothing, or a slot that is written and read again the same.
void slot(std::string_view text) {
    const auto parsed = parse_slot(text);
    if (!parsed) return;
    const auto again = parse_slot(render(*parsed));
    LOCO_CHECK(again && *again == *parsed);
    (void)routes_of(*parsed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0: stat(text); break;
        case 1: servers(text); break;
        case 2: (void)parse_map(text); break;
        case 3: (void)parse_old_workers(text); break;
        default: slot(text);
    }
    return 0;
}
