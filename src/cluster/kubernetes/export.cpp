#include "cluster/kubernetes/export.hpp"

#include <algorithm>

#include "cluster/kubernetes/yaml.hpp"
#include "spec/runtime_rules.hpp"

namespace loco::cluster {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : std::string(between)) + word;
    return text;
}

std::string head(const ExportRequest& request) {
    const auto& release = request.app.release;
    const auto& spec = release.spec;
    std::string text = request.app.app_name + " " + release_name(release.number) +
                       ", as Loco would run it on Kubernetes.\n"
                       "The nodes must be able to pull its image; routes need the Gateway " +
                       request.gateway_namespace + "/" + request.gateway_name +
                       ", which lets namespaces\nattach routes by the label " +
                       std::string(label::kRoutes) + ".\n";
    if (!spec.deploy.release_command.empty()) {
        text +=
            "Its release command is not among these: run it before a new image takes over:\n  " +
            joined(spec.deploy.release_command, " ") + "\n";
    }
    for (const auto& one : spec::unhonoured(spec, RuntimeKind::kubernetes))
        text += one.key + ": " + one.message + ".\n";
    return text;
}

}  // namespace

Result<std::string> export_yaml(ExportRequest request) {
    RenderOptions options;
    options.standalone = true;
    options.namespace_ = request.namespace_.empty() ? request.app.app_name : request.namespace_;
    options.registry_host = request.registry_host;
    options.pull_secret.clear();
    options.gateway_name = request.gateway_name;
    options.gateway_namespace = request.gateway_namespace;
    for (const auto& name : request.secrets) {
        // Loco's own names are never set by a person.
        request.app.env[name] = Secret<>(std::string(kFillIn));
    }
    LOCO_ASSIGN(auto all, manifests(request.app, options));
    all.front().comment = head(request);
    const auto secret = std::ranges::find(all, kubernetes::kSecret, &Manifest::kind);
    if (secret != all.end() && !request.secrets.empty()) {
        secret->comment = "Write each value that is \"" + std::string(kFillIn) +
                          "\" here: it was set with `loco env`, which never shows one:\n" +
                          joined(request.secrets, ", ");
    }
    return to_yaml(all);
}

}  // namespace loco::cluster
