// An image from one registry to another, byte by byte: what it is known by, its digest, stays (OCI distribution specification
// 1.1: pulling, and pushing blobs and manifests). What the other has already does not travel; nothing is kept on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "http/client.hpp"
#include "registry/manifest.hpp"

namespace loco::registry {

struct CopySide {
    std::string url;  // "http://127.0.0.1:5000"
    std::string repository;
    // A bearer token for that repository; `renew` when the one given before is no longer taken. Asked before each part.
    std::function<Result<Secret<>>(bool renew)> token;
};

struct CopyHooks {
    std::function<void(std::int64_t bytes)> on_progress = {};  // travelled of this image so far
    std::function<bool()> cancelled = {};
};

struct CopyOutcome {
    int blobs = 0;
    int existing = 0;  // of these, were there
    std::int64_t bytes = 0;
};

// May be repeated: what has arrived is not sent again. not_found when the first has no such image; invalid when what it gives
// has another digest; forbidden (code push_forbidden) when the second does not take it; interrupted by `cancelled`.
[[nodiscard]] Result<CopyOutcome> copy_image(http::Client& client, const CopySide& from,
                                             const CopySide& to, const std::string& digest,
                                             const CopyHooks& hooks = {});

}  // namespace loco::registry
