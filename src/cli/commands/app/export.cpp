// export: a release as plain Kubernetes manifests.
#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

std::string query_of(const Invocation& invocation) {
    std::string query;
    const auto add = [&](std::string_view name, const std::optional<std::string>& value) {
        if (!value) return;
        query += query.empty() ? '?' : '&';
        query.append(name).append("=").append(client::part(*value));
    };
    add("release", invocation.argument("RELEASE"));
    add("namespace", invocation.option("--namespace"));
    add("gateway", invocation.option("--gateway"));
    add("registry", invocation.option("--registry"));
    return query;
}

Result<> run_export(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto answer,
                invocation.api().get(path + "/manifests" + query_of(invocation)));
    if (invocation.json()) {
        invocation.print_json(answer.as_object());
        return {};
    }
    invocation.print(text_at(answer, "manifests"));
    std::string names;
    for (const auto& name : array_at(answer, "fill_in")) {
        names += (names.empty() ? "" : ", ") + std::string(name.as_string());
    }
    if (!names.empty()) {
        invocation.warn("the values of " + names +
                        " are not in it: write them where it says FILL-IN before you apply it");
    }
    return {};
}

}  // namespace

Command export_command() {
    return {
        .name = "export",
        .summary = "Print a release as Kubernetes manifests that need no Loco",
        .help =
            "The manifests that Loco would apply on a cluster, as YAML for `kubectl apply`, "
            "from a server on one machine as well. "
            "Values of [env] are in it; values that were set with `loco env` are not: each has "
            "an entry that you fill in.\n\n"
            "    loco export > shop.yaml\n    loco export v3 --namespace staging --registry "
            "registry.example.com\n    loco export "
            "--gateway infra/public",
        .options = {{.name = "--namespace", .value = "N", .help = "without it the app's name"},
                    {.name = "--gateway",
                     .value = "NAMESPACE/NAME",
                     .help = "the routes' Gateway (loco-system/loco)"},
                    {.name = "--registry",
                     .value = "HOST",
                     .help = "where the cluster's nodes find the image"}},
        .arguments = {{.name = "RELEASE", .help = "a release such as v3; without it the live one"}},
        .about_an_app = true,
        .run = run_export};
}

}  // namespace loco::cli
