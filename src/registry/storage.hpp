// The folder that the distribution registry keeps its images in (its filesystem driver, "/docker/registry/v2"), read and
// written without the registry: for backups, which shall be possible also while it is down, and for what is put back before it
// is started. Blobs never change once they are there, so reading them beside a registry that runs is safe.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "registry/manifest.hpp"

namespace loco::registry {

// A manifest (or an index with its manifests), and the blobs that it names.
struct StoredImage {
    std::vector<std::string> manifests;  // digests; the outermost last
    std::vector<Descriptor> blobs;       // configs and layers, each once
};

// Gives the bytes of a manifest by its digest.
using ManifestSource = std::function<Result<std::string>(const std::string& digest)>;

// What an image consists of. Its manifests are verified against their digests. invalid for one that no engine would take.
[[nodiscard]] Result<StoredImage> read_image(const std::string& digest,
                                             const ManifestSource& source);

class Storage {
  public:
    // DATA/registry/storage
    explicit Storage(std::filesystem::path folder) : root_(std::move(folder)) {}

    // Where the bytes of a blob or manifest are, or belong. The digest must be one (is_digest).
    [[nodiscard]] std::filesystem::path blob(const std::string& digest) const;
    // The image of a repository, each of its parts on disk in its full size; the blobs' digests are not verified. not_found
    // when something of it is not there.
    [[nodiscard]] Result<StoredImage> image(const std::string& digest) const;

    // The registry must not run for what follows.
    // Makes it an image of that repository. All of its manifests and blobs are there already. invalid for a malformed name.
    [[nodiscard]] Result<> link(const std::string& repository, const StoredImage& image) const;

  private:
    std::filesystem::path root_;
};

}  // namespace loco::registry
