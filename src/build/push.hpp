// From the local engine to Loco's registry: tag, push with a token, ask the registry whether it has it.
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "base/secret.hpp"
#include "engine/engine.hpp"
#include "http/client.hpp"

namespace loco::build {

struct PushRequest {
    std::string image;  // local: its id, or a reference
    std::string
        registry;  // "127.0.0.1:5000"; spoken to over HTTP on the loopback, over HTTPS elsewhere
    std::string repository;  // "team/app-x1y2"
    std::string tag;
    Secret<> token;  // bearer; empty: none
};

struct PushHooks {
    std::function<void(const engine::TransferProgress&)> on_progress = {};  // layer by layer
    std::function<bool()> cancelled = {};
};

struct PushOutcome {
    std::string digest;  // of the manifest: "sha256:…"; what a release is pinned to
    int layers = 0;
    int layers_existing = 0;  // that the registry had already
    std::int64_t bytes = 0;   // of the layers that travelled, before compression
    double seconds = 0;
};

// "http://127.0.0.1:5000": the loopback without TLS, all others with it, as an engine does.
[[nodiscard]] std::string registry_url(std::string_view registry);

// forbidden: the token is not, or no longer, good for it (code push_forbidden: ask for a new one);
// unavailable: no engine, no registry; internal with push_not_verified: the registry does not have what the
// engine pushed.
[[nodiscard]] Result<PushOutcome> push(engine::Engine& engine, http::Client& client,
                                       const PushRequest& request, const PushHooks& hooks);

}  // namespace loco::build
