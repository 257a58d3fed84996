// From the API server's refusals (meta/v1 Status) to Loco's errors.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "http/client.hpp"
#include "kubernetes/object.hpp"

namespace loco::kubernetes {

// What was asked for: "apply", "Deployment shop/web".
struct Call {
    std::string_view verb;
    const Kind* kind = nullptr;  // nullptr: a path of its own
    std::string what;
};

// Names verb, object, status, the server's words and what to do. Where those words could repeat a Secret's value they are
// left out, the fields named instead. The code says which refusal it is:
// kubernetes_unauthorized, kubernetes_forbidden (RBAC), admission_denied, quota_exceeded, not_found, apply_conflict,
// already_exists, version_conflict, expired (410), invalid_object, rate_limited, kubernetes_unavailable.
[[nodiscard]] Error failure_of(const Call& call, int http_status, const Object& status);
[[nodiscard]] Error failure_of(const Call& call, const http::ClientResponse& response);

// Whether the same request may succeed a little later: 429 and the server's own trouble.
[[nodiscard]] bool is_passing(const Error& error);
// Retry-After in seconds; at most a minute.
[[nodiscard]] std::optional<std::chrono::milliseconds> retry_after(
    const http::ClientResponse& response);

}  // namespace loco::kubernetes
