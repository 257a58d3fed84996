#include "spec/build_spec.hpp"

#include <algorithm>
#include <array>

#include "domain/names.hpp"
#include "spec/suggest.hpp"
#include "spec/text_rules.hpp"
#include "spec/value.hpp"

namespace loco::spec {
namespace {

constexpr std::size_t kMaxPorts = 10;
constexpr std::size_t kMaxProcesses = 20;

std::string join(std::string_view prefix, std::string_view key) {
    return prefix.empty() ? std::string(key) : std::string(prefix) + "." + std::string(key);
}

template <class Owner>
const Field<Owner>* find_field(std::span<const Field<Owner>> fields, std::string_view path) {
    const auto found = std::ranges::find(fields, path, &Field<Owner>::path);
    return found == fields.end() ? nullptr : &*found;
}

// Other platforms' words for our keys.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kAliases = {{
    {"app", "name"},
    {"environment", "env"},
    {"variables", "env"},
    {"vars", "env"},
    {"replicas", "scale.min"},
    {"instances", "scale.min"},
    {"ram", "resources.memory"},
    {"mem", "resources.memory"},
    {"internal_port", "http.port"},
    {"cmd", "deploy.command"},
    {"healthcheck", "health"},
    {"processes", "process"},
    {"domain", "http.domains"},
    {"profiles", "profile"},
}};

// `path` as a person would find it: "`port` in [http]", "[build]", "`name`".
std::string in_section(std::string_view path) {
    const auto dot = path.find('.');
    if (dot != std::string_view::npos) {
        return "`" + std::string(path.substr(dot + 1)) + "` in [" +
               std::string(path.substr(0, dot)) + "]";
    }
    const auto all = sections();
    const auto section = std::ranges::find(all, path, &Section::path);
    return section == all.end() ? "`" + std::string(path) + "`" : std::string(section->header);
}

// Where a key that is unknown in `section` belongs; empty where nowhere else.
std::string place_of(std::string_view section, std::string_view key) {
    if (section == "ports" || section == "process") return {};
    for (const auto& [alias, path] : kAliases) {
        if (key == alias) return in_section(path);
    }
    for (const auto& field : app_fields()) {
        const auto dot = field.path.find('.');
        if (field.path.substr(dot == std::string_view::npos ? 0 : dot + 1) == key)
            return in_section(field.path);
    }
    return {};
}

void unknown_key(std::string_view section, const Member& member, Reporter& reporter) {
    Problem problem;
    const auto keys = keys_below(section);
    const std::string where = section.empty()        ? "at the top level"
                              : section == "ports"   ? "in [[ports]]"
                              : section == "process" ? "in [process.NAME]"
                                                     : "in [" + std::string(section) + "]";
    problem.message = "there is no key `" + member.key.substr(0, 60) + "` " + where;
    const auto near = nearest(member.key, keys);
    // A key that is right elsewhere is misplaced rather than mistyped, unless only its case is wrong here.
    const std::string elsewhere =
        edit_distance(member.key, near) == 0 ? "" : place_of(section, member.key);
    if (!elsewhere.empty()) {
        problem.suggestion = elsewhere;
        problem.fix = "set " + elsewhere;
    } else if (!near.empty()) {
        problem.suggestion = near;
        problem.fix = "write `" + std::string(near) + "` instead of `" + member.key + "`";
    } else {
        problem.expected = "one of ";
        for (std::size_t i = 0; i < keys.size(); ++i) {
            problem.expected += (i == 0 ? "" : ", ") + std::string(keys[i]);
        }
        problem.fix = "remove it";
    }
    reporter.mistake(join(section, member.key), member.mark, std::move(problem));
}

void wrong_shape(const Member& member, std::string_view path, std::string expected,
                 Reporter& reporter) {
    reporter.mistake(path, member.value.mark.line > 0 ? member.value.mark : member.mark,
                     {"this is " + std::string(describe(member.value.kind)),
                      std::move(expected),
                      {},
                      member.value.kind == Node::Kind::array
                          ? "write `[" + std::string(path) + "]` with one pair of brackets"
                          : ""});
}

