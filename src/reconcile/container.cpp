#include "reconcile/container.hpp"

namespace loco::reconcile {
namespace {

std::vector<std::string> command_of(const AppSpec& spec, const Instance& instance) {
    if (instance.one_shot) return spec.deploy.release_command;
    if (const auto found = spec.processes.find(instance.process); found != spec.processes.end())
        return found->second.command;
    return spec.deploy.command;
}

}  // namespace

SecretEnv environment(const AppRows& rows, const Release& release, SecretEnv secrets,
                      const std::string& url) {
    const auto& spec = release.spec;
    SecretEnv env = std::move(secrets);
    for (const auto& [name, value] : spec.env) env.try_emplace(name, Secret<>(value));
    const auto set = [&env](const std::string& name, std::string value) {
        env[name] = Secret<>(std::move(value));
    };
    if (!spec.ports.empty()) set("PORT", std::to_string(spec.ports[0].port));
    set("LOCO_APP", rows.app.name);
    set("LOCO_TEAM", rows.team.slug);
    set("LOCO_RELEASE", release_name(release.number));
    set("LOCO_URL", url);
    return env;
}

ContainerSpec container_spec(ContainerInput input) {
    ContainerSpec out;
    const auto& spec = input.release.spec;
    out.instance = input.instance;
    out.app_name = input.rows.app.name;
    out.release_name = release_name(input.release.number);
    out.image = {input.release.repository, input.release.digest};
    out.uid = input.release.uid;
    out.gid = input.release.gid;
    out.command = command_of(spec, input.instance);
    out.env = environment(input.rows, input.release, std::move(input.secrets), input.url);
    out.env["LOCO_PROCESS"] = Secret<>(input.instance.process);
    out.env["LOCO_INSTANCE"] = Secret<>(input.instance.id.str());
    out.writable = spec.resources.writable;
    if (input.instance.process == main_process(spec))
        out.aliases = {input.rows.app.name + ".internal"};
    out.network = std::move(input.network);
    return out;
}

}  // namespace loco::reconcile
