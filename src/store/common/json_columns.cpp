#include "store/common/json_columns.hpp"

#include <boost/json.hpp>

namespace loco::store {
namespace {

namespace json = boost::json;

std::unexpected<Error> unreadable() {
    return fail(ErrorKind::internal, "the database holds a value that Loco can't read");
}

Result<json::value> parse(std::string_view text) {
    json::parse_options options;
    options.allow_invalid_utf8 = true;  // what containers wrote is kept as it is
    json::error_code error;
    auto value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
    if (error) return unreadable();
    return value;
}

// read(object) fills the value; what it finds missing or of another type, it throws.
template <class Read>
Result<> read_object(std::string_view text, Read read) {
    LOCO_ASSIGN(const auto value, parse(text));
    try {
        read(value.as_object());
    } catch (const std::exception&) {
        return unreadable();
    }
    return {};
}

std::string text_of(const json::value& value) {
    return std::string(std::string_view(value.as_string()));
}

json::array array_of(const std::vector<std::string>& texts) {
    return json::array(texts.begin(), texts.end());
}

std::vector<std::string> texts_of(const json::value& value) {
    std::vector<std::string> texts;
    for (const auto& item : value.as_array()) texts.push_back(text_of(item));
    return texts;
}

template <class Number>
std::optional<Number> optional_number(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    if (found == nullptr) return std::nullopt;
    return found->to_number<Number>();
}

}  // namespace

std::string to_json(const std::vector<std::string>& value) {
    return json::serialize(array_of(value));
}

std::string to_json(const std::map<std::string, std::string>& value) {
    json::object object;
    for (const auto& [key, text] : value) object[key] = text;
    return json::serialize(object);
}

std::string to_json(const std::map<std::string, Time>& value) {
    json::object object;
    for (const auto& [key, time] : value) object[key] = time.time_since_epoch().count();
    return json::serialize(object);
}

std::string to_json(const std::map<std::string, ScaleOverride>& value) {
    json::object object;
    for (const auto& [key, scale] : value) {
        json::object entry;
        if (scale.replicas) entry["replicas"] = *scale.replicas;
        if (scale.cpu_millis) entry["cpu_millis"] = *scale.cpu_millis;
        if (scale.memory_bytes) entry["memory_bytes"] = *scale.memory_bytes;
        object[key] = std::move(entry);
    }
    return json::serialize(object);
}

std::string to_json(const Diagnosis& value) {
    return json::serialize(json::object{{"code", value.code},
                                        {"phase", value.phase},
                                        {"message", value.message},
                                        {"evidence", value.evidence},
                                        {"next_steps", array_of(value.next_steps)},
                                        {"kind", value.kind}});
}

std::string to_json(const Problem& value) {
    if (value == Problem{}) return {};
    return json::serialize(json::object{{"code", value.code},
                                        {"message", value.message},
                                        {"next_steps", array_of(value.next_steps)}});
}

Result<> from_json(std::string_view text, std::vector<std::string>& value) {
    LOCO_ASSIGN(const auto array, parse(text));
    try {
        value = texts_of(array);
    } catch (const std::exception&) {
        return unreadable();
    }
    return {};
}

Result<> from_json(std::string_view text, std::map<std::string, std::string>& value) {
    return read_object(text, [&](const json::object& object) {
        for (const auto& [key, item] : object) value.emplace(std::string(key), text_of(item));
    });
}

Result<> from_json(std::string_view text, std::map<std::string, Time>& value) {
    return read_object(text, [&](const json::object& object) {
        for (const auto& [key, item] : object)
            value.emplace(std::string(key), Time(Duration(item.to_number<std::int64_t>())));
    });
}

Result<> from_json(std::string_view text, std::map<std::string, ScaleOverride>& value) {
    return read_object(text, [&](const json::object& object) {
        for (const auto& [key, item] : object) {
            const auto& entry = item.as_object();
            value.emplace(
                std::string(key),
                ScaleOverride{
                    .replicas = optional_number<int>(entry, "replicas"),
                    .cpu_millis = optional_number<std::int64_t>(entry, "cpu_millis"),
                    .memory_bytes = optional_number<std::int64_t>(entry, "memory_bytes")});
        }
    });
}

Result<> from_json(std::string_view text, Diagnosis& value) {
    return read_object(text, [&](const json::object& object) {
        value = {.code = text_of(object.at("code")),
                 .phase = text_of(object.at("phase")),
                 .message = text_of(object.at("message")),
                 .evidence = text_of(object.at("evidence")),
                 .next_steps = texts_of(object.at("next_steps")),
                 .kind = object.at("kind").to_number<std::uint8_t>()};
    });
}

Result<> from_json(std::string_view text, Problem& value) {
    value = {};
    if (!text.starts_with('{')) {
        value.message = text;
        return {};
    }
    return read_object(text, [&](const json::object& object) {
        value = {.code = text_of(object.at("code")),
                 .message = text_of(object.at("message")),
                 .next_steps = texts_of(object.at("next_steps"))};
    });
}

}  // namespace loco::store
