#include "spec/value.hpp"

#include <algorithm>
#include <set>

#include "domain/names.hpp"
#include "spec/suggest.hpp"
#include "spec/text_rules.hpp"

namespace loco::spec {
namespace {

constexpr std::size_t kMaxCommand = 256;
constexpr std::size_t kMaxHosts = 50;

bool is_map(Kind kind) {
    return kind == Kind::build_args || kind == Kind::secret_files || kind == Kind::env;
}
bool is_list(Kind kind) {
    return kind == Kind::command || kind == Kind::hosts || kind == Kind::env_names;
}

template <class T>
T& get(const Slot& slot) {
    return *std::get<T*>(slot);
}

// `["/app", "mail"]` for "/app mail".
std::string words_as_list(std::string_view text) {
    std::string list;
    for (std::size_t i = 0; i < text.size();) {
        const auto begin = text.find_first_not_of(' ', i);
        if (begin == std::string_view::npos) break;
        const auto end = std::min(text.find(' ', begin), text.size());
        list += (list.empty() ? "" : ", ") + quote(text.substr(begin, end - begin));
        i = end;
    }
    return "[" + list + "]";
}

std::string last_part(std::string_view key) {
    const auto dot = key.rfind('.');
    return std::string(key.substr(dot == std::string_view::npos ? 0 : dot + 1));
}

// One value of one key, with where to complain.
struct Reading {
    const Rule& rule;
    const Node& node;
    const Slot& slot;
    std::string_view key;
    Reporter& reporter;

    void refuse(Mark mark, Problem problem) const {
        reporter.mistake(key, mark, std::move(problem));
    }
    void refuse(Problem problem) const { refuse(node.mark, std::move(problem)); }

