#include "api/json.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "domain/hosts.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

// The length of the UTF-8 sequence at the front of text, or 0 where there is none (RFC 3629 section 4).
std::size_t utf8_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto tail = [&](std::size_t i) { return i < text.size() && (at(i) & 0xC0) == 0x80; };
    const auto lead = at(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (!tail(1) || !tail(2)) return 0;
        if ((lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F)) return 0;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if ((lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F)) return 0;
        return 4;
    }
    return 0;
}

}  // namespace

http::Response json_response(int status, const json::value& body) {
    http::Response response{.status = status};
    response.headers.set("Content-Type", "application/json");
    response.body = json::serialize(body) + "\n";
    return response;
}

http::Response list_response(json::array items, std::optional<std::string> next_cursor) {
    json::object body{{"items", std::move(items)}, {"next_cursor", nullptr}};
    if (next_cursor) body["next_cursor"] = *next_cursor;
    return json_response(200, body);
}

json::value time_or_null(const std::optional<Time>& time) {
    return time ? json::value(to_rfc3339(*time)) : json::value(nullptr);
}

namespace {

json::array texts(const std::vector<std::string>& lines) {
    json::array out;
    for (const auto& line : lines) out.emplace_back(to_utf8(line));
    return out;
}

}  // namespace

json::object present(const Diagnosis& diagnosis) {
    return {{"code", to_utf8(diagnosis.code)},
            {"phase", diagnosis.phase},
            {"message", to_utf8(diagnosis.message)},
            {"evidence", to_utf8(diagnosis.evidence)},
            {"next_steps", texts(diagnosis.next_steps)},
            {"exit_status", traits(static_cast<ErrorKind>(diagnosis.kind)).exit_status}};
}

json::object present(const Deployment& deployment, std::optional<int> release_number) {
    json::object phases;
    for (const auto& [phase, at] : deployment.phases) phases[phase] = to_rfc3339(at);
    return {{"id", deployment.id.str()},
            {"kind", to_string(deployment.kind)},
            {"state", to_string(deployment.state)},
            {"actor", deployment.actor},
            {"created_at", to_rfc3339(deployment.created_at)},
            {"ended_at", time_or_null(deployment.ended_at)},
            {"release",
             release_number ? json::value(release_name(*release_number)) : json::value(nullptr)},
            {"digest",
             deployment.digest.empty() ? json::value(nullptr) : json::value(deployment.digest)},
            {"phases", std::move(phases)},
            {"cancel_requested", deployment.cancel_requested},
            {"diagnosis", deployment.diagnosis ? json::value(present(*deployment.diagnosis))
                                               : json::value(nullptr)}};
}

json::object present(const Release& release, const App& app) {
    return {{"release", release_name(release.number)},
            {"id", release.id.str()},
            {"digest", release.digest},
            {"image_id", release.image_id},
            {"env_version", release.env_version},
            {"actor", release.actor},
            {"created_at", to_rfc3339(release.created_at)},
            {"live_at", time_or_null(release.live_at)},
            {"live", app.live_release == release.id},
            {"image_kept", release.image_kept},
            {"deployment", release.deployment.str()}};
}

json::object present(const Instance& instance, std::optional<int> release_number) {
    return {
        {"id", instance.id.str()},
        {"process", instance.process},
        {"index", instance.index},
        {"state", to_string(instance.state)},
        {"release",
         release_number ? json::value(release_name(*release_number)) : json::value(nullptr)},
        {"since", to_rfc3339(instance.state_since)},
        {"restarts", instance.restarts},
        {"cpu_millis", instance.cpu_millis},
        {"cpu_max_millis", instance.cpu_max_millis},
        {"memory_bytes", instance.memory_bytes},
        {"exit_code", instance.exit_code ? json::value(*instance.exit_code) : json::value(nullptr)},
        {"oom_killed", instance.oom_killed},
        {"last_problem", to_utf8(instance.last_problem.message)},
        {"problem_code", instance.last_problem.code.empty()
                             ? json::value(nullptr)
                             : json::value(to_utf8(instance.last_problem.code))},
        {"next_steps", texts(instance.last_problem.next_steps)}};
}

