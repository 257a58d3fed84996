#include "cli/json_view.hpp"

#include <boost/json.hpp>

namespace loco::cli {

namespace json = boost::json;

const json::value& at(const json::value& value, std::string_view key) {
    static const json::value kNull;
    if (!value.is_object()) return kNull;
    const auto* found = value.as_object().if_contains(key);
    return found == nullptr ? kNull : *found;
}

std::string text_at(const json::value& value, std::string_view key) {
    const auto& found = at(value, key);
    return found.is_string() ? std::string(found.as_string()) : std::string();
}

std::int64_t int_at(const json::value& value, std::string_view key) {
    const auto& found = at(value, key);
    if (found.is_int64()) return found.as_int64();
    if (found.is_uint64()) return static_cast<std::int64_t>(found.as_uint64());
    if (found.is_double()) return static_cast<std::int64_t>(found.as_double());
    return 0;
}

bool bool_at(const json::value& value, std::string_view key) {
    const auto& found = at(value, key);
    return found.is_bool() && found.as_bool();
}

const json::array& array_at(const json::value& value, std::string_view key) {
    static const json::array kEmpty;
    const auto& found = at(value, key);
    return found.is_array() ? found.as_array() : kEmpty;
}

const json::object& object_at(const json::value& value, std::string_view key) {
    static const json::object kEmpty;
    const auto& found = at(value, key);
    return found.is_object() ? found.as_object() : kEmpty;
}

}  // namespace loco::cli
