#include "postgres/text.hpp"

#include <cstdint>

namespace loco::postgres {
namespace {

constexpr char kMark = '\x01';
constexpr std::string_view kDigits = "0123456789abcdef";

// How many bytes the character at the start takes; 0 when there is none (RFC 3629, and not U+0000).
std::size_t character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const auto first = byte(0);
    if (first == 0) return 0;
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    const auto second = byte(1);
    const bool is_long = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool is_surrogate = first == 0xed && second >= 0xa0;
    const bool is_beyond = first == 0xf4 && second >= 0x90;
    return is_long || is_surrogate || is_beyond ? 0 : size;
}

bool can_be_kept(std::string_view text) {
    if (text.starts_with(kMark)) return false;
    while (!text.empty()) {
        const auto size = character(text);
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace

std::string to_kept_text(std::string_view text) {
    if (can_be_kept(text)) return std::string(text);
    std::string kept(1, kMark);
    kept.reserve(1 + 2 * text.size());
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        kept += kDigits[byte >> 4U];
        kept += kDigits[byte & 0xfU];
    }
    return kept;
}

bool is_kept_as_bytes(std::string_view kept) { return kept.starts_with(kMark); }

std::string from_kept_bytes(std::string_view kept) {
    const auto digit = [&](std::size_t i) {
        const auto at = kDigits.find(kept[i]);
        return at == std::string_view::npos ? std::size_t{0} : at;
    };
    std::string text;
    text.reserve(kept.size() / 2);
    for (std::size_t i = 1; i + 1 < kept.size(); i += 2)
        text += static_cast<char>(digit(i) << 4U | digit(i + 1));
    return text;
}

}  // namespace loco::postgres
