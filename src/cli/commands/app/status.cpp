// status: what an app is doing now. scale: how much of it there is.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/clock.hpp"
#include "cli/commands/all.hpp"
#include "cli/follow.hpp"
#include "cli/json_view.hpp"
#include "spec/quantity.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

Style style_of(const std::string& state) {
    if (state == "live" || state == "healthy") return Style::green;
    if (state == "down" || state == "backoff") return Style::red;
    if (state == "stopped" || state == "empty" || state == "finished") return Style::dim;
    return Style::yellow;
}

std::string ago(const std::string& rfc3339) {
    const auto now = to_rfc3339(SystemClock().now());
    return elapsed(rfc3339, now);
}

// CPU and memory that the instance uses, where the engine tells.
std::string usage_of(const json::value& metrics, const std::string& instance, std::int64_t limit) {
    for (const auto& row : array_at(metrics, "instances")) {
        if (text_at(row, "instance") != instance) continue;
        return fmt::format("{}m cpu, {:.1f} of {} MiB", int_at(row, "cpu_millis"),
                           static_cast<double>(int_at(row, "memory_bytes")) / (1 << 20),
                           limit >> 20);
    }
    return {};
}

std::string instance_rows(Invocation& invocation, const json::value& app,
                          const json::value& metrics) {
    const bool colour = invocation.colour_out();
    std::vector<std::vector<std::string>> rows;
    for (const auto& instance : array_at(app, "instances")) {
        const auto state = text_at(instance, "state");
        std::string remark =
            usage_of(metrics, text_at(instance, "id"), int_at(instance, "memory_bytes"));
        const auto add = [&](const std::string& text) {
            remark += (remark.empty() ? "" : ", ") + text;
        };
        if (int_at(instance, "restarts") > 0)
            add(fmt::format("{} restarts", int_at(instance, "restarts")));
        // Of one that is healthy it is the past: how it ended before it was started again.
        if (const auto problem = text_at(instance, "last_problem"); !problem.empty()) {
            const bool past = state == "healthy" && int_at(instance, "restarts") > 0;
            add((past ? "last: " : "") + harmless(problem, false));
        }
        rows.push_back(
            {"  " + text_at(instance, "process") + "." + std::to_string(int_at(instance, "index")),
             styled(state, style_of(state), colour), text_at(instance, "release"),
             ago(text_at(instance, "since")), remark});
    }
    return table(rows, invocation.terminal().out_is_terminal() ? invocation.terminal().width() : 0);
}

// Of one that has long been healthy again, nothing is to be done any more.
bool is_fresh(const json::value& instance) {
    constexpr auto kNews = std::chrono::minutes(10);
    if (text_at(instance, "state") != "healthy") return true;
    const auto since = parse_rfc3339(text_at(instance, "since"));
    return since && SystemClock().now() - *since < kNews;
}

// What to do about what is wrong, each once: equal instances have equal troubles.
std::string problem_steps(const json::value& app) {
    std::vector<std::string> told;
    std::string text;
    for (const auto& instance : array_at(app, "instances")) {
        const auto code = text_at(instance, "problem_code");
        if (code.empty() || !is_fresh(instance) || std::ranges::find(told, code) != told.end())
            continue;
        told.push_back(code);
        text += "\n" + text_at(instance, "process") + "." +
                std::to_string(int_at(instance, "index")) + ": " + harmless(code, false) + "\n";
        for (const auto& step : array_at(instance, "next_steps")) {
            if (step.is_string())
                text += "  → " + harmless(std::string(step.as_string()), false) + "\n";
        }
    }
    return text;
}

std::string traffic_rows(const json::value& metrics) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [port, row] : object_at(metrics, "http")) {
        rows.push_back({"  " + std::string(port),
                        fmt::format("{} requests", int_at(row, "requests")),
                        fmt::format("{} 5xx", int_at(row, "status_5xx")),
                        fmt::format("{} 4xx", int_at(row, "status_4xx")),
                        fmt::format("{:.1f} ms average",
                                    at(row, "average_ms").is_double()
                                        ? at(row, "average_ms").as_double()
                                        : static_cast<double>(int_at(row, "average_ms")))});
    }
    return rows.empty() ? std::string() : "\nhttp\n" + table(rows, 0);
}

// What is under way, or why the last attempt failed.
std::string deployment_text(const json::value& app, bool colour) {
    const auto& running = at(app, "deployment");
    if (running.is_object()) {
        return fmt::format("\n{} by {} is {} since {}\n", text_at(running, "kind"),
                           text_at(running, "actor"),
                           styled(text_at(running, "state"), Style::yellow, colour),
                           ago(text_at(running, "created_at")));
    }
    const auto& last = at(app, "last_deployment");
    if (text_at(last, "state") != "failed") return {};
    const auto& diagnosis = at(last, "diagnosis");
    auto text = fmt::format("\nthe last {} {}: {}\n", text_at(last, "kind"),
                            styled("failed", Style::red, colour),
                            harmless(text_at(diagnosis, "message"), false));
    for (const auto& step : array_at(diagnosis, "next_steps")) {
        if (step.is_string()) text += "  → " + harmless_lines(step.as_string()) + "\n";
    }
    const auto more = how_to_learn_more(text_at(diagnosis, "code"));
    if (!more.empty()) text += "  " + styled("more: " + more, Style::dim, colour) + "\n";
    return text;
}

