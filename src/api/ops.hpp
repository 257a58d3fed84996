// For those who run Loco, on a listener of its own (loopback): GET /healthz (the process answers), /readyz (store, engine
// and gateway answer; 503 with what does not), /metrics (Prometheus' text format).
#pragma once

#include "api/router.hpp"

namespace loco::api {

[[nodiscard]] http::Server::Handler make_ops(Services& services);

}  // namespace loco::api
