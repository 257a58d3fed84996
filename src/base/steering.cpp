#include "base/steering.hpp"

namespace loco {

std::size_t steering(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;
    if (byte(0) == 0xd8 && byte(1) == 0x9c) return 2;  // U+061C
    if (byte(0) != 0xe2) return 0;
    const bool marks = byte(1) == 0x80 &&
                       (byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xaa && byte(2) <= 0xae));
    const bool isolates = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
    return marks || isolates ? 3 : 0;
}

}  // namespace loco
