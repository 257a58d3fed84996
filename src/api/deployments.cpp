#include "usecase/deployments.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "domain/catalogue.hpp"
#include "spec/json_value.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

Result<std::optional<int>> number_of(Services& services, const Deployment& deployment) {
    std::optional<int> number;
    if (!deployment.release) return number;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        if (const auto release = tx.release(*deployment.release)) number = release->number;
        return {};
    }));
    return number;
}

Result<http::Response> deployment_response(Services& services, int status,
                                           const Deployment& deployment) {
    LOCO_ASSIGN(const auto number, number_of(services, deployment));
    return json_response(status, present(deployment, number));
}

// What a client needs to build and push, beside the deployment itself.
json::object present_start(Services& services, const DeployStart& start, const App& app) {
    auto result = present(start.deployment, std::nullopt);
    result["app_id"] = app.id.str();
    result["repository"] = start.deployment.repository;
    result["tag"] = start.deployment.tag;
    result["registry"] = services.build_host;
    result["platform"] = services.context.config.platform;
    result["live"] = start.live ? json::value(present(*start.live, app)) : json::value(nullptr);
    return result;
}

Result<http::Response> begin_deploy(Services& services, Call& call, Body& body) {
    const auto* spec_json = body.value("spec");
    if (spec_json == nullptr) body.wrong("spec is missing");
    LOCO_TRY(body.done());
    LOCO_ASSIGN(auto spec, spec::from_json_value(*spec_json));
    LOCO_ASSIGN(const auto start,
                start_deploy(services.context, call.actor(), call.app.id, std::move(spec)));
    return json_response(201, present_start(services, start, call.app));
}

Result<http::Response> begin_rollback(Services& services, Call& call, Body& body) {
    const auto text = body.optional_string("release", 16);
    LOCO_TRY(body.done());
    std::optional<int> number;
    if (text) {
        int value = 0;
        const auto digits = std::string_view(*text).substr(text->starts_with('v') ? 1 : 0);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size() || value < 1) {
            return fail(ErrorKind::invalid, "\"" + *text + "\" is no release", "write it like v7",
                        "invalid_release");
        }
        number = value;
    }
    LOCO_ASSIGN(const auto deployment,
                rollback(services.context, call.actor(), call.app.id, number));
    return deployment_response(services, 201, deployment);
}

Result<http::Response> begin_scale(Services& services, Call& call, Body& body) {
    ScaleRequest request;
    request.process = body.optional_string("process", 64).value_or("");
    if (const auto replicas = body.optional_int("replicas", 0, 10'000))
        request.change.replicas = static_cast<int>(*replicas);
    request.change.cpu_millis = body.optional_int("cpu_millis", 1, 1'000'000);
    request.change.memory_bytes = body.optional_int("memory_bytes", 1, 1LL << 50);
    request.reset = body.boolean("reset", false);
    if (request.reset == (request.change != ScaleOverride()))
        body.wrong("replicas, cpu_millis or memory_bytes is needed, or reset without them");
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto deployment, scale(services.context, call.actor(), call.app.id, request));
    if (!deployment) return json_response(200, json::object{{"unchanged", true}});
    return deployment_response(services, 201, *deployment);
}

// At most that many bytes, and no part of a character.
std::string_view cut(std::string_view text, std::size_t max) {
    if (text.size() <= max) return text;
    while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0) == 0x80) --max;
    return text.substr(0, max);
}

// Restarting and scaling are an operator's; the rest changes what runs.
Result<> check_may(const Call& call, std::optional<DeploymentKind> kind) {
    const bool operates = kind == DeploymentKind::restart || kind == DeploymentKind::scale;
    const auto needed =
        operates ? identity::Permission::app_operate : identity::Permission::app_deploy;
    if (identity::may(call.principal(), call.team.id, call.role, needed)) return {};
    return fail(ErrorKind::forbidden,
                "this needs a token with the scope " + std::string(identity::row_of(needed).scope),
                "ask an admin of the team", "forbidden");
}

Diagnosis read_failure(Body& body, const json::value& failure) {
    Diagnosis diagnosis{.phase = "building",
                        .kind = static_cast<std::uint8_t>(ErrorKind::build_failed)};
    if (!failure.is_object()) {
        body.wrong("failure must be an object");
        return diagnosis;
    }
    const auto text = [&](std::string_view name, std::size_t max) -> std::string {
        const auto* field = failure.as_object().if_contains(name);
        if (field == nullptr || field->is_null()) return {};
        if (!field->is_string()) {
            body.wrong("failure." + std::string(name) + " must be a string");
            return {};
        }
        return std::string(cut(field->as_string(), max));
    };
    diagnosis.code = text("code", 64);
    diagnosis.message = text("message", 2000);
    diagnosis.evidence = text("evidence", 16U << 10);
    if (diagnosis.message.empty()) body.wrong("failure.message is missing");
    if (const auto* steps = failure.as_object().if_contains("next_steps")) {
        constexpr std::size_t kMaxSteps = 20;
        if (!steps->is_array() || steps->as_array().size() > kMaxSteps) {
            body.wrong("failure.next_steps must be an array of at most 20");
            return diagnosis;
        }
        for (const auto& step : steps->as_array()) {
            if (!step.is_string()) {
                body.wrong("failure.next_steps must hold strings");
                return diagnosis;
            }
            diagnosis.next_steps.emplace_back(cut(step.as_string(), 500));
        }
    }
    // What a client reports failed before there was an image, whatever it was: its code says which kind of failure.
    if (const auto known = explain(diagnosis.code); known.entry != nullptr) {
        diagnosis.kind = static_cast<std::uint8_t>(known.entry->kind);
        if (known.section->phase == "pushing") diagnosis.phase = "pushing";
    }
    return diagnosis;
}

}  // namespace