// What the server's machine has too little of. A cluster has no such answer, and no warnings.
std::string warnings_text(const json::array& warnings, bool colour) {
    std::string text;
    for (const auto& warning : warnings) {
        const bool full = text_at(warning, "code") == "disk_full";
        text += "\n" +
                styled(harmless(text_at(warning, "message"), false),
                       full ? Style::red : Style::yellow, colour) +
                "\n";
        for (const auto& step : array_at(warning, "next_steps")) {
            if (step.is_string())
                text += "  → " + harmless(std::string(step.as_string()), false) + "\n";
        }
    }
    return text;
}

Result<> run_status(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(auto app, invocation.api().get(path));
    const auto metrics = invocation.api().get(path + "/metrics");
    const auto machine = invocation.api().get("/machine");
    const auto warnings = machine ? array_at(*machine, "warnings") : json::array();
    if (invocation.json()) {
        if (app.is_object()) {
            app.as_object()["metrics"] = metrics ? *metrics : json::value(nullptr);
            app.as_object()["warnings"] = warnings;
        }
        invocation.print_json(app);
        return {};
    }
    const bool colour = invocation.colour_out();
    const auto state = text_at(app, "state");
    const auto release = text_at(app, "release");
    std::string text = styled(text_at(app, "name"), Style::bold, colour) + "  " +
                       styled(state, style_of(state), colour);
    if (!release.empty()) text += "  " + release;
    text += "\n";
    for (const auto& url : array_at(app, "urls")) {
        if (url.is_string()) text += "  " + std::string(url.as_string()) + "\n";
    }
    if (!array_at(app, "instances").empty()) {
        text += "\ninstances\n" +
                instance_rows(invocation, app, metrics ? *metrics : json::value(nullptr));
    }
    text += problem_steps(app);
    if (metrics) text += traffic_rows(*metrics);
    text += deployment_text(app, colour);
    text += warnings_text(warnings, colour);
    invocation.print(text);
    return {};
}

Result<> run_scale(Invocation& invocation) {
    json::object body{{"kind", "scale"}};
    if (const auto process = invocation.option("--process")) body["process"] = *process;
    LOCO_ASSIGN(const auto replicas, invocation.number("--replicas", 0, 10'000));
    if (replicas) body["replicas"] = *replicas;
    if (const auto text = invocation.option("--cpu")) {
        const auto cpu = spec::parse_cpu(*text);
        if (!cpu) return fail(spec::to_error("--cpu", cpu.error()));
        body["cpu_millis"] = *cpu;
    }
    if (const auto text = invocation.option("--memory")) {
        const auto memory = spec::parse_memory(*text);
        if (!memory) return fail(spec::to_error("--memory", memory.error()));
        body["memory_bytes"] = *memory;
    }
    if (invocation.has("--reset")) body["reset"] = true;
    if (body.size() == 1 || (body.size() == 2 && body.contains("process"))) {
        return fail(ErrorKind::invalid, "what shall change?",
                    "give --replicas, --cpu, --memory or --reset", "usage");
    }
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto deployment, invocation.api().post(path + "/deployments", body));
    if (!bool_at(deployment, "unchanged")) return finish(invocation, path, deployment, "scaled");
    if (invocation.json()) {
        invocation.print_json(deployment);
    } else {
        invocation.note("that is its scale already");
    }
    return {};
}

}  // namespace

Command status_command() {
    return {.name = "status",
            .summary = "Show what the app is doing",
            .help =
                "Its release, its URLs, each instance with what it uses, its HTTP counters, and a "
                "deployment that is under way "
                "or has failed; and what the server's machine has too little of.\n\n    loco "
                "status\n    loco status -a shop --json",
            .about_an_app = true,
            .run = run_status};
}

Command scale_command() {
    return {
        .name = "scale",
        .summary = "Change replicas, CPU or memory of a process",
        .help =
            "What is set here outlives deploys, until --reset gives it back to loco.toml. A change "
            "of replicas adds or drains "
            "instances; one of CPU or memory replaces them without interruption.\n\n    loco scale "
            "--replicas 3\n    loco "
            "scale --process worker --memory 512Mi\n    loco scale --reset",
        .options = {{.name = "--process", .value = "P", .help = "which; without it the main one"},
                    {.name = "--replicas", .value = "N", .help = "how many instances"},
                    {.name = "--cpu", .value = "Q", .help = "CPU of each, e.g. 500m or 2"},
                    {.name = "--memory", .value = "Q", .help = "memory of each, e.g. 512Mi"},
                    {.name = "--reset", .help = "back to what loco.toml says"},
                    {.name = "--detach", .help = "do not wait until it is done"}},
        .about_an_app = true,
        .run = run_scale};
}

}  // namespace loco::cli
