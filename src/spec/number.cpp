#include "spec/number.hpp"

#include <algorithm>
#include <cctype>

namespace loco::spec {

std::optional<Number> split_number(std::string_view text) {
    Number number;
    std::size_t i = 0;
    int digits = 0;
    bool point = false;
    for (; i < text.size(); ++i) {
        if (is_digit(text[i])) {
            if (++digits > 15) return std::nullopt;
            number.mantissa = number.mantissa * 10 + (text[i] - '0');
            number.decimals += point ? 1 : 0;
        } else if (text[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
    }
    if (digits == 0) return std::nullopt;
    number.digits = text.substr(0, i);
    number.suffix = text.substr(i);
    return number;
}

std::string tidied(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == ',') {
            result += '.';
        } else if (c != ' ' && c != '_') {
            result += c;
        }
    }
    return result;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::string shown(std::string_view text) {
    return text.size() > kMaxQuantity ? "\"" + std::string(text.substr(0, kMaxQuantity)) + "\"…"
                                      : "\"" + std::string(text) + "\"";
}

}  // namespace loco::spec
