// Rules over more than one key of a loco.toml, and what this version does not honour yet.
#include <algorithm>
#include <initializer_list>
#include <set>

#include "spec/build_spec.hpp"
#include "spec/quantity.hpp"
#include "spec/text_rules.hpp"

namespace loco::spec {
namespace {

constexpr std::string_view kLater = "it is reserved for a later version of Loco";

class Rules {
  public:
    Rules(const Node& document, Source source, const AppSpec& spec, const ReadOptions& options,
          Reporter& reporter)
        : document_(document),
          source_(source),
          spec_(spec),
          options_(options),
          reporter_(reporter) {}

    void check() {
        check_type();
        check_resources();
        check_scale();
        check_logs();
        check_ports();
        check_names_of_variables();
        check_build();
        if (reporter_.asked_for()) check_files();
    }

  private:
    [[nodiscard]] const Member* given(std::string_view path) const {
        return find_path(document_, path);
    }

    // Where the value of the first of these keys is, that the document has; else nowhere.
    [[nodiscard]] Mark mark_of(std::initializer_list<std::string_view> paths) const {
        for (const auto path : paths) {
            if (const auto* member = given(path)) return member->value.mark;
        }
        return {};
    }

    [[nodiscard]] bool sound(std::initializer_list<std::string_view> paths) const {
        return std::ranges::none_of(paths,
                                    [&](std::string_view path) { return reporter_.failed(path); });
    }

    void check_type() {
        if (!sound({"type"})) return;
        if (spec_.type == AppType::static_site) {
            reporter_.unsupported("type", mark_of({"type"}),
                                  {"static sites are not supported yet",
                                   "\"service\" or \"worker\"",
                                   {},
                                   "use a \"service\" whose image serves the files"});
        }
        if (spec_.type != AppType::worker) return;
        if (const auto* same = given("process.worker")) {
            reporter_.mistake("process.worker", same->mark,
                              {"the process of a worker is called \"worker\" itself",
                               {},
                               {},
                               "give this one another name"});
        }
        for (const std::string_view key : {"http", "ports", "health"}) {
            const auto* member = given(key);
            if (member == nullptr) continue;
            reporter_.mistake(key, member->mark,
                              {"a worker has no port, so it cannot have " +
                                   std::string(key == "ports"  ? "[[ports]]"
                                               : key == "http" ? "[http]"
                                                               : "[health]"),
                               {},
                               {},
                               "remove it, or write `type = \"service\"`"});
        }
    }

    void check_cpu(const std::string& section, std::int64_t cpu, std::int64_t cpu_max) {
        const std::string cpu_key = section + ".cpu";
        const std::string max_key = section + ".cpu_max";
        if (!sound({cpu_key, max_key}) || cpu <= cpu_max) return;
        reporter_.mistake(
            max_key, mark_of({max_key, cpu_key}),
            {"`cpu` (" + format_cpu(cpu) + ") is more than `cpu_max` (" + format_cpu(cpu_max) + ")",
             "a `cpu_max` of at least `cpu`",
             quote(format_cpu(cpu)),
             {}});
    }

    void check_resources() {
        check_cpu("resources", spec_.resources.cpu_millis, spec_.resources.cpu_max_millis);
        if (!sound({"resources.cpu", "resources.cpu_max"})) return;
        for (const auto& [name, process] : spec_.processes) {
            check_cpu("process." + name, process.cpu_millis, process.cpu_max_millis);
        }
    }

    void check_scale() {
        const auto& scale = spec_.scale;
        if (sound({"scale.min", "scale.max"})) {
            if (scale.min > scale.max) {
                reporter_.mistake("scale.max", mark_of({"scale.max", "scale.min"}),
                                  {"`min` (" + std::to_string(scale.min) +
                                       ") is more than `max` (" + std::to_string(scale.max) + ")",
                                   "a `max` of at least `min`",
                                   std::to_string(scale.min),
                                   {}});
            } else if (scale.min != scale.max && scale.cpu_target == 0 &&
                       sound({"scale.cpu_target"})) {
                reporter_.mistake(
                    "scale.max", mark_of({"scale.max"}),
                    {"`max` (" + std::to_string(scale.max) + ") differs from `min` (" +
                         std::to_string(scale.min) +
                         "), but there is no autoscaling (`cpu_target` is 0)",
                     "the same `min` and `max`",
                     {},
                     "write `min = " + std::to_string(scale.max) + "` too, or leave `max` out"});
            } else if (scale.min == scale.max && scale.cpu_target > 0) {
                reporter_.mistake("scale.cpu_target", mark_of({"scale.cpu_target"}),
                                  {"there is nothing to scale between: `min` and `max` are both " +
                                       std::to_string(scale.min),
                                   "a `max` of more than `min`",
                                   {},
                                   "set `max` to the most that may run, or leave this out"});
            }
        }
        if (scale.idle_after.count() > 0) {
            reporter_.unsupported("scale.idle_after", mark_of({"scale.idle_after"}),
                                  {"scaling to zero is not supported yet",
                                   "\"0s\"",
                                   {},
                                   "remove it: " + std::string(kLater)});
        }
    }

    // The log store keeps every app's lines for as long (telemetry/sqlite_log_store.hpp).
    void check_logs() {
        if (spec_.log_retention == AppSpec{}.log_retention) return;
        reporter_.unsupported("logs.retention", mark_of({"logs.retention"}),
                              {"keeping logs for another time than 7 days is not supported yet",
                               "\"7d\"",
                               {},
                               "remove it: " + std::string(kLater)});
    }

