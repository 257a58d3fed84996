#include "kubernetes/failure.hpp"

#include <algorithm>
#include <charconv>

namespace loco::kubernetes {
namespace {

constexpr std::size_t kMaxWords = 1024;

struct Sort {
    ErrorKind kind;
    std::string_view code;
    std::string_view hint;
};

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// A policy's refusal has the status that its author has chosen; 422 unless they did.
bool is_policy(std::string_view words) {
    return has(words, "ValidatingAdmissionPolicy ") ||
           (has(words, "admission webhook ") && has(words, " denied the request"));
}

Sort sort_of(int status, std::string_view reason, std::string_view words) {
    if (status >= 400 && status < 500 && is_policy(words)) status = 403;
    switch (status) {
        case 400:
        case 415:
        case 422:
            return {.kind = ErrorKind::invalid,
                    .code = "invalid_object",
                    .hint = "this is a bug, or the cluster is older than what Loco supports"};
        case 401:
            return {
                .kind = ErrorKind::unavailable,
                .code = "kubernetes_unauthorized",
                .hint = "renew the credentials that the kubeconfig or the ServiceAccount names"};
        case 403:
            if (has(words, "exceeded quota")) {
                return {.kind = ErrorKind::refused,
                        .code = "quota_exceeded",
                        .hint = "ask for less, or raise the namespace's ResourceQuota"};
            }
            if (has(words, " cannot ") || words.empty()) {
                return {
                    .kind = ErrorKind::unavailable,
                    .code = "kubernetes_forbidden",
                    .hint =
                        "give Loco's ServiceAccount this right: compare its ClusterRole with the "
                        "chart's"};
            }
            return {.kind = ErrorKind::refused,
                    .code = "admission_denied",
                    .hint = "a policy of the cluster refuses this: see which one in the message"};
        case 404: return {.kind = ErrorKind::not_found, .code = "not_found", .hint = {}};
        case 409:
            if (reason == "AlreadyExists")
                return {.kind = ErrorKind::conflict, .code = "already_exists", .hint = {}};
            if (has(words, "Apply failed")) {
                return {
                    .kind = ErrorKind::conflict,
                    .code = "apply_conflict",
                    .hint =
                        "another program set these fields: let it go of them, or take them over by "
                        "force"};
            }
            return {.kind = ErrorKind::conflict,
                    .code = "version_conflict",
                    .hint = "read the object again and retry"};
        case 410: return {.kind = ErrorKind::conflict, .code = "expired", .hint = "list again"};
        case 413:
            return {.kind = ErrorKind::too_large,
                    .code = "too_large",
                    .hint = "make the object smaller"};
        case 429:
            return {.kind = ErrorKind::rate_limited,
                    .code = "rate_limited",
                    .hint = "wait: the API server is asked more than it lets Loco ask"};
        default: break;
    }
    if (status >= 500) {
        return {.kind = ErrorKind::unavailable,
                .code = "kubernetes_unavailable",
                .hint = "see the API server: kubectl get --raw '/readyz?verbose'"};
    }
    return {.kind = ErrorKind::internal, .code = "unexpected_status", .hint = {}};
}

std::string_view status_name(int status) {
    switch (status) {
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 415: return "Unsupported Media Type";
        case 422: return "Unprocessable Entity";
        case 429: return "Too Many Requests";
        case 500: return "Internal Server Error";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        default: return "";
    }
}

std::string fields_at_fault(const Object& status) {
    std::string fields;
    if (const auto* causes = member(member(status, "details"), "causes").if_array()) {
        for (const auto& cause : *causes) {
            if (const auto field = text(cause, "field"); !field.empty()) {
                fields += (fields.empty() ? "" : ", ") + field;
            }
        }
    }
    return fields;
}

// The server calls an apply with a field or a value that the kind does not have an error of its own (500), although no
// second attempt will do better.
bool is_malformed_patch(std::string_view words) {
    return has(words, "failed to create typed patch object") ||
           has(words, "failed to convert new object");
}

// Also cuts what is too long and makes one line of it.
std::string words_for(const Call& call, int http_status, const Object& status) {
    auto words = text(status, "message");
    // A Secret's values stand in what the server says of a malformed one.
    if (call.kind != nullptr && *call.kind == kSecret &&
        (http_status == 400 || http_status == 422 || http_status >= 500)) {
        const auto fields = fields_at_fault(status);
        words = text(status, "reason") + (fields.empty() ? "" : " (" + fields + ")");
    }
    if (words.size() > kMaxWords) words = words.substr(0, kMaxWords) + "…";
    std::ranges::replace_if(words, [](unsigned char c) { return c < 0x20; }, ' ');
    return words;
}

}  // namespace

Error failure_of(const Call& call, int http_status, const Object& status) {
    const auto words = words_for(call, http_status, status);
    const bool malformed = http_status == 500 && is_malformed_patch(text(status, "message"));
    const auto sort = sort_of(malformed ? 422 : http_status, text(status, "reason"), words);
    std::string message(call.verb);
    message += ' ' + call.what + ": " + std::to_string(http_status);
    if (const auto name = status_name(http_status); !name.empty()) message.append(" ").append(name);
    if (!words.empty()) message += ": " + words;
    return {.kind = sort.kind,
            .message = std::move(message),
            .hint = std::string(sort.hint),
            .code = std::string(sort.code)};
}

Error failure_of(const Call& call, const http::ClientResponse& response) {
    auto status = parse_object(response.body);
    if (status && text(*status, "kind") == "Status") {
        return failure_of(call, response.status, *status);
    }
    // A proxy's answer, or one from before the API server could: its words are text.
    boost::json::object plain;
    plain["message"] = std::string_view(response.body).substr(0, kMaxWords);
    return failure_of(call, response.status, Object(std::move(plain)));
}

bool is_passing(const Error& error) {
    return error.kind == ErrorKind::rate_limited || error.code == "kubernetes_unavailable";
}

std::optional<std::chrono::milliseconds> retry_after(const http::ClientResponse& response) {
    const auto header = response.headers.get("Retry-After");
    int seconds = -1;
    const auto* end = header.data() + header.size();
    if (std::from_chars(header.data(), end, seconds).ptr != end || seconds < 0) return std::nullopt;
    return std::chrono::seconds(std::min(seconds, 60));
}

}  // namespace loco::kubernetes
