// What the clients of a deployment that is still building share: deploy, and move.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "client/api.hpp"

namespace loco::cli {

// For a POST that is sent again when its answer was lost, and must be done once: while a server restarts, which takes a second
// or two, no work is lost.
[[nodiscard]] client::PostOptions once();

// Asks until it is given; while the registry is being cleaned, for at most 6 minutes. Asking keeps the deployment's lease.
// `waits` is told what for.
[[nodiscard]] Result<boost::json::value> ask_push_token(
    client::Api& api, const std::string& deployment_path,
    const std::function<void(std::string_view)>& waits);

}  // namespace loco::cli
