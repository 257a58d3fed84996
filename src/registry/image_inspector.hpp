// What Loco must know of an image, read from the registry alone: where no container engine is at hand. The same answers
// as runtime/docker/image_facts.hpp gives, but for the size, which here is that of config and layers as they are stored.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "http/client.hpp"
#include "ports/registry.hpp"
#include "ports/runtime.hpp"
#include "registry/layer_walk.hpp"
#include "registry/manifest.hpp"

namespace loco::registry {

// May be called from any thread. Layers are read for one image at a time; known images are remembered by digest.
class ImageInspector {
  public:
    struct Options {
        std::string url = {};  // where it is asked from here; empty: http://HOST
        std::shared_ptr<const http::TlsOptions> tls = {};
        WalkBounds bounds = {};
    };
    // Asks the registry at registry.host() with its pull tokens.
    ImageInspector(Registry& registry, http::Client& client, const Clock& clock)
        : ImageInspector(registry, client, clock, Options{}) {}
    ImageInspector(Registry& registry, http::Client& client, const Clock& clock, Options options)
        : registry_(registry), client_(client), clock_(clock), options_(std::move(options)) {}

    // `platform`: which image of an index, "linux/amd64". Every digest is verified. not_found when the registry has no
    // such image; unavailable when it does not answer; invalid when what it has is not what its digest says; refused
    // when the image has nothing for the platform, or is none, or its user cannot be looked up within the bounds.
    [[nodiscard]] Result<ImageFacts> facts(const ImageRef& image, std::string_view platform);
    // Ends what is being read: its caller gets interrupted. For the end of the program.
    void stop() { stopped_ = true; }

  private:
    struct Request;  // of one call: repository and token

    [[nodiscard]] http::ClientRequest request(const Request& of, std::string_view kind,
                                              const std::string& digest) const;
    [[nodiscard]] Result<std::string> get(const Request& of, std::string_view kind,
                                          const std::string& digest, std::size_t most);
    [[nodiscard]] Result<> resolve(const Request& of, const Manifest& manifest, ImageFacts& facts);

    Registry& registry_;
    http::Client& client_;
    const Clock& clock_;
    Options options_;
    std::atomic<bool> stopped_ = false;
    std::mutex reading_;  // one image's layers at a time
    std::mutex mutex_;    // guards known_
    std::map<std::string, ImageFacts> known_;
};

// What an image's config (application/vnd.oci.image.config.v1+json) says; without what its user resolves to. refused
// when it is none.
[[nodiscard]] Result<ImageFacts> parse_image_config(std::string_view body);

}  // namespace loco::registry
