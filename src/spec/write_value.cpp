#include "spec/text_rules.hpp"
#include "spec/value.hpp"

namespace loco::spec {

Node write_value(const Rule& rule, const Slot& slot) {
    return std::visit(
        [&]<class T>(T pointer) -> Node {
            if constexpr (std::is_same_v<T, std::monostate>) {
                return integer_node(rule.min);
            } else {
                using Value = std::remove_pointer_t<T>;
                if constexpr (std::is_same_v<Value, bool>) {
                    return boolean_node(*pointer);
                } else if constexpr (std::is_same_v<Value, int>) {
                    return integer_node(*pointer);
                } else if constexpr (std::is_same_v<Value, std::int64_t>) {
                    return string_node(rule.kind == Kind::cpu ? format_cpu(*pointer)
                                                              : format_memory(*pointer));
                } else if constexpr (std::is_same_v<Value, Millis>) {
                    return string_node(format_duration(*pointer));
                } else if constexpr (std::is_same_v<Value, std::string>) {
                    return string_node(*pointer);
                } else if constexpr (std::is_enum_v<Value>) {
                    return string_node(
                        std::string(rule.choices[static_cast<std::size_t>(*pointer)]));
                } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
                    Node list;
                    list.kind = Node::Kind::array;
                    for (const auto& item : *pointer) list.items.push_back(string_node(item));
                    return list;
                } else {
                    Node table;
                    for (const auto& [name, value] : *pointer) {
                        table.members.push_back(Member{name, {}, string_node(value), false});
                    }
                    return table;
                }
            }
        },
        slot);
}

std::string describe(const Rule& rule) {
    switch (rule.kind) {
        case Kind::boolean: return "true or false";
        case Kind::integer:
            if (rule.min == rule.max) return "the number " + std::to_string(rule.min);
            return "a whole number from " + std::to_string(rule.min) + " to " +
                   std::to_string(rule.max);
        case Kind::choice: {
            std::string text;
            for (std::size_t i = 0; i < rule.choices.size(); ++i) {
                text += (i == 0                         ? ""
                         : i + 1 == rule.choices.size() ? " or "
                                                        : ", ") +
                        quote(rule.choices[i]);
            }
            return text;
        }
        case Kind::cpu: return parse_cpu("").error().expected;
        case Kind::memory: return parse_memory("").error().expected;
        case Kind::duration:
            return "a duration such as \"30s\" or \"1h30m\", from " +
                   format_duration(Millis{rule.min}) + " to " + format_duration(Millis{rule.max});
        case Kind::command: return "an array of strings such as [\"/app\", \"serve\"]";
        case Kind::env_names: return "an array of names of environment variables";
        case Kind::env:
        case Kind::build_args: return "a table of strings such as { LEVEL = \"info\" }";
        case Kind::secret_files: return "a table of files such as { npm = \".npmrc\" }";
        default: return std::string(expected_text(rule.kind));
    }
}

std::string to_toml(const Node& node) {
    switch (node.kind) {
        case Node::Kind::string: return quote(node.text);
        case Node::Kind::integer: return std::to_string(node.integer);
        case Node::Kind::boolean: return node.integer != 0 ? "true" : "false";
        case Node::Kind::array: {
            std::string text;
            for (const auto& item : node.items) text += (text.empty() ? "" : ", ") + to_toml(item);
            return "[" + text + "]";
        }
        case Node::Kind::table: {
            if (node.members.empty()) return "{}";
            std::string text;
            for (const auto& member : node.members) {
                text += (text.empty() ? "" : ", ") + member.key + " = " + to_toml(member.value);
            }
            return "{ " + text + " }";
        }
        default: return node.text;
    }
}

}  // namespace loco::spec
