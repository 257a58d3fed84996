// Idempotency-Key: a POST that is sent again with the key of an earlier one gets that one's answer and does nothing.
#pragma once

#include "api/router.hpp"

namespace loco::api {

// Runs the route's handler once for the key, or answers as it did. conflict (code idempotency_conflict) when the key was
// used for another request, or while the first is still running. A failed attempt (5xx) leaves no record.
[[nodiscard]] Result<http::Response> idempotently(Services& services, const Route& route,
                                                  Call& call);

}  // namespace loco::api