json::object present(const Event& event) {
    json::value data = nullptr;
    if (!event.data.empty()) {
        json::error_code error;
        data = json::parse(event.data, error);
    }
    return {{"seq", event.seq},
            {"at", to_rfc3339(event.at)},
            {"kind", event.kind},
            {"message", to_utf8(event.message)},
            {"actor", event.actor},
            {"deployment",
             event.deployment ? json::value(event.deployment->str()) : json::value(nullptr)},
            {"data", std::move(data)}};
}

json::object present(const std::map<std::string, ScaleOverride>& scale) {
    json::object result;
    for (const auto& [process, o] : scale) {
        json::object entry;
        if (o.replicas) entry["replicas"] = *o.replicas;
        if (o.cpu_millis) entry["cpu_millis"] = *o.cpu_millis;
        if (o.memory_bytes) entry["memory_bytes"] = *o.memory_bytes;
        result[process] = std::move(entry);
    }
    return result;
}

bool is_digest(std::string_view text) {
    constexpr std::string_view kPrefix = "sha256:";
    return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
           text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
}

std::string to_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto length = utf8_length(bytes);
        if (length == 0) {
            text += "\xEF\xBF\xBD";
            bytes.remove_prefix(1);
        } else {
            text += bytes.substr(0, length);
            bytes.remove_prefix(length);
        }
    }
    return text;
}

Result<Body> Body::parse(const http::Request& request) {
    if (request.body.empty()) return Body(json::object());
    json::error_code error;
    json::parse_options options;
    options.max_depth = 16;
    auto value = json::parse(request.body, error, {}, options);
    if (error) {
        return fail(ErrorKind::invalid, "the body is no JSON: " + error.message(), {},
                    "invalid_json");
    }
    if (!value.is_object())
        return fail(ErrorKind::invalid, "the body is no JSON object", {}, "invalid_json");
    return Body(std::move(value.as_object()));
}

const json::value* Body::take(std::string_view name) {
    asked_.emplace_back(name);
    const auto* found = object_.if_contains(name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

const json::value* Body::value(std::string_view name) { return take(name); }

std::optional<std::string> Body::optional_string(std::string_view name, std::size_t max) {
    const auto* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (!found->is_string() || found->as_string().size() > max) {
        wrong(std::string(name) + " must be a string of at most " + std::to_string(max) + " bytes");
        return std::nullopt;
    }
    return std::string(found->as_string());
}

std::string Body::string(std::string_view name, std::size_t max) {
    const auto before = wrong_.size();
    auto found = optional_string(name, max);
    if (!found && wrong_.size() == before) wrong(std::string(name) + " is missing");
    return found.value_or("");
}

std::optional<std::int64_t> Body::optional_int(std::string_view name, std::int64_t min,
                                               std::int64_t max) {
    const auto* found = take(name);
    if (found == nullptr) return std::nullopt;
    if (!found->is_int64() || found->as_int64() < min || found->as_int64() > max) {
        wrong(std::string(name) + " must be a whole number from " + std::to_string(min) + " to " +
              std::to_string(max));
        return std::nullopt;
    }
    return found->as_int64();
}

bool Body::boolean(std::string_view name, bool standard) {
    const auto* found = take(name);
    if (found == nullptr) return standard;
    if (!found->is_bool()) {
        wrong(std::string(name) + " must be true or false");
        return standard;
    }
    return found->as_bool();
}

std::vector<std::string> Body::strings(std::string_view name, std::size_t max_items) {
    std::vector<std::string> result;
    const auto* found = take(name);
    if (found == nullptr) return result;
    if (!found->is_array() || found->as_array().size() > max_items) {
        wrong(std::string(name) + " must be a list of at most " + std::to_string(max_items) +
              " strings");
        return result;
    }
    for (const auto& item : found->as_array()) {
        if (!item.is_string()) {
            wrong(std::string(name) + " must hold strings only");
            return {};
        }
        result.emplace_back(item.as_string());
    }
    return result;
}

void Body::wrong(std::string what) { wrong_.push_back(std::move(what)); }

Result<> Body::done() {
    for (const auto& field : object_) {
        if (std::ranges::find(asked_, field.key()) == asked_.end()) {
            wrong("unknown field \"" + to_utf8(std::string_view(field.key()).substr(0, 64)) + "\"");
        }
    }
    if (wrong_.empty()) return {};
    std::string message;
    for (const auto& what : wrong_) message += (message.empty() ? "" : "; ") + what;
    return fail(ErrorKind::invalid, std::move(message),
                "the API is described at /api/v1/openapi.json", "invalid_body");
}

}  // namespace loco::api