// The keys of one [[ports]] or [process.NAME].
template <class Owner>
void read_flat(std::span<const Field<Owner>> fields, std::string_view section, const Node& table,
               const std::string& prefix, Owner& owner, Reporter& reporter) {
    for (const auto& member : table.members) {
        const auto* field = find_field(fields, member.key);
        if (field == nullptr) {
            unknown_key(section, member, reporter);
        } else {
            read_value(field->rule, member.value, field->slot(owner), prefix + "." + member.key,
                       reporter);
        }
    }
    for (const auto& field : fields) {
        if (field.required && table.find(field.path) == nullptr) {
            reporter.mistake(prefix + "." + std::string(field.path), table.mark,
                             {"`" + std::string(field.path) + "` is missing here",
                              describe(field.rule),
                              {},
                              "add a line `" + std::string(field.path) + " = …`"});
        }
    }
}

class Builder {
  public:
    Builder(Source source, const ReadOptions& options, Reporter& reporter)
        : source_(source), options_(options), reporter_(reporter), spec_(default_spec()) {}

    AppSpec build(const Node& document) {
        check_version(document);
        read_table(document, "");
        fill_defaults(document);
        if (const auto* member = document.find("process")) read_processes(*member);
        if (spec_.type == AppType::worker) spec_.ports.clear();
        return std::move(spec_);
    }

  private:
    void read_table(const Node& table, const std::string& prefix) {
        for (const auto& member : table.members) {
            const std::string path = join(prefix, member.key);
            if (path == "version") {
                continue;  // checked first
            }
            if (const auto* field = find_field(app_fields(), path)) {
                read_value(field->rule, member.value, field->slot(spec_), path, reporter_);
            } else if (prefix.empty() && member.key == "ports") {
                read_ports(member);
            } else if (prefix.empty() && (member.key == "process" ||
                                          (member.key == "profile" && source_ == Source::toml))) {
                // process: when the defaults of [resources] are known; profile: by read_spec
            } else if (prefix.empty() && (member.key == "volumes" || member.key == "cron")) {
                reporter_.unsupported(
                    path, member.mark,
                    {member.key == "volumes" ? "volumes are not supported yet"
                                             : "scheduled jobs are not supported yet",
                     {},
                     {},
                     "remove it: it is reserved for a later version of Loco"});
            } else if (prefix.empty() && member.key != "profile" && !keys_below(path).empty()) {
                if (member.value.kind == Node::Kind::table) {
                    read_table(member.value, path);
                } else {
                    wrong_shape(member, path,
                                "a table: " + in_section(path) + " on a line of its own",
                                reporter_);
                }
            } else {
                unknown_key(prefix, member, reporter_);
            }
        }
    }

    void check_version(const Node& document) {
        const auto* version = document.find("version");
        if (version == nullptr) {
            Mark start;
            if (source_ == Source::toml) start = Mark{1, 1, 1};
            reporter_.mistake("version", start,
                              {"the file does not say which version of the format it has",
                               {},
                               {},
                               "write `version = 1` as its first line"});
            return;
        }
        const Node& value = version->value;
        if (value.kind == Node::Kind::integer && value.integer == 1) return;
        if (value.kind == Node::Kind::integer && value.integer > 1) {
            reporter_.mistake(
                "version", value.mark,
                {"this Loco reads version 1 of the format, not " + std::to_string(value.integer),
                 {},
                 {},
                 "write `version = 1`, or use a newer Loco"});
            return;
        }
        reporter_.mistake("version", value.mark,
                          {"this is no version of the format", "the number 1", "1", {}});
    }

    // Defaults that depend on other keys or on the folder.
    void fill_defaults(const Node& document) {
        // A mistyped `name` is told as an unknown key; that it is missing too would be told twice.
        const bool mistyped = std::ranges::any_of(document.members, [](const Member& member) {
            return edit_distance(member.key, "name") <= 1;
        });
        if (!mistyped) default_name();
        const auto given = [&](std::string_view path) {
            return find_path(document, path) != nullptr;
        };
        if (!given("resources.cpu_max")) {
            spec_.resources.cpu_max_millis =
                std::max(spec_.resources.cpu_max_millis, spec_.resources.cpu_millis);
        }
        if (!given("scale.max")) spec_.scale.max = spec_.scale.min;
    }

    void default_name() {
        if (options_.default_name.empty()) {
            reporter_.mistake("name", {},
                              {"the app has no name",
                               std::string(expected_text(Kind::app_name)),
                               {},
                               "add a line `name = \"…\"`"});
            return;
        }
        const auto problem = app_name_problem(options_.default_name);
        if (!problem) {
            spec_.name = options_.default_name;
            return;
        }
        const auto near = to_app_name(options_.default_name);
        const bool valid = !app_name_problem(near);
        reporter_.mistake(
            "name", {},
            {"the folder's name " + quote_short(options_.default_name) +
                 " cannot be the app's: " + *problem,
             std::string(expected_text(Kind::app_name)),
             {},
             valid ? "add a line `name = " + quote(near) + "`" : "add a line `name = \"…\"`"});
    }

