#include "cli/follow.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/clock.hpp"
#include "cli/json_view.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

ErrorKind kind_of_exit(std::int64_t exit_status) {
    for (int k = 0; k <= static_cast<int>(ErrorKind::interrupted); ++k) {
        const auto kind = static_cast<ErrorKind>(k);
        if (traits(kind).exit_status == exit_status) return kind;
    }
    return ErrorKind::rollout_failed;
}

void print_evidence(Invocation& invocation, const json::value& deployment) {
    const auto evidence = text_at(at(deployment, "diagnosis"), "evidence");
    if (evidence.empty()) return;
    std::string_view rest = evidence;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        invocation.terminal().err(styled("  | ", Style::dim, invocation.colour_err()) +
                                  harmless(rest.substr(0, end), invocation.colour_err()) + "\n");
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
}

// One line for each event: the mark, what happened, how long after the deployment began.
void print_step(Invocation& invocation, const json::value& event, const std::string& began) {
    const auto kind = text_at(event, "kind");
    const bool good = kind == "deployment.live";
    const bool bad = kind == "deployment.failed" || kind == "deployment.cancelled" ||
                     kind == "deployment.superseded";
    if (bad) return;  // told as the error, with its evidence
    const auto mark = good ? styled("✓", Style::green, invocation.colour_err())
                           : styled("•", Style::blue, invocation.colour_err());
    const auto time =
        styled(elapsed(began, text_at(event, "at")), Style::dim, invocation.colour_err());
    invocation.note(mark + " " + harmless(text_at(event, "message"), false) + "  " + time);
}

std::string how_to_go_on(const std::string& app_path) {
    const auto app = app_path.substr(app_path.rfind('/') + 1);
    return "follow on with `loco status -a " + app + "` and `loco events -a " + app + "`";
}

}  // namespace

std::string elapsed(std::string_view from, std::string_view to) {
    const auto begin = parse_rfc3339(from);
    const auto end = parse_rfc3339(to);
    if (!begin || !end) return {};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*end - *begin).count();
    if (ms < 10'000) return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
    if (ms < 120'000) return fmt::format("{} s", ms / 1000);
    return fmt::format("{} min {} s", ms / 60'000, ms / 1000 % 60);
}

std::optional<Error> failure_of(const json::value& deployment) {
    const auto state = text_at(deployment, "state");
    if (state == "live") return std::nullopt;
    const auto& diagnosis = at(deployment, "diagnosis");
    Error error{.kind = ErrorKind::rollout_failed,
                .message = "the deployment was " + state,
                .hint = {},
                .code = "deployment_failed"};
    if (state == "cancelled") {
        error.kind = ErrorKind::interrupted;
        error.code = "cancelled";
    } else if (state == "superseded") {
        error.kind = ErrorKind::conflict;
        error.code = "superseded";
    }
    if (!diagnosis.is_object()) return error;
    error.kind = kind_of_exit(int_at(diagnosis, "exit_status"));
    error.message = text_at(diagnosis, "message");
    error.code = text_at(diagnosis, "code");
    error.context.emplace_back("phase", text_at(diagnosis, "phase"));
    error.context.emplace_back("evidence", text_at(diagnosis, "evidence"));
    for (const auto& step : array_at(diagnosis, "next_steps")) {
        if (step.is_string()) error.next_steps.emplace_back(step.as_string());
    }
    return error;
}

Result<Followed> follow_deployment(Invocation& invocation, const std::string& app_path,
                                   const std::string& id, bool cancel_on_interrupt) {
    const auto path = app_path + "/deployments/" + client::part(id);
    Followed followed;
    std::string began;
    const auto result = invocation.api().follow_events(
        path + "/events",
        [&](const client::Api::StreamEvent& event) {
            if (event.event == "end") {
                followed.deployment = event.data;
                return false;
            }
            if (began.empty()) began = text_at(event.data, "at");
            if (!invocation.json()) print_step(invocation, event.data, began);
            return true;
        },
        interrupted);
    if (!result) {
        if (result.error().kind == ErrorKind::interrupted) {
            if (cancel_on_interrupt) {
                const auto cancelled = invocation.api().post(path + "/cancel", json::object());
                invocation.warn(
                    cancelled
                        ? "the deployment is being cancelled; what served before still serves"
                        : "the deployment could not be cancelled: " + cancelled.error().message);
            }
            return fail(ErrorKind::interrupted, "interrupted", how_to_go_on(app_path));
        }
        auto error = result.error();
        error.next_steps.push_back(how_to_go_on(app_path));
        return fail(std::move(error));
    }
    if (auto error = failure_of(followed.deployment)) {
        if (!invocation.json()) print_evidence(invocation, followed.deployment);
        if (error->hint.empty()) {
            const auto app = invocation.api().get(app_path);
            const auto live = app ? text_at(*app, "release") : std::string();
            if (!live.empty()) error->hint = live + ", which served before, still serves";
        }
        return fail(std::move(*error));
    }
    return followed;
}

Result<> finish(Invocation& invocation, const std::string& app_path, const json::value& deployment,
                std::string_view done) {
    if (invocation.has("--detach")) {
        if (invocation.json()) {
            invocation.print_json(deployment);
        } else {
            invocation.print(text_at(deployment, "id") + "\n");
            invocation.note(how_to_go_on(app_path));
        }
        return {};
    }
    LOCO_ASSIGN(const auto followed,
                follow_deployment(invocation, app_path, text_at(deployment, "id"),
                                  /*cancel_on_interrupt=*/true));
    LOCO_ASSIGN(const auto app, invocation.api().get(app_path));
    if (invocation.json()) {
        auto document = followed.deployment;
        if (document.is_object()) {
            document.as_object()["url"] = at(app, "url");
            document.as_object()["app"] = at(app, "name");
        }
        invocation.print_json(document);
        return {};
    }
    const auto release = text_at(followed.deployment, "release");
    const auto url = text_at(app, "url");
    invocation.note(styled(std::string(done) + (release.empty() ? "" : ", live as " + release),
                           Style::bold, invocation.colour_err()));
    if (!url.empty()) invocation.print(url + "\n");
    return {};
}

}  // namespace loco::cli
