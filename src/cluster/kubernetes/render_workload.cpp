// What runs: pods, the environment that they share, and what keeps their number.
#include <algorithm>

#include "cluster/kubernetes/render_parts.hpp"
#include "crypto/base64.hpp"
#include "spec/quantity.hpp"
#include "spec/runtime_rules.hpp"

namespace loco::cluster {
namespace {

using namespace kubernetes;

// One that was before, so that a person can look at what changed. Its environment is gone: Loco's own rollback makes a release.
constexpr int kOldReplicaSets = 1;
// Out of rotation after `failures` checks; started anew after three times as many, so that a load that makes all pods slow
// does not take all of them away.
constexpr int kLivenessFactor = 3;

std::int64_t seconds(Millis time, std::int64_t least) {
    return std::max<std::int64_t>((time.count() + 999) / 1000, least);
}

// Kubernetes replaces $(NAME) in arguments, and takes $$ for $; Docker does neither.
std::string escaped(std::string_view argument) {
    std::string out;
    for (std::size_t i = 0; i < argument.size(); ++i) {
        out += argument[i];
        const bool special =
            i + 1 < argument.size() && (argument[i + 1] == '$' || argument[i + 1] == '(');
        if (argument[i] == '$' && special) out += '$';
    }
    return out;
}

json::array arguments(const std::vector<std::string>& command) {
    json::array out;
    for (const auto& argument : command) out.emplace_back(escaped(argument));
    return out;
}

std::string image(const Objects& objects) {
    const auto& release = objects.app().release;
    const auto& host = objects.options().registry_host;
    return (host.empty() ? "" : host + "/") + release.repository + "@" + release.digest;
}

// What is asked, and how many failures in a row count.
json::object probe(const AppSpec& spec, std::int64_t period, std::int64_t failures) {
    const auto& port = spec.ports[0];
    json::object out;
    if (spec.health.path.empty()) {
        // Whether it accepts connections. `httpGet` takes a 404 for a failure, which below 500 it is not.
        out["tcpSocket"] = json::object{{"port", port.name}};
    } else {
        out["httpGet"] = json::object{{"path", spec.health.path}, {"port", port.name}};
    }
    out["periodSeconds"] = period;
    out["timeoutSeconds"] = seconds(spec.health.timeout, 1);
    out["failureThreshold"] = failures;
    return out;
}

void add_probes(json::object& container, const AppSpec& spec) {
    const auto& health = spec.health;
    const auto period = seconds(health.interval, 1);
    // Until it succeeds once, the others wait.
    container["startupProbe"] = probe(spec, 1, seconds(health.grace, 0) + health.failures);
    container["readinessProbe"] = probe(spec, period, health.failures);
    container["livenessProbe"] = probe(spec, period, health.failures * kLivenessFactor);
}

json::object resources(const ClusterProcess& process) {
    const auto memory = spec::format_memory(process.memory_bytes);
    return {{"requests",
             json::object{{"cpu", spec::format_cpu(process.cpu_millis)}, {"memory", memory}}},
            {"limits", json::object{{"cpu", spec::format_cpu(std::max(process.cpu_max_millis,
                                                                      process.cpu_millis))},
                                    {"memory", memory}}}};
}

json::array environment_of(const std::string& process) {
    const json::object name{{"apiVersion", "v1"}, {"fieldPath", "metadata.name"}};
    return {
        json::object{{"name", "LOCO_PROCESS"}, {"value", process}},
        json::object{{"name", "LOCO_INSTANCE"}, {"valueFrom", json::object{{"fieldRef", name}}}}};
}

// By the kubelet, as an image may have no shell to sleep in.
json::object drain(const RenderOptions& options) {
    return {{"preStop", json::object{{"sleep", json::object{{"seconds", options.drain.count()}}}}}};
}

json::object container(const Objects& objects, const ClusterProcess& process) {
    const auto& spec = objects.spec();
    json::object out{{"name", kContainer}, {"image", image(objects)}};
    out["imagePullPolicy"] = "IfNotPresent";
    // Not `command`, which would replace the image's ENTRYPOINT.
    if (!process.command.empty()) out["args"] = arguments(process.command);
    if (process.main && !spec.ports.empty()) {
        json::array ports;
        for (const auto& port : spec.ports) {
            ports.push_back(
                {{"name", port.name}, {"containerPort", port.port}, {"protocol", "TCP"}});
        }
        out["ports"] = std::move(ports);
    }
    out["envFrom"] = json::array{
        json::object{{"secretRef", json::object{{"name", env_secret_name(objects.app().set)}}}}};
    out["env"] = environment_of(process.name);
    out["resources"] = resources(process);
    if (!spec.resources.writable) {
        out["volumeMounts"] = json::array{json::object{{"name", "tmp"}, {"mountPath", "/tmp"}}};
    }
    if (process.main && !spec.ports.empty()) {
        add_probes(out, spec);
        if (objects.options().drain.count() > 0) out["lifecycle"] = drain(objects.options());
    }
    out["securityContext"] =
        json::object{{"allowPrivilegeEscalation", false},
                     {"capabilities", json::object{{"drop", json::array{"ALL"}}}},
                     {"readOnlyRootFilesystem", !spec.resources.writable}};
    return out;
}

// In memory, which it counts to, and as large as on one machine: full, it says so instead of ending the pod.
json::array volumes(const ClusterProcess& process) {
    constexpr std::int64_t kMegabyte = 1LL << 20;
    const auto size =
        std::clamp<std::int64_t>(process.memory_bytes / 4 / kMegabyte, 16, 1024) * kMegabyte;
    return {json::object{{"name", "tmp"},
                         {"emptyDir", json::object{{"medium", "Memory"},
                                                   {"sizeLimit", spec::format_memory(size)}}}}};
}

json::array spread(const Objects& objects, const ClusterProcess& process) {
    json::array out;
    for (const auto* key : {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}) {
        out.push_back(
            {{"maxSkew", 1},
             {"topologyKey", key},
             {"whenUnsatisfiable", "ScheduleAnyway"},
             {"labelSelector", json::object{{"matchLabels", objects.selector(process.name)}}},
             // Those of one set among themselves.
             {"matchLabelKeys", json::array{label::kSet}}});
    }
    return out;
}

json::object security(const Release& release) {
    return {{"runAsUser", release.uid},
            {"runAsGroup", release.gid},
            {"runAsNonRoot", true},
            {"seccompProfile", json::object{{"type", "RuntimeDefault"}}},
            // So that it may listen on port 80, as under Docker.
            {"sysctls", json::array{json::object{{"name", "net.ipv4.ip_unprivileged_port_start"},
                                                 {"value", "0"}}}}};
}

json::object pod(const Objects& objects, const ClusterProcess& process) {
    const auto& spec = objects.spec();
    const bool answers = process.main && !spec.ports.empty();
    const auto draining = answers ? objects.options().drain.count() : 0;
    json::object out{
        {"serviceAccountName", kServiceAccountName},
        {"automountServiceAccountToken", false},
        {"enableServiceLinks", false},
        // The pause container is process 1: it reaps, and the app gets signals as any other program.
        {"shareProcessNamespace", true}};
    if (!objects.options().pull_secret.empty()) {
        out["imagePullSecrets"] =
            json::array{json::object{{"name", objects.options().pull_secret}}};
    }
    out["terminationGracePeriodSeconds"] = seconds(spec.deploy.stop_timeout, 1) + draining;
    out["securityContext"] = security(objects.app().release);
    out["topologySpreadConstraints"] = spread(objects, process);
    out["containers"] = json::array{container(objects, process)};
    if (!spec.resources.writable) out["volumes"] = volumes(process);
    return out;
}

json::object pod_template(const Objects& objects, const ClusterProcess& process) {
    return {{"metadata", json::object{{"labels", objects.pod_labels(process.name)}}},
            {"spec", pod(objects, process)}};
}

json::object strategy(const AppSpec& spec) {
    if (spec.deploy.strategy == Strategy::recreate) return {{"type", "Recreate"}};
    return {{"type", "RollingUpdate"},
            {"rollingUpdate", json::object{{"maxUnavailable", 0}, {"maxSurge", "25%"}}}};
}

json::object annotations(const Objects& objects) {
    json::object out;
    std::string keys;
    for (const auto& one : spec::unhonoured(objects.spec(), RuntimeKind::kubernetes)) {
        keys += (keys.empty() ? "" : " ") + one.key;
    }
    if (!keys.empty()) out[annotation::kNotApplied] = keys;
    return out;
}

}  // namespace

Manifest environment(const Objects& objects) {
    const auto& app = objects.app();
    auto object = objects.begin(kSecret, env_secret_name(app.set), {{label::kSet, app.set.str()}});
    object["type"] = "Opaque";
    json::object values;
    if (objects.options().standalone) {
        for (const auto& [name, value] : app.env) values[name] = value.reveal();
        object["stringData"] = std::move(values);
    } else {
        for (const auto& [name, value] : app.env) values[name] = crypto::base64(value.reveal());
        object["immutable"] = true;
        object["data"] = std::move(values);
    }
    return {kSecret, std::move(object)};
}

Manifest deployment(const Objects& objects, const ClusterProcess& process) {
    auto object = objects.begin(kDeployment, process.name,
                                {{label::kProcess, process.name},
                                 {label::kRelease, release_name(objects.app().release.number)},
                                 {label::kReleaseId, objects.app().release.id.str()},
                                 {label::kSet, objects.app().set.str()}},
                                annotations(objects));
    json::object spec;
    if (!is_scaled(process)) spec["replicas"] = process.replicas;
    spec["revisionHistoryLimit"] = kOldReplicaSets;
    spec["progressDeadlineSeconds"] = seconds(objects.spec().deploy.timeout, 1);
    spec["strategy"] = strategy(objects.spec());
    spec["selector"] = json::object{{"matchLabels", objects.selector(process.name)}};
    spec["template"] = pod_template(objects, process);
    object["spec"] = std::move(spec);
    return {kDeployment, std::move(object)};
}

Manifest autoscaler(const Objects& objects, const ClusterProcess& process) {
    auto object =
        objects.begin(kHorizontalPodAutoscaler, process.name, {{label::kProcess, process.name}});
    const json::object target{{"type", "Utilization"}, {"averageUtilization", process.cpu_target}};
    const json::object cpu{{"type", "Resource"},
                           {"resource", json::object{{"name", "cpu"}, {"target", target}}}};
    object["spec"] =
        json::object{{"scaleTargetRef", json::object{{"apiVersion", kDeployment.api_version},
                                                     {"kind", kDeployment.name},
                                                     {"name", process.name}}},
                     {"minReplicas", process.replicas},
                     {"maxReplicas", process.max_replicas},
                     {"metrics", json::array{cpu}}};
    return {kHorizontalPodAutoscaler, std::move(object)};
}

// One at a time when a node is emptied; what does not work may always go.
Manifest disruption_budget(const Objects& objects, const ClusterProcess& process) {
    auto object =
        objects.begin(kPodDisruptionBudget, process.name, {{label::kProcess, process.name}});
    object["spec"] =
        json::object{{"maxUnavailable", 1},
                     {"selector", json::object{{"matchLabels", objects.selector(process.name)}}},
                     {"unhealthyPodEvictionPolicy", "AlwaysAllow"}};
    return {kPodDisruptionBudget, std::move(object)};
}

Manifest release_job(const Objects& objects, const ClusterCommand& command) {
    const auto& app = objects.app();
    const auto& usual = app.release.spec.resources;
    const ClusterProcess process{.name = std::string(kReleaseProcess),
                                 .command = command.command,
                                 .cpu_millis = usual.cpu_millis,
                                 .cpu_max_millis = usual.cpu_max_millis,
                                 .memory_bytes = usual.memory_bytes};
    auto job_template = pod_template(objects, process);
    job_template["spec"].as_object()["restartPolicy"] = "Never";
    auto object = objects.begin(kJob, release_job_name(app.set),
                                {{label::kProcess, kReleaseProcess},
                                 {label::kRelease, release_name(app.release.number)},
                                 {label::kReleaseId, app.release.id.str()},
                                 {label::kSet, app.set.str()}});
    object["spec"] = json::object{{"backoffLimit", 0},
                                  {"completions", 1},
                                  {"parallelism", 1},
                                  {"activeDeadlineSeconds", command.timeout.count()},
                                  {"template", std::move(job_template)}};
    return {kJob, std::move(object)};
}

}  // namespace loco::cluster