    // The value has another TOML type than wanted.
    void wrong_type(std::string suggestion = {}) const {
        refuse({.message = "this is " + std::string(describe(node.kind)),
                .expected = describe(rule),
                .suggestion = std::move(suggestion),
                .fix = {}});
    }
};

void read_boolean(const Reading& r) {
    if (r.node.kind != Node::Kind::boolean) {
        const bool word = r.node.kind == Node::Kind::string;
        const auto& text = r.node.text;
        const bool yes = text == "true" || text == "yes" || text == "on";
        const bool no = text == "false" || text == "no" || text == "off";
        return r.wrong_type(word && yes ? "true" : word && no ? "false" : "");
    }
    get<bool>(r.slot) = r.node.integer != 0;
}

void read_integer(const Reading& r) {
    if (r.node.kind != Node::Kind::integer) {
        const auto& text = r.node.text;
        const bool number = r.node.kind == Node::Kind::string && !text.empty() &&
                            text.size() < 10 &&
                            std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
        return r.wrong_type(number ? text : "");
    }
    if (r.node.integer < r.rule.min || r.node.integer > r.rule.max) {
        return r.refuse({.message = std::to_string(r.node.integer) + " is out of range",
                         .expected = describe(r.rule),
                         .suggestion = {},
                         .fix = {}});
    }
    if (!std::holds_alternative<std::monostate>(r.slot)) {
        get<int>(r.slot) = static_cast<int>(r.node.integer);
    }
}

void read_choice(const Reading& r) {
    if (r.node.kind != Node::Kind::string) return r.wrong_type();
    const auto found = std::ranges::find(r.rule.choices, r.node.text);
    if (found == r.rule.choices.end()) {
        const auto near = nearest(r.node.text, r.rule.choices);
        return r.refuse({.message = quote_short(r.node.text) + " is no " + last_part(r.key),
                         .expected = describe(r.rule),
                         .suggestion = near.empty() ? "" : quote(near),
                         .fix = {}});
    }
    const auto index = found - r.rule.choices.begin();
    std::visit(
        [&]<class T>(T pointer) {
            if constexpr (std::is_pointer_v<T>) {
                using Value = std::remove_pointer_t<T>;
                if constexpr (std::is_enum_v<Value>) *pointer = static_cast<Value>(index);
            }
        },
        r.slot);
}

// Kubernetes takes numbers as well as strings for its quantities.
void read_quantity(const Reading& r) {
    std::string text;
    switch (r.node.kind) {
        case Node::Kind::string: text = r.node.text; break;
        case Node::Kind::integer: text = std::to_string(r.node.integer); break;
        case Node::Kind::floating: text = r.node.text; break;
        default: return r.wrong_type();
    }
    const auto parsed = r.rule.kind == Kind::cpu ? parse_cpu(text) : parse_memory(text);
    if (!parsed) return r.refuse(parsed.error());
    get<std::int64_t>(r.slot) = *parsed;
}

void read_duration(const Reading& r) {
    if (r.node.kind == Node::Kind::integer) {
        auto parsed = parse_duration(std::to_string(r.node.integer));
        return r.refuse({.message = "a duration needs a unit",
                         .expected = describe(r.rule),
                         .suggestion = parsed ? "\"0s\"" : parsed.error().suggestion,
                         .fix = {}});
    }
    if (r.node.kind != Node::Kind::string) return r.wrong_type();
    auto parsed = parse_duration(r.node.text);
    if (!parsed) {
        parsed.error().expected = describe(r.rule);
        return r.refuse(parsed.error());
    }
    if (parsed->count() < r.rule.min || parsed->count() > r.rule.max) {
        return r.refuse({.message = quote_short(r.node.text) + " is out of range",
                         .expected = describe(r.rule),
                         .suggestion = {},
                         .fix = {}});
    }
    get<Millis>(r.slot) = *parsed;
}

void read_text(const Reading& r) {
    if (r.node.kind != Node::Kind::string) {
        const bool number = r.node.kind == Node::Kind::integer && r.node.integer >= 0;
        const auto quoted = quote(std::to_string(r.node.integer));
        return r.wrong_type(
            number && check_text(r.rule.kind, std::to_string(r.node.integer)) ? quoted : "");
    }
    auto checked = check_text(r.rule.kind, r.node.text);
    if (!checked) return r.refuse(checked.error());
    get<std::string>(r.slot) = std::move(*checked);
}

Parsed<std::string> check_item(Kind kind, const std::string& text) {
    if (kind != Kind::env_names) return check_text(kind, text);
    const auto problem = env_name_problem(text);
    if (!problem) return text;
    const auto near = to_env_name(text);
    return std::unexpected(Problem{quote_short(text) + " cannot be required: " + *problem,
                                   "an array of names of environment variables",
                                   near != text && !env_name_problem(near) ? quote(near) : "",
                                   {}});
}

void read_list(const Reading& r) {
    if (r.node.kind != Node::Kind::array) {
        const bool word = r.node.kind == Node::Kind::string;
        return r.wrong_type(!word                          ? ""
                            : r.rule.kind == Kind::command ? words_as_list(r.node.text)
                                                           : "[" + quote_short(r.node.text) + "]");
    }
    const std::size_t max = r.rule.kind == Kind::command ? kMaxCommand
                            : r.rule.kind == Kind::hosts ? kMaxHosts
                                                         : kMaxEnvNames;
    if (r.node.items.size() > max) {
        return r.refuse({.message = "this has " + std::to_string(r.node.items.size()) + " items",
                         .expected = "at most " + std::to_string(max),
                         .suggestion = {},
                         .fix = {}});
    }
    std::vector<std::string> list;
    bool valid = true;
    for (const auto& item : r.node.items) {
        Problem problem;
        if (item.kind != Node::Kind::string) {
            problem = {"this is " + std::string(describe(item.kind)),
                       describe(r.rule),
                       {},
                       item.kind == Node::Kind::integer
                           ? "write `" + quote(std::to_string(item.integer)) + "`"
                           : ""};
        } else if (auto checked = check_item(r.rule.kind, item.text); !checked) {
            problem = checked.error();
            if (!problem.suggestion.empty()) problem.fix = "write `" + problem.suggestion + "`";
        } else if (r.rule.kind == Kind::command && list.empty() && item.text.empty() && valid) {
            problem = {"the program to run is empty", describe(r.rule), {}, {}};
        } else if (r.rule.kind != Kind::command &&
                   std::ranges::find(list, *checked) != list.end()) {
            problem = {quote_short(item.text) + " is there twice", {}, {}, "remove one"};
        } else {
            list.push_back(std::move(*checked));
            continue;
        }
        valid = false;
        r.refuse(item.mark, std::move(problem));
    }
    if (valid) get<std::vector<std::string>>(r.slot) = std::move(list);
}

std::optional<Problem> entry_name_problem(Kind kind, const std::string& name) {
    if (kind == Kind::secret_files) {
        const bool valid =
            !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || c == '.';
            });
        if (valid) return std::nullopt;
        return Problem{
            quote_short(name) + " cannot be a secret's id", "letters, digits, _, - and .", {}, {}};
    }
    auto problem = env_name_problem(name);
    // A build argument may be called PORT: Loco sets none of its own at build time.
    if (kind == Kind::build_args && is_reserved_env_name(name)) problem.reset();
    if (!problem) return std::nullopt;
    const bool ours = is_reserved_env_name(name);
    const auto near = to_env_name(name);
    const std::string suggestion = near != name && !env_name_problem(near) ? near : "";
    std::string fix =
        ours && name == "PORT" ? "remove it: the port is set by `port` in [http]" : "";
    if (ours && fix.empty()) fix = "call it otherwise";
    if (!suggestion.empty()) fix = "write `" + suggestion + "`";
    return Problem{quote_short(name) + " cannot be a variable's name: " + *problem,
                   "letters, digits and _, not starting with a digit; not PORT, not LOCO_…",
                   suggestion, fix};
}

