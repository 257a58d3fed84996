#include "spec/schema.hpp"

#include <algorithm>
#include <array>

namespace loco::spec {
namespace {

constexpr std::array<std::string_view, 3> kTypes = {"service", "worker", "static"};
constexpr std::array<std::string_view, 2> kStrategies = {"rolling", "recreate"};
constexpr std::array<std::string_view, 2> kProtocols = {"http", "h2c"};

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

// at<&AppSpec::build, &BuildSpec::image> is the slot of spec.build.image.
template <auto First, auto... Rest, class Owner>
auto& follow(Owner& owner) {
    if constexpr (sizeof...(Rest) == 0) {
        return owner.*First;
    } else {
        return follow<Rest...>(owner.*First);
    }
}
template <auto... Members>
Slot at(AppSpec& spec) {
    return &follow<Members...>(spec);
}
template <auto Member>
Slot main_port(AppSpec& spec) {
    return &(spec.ports.at(0).*Member);
}
template <auto Member>
Slot of_port(PortSpec& port) {
    return &(port.*Member);
}
template <auto Member>
Slot of_process(ProcessSpec& process) {
    return &(process.*Member);
}
Slot nowhere(AppSpec&) { return std::monostate{}; }

constexpr Rule rule(Kind kind) { return Rule{.kind = kind}; }
constexpr Rule number(std::int64_t min, std::int64_t max) {
    return Rule{.kind = Kind::integer, .min = min, .max = max};
}
constexpr Rule time(std::int64_t min_ms, std::int64_t max_ms) {
    return Rule{.kind = Kind::duration, .min = min_ms, .max = max_ms};
}
constexpr Rule one_of(std::span<const std::string_view> choices) {
    return Rule{.kind = Kind::choice, .choices = choices};
}

constexpr std::string_view kCpuDoc =
    "Guaranteed when others want it too: thousandths of a core (`\"250m\"`) or cores (`\"1.5\"`).";
constexpr std::string_view kMemoryDoc = "Guaranteed and limit at once, swap included.";

constexpr auto kAppFields = std::to_array<Field<AppSpec>>({
    {"version", number(1, 1), nowhere, "The version of this file's format.", "none", true},
    {"name", rule(Kind::app_name), at<&AppSpec::name>,
     "The app's name, a DNS label: a part of its host, and how commands call it.",
     "the folder's name"},
    {"type", one_of(kTypes), at<&AppSpec::type>,
     "`service` answers on a port, `worker` has none. `static` is not supported yet."},

    {"build.dockerfile", rule(Kind::file), at<&AppSpec::build, &BuildSpec::dockerfile>,
     "The Dockerfile, relative to this file and inside its folder."},
    {"build.context", rule(Kind::folder), at<&AppSpec::build, &BuildSpec::context>,
     "The folder sent to the build, relative to this file and inside its folder."},
    {"build.target", rule(Kind::stage), at<&AppSpec::build, &BuildSpec::target>,
     "The stage to build. Empty: the last one."},
    {"build.args", rule(Kind::build_args), at<&AppSpec::build, &BuildSpec::args>,
     "Build arguments. They are stored in the image: never put secrets here."},
    {"build.secrets", rule(Kind::secret_files), at<&AppSpec::build, &BuildSpec::secrets>,
     "BuildKit secret mounts: an id and the file that it reads, which never enters the image."},
    {"build.platform", rule(Kind::platform), at<&AppSpec::build, &BuildSpec::platform>,
     "For example `linux/arm64`. Empty: the server's."},
    {"build.image", rule(Kind::image), at<&AppSpec::build, &BuildSpec::image>,
     "Deploy this image instead of building one; then no key that says how to build may be set."},

    {"deploy.command", rule(Kind::command), at<&AppSpec::deploy, &DeploySpec::command>,
     "Replaces the image's `CMD`. Empty: the image's."},
    {"deploy.user", rule(Kind::user), at<&AppSpec::deploy, &DeploySpec::user>,
     "A numeric user, or user and group: `\"1000\"`, `\"1000:1000\"`; never 0. Empty: the image's "
     "`USER`, which must not be root."},
    {"deploy.strategy", one_of(kStrategies), at<&AppSpec::deploy, &DeploySpec::strategy>,
     "`rolling` starts the new before it stops the old; `recreate` stops first, for apps of which "
     "two may not run."},
    {"deploy.release_command", rule(Kind::command),
     at<&AppSpec::deploy, &DeploySpec::release_command>,
     "Runs once in the new image before traffic moves, for example a migration. Its failure stops "
     "the rollout."},
    {"deploy.timeout", time(kSecond, 24 * kHour), at<&AppSpec::deploy, &DeploySpec::timeout>,
     "How long the new release may take to be healthy."},
    {"deploy.stop_timeout", time(0, kHour), at<&AppSpec::deploy, &DeploySpec::stop_timeout>,
     "How long requests in flight may go on after traffic has moved, then how long a container "
     "has between SIGTERM and SIGKILL."},

    {"http.port", number(1, 65535), main_port<&PortSpec::port>,
     "The port that the app listens on; it finds it as `PORT` in its environment."},
    {"http.path", rule(Kind::url_path), main_port<&PortSpec::path>,
     "The prefix of the requests that it gets. The longest prefix wins."},
    {"http.strip_path", rule(Kind::boolean), main_port<&PortSpec::strip_path>,
     "Whether the app sees the requests' paths without the prefix."},
    {"http.protocol", one_of(kProtocols), main_port<&PortSpec::protocol>,
     "`h2c` for gRPC and other HTTP/2 without TLS."},
    {"http.domains", rule(Kind::hosts), at<&AppSpec::domains>,
     "Further host names, in plain HTTP so far. Their DNS must point to the gateway."},
    {"http.idle_timeout", time(kSecond, 24 * kHour), main_port<&PortSpec::idle_timeout>,
     "How long a connection may be silent before the gateway closes it."},

    {"health.path", rule(Kind::health_path), at<&AppSpec::health, &HealthSpec::path>,
     "What is asked with GET; 2xx or 3xx is healthy. Empty: any answer below 500 to `/` is."},
    {"health.interval", time(100, kHour), at<&AppSpec::health, &HealthSpec::interval>,
     "How often when live; until first healthy it is asked at least every 100 ms."},
    {"health.timeout", time(10, 5 * kMinute), at<&AppSpec::health, &HealthSpec::timeout>,
     "How long one answer may take."},
    {"health.failures", number(1, 100), at<&AppSpec::health, &HealthSpec::failures>,
     "How many failures in a row make an instance unhealthy."},
    {"health.grace", time(0, 24 * kHour), at<&AppSpec::health, &HealthSpec::grace>,
     "After a start, failing checks do not count for so long. A container that exits fails at "
     "once."},

    {"resources.cpu", rule(Kind::cpu), at<&AppSpec::resources, &Resources::cpu_millis>, kCpuDoc},
    {"resources.cpu_max", rule(Kind::cpu), at<&AppSpec::resources, &Resources::cpu_max_millis>,
     "At most this, when the machine has it free.", "`\"1\"`, or `cpu` where that is more"},
    {"resources.memory", rule(Kind::memory), at<&AppSpec::resources, &Resources::memory_bytes>,
     kMemoryDoc},
    {"resources.writable", rule(Kind::boolean), at<&AppSpec::resources, &Resources::writable>,
     "`false` makes the root file system read-only, with a writable `/tmp`: recommended."},

    {"scale.min", number(1, 100), at<&AppSpec::scale, &ScaleSpec::min>,
     "Instances of the app's own process."},
    {"scale.max", number(1, 100), at<&AppSpec::scale, &ScaleSpec::max>,
     "Must equal `min` while `cpu_target` is 0.", "`min`"},
    {"scale.cpu_target", number(0, 100), at<&AppSpec::scale, &ScaleSpec::cpu_target>,
     "Percent of `cpu` at which instances are added, up to `max`. 0: no autoscaling. On Kubernetes "
     "only: a server on one machine refuses anything else."},
    {"scale.idle_after", time(0, 30 * kDay), at<&AppSpec::scale, &ScaleSpec::idle_after>,
     "Without requests for so long, the app is stopped. 0: never; anything else is not supported "
     "yet."},

    {"env", rule(Kind::env), at<&AppSpec::env>,
     "Environment variables, all strings. They are not secret: those are set with `loco env set`. "
     "`PORT` and `LOCO_*` are Loco's."},

    {"secrets.required", rule(Kind::env_names), at<&AppSpec::required_secrets>,
     "Variables that must be set with `loco env set`: a deploy is refused while one is not."},

    {"logs.retention", time(kHour, 365 * kDay), at<&AppSpec::log_retention>,
     "How long the app's logs are kept; anything but `7d` is not supported yet."},
});

constexpr auto kPortFields = std::to_array<Field<PortSpec>>({
    {"name", rule(Kind::port_name), of_port<&PortSpec::name>, "Its name, unique in the app.",
     "none", true},
    {"port", number(1, 65535), of_port<&PortSpec::port>, "The port that the app listens on.",
     "none", true},
    {"path", rule(Kind::url_path), of_port<&PortSpec::path>,
     "The prefix routed to it. Without it the port is reachable at `APP.internal:PORT`, by apps of "
     "the same team only.",
     "none: internal"},
    {"strip_path", rule(Kind::boolean), of_port<&PortSpec::strip_path>, "As in `[http]`."},
    {"protocol", one_of(kProtocols), of_port<&PortSpec::protocol>, "As in `[http]`."},
    {"idle_timeout", time(kSecond, 24 * kHour), of_port<&PortSpec::idle_timeout>,
     "As in `[http]`."},
});

constexpr auto kProcessFields = std::to_array<Field<ProcessSpec>>({
    {"command", rule(Kind::command), of_process<&ProcessSpec::command>, "What it runs.", "none",
     true},
    {"replicas", number(0, 100), of_process<&ProcessSpec::replicas>, "How many run."},
    {"cpu", rule(Kind::cpu), of_process<&ProcessSpec::cpu_millis>, kCpuDoc, "as in `[resources]`"},
    {"cpu_max", rule(Kind::cpu), of_process<&ProcessSpec::cpu_max_millis>,
     "At most this, when the machine has it free.",
     "as in `[resources]`, or `cpu` where that is more"},
    {"memory", rule(Kind::memory), of_process<&ProcessSpec::memory_bytes>, kMemoryDoc,
     "as in `[resources]`"},
});

constexpr std::array<Section, 13> kSections = {{
    {"", "Top level", "Before the first `[section]`."},
    {"build", "[build]", "How the image is made."},
    {"deploy", "[deploy]", "How a release starts, and how it replaces the one before."},
    {"http", "[http]", "The port that takes the app's requests. Not for a `worker`."},
    {"ports", "[[ports]]", "Further ports, at most 10. Not for a `worker`."},
    {"process", "[process.NAME]",
     "Further processes of the same image, at most 20; they have no port and no route."},
    {"health", "[health]", "When an instance is healthy. Not for a `worker`."},
    {"resources", "[resources]", "What one instance gets."},
    {"scale", "[scale]", "How many instances run."},
    {"env", "[env]", "The environment of every process."},
    {"secrets", "[secrets]", "What must be there, without its value."},
    {"logs", "[logs]", "What the app writes to stdout and stderr."},
    {"profile", "[profile.NAME]",
     "`--profile NAME` lays these keys over the others: tables are merged key by key, everything "
     "else is "
     "replaced. Any key but `version` may be there, and `name` must be, so that a profile never "
     "replaces the app of another."},
}};

void add_unique(std::vector<std::string_view>& keys, std::string_view key) {
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
}

}  // namespace

std::span<const Field<AppSpec>> app_fields() { return kAppFields; }
std::span<const Field<PortSpec>> port_fields() { return kPortFields; }
std::span<const Field<ProcessSpec>> process_fields() { return kProcessFields; }
std::span<const Section> sections() { return kSections; }

std::vector<std::string_view> keys_below(std::string_view path) {
    std::vector<std::string_view> keys;
    if (path == "ports") {
        for (const auto& field : kPortFields) keys.push_back(field.path);
        return keys;
    }
    if (path == "process") {
        for (const auto& field : kProcessFields) keys.push_back(field.path);
        return keys;
    }
    for (const auto& field : kAppFields) {
        const auto dot = field.path.find('.');
        if (path.empty()) {
            add_unique(keys, field.path.substr(0, dot));
        } else if (dot == path.size() && field.path.starts_with(path)) {
            keys.push_back(field.path.substr(dot + 1));
        }
    }
    if (path.empty()) {
        for (const std::string_view key : {"ports", "process", "profile"}) keys.push_back(key);
    }
    return keys;
}

AppSpec default_spec() {
    AppSpec spec;
    spec.ports.emplace_back();
    return spec;
}

}  // namespace loco::spec
