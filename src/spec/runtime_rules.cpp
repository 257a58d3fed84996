#include "spec/runtime_rules.hpp"

#include "spec/quantity.hpp"

namespace loco::spec {
namespace {

void on_a_machine(const AppSpec& spec, std::vector<Unhonoured>& out) {
    if (spec.scale.cpu_target == 0) return;
    out.push_back({"scale.cpu_target", "autoscaling needs a server on Kubernetes",
                   "remove `cpu_target` and `max`, and set `min` to what you need",
                   /*refused=*/true});
}

void on_kubernetes(const AppSpec& spec, std::vector<Unhonoured>& out) {
    for (std::size_t i = 0; i < spec.ports.size(); ++i) {
        const auto& port = spec.ports[i];
        if (port.path.empty() || port.idle_timeout == PortSpec{}.idle_timeout) continue;
        out.push_back({(i == 0 ? "http" : "ports." + port.name) + ".idle_timeout",
                       "the Gateway API has no such setting: connections are closed after the "
                       "Gateway's own time of silence, not after " +
                           format_duration(port.idle_timeout),
                       {}});
    }
    if (spec.ports.empty() || spec.ports[0].protocol != Protocol::h2c || spec.health.path.empty())
        return;
    out.push_back({"health.path",
                   "Kubernetes asks for health in HTTP/1.1, and the app speaks HTTP/2 "
                   "(`protocol = \"h2c\"`)",
                   "remove it: then healthy is who accepts connections",
                   /*refused=*/true});
}

}  // namespace

std::vector<Unhonoured> unhonoured(const AppSpec& spec, RuntimeKind runtime) {
    std::vector<Unhonoured> out;
    if (runtime == RuntimeKind::machine) {
        on_a_machine(spec, out);
    } else {
        on_kubernetes(spec, out);
    }
    return out;
}

Result<> check_runtime(const AppSpec& spec, RuntimeKind runtime) {
    std::vector<std::string> steps;
    std::string message;
    for (const auto& one : unhonoured(spec, runtime)) {
        if (!one.refused) continue;
        if (message.empty()) message = "`" + one.key + "`: " + one.message;
        steps.push_back(one.key + ": " + one.fix);
    }
    if (steps.empty()) return {};
    return fail(Error{.kind = ErrorKind::invalid,
                      .message = std::move(message),
                      .hint = "this server cannot do what this loco.toml asks for",
                      .code = "unsupported_spec",
                      .next_steps = std::move(steps)});
}

}  // namespace loco::spec