Result<http::Response> list_deployments(Services& services, Call& call) {
    LOCO_ASSIGN(const int limit, call.limit(50, 500));
    json::array items;
    std::optional<std::string> next;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        DeploymentId before;
        if (const auto cursor = call.query("cursor"); !cursor.empty()) {
            auto parsed = DeploymentId::parse(cursor);
            if (!parsed)
                return fail(ErrorKind::invalid, "the cursor is none that this list gave", {},
                            "invalid_cursor");
            before = *std::move(parsed);
        }
        LOCO_ASSIGN(const auto rows, tx.deployments(call.app.id, before, limit));
        for (const auto& row : rows) {
            std::optional<int> number;
            if (row.release) {
                if (const auto release = tx.release(*row.release)) number = release->number;
            }
            items.push_back(present(row, number));
        }
        if (static_cast<int>(rows.size()) == limit) next = rows.back().id.str();
        return {};
    }));
    return list_response(std::move(items), std::move(next));
}

Result<http::Response> create_deployment(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    const auto text = body.string("kind", 32);
    const auto kind = parse_deployment_kind(text);
    LOCO_TRY(check_may(call, kind));
    if (kind == DeploymentKind::deploy) return begin_deploy(services, call, body);
    if (kind == DeploymentKind::rollback) return begin_rollback(services, call, body);
    if (kind == DeploymentKind::scale) return begin_scale(services, call, body);
    if (kind != DeploymentKind::redeploy && kind != DeploymentKind::restart) {
        body.wrong(
            "kind must be deploy, redeploy, rollback, scale or restart (a change of the "
            "environment is PATCH env)");
    }
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto deployment, kind == DeploymentKind::redeploy
                                           ? redeploy(services.context, call.actor(), call.app.id)
                                           : restart(services.context, call.actor(), call.app.id));
    return deployment_response(services, 201, deployment);
}

Result<http::Response> get_deployment(Services& services, Call& call) {
    return deployment_response(services, 200, call.deployment);
}

Result<http::Response> create_push_token(Services& services, Call& call) {
    LOCO_ASSIGN(const auto token,
                push_token(services.context, services.registry, call.deployment.id));
    return json_response(201, json::object{{"token", token.token.reveal()},
                                           {"expires_at", to_rfc3339(token.expires_at)},
                                           {"registry", services.build_host},
                                           {"repository", call.deployment.repository}});
}

Result<http::Response> append_build_log(Services& services, Call& call) {
    LOCO_TRY(renew_lease(services.context, call.deployment.id));
    auto part = services.build_logs->take(call.deployment.id, call.request.body);
    if (part.lines.empty()) return http::Response{.status = 204};
    std::vector<LogLine> lines;
    lines.reserve(part.lines.size());
    const auto now = services.context.clock.now();
    for (auto& text : part.lines) {
        lines.push_back({.app = call.app.id,
                         .deployment = call.deployment.id,
                         .instance = {},
                         .process = "build",
                         .release = 0,
                         .stream = LogStream::build,
                         .at = now,
                         .text = std::move(text)});
    }
    if (auto kept = services.logs.append(std::move(lines)); !kept) {
        services.build_logs->give_back(call.deployment.id, part);
        return fail(std::move(kept).error());
    }
    return http::Response{.status = 204};
}

Result<http::Response> report_result(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    if (const auto* failure = body.value("failure")) {
        auto diagnosis = read_failure(body, *failure);
        LOCO_TRY(body.done());
        LOCO_ASSIGN(
            const auto deployment,
            report_build_failure(services.context, call.deployment.id, std::move(diagnosis)));
        return deployment_response(services, 200, deployment);
    }
    const BuildResult result{.digest = body.optional_string("digest", 128).value_or(""),
                             .image_id = body.optional_string("image_id", 128).value_or("")};
    if (result.digest.empty() && result.image_id.empty())
        body.wrong("digest, image_id or failure is needed");
    if (!result.digest.empty() && !is_digest(result.digest)) {
        body.wrong("digest must be sha256: and 64 hexadecimal digits");
    }
    LOCO_TRY(body.done());
    LOCO_ASSIGN(const auto deployment, report_built(services.context, call.deployment.id, result));
    return deployment_response(services, 200, deployment);
}

Result<http::Response> cancel_deployment(Services& services, Call& call) {
    LOCO_TRY(check_may(call, call.deployment.kind));
    LOCO_ASSIGN(const auto deployment,
                loco::cancel_deployment(services.context, call.actor(), call.deployment.id));
    return deployment_response(services, 202, deployment);
}

}  // namespace loco::api
