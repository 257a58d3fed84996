// Reading JSON that another program wrote: what is missing or of another type is the default.
// Internal to this folder (Boost.JSON is heavy: include it in .cpp files only).
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::engine::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

inline Result<value> parse(std::string_view text) {
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = 64;
    value result = boost::json::parse({text.data(), text.size()}, error, {}, options);
    if (error) {
        return fail(ErrorKind::invalid, "the engine's answer is no JSON: " + error.message());
    }
    return result;
}

inline const value& member(const value& from, std::string_view name) {
    static const value kNull;
    const object* o = from.if_object();
    if (o == nullptr) return kNull;
    const value* found = o->if_contains({name.data(), name.size()});
    return found == nullptr ? kNull : *found;
}

inline std::string text(const value& from) {
    const auto* s = from.if_string();
    return s == nullptr ? std::string() : std::string(s->data(), s->size());
}
inline std::string text(const value& from, std::string_view name) {
    return text(member(from, name));
}

inline std::int64_t integer(const value& v) {
    if (const auto* i = v.if_int64()) return *i;
    if (v.is_uint64()) return std::numeric_limits<std::int64_t>::max();  // it did not fit
    if (const auto* d = v.if_double(); d != nullptr && *d > -9e18 && *d < 9e18) {
        return static_cast<std::int64_t>(*d);
    }
    return 0;
}
inline std::int64_t integer(const value& from, std::string_view name) {
    return integer(member(from, name));
}

inline bool boolean(const value& from, std::string_view name) {
    const bool* b = member(from, name).if_bool();
    return b != nullptr && *b;
}

inline const array& list(const value& v) {
    static const array kNone;
    const array* a = v.if_array();
    return a == nullptr ? kNone : *a;
}
inline const array& list(const value& from, std::string_view name) {
    return list(member(from, name));
}

inline const object& fields(const value& from, std::string_view name) {
    static const object kNone;
    const object* o = member(from, name).if_object();
    return o == nullptr ? kNone : *o;
}

// An array of strings; a lone string is a list of one (old images' Entrypoint).
inline std::vector<std::string> texts(const value& from, std::string_view name) {
    const value& v = member(from, name);
    std::vector<std::string> result;
    if (v.is_string()) result.push_back(text(v));
    for (const value& item : list(v)) result.push_back(text(item));
    return result;
}

inline std::map<std::string, std::string> text_map(const value& from, std::string_view name) {
    std::map<std::string, std::string> result;
    for (const auto& [key, item] : fields(from, name)) result.emplace(key, text(item));
    return result;
}

inline array from_texts(const std::vector<std::string>& items) {
    array result;
    result.reserve(items.size());
    for (const auto& item : items) result.emplace_back(item);
    return result;
}

inline object from_map(const std::map<std::string, std::string>& items) {
    object result;
    for (const auto& [key, item] : items) result[key] = item;
    return result;
}

// The API's `filters`: {"label": ["name=value", …]}, percent-encoded by the caller.
inline object label_filter(const std::map<std::string, std::string>& labels) {
    object filters;
    if (labels.empty()) return filters;
    array wanted;
    for (const auto& [key, item] : labels) {
        wanted.emplace_back(item.empty() ? key : key + "=" + item);
    }
    filters["label"] = std::move(wanted);
    return filters;
}

}  // namespace loco::engine::json
