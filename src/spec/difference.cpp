#include "spec/difference.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "spec/json_value.hpp"

namespace loco::spec {
namespace {

namespace json = boost::json;

const json::value* find(const json::value* value, json::string_view key) {
    return value != nullptr && value->is_object() ? value->get_object().if_contains(key) : nullptr;
}
const json::value* find(const json::value* value, std::size_t index) {
    return value != nullptr && value->is_array() && index < value->get_array().size()
               ? &value->get_array()[index]
               : nullptr;
}

// Of tables, not of words.
bool is_list_of_tables(const json::value* value) {
    const auto* list = value == nullptr ? nullptr : value->if_array();
    return list != nullptr && std::ranges::any_of(*list, &json::value::is_object);
}

std::string text(const json::value* value) {
    return value == nullptr ? std::string() : json::serialize(*value);
}

void compare(const std::string& key, const json::value* from, const json::value* to,
             std::vector<Change>& out) {
    const auto is_table = [](const json::value* value) {
        return value != nullptr && value->is_object();
    };
    if (is_table(from) || is_table(to)) {
        const std::string before = key.empty() ? "" : key + ".";
        if (is_table(from)) {
            for (const auto& [name, value] : from->get_object())
                compare(before + std::string(name), &value, find(to, name), out);
        }
        if (!is_table(to)) return;
        for (const auto& [name, value] : to->get_object()) {
            if (find(from, name) == nullptr)
                compare(before + std::string(name), nullptr, &value, out);
        }
        return;
    }
    if (is_list_of_tables(from) || is_list_of_tables(to)) {
        for (std::size_t i = 0; find(from, i) != nullptr || find(to, i) != nullptr; ++i)
            compare(key + "[" + std::to_string(i) + "]", find(from, i), find(to, i), out);
        return;
    }
    if (from != nullptr && to != nullptr && *from == *to) return;
    // An empty list says as much as none.
    if (text(from) == "[]" && to == nullptr) return;
    if (text(to) == "[]" && from == nullptr) return;
    out.push_back({key, text(from), text(to)});
}

}  // namespace

std::vector<Change> difference(const AppSpec& from, const AppSpec& to) {
    const auto before = to_json_value(from);
    const auto after = to_json_value(to);
    std::vector<Change> out;
    compare({}, &before, &after, out);
    return out;
}

}  // namespace loco::spec
