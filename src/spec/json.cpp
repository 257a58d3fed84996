#include "spec/json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

#include "spec/build_spec.hpp"
#include "spec/json_value.hpp"

namespace loco::spec {
namespace {

namespace json = boost::json;

constexpr int kMaxDepth = 16;

json::value from_node(const Node& node) {
    switch (node.kind) {
        case Node::Kind::string: return json::value(node.text);
        case Node::Kind::integer: return node.integer;
        case Node::Kind::boolean: return node.integer != 0;
        case Node::Kind::array: {
            json::array array;
            for (const auto& item : node.items) array.push_back(from_node(item));
            return array;
        }
        default: {
            json::object object;
            for (const auto& member : node.members) object[member.key] = from_node(member.value);
            return object;
        }
    }
}

// Anything deeper than a spec is becomes a value of no known kind, which no key takes.
Node to_node(const json::value& value, int depth = 0) {
    Node node;
    node.kind = Node::Kind::other;
    if (depth > kMaxDepth) return node;
    switch (value.kind()) {
        case json::kind::string: return string_node(std::string(value.get_string()));
        case json::kind::bool_: return boolean_node(value.get_bool());
        case json::kind::int64: return integer_node(value.get_int64());
        case json::kind::uint64: return integer_node(std::numeric_limits<std::int64_t>::max());
        case json::kind::double_: node.kind = Node::Kind::floating; return node;
        case json::kind::null: return node;
        case json::kind::array:
            node.kind = Node::Kind::array;
            for (const auto& item : value.get_array())
                node.items.push_back(to_node(item, depth + 1));
            return node;
        case json::kind::object:
            node.kind = Node::Kind::table;
            for (const auto& [key, member] : value.get_object()) {
                // null is as good as absent.
                if (member.is_null()) continue;
                node.members.push_back(
                    Member{std::string(key), {}, to_node(member, depth + 1), false});
            }
            return node;
    }
    return node;
}

}  // namespace

json::value to_json_value(const AppSpec& spec) { return from_node(to_document(spec)); }

Result<AppSpec> from_json_value(const json::value& value) {
    const Node document = to_node(value);
    if (document.kind != Node::Kind::table) {
        return fail(ErrorKind::invalid, "the spec is no JSON object", {}, "invalid_spec");
    }
    const ReadOptions options{.file = "spec"};
    Reporter reporter(options.file, {});
    AppSpec spec = build_spec(document, Source::json, options, reporter);
    const auto diagnostics = reporter.take();
    if (!diagnostics.empty()) return fail(to_error(diagnostics));
    return spec;
}

std::string to_json(const AppSpec& spec) { return json::serialize(to_json_value(spec)); }

Result<AppSpec> from_json(std::string_view text) {
    if (text.size() > kMaxSpecBytes) {
        return fail(ErrorKind::too_large, "the spec has more than 256 KiB", {}, "spec_too_large");
    }
    json::error_code code;
    const json::value value = json::parse(json::string_view(text.data(), text.size()), code);
    if (code)
        return fail(ErrorKind::invalid, "the spec is no JSON: " + code.message(), {},
                    "invalid_spec");
    return from_json_value(value);
}

}  // namespace loco::spec
