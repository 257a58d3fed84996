#include "cluster/kubernetes/drift.hpp"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/quantity.hpp"
#include "crypto/hash.hpp"

namespace loco::cluster {
namespace {

using boost::json::array;
using boost::json::value;
using kubernetes::member;
using kubernetes::text;

constexpr const char* kPacked = "packed";
// By which the lists of the API know their items, the most telling first.
constexpr std::array<std::string_view, 6> kKeys{"name", "containerPort", "port",
                                                "key",  "mountPath",     "topologyKey"};
// Where a text may be a quantity: elsewhere "1.0" is not "1".
constexpr std::array<std::string_view, 9> kQuantities{
    "limits", "requests", "hard",      "default",        "defaultRequest",
    "max",    "min",      "sizeLimit", "averageQuantity"};

bool is_empty(const value& v) {
    if (v.is_null()) return true;
    if (const auto* object = v.if_object()) {
        return std::ranges::all_of(*object, [](const auto& e) { return is_empty(e.value()); });
    }
    if (const auto* list = v.if_array()) return list->empty();
    return false;
}

// Scalars as text: 80 and "80" mean the same where the API takes either.
std::string plain(const value& v) {
    if (const auto* string = v.if_string()) return std::string(string->data(), string->size());
    return boost::json::serialize(v);
}

bool same_scalar(const value& ordered, const value& live, bool quantity) {
    if (ordered == live) return true;
    const auto a = plain(ordered);
    const auto b = plain(live);
    if (a == b) return true;
    if (!quantity) return false;
    const auto x = parse_quantity(a);
    return x && x == parse_quantity(b);
}

std::string_view key_of_items(const array& list) {
    for (const auto key : kKeys) {
        if (!list.empty() && std::ranges::all_of(list, [key](const value& item) {
                return item.is_object() && !member(item, key).is_null();
            })) {
            return key;
        }
    }
    return {};
}

std::string compare(const value& ordered, const value& live, const std::string& path,
                    bool quantity);

std::string compare_lists(const array& ordered, const array& live, const std::string& path,
                          bool quantity) {
    const auto key = key_of_items(ordered);
    if (key.empty() || key_of_items(live) != key) {
        if (ordered.size() != live.size()) return path;
        for (std::size_t i = 0; i < ordered.size(); ++i) {
            auto found =
                compare(ordered[i], live[i], path + '[' + std::to_string(i) + ']', quantity);
            if (!found.empty()) return found;
        }
        return {};
    }
    for (std::size_t i = 0; i < ordered.size(); ++i) {
        const auto name = plain(member(ordered[i], key));
        // Several may share a key (one port number by two protocols): one that fits is enough.
        std::string nearest = path + '[' + name + ']';
        bool fits = false;
        for (const auto& other : live) {
            if (fits || plain(member(other, key)) != name) continue;
            auto found = compare(ordered[i], other, path + '[' + name + ']', quantity);
            fits = found.empty();
            if (!fits) nearest = std::move(found);
        }
        if (!fits) return nearest;
    }
    return {};
}

std::string compare(const value& ordered, const value& live, const std::string& path,
                    bool quantity) {
    if (is_empty(ordered) && (live.is_null() || is_empty(live))) return {};
    if (const auto* fields = ordered.if_object()) {
        if (!live.is_object() && !is_empty(ordered)) return path;
        for (const auto& [name, wanted] : *fields) {
            const bool in_quantity =
                quantity ||
                std::ranges::find(kQuantities, std::string_view(name)) != kQuantities.end();
            const std::string here =
                path.empty() ? std::string(name) : path + '.' + std::string(name);
            auto found = compare(wanted, member(live, name), here, in_quantity);
            if (!found.empty()) return found;
        }
        return {};
    }
    if (const auto* list = ordered.if_array()) {
        return live.is_array() ? compare_lists(*list, live.get_array(), path, quantity) : path;
    }
    return same_scalar(ordered, live, quantity) ? std::string() : path;
}

}  // namespace

std::string first_difference(const kubernetes::Object& ordered, const kubernetes::Object& live) {
    return compare(ordered, live, {}, false);
}

void pack(kubernetes::Object& object, bool keep_status) {
    auto* fields = object.if_object();
    if (fields == nullptr) return;
    boost::json::object kept;
    boost::json::object rest;
    for (auto& [name, content] : *fields) {
        if (name == "apiVersion" || name == "kind" || name == "metadata") {
            kept[name] = std::move(content);
        } else if (name == "status") {
            if (keep_status) kept[name] = std::move(content);
        } else {
            rest[name] = std::move(content);
        }
    }
    if (auto* metadata = kept["metadata"].if_object()) metadata->erase("managedFields");
    kept[kPacked] = boost::json::serialize(rest);
    *fields = std::move(kept);
}

kubernetes::Object unpack(const kubernetes::Object& packed) {
    const auto* fields = packed.if_object();
    const auto* content = fields == nullptr ? nullptr : fields->if_contains(kPacked);
    if (content == nullptr || !content->is_string()) return packed;
    auto whole = *fields;
    whole.erase(kPacked);
    const auto& string = content->get_string();
    auto rest = kubernetes::parse_object({string.data(), string.size()});
    if (rest && rest->is_object()) {
        for (auto& [name, inner] : rest->get_object()) whole[name] = std::move(inner);
    }
    return whole;
}

Standing standing_of(const kubernetes::Object& ordered, const kubernetes::Object* live) {
    if (live == nullptr) return Standing::missing;
    const auto hash = [](const value& object) {
        return text(member(member(object, "metadata"), "annotations"), annotation::kOrdered);
    };
    if (hash(*live) == hash(ordered)) {
        return first_difference(ordered, unpack(*live)).empty() ? Standing::as_ordered
                                                                : Standing::changed;
    }
    // Taking the annotation away is a change like any other, and no new order.
    return hash(*live).empty() && !first_difference(ordered, unpack(*live)).empty()
               ? Standing::changed
               : Standing::ordered_anew;
}

void stamp(kubernetes::Object& ordered) {
    auto& metadata = ordered.as_object()["metadata"].as_object();
    auto& annotations = metadata["annotations"];
    if (!annotations.is_object()) annotations.emplace_object();
    annotations.get_object().erase(annotation::kOrdered);
    const auto hash = crypto::sha256_hex(boost::json::serialize(ordered)).substr(0, 16);
    annotations.get_object()[annotation::kOrdered] = hash;
}

}  // namespace loco::cluster
