// What an image says of itself, and who its user is in its own /etc/passwd: read from a container that is made of it,
// never started, and removed. Known images are remembered by id.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "base/random.hpp"
#include "domain/image_user.hpp"
#include "engine/engine.hpp"
#include "ports/runtime.hpp"

namespace loco::runtime {

class ImageReader {
  public:
    // `loco`: whose containers these are (label loco.dev/instance-of).
    ImageReader(engine::Engine& engine, std::string loco)
        : engine_(engine), loco_(std::move(loco)) {}

    // refused when the image's own files cannot be what they should (a passwd of megabytes).
    [[nodiscard]] Result<ImageFacts> facts(const engine::Image& image, const std::string& digest);
    // Containers that were left when Loco was killed between making and removing one.
    [[nodiscard]] Result<> remove_left_overs();

  private:
    [[nodiscard]] Result<std::optional<ResolvedUser>> resolve(const engine::Image& image);

    engine::Engine& engine_;
    std::string loco_;
    std::mutex mutex_;    // guards known_
    std::mutex reading_;  // one at a time
    std::map<std::string, std::optional<ResolvedUser>> known_;
};

}  // namespace loco::runtime