void read_map(const Reading& r) {
    if (r.node.kind != Node::Kind::table) return r.wrong_type();
    if (r.node.members.size() > kMaxEnvNames) {
        return r.refuse(
            {.message = "this has " + std::to_string(r.node.members.size()) + " entries",
             .expected = "at most " + std::to_string(kMaxEnvNames),
             .suggestion = {},
             .fix = {}});
    }
    std::map<std::string, std::string> map;
    bool valid = true;
    const Kind value_kind = r.rule.kind;
    for (const auto& member : r.node.members) {
        const std::string path = std::string(r.key) + "." + member.key;
        if (auto problem = entry_name_problem(r.rule.kind, member.key)) {
            r.reporter.mistake(path, member.mark, std::move(*problem));
            valid = false;
            continue;
        }
        const Node& value = member.value;
        if (value.kind != Node::Kind::string) {
            std::string text = value.kind == Node::Kind::integer ? std::to_string(value.integer)
                               : value.kind == Node::Kind::boolean
                                   ? (value.integer != 0 ? "true" : "false")
                               : value.kind == Node::Kind::floating ? value.text
                                                                    : "";
            r.reporter.mistake(path, value.mark,
                               {"this is " + std::string(describe(value.kind)),
                                "a string",
                                text.empty() ? "" : quote(text),
                                {}});
            valid = false;
            continue;
        }
        auto checked = check_text(value_kind, value.text);
        if (checked && value_kind == Kind::secret_files && checked->empty()) {
            checked = std::unexpected(Problem{"the path is empty", "the path of a file", {}, {}});
        }
        if (!checked) {
            r.reporter.mistake(path, value.mark, checked.error());
            valid = false;
            continue;
        }
        map.emplace(member.key, std::move(*checked));
    }
    if (valid) get<std::map<std::string, std::string>>(r.slot) = std::move(map);
}

}  // namespace

void read_value(const Rule& rule, const Node& node, const Slot& slot, std::string_view key,
                Reporter& reporter) {
    const Reading reading{rule, node, slot, key, reporter};
    switch (rule.kind) {
        case Kind::boolean: return read_boolean(reading);
        case Kind::integer: return read_integer(reading);
        case Kind::choice: return read_choice(reading);
        case Kind::cpu:
        case Kind::memory: return read_quantity(reading);
        case Kind::duration: return read_duration(reading);
        default: break;
    }
    if (is_list(rule.kind)) return read_list(reading);
    if (is_map(rule.kind)) return read_map(reading);
    read_text(reading);
}

}  // namespace loco::spec