    void read_ports(const Member& member) {
        if (member.value.kind != Node::Kind::array) {
            reporter_.mistake(
                "ports", member.mark,
                {"this is " + std::string(describe(member.value.kind)), "tables under [[ports]]",
                 "[[ports]]", "write `[[ports]]` with two brackets, once for each port"});
            return;
        }
        if (member.value.items.size() > kMaxPorts) {
            reporter_.mistake(
                "ports", member.mark,
                {"there are " + std::to_string(member.value.items.size()) + " further ports",
                 "at most " + std::to_string(kMaxPorts),
                 {},
                 {}});
            return;
        }
        for (std::size_t i = 0; i < member.value.items.size(); ++i) {
            const Node& item = member.value.items[i];
            const std::string path = "ports[" + std::to_string(i) + "]";
            PortSpec port;
            port.name.clear();
            port.path.clear();
            if (item.kind == Node::Kind::table) {
                read_flat(port_fields(), "ports", item, path, port, reporter_);
            } else {
                reporter_.mistake(path, item.mark,
                                  {"this is " + std::string(describe(item.kind)),
                                   "a table under [[ports]]",
                                   {},
                                   {}});
            }
            spec_.ports.push_back(std::move(port));
        }
    }

    void read_processes(const Member& member) {
        if (member.value.kind != Node::Kind::table) {
            wrong_shape(member, "process", "tables under [process.NAME]", reporter_);
            return;
        }
        if (member.value.members.size() > kMaxProcesses) {
            reporter_.mistake(
                "process", member.mark,
                {"there are " + std::to_string(member.value.members.size()) + " further processes",
                 "at most " + std::to_string(kMaxProcesses),
                 {},
                 {}});
            return;
        }
        for (const auto& entry : member.value.members) read_process(entry);
    }

    void read_process(const Member& entry) {
        const std::string path = "process." + entry.key;
        if (const auto problem = process_name_problem(entry.key)) {
            const auto near = to_dns_label(entry.key, kMaxProcessName);
            const bool valid = near != entry.key && !process_name_problem(near);
            reporter_.mistake(path, entry.mark,
                              {quote_short(entry.key) + " cannot be a process's name: " + *problem,
                               "a DNS label of at most 20 characters", valid ? near : "",
                               valid ? "write `[process." + near + "]`" : ""});
        }
        if (entry.value.kind != Node::Kind::table) {
            const bool words =
                entry.value.kind == Node::Kind::string || entry.value.kind == Node::Kind::array;
            reporter_.mistake(
                path, entry.value.mark,
                {"this is " + std::string(describe(entry.value.kind)),
                 "a table under [process.NAME]",
                 {},
                 words ? "write `[process." + entry.key + "]` and `command = […]` below it" : ""});
            return;
        }
        ProcessSpec process;
        process.cpu_millis = spec_.resources.cpu_millis;
        process.cpu_max_millis = spec_.resources.cpu_max_millis;
        process.memory_bytes = spec_.resources.memory_bytes;
        read_flat(process_fields(), "process", entry.value, path, process, reporter_);
        if (entry.value.find("cpu_max") == nullptr) {
            process.cpu_max_millis = std::max(process.cpu_max_millis, process.cpu_millis);
        }
        const auto* command = entry.value.find("command");
        if (command != nullptr && process.command.empty() && !reporter_.failed(path + ".command")) {
            reporter_.mistake(path + ".command", command->value.mark,
                              {"the command is empty, so the process would run what the app runs",
                               "an array of strings such as [\"/app\", \"mail\"]",
                               {},
                               {}});
        }
        spec_.processes.emplace(entry.key, std::move(process));
    }

    Source source_;
    const ReadOptions& options_;
    Reporter& reporter_;
    AppSpec spec_;
};

}  // namespace

AppSpec build_spec(const Node& document, Source source, const ReadOptions& options,
                   Reporter& reporter) {
    AppSpec spec = Builder(source, options, reporter).build(document);
    check_rules(document, source, spec, options, reporter);
    return spec;
}

}  // namespace loco::spec
