#include "base/id.hpp"

#include <algorithm>
#include <array>

namespace loco {

std::string make_id(std::string_view prefix, Time now, Random& random) {
    std::array<std::uint8_t, 16> bytes{};
    random.fill(std::span(bytes).subspan(6));
    const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_unix_ms(now)));
    for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));

    // 128 bits as 26 digits of 5 bits, most significant first; the first digit holds only 3 bits.
    std::string text(prefix);
    for (int digit = 0; digit < 26; ++digit) {
        unsigned value = 0;
        for (int bit = 0; bit < 5; ++bit) {
            const int position = digit * 5 + bit - 2;  // 130 digits' bits, two leading zeros
            const unsigned set =
                position < 0
                    ? 0U
                    : (static_cast<unsigned>(bytes[static_cast<std::size_t>(position / 8)]) >>
                       (7 - position % 8)) &
                          1U;
            value = value << 1 | set;
        }
        text += kBase32Alphabet[value];
    }
    return text;
}

bool is_id(std::string_view prefix, std::string_view text) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return text.size() == 26 &&
           std::ranges::all_of(text, [](char c) { return kBase32Alphabet.contains(c); });
}

}  // namespace loco
