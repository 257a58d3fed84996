#include "http/message.hpp"

#include <algorithm>

namespace loco::http {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

enum class Plus : bool { literal, space };

bool decode_into(std::string& out, std::string_view text, Plus plus) {
    out.reserve(out.size() + text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus == Plus::space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (i + 2 >= text.size()) return false;
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return false;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return true;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i++]);
        if (lead < 0x80) continue;
        int more = 0;
        char32_t value = 0;
        char32_t least = 0;
        if ((lead & 0xe0U) == 0xc0U) {
            more = 1, value = lead & 0x1fU, least = 0x80;
        } else if ((lead & 0xf0U) == 0xe0U) {
            more = 2, value = lead & 0x0fU, least = 0x800;
        } else if ((lead & 0xf8U) == 0xf0U) {
            more = 3, value = lead & 0x07U, least = 0x10000;
        } else {
            return false;
        }
        for (; more > 0; --more) {
            if (i == text.size()) return false;
            const auto next = static_cast<unsigned char>(text[i++]);
            if ((next & 0xc0U) != 0x80U) return false;
            value = (value << 6U) | (next & 0x3fU);
        }
        if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return false;
    }
    return true;
}

std::string_view to_string(Method method) {
    switch (method) {
        case Method::get: return "GET";
        case Method::head: return "HEAD";
        case Method::post: return "POST";
        case Method::put: return "PUT";
        case Method::patch: return "PATCH";
        case Method::delete_: return "DELETE";
    }
    return "GET";
}

void Headers::add(std::string name, std::string value) {
    if (fields_.empty()) fields_.reserve(8);
    fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string name, std::string value) {
    std::erase_if(fields_, [&](const auto& f) { return equal_ignoring_case(f.first, name); });
    add(std::move(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
    const auto it = std::ranges::find_if(
        fields_, [&](const auto& f) { return equal_ignoring_case(f.first, name); });
    return it == fields_.end() ? std::string_view() : std::string_view(it->second);
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        fields_, [&](const auto& f) { return equal_ignoring_case(f.first, name); }));
}

std::string percent_encode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kHex[byte >> 4U];
        out += kHex[byte & 15U];
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    if (!decode_into(out, text, Plus::literal)) return std::nullopt;
    return out;
}

std::optional<std::map<std::string, std::string>> parse_query(std::string_view text) {
    std::map<std::string, std::string> query;
    while (!text.empty()) {
        const auto pair = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), pair.size() + 1));
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        std::string name;
        std::string value;
        if (!decode_into(name, pair.substr(0, equals), Plus::space)) return std::nullopt;
        if (equals != std::string_view::npos &&
            !decode_into(value, pair.substr(equals + 1), Plus::space)) {
            return std::nullopt;
        }
        query.try_emplace(std::move(name), std::move(value));
    }
    return query;
}

std::optional<std::string> parse_path(std::string_view text) {
    if (!text.starts_with('/')) return std::nullopt;
    std::string path;
    path.reserve(text.size());
    while (!text.empty()) {
        text.remove_prefix(1);  // the slash
        const auto segment = text.substr(0, text.find('/'));
        text.remove_prefix(segment.size());
        path += '/';
        const auto start = path.size();
        if (!decode_into(path, segment, Plus::literal)) return std::nullopt;
        const auto decoded = std::string_view(path).substr(start);
        if (decoded == "." || decoded == "..") return std::nullopt;
        const bool forbidden = std::ranges::any_of(decoded, [](char c) {
            return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        });
        if (forbidden) return std::nullopt;
    }
    return path;
}

}  // namespace loco::http
