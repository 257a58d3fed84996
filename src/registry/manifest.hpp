// Manifests and indexes of images, as the registry has them (OCI image specification 1.1, and Docker's schema 2, whose
// fields are the same).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::registry {

inline constexpr std::size_t kMaxManifest = 4U << 20;  // distribution's own bound
inline constexpr std::string_view kManifestTypes =
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

struct Descriptor {
    std::string media_type;
    std::string digest;
    std::int64_t size = 0;
    std::string platform = {};  // of an index's entry: "linux/amd64", "linux/arm64/v8"
};

struct Manifest {
    std::string media_type;  // empty where it does not say it itself
    bool index = false;
    Descriptor config;
    std::vector<Descriptor> layers;     // the lowest first
    std::vector<Descriptor> manifests;  // of an index

    [[nodiscard]] std::int64_t total_bytes() const;  // config and layers
};

[[nodiscard]] bool is_digest(std::string_view text);  // "sha256:" and 64 hex digits

// invalid when it is no JSON object.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view body);

// The entry for "linux/amd64" or "linux/arm64/v8"; one without a variant fits any. refused (wrong_platform) when there
// is none.
[[nodiscard]] Result<Descriptor> manifest_for(const Manifest& index, std::string_view platform);

}  // namespace loco::registry
