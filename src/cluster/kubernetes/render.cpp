#include "cluster/kubernetes/render.hpp"

#include <algorithm>

#include "cluster/kubernetes/render_parts.hpp"
#include "spec/runtime_rules.hpp"

namespace loco::cluster {
namespace {

using kubernetes::Kind;

// More than it is now while a rollout adds pods before it takes others away: a quarter, rounded up (maxSurge).
int with_surge(int replicas) { return replicas + (replicas + 3) / 4; }

Result<> check_quota(const ClusterApp& app, const RenderOptions& options) {
    std::int64_t pods = 1;  // a release command's
    std::int64_t cpu = 0;
    std::int64_t memory = 0;
    for (const auto& process : app.processes) {
        const int most = with_surge(std::max(process.replicas, process.max_replicas));
        pods += most;
        cpu += most * process.cpu_millis;
        memory += most * process.memory_bytes;
    }
    const auto refuse = [&](const std::string& what) {
        return fail(ErrorKind::refused,
                    "with what a rollout adds for a moment, " + app.app_name + " asks for " + what,
                    "ask for fewer replicas or smaller ones, or have the limit raised", "quota");
    };
    if (pods > options.max_pods) {
        return refuse(std::to_string(pods) + " pods, and an app may have " +
                      std::to_string(options.max_pods));
    }
    if (options.max_cpu_millis > 0 && cpu > options.max_cpu_millis) {
        return refuse("more CPU than an app may have");
    }
    if (options.max_memory_bytes > 0 && memory > options.max_memory_bytes) {
        return refuse("more memory than an app may have");
    }
    return {};
}

Result<> check(const ClusterApp& app) {
    if (app.app.empty() || app.team.empty() || app.set.empty() || app.app_name.empty() ||
        app.release.digest.empty() || app.release.uid <= 0) {
        return fail(ErrorKind::internal, "an app without ids, image or user cannot be rendered");
    }
    if (env_is_sealed(app.release.spec)) {
        return fail(ErrorKind::internal, "the values of [env] could not be opened");
    }
    return spec::check_runtime(app.release.spec, RuntimeKind::kubernetes);
}

}  // namespace

Objects::Objects(const ClusterApp& app, const RenderOptions& options)
    : app_(app),
      options_(options),
      namespace_(options.namespace_.empty() ? namespace_of(app.team, app.app, app.app_name)
                                            : options.namespace_) {}

json::object Objects::labels() const {
    json::object labels{{"app.kubernetes.io/name", app_.app_name},
                        {label::kManagedBy, options_.standalone ? "loco-export" : "loco"},
                        {label::kApp, app_.app_name},
                        {label::kAppId, app_.app.str()},
                        {label::kTeam, app_.team_slug},
                        {label::kTeamId, app_.team.str()}};
    if (!options_.standalone) labels[label::kInstanceOf] = options_.instance;
    return labels;
}

json::object Objects::begin(const Kind& kind, std::string_view name, json::object more_labels,
                            json::object annotations) const {
    json::object metadata{{"name", name}};
    if (kind.namespaced) metadata["namespace"] = namespace_;
    metadata["labels"] = merged(labels(), more_labels);
    if (!annotations.empty()) metadata["annotations"] = std::move(annotations);
    return {
        {"apiVersion", kind.api_version}, {"kind", kind.name}, {"metadata", std::move(metadata)}};
}

json::object Objects::selector(std::string_view process) const {
    return {{label::kAppId, app_.app.str()}, {label::kProcess, process}};
}

json::object Objects::pod_labels(std::string_view process) const {
    const auto release = release_name(app_.release.number);
    return merged(labels(), {{"app.kubernetes.io/component", process},
                             {"app.kubernetes.io/version", release},
                             {label::kProcess, process},
                             {label::kRelease, release},
                             {label::kReleaseId, app_.release.id.str()},
                             {label::kSet, app_.set.str()}});
}

bool is_scaled(const ClusterProcess& process) {
    return process.cpu_target > 0 && process.max_replicas > process.replicas;
}

json::object merged(json::object into, const json::object& more) {
    for (const auto& [key, value] : more) into[key] = value;
    return into;
}

json::object to_object(const std::map<std::string, std::string>& map) {
    json::object object;
    for (const auto& [key, value] : map) object[key] = value;
    return object;
}

json::array to_array(const std::vector<std::string>& list) {
    json::array array;
    for (const auto& item : list) array.emplace_back(item);
    return array;
}

Result<std::vector<Manifest>> manifests(const ClusterApp& app, const RenderOptions& options) {
    LOCO_TRY(check(app));
    LOCO_TRY(check_quota(app, options));
    const Objects objects(app, options);
    auto all = place_manifests(app, options);
    all.push_back(environment(objects));
    for (const auto& process : app.processes) {
        const bool answers = process.main && !objects.spec().ports.empty();
        if (answers) all.push_back(service(objects, process));
        all.push_back(deployment(objects, process));
        if (is_scaled(process)) all.push_back(autoscaler(objects, process));
        if (process.replicas > 1) all.push_back(disruption_budget(objects, process));
        if (!answers) continue;
        for (auto& route : routes(objects, process)) all.push_back(std::move(route));
    }
    return all;
}

Result<std::vector<Manifest>> command_manifests(const ClusterCommand& command,
                                                const RenderOptions& options) {
    LOCO_TRY(check(command.app));
    const Objects objects(command.app, options);
    return std::vector<Manifest>{environment(objects), release_job(objects, command)};
}

}  // namespace loco::cluster