    // Two ports of one name, number or path; a prefix's keys without a prefix.
    void check_ports() {
        const auto* ports = given("ports");
        if (ports == nullptr || ports->value.kind != Node::Kind::array) return;
        const auto& items = ports->value.items;
        for (std::size_t i = 1; i < spec_.ports.size() && i - 1 < items.size(); ++i) {
            const Node& item = items[i - 1];
            const std::string key = "ports[" + std::to_string(i - 1) + "]";
            const auto& port = spec_.ports[i];
            for (std::size_t j = 0; j < i; ++j) compare_ports(item, key, port, spec_.ports[j], j);
            if (!port.path.empty() || item.find("path") != nullptr) continue;
            for (const std::string_view routed : {"strip_path", "idle_timeout"}) {
                if (const auto* member = item.find(routed)) {
                    reporter_.mistake(key + "." + std::string(routed), member->mark,
                                      {"without `path` the port takes no request from the gateway, "
                                       "so this has no effect",
                                       {},
                                       {},
                                       "add a `path`, or remove this"});
                }
            }
        }
    }

    void compare_ports(const Node& item, const std::string& key, const PortSpec& port,
                       const PortSpec& other, std::size_t index) {
        const std::string who = index == 0 ? "[http]" : "the port " + quote(other.name);
        const auto clash = [&](std::string_view field, const std::string& what) {
            const auto* member = item.find(field);
            const std::string path = key + "." + std::string(field);
            if (member == nullptr || reporter_.failed(path)) return;
            reporter_.mistake(path, member->value.mark, {what, {}, {}, "give each port its own"});
        };
        const auto read = [&](std::string_view field) {
            const std::string path =
                index == 0 ? "http." + std::string(field)
                           : "ports[" + std::to_string(index - 1) + "]." + std::string(field);
            return !reporter_.failed(path);
        };
        if (index > 0 && port.name == other.name && !port.name.empty() && read("name")) {
            clash("name", "two ports are called " + quote(port.name));
        }
        if (port.port == other.port && read("port")) {
            clash("port", who + " listens on " + std::to_string(port.port) + " already");
        }
        if (!port.path.empty() && port.path == other.path && read("path")) {
            clash("path", who + " takes the path " + quote(port.path) + " already");
        }
    }

    void check_names_of_variables() {
        const auto* required = given("secrets.required");
        if (required == nullptr) return;
        for (const auto& item : required->value.items) {
            if (item.kind == Node::Kind::string && spec_.env.contains(item.text)) {
                reporter_.mistake(
                    "secrets.required", item.mark,
                    {quote_short(item.text) + " is in [env] too, where everybody can read it",
                     {},
                     {},
                     "remove it from [env], and set it with `loco env set " + item.text + "`"});
            }
        }
    }

    // With `image` nothing is built; a key that has no effect is refused, unless the other came from a profile.
    void check_build() {
        const auto* image = given("build.image");
        if (image == nullptr || spec_.build.image.empty()) return;
        static const BuildSpec kDefaults;
        const auto& build = spec_.build;
        const auto clash = [&](std::string_view key, bool has_default) {
            const std::string path = "build." + std::string(key);
            const auto* member = given(path);
            if (member == nullptr || member->from_profile != image->from_profile) return;
            if (source_ == Source::json && has_default) return;  // where every key is given
            reporter_.mistake(
                path, member->mark,
                {"`image` is set, so nothing is built and `" + std::string(key) + "` has no effect",
                 {},
                 {},
                 "remove one of the two"});
        };
        clash("dockerfile", build.dockerfile == kDefaults.dockerfile);
        clash("context", build.context == kDefaults.context);
        clash("target", build.target.empty());
        clash("args", build.args.empty());
        clash("secrets", build.secrets.empty());
    }

    void check_files() {
        if (!options_.exists_inside || !spec_.build.image.empty()) return;
        check_path("build.dockerfile", spec_.build.dockerfile, PathState::file, "Dockerfile");
        check_path("build.context", spec_.build.context, PathState::folder, "context");
        for (const auto& [id, path] : spec_.build.secrets) {
            check_path("build.secrets." + id, path, PathState::file, "secret's file");
        }
    }

    void check_path(const std::string& key, const std::string& path, PathState wanted,
                    const std::string& noun) {
        if (!sound({key})) return;
        const auto state = options_.exists_inside(path);
        if (state == wanted) return;
        const auto* member = given(key);
        const Mark mark = member == nullptr ? Mark{} : member->value.mark;
        Problem problem;
        switch (state) {
            case PathState::missing:
                problem.missing = true;
                problem.message = "there is no " + noun + " " + quote_short(path);
                problem.expected = std::string(
                    expected_text(wanted == PathState::file ? Kind::file : Kind::folder));
                if (member == nullptr) {
                    problem.message =
                        "there is no " + quote_short(path) + " beside " + options_.file;
                    problem.expected.clear();
                    problem.fix = "write one, or set `dockerfile` or `image` in [build]";
                }
                break;
            case PathState::outside:
                problem.message =
                    "the " + noun + " " + quote_short(path) + " is outside the app's folder" +
                    (path.find("..") == std::string::npos ? ": a symbolic link leads there" : "");
                problem.fix = "put what it needs inside the folder";
                break;
            case PathState::file:
                problem.message = quote_short(path) + " is a file, not a folder";
                break;
            case PathState::folder:
                problem.message = quote_short(path) + " is a folder, not a file";
                break;
            case PathState::other: problem.message = quote_short(path) + " cannot be read"; break;
        }
        reporter_.mistake(key, mark, std::move(problem));
    }

    const Node& document_;
    Source source_;
    const AppSpec& spec_;
    const ReadOptions& options_;
    Reporter& reporter_;
};

}  // namespace

void check_rules(const Node& document, Source source, const AppSpec& spec,
                 const ReadOptions& options, Reporter& reporter) {
    Rules(document, source, spec, options, reporter).check();
}

}  // namespace loco::spec
