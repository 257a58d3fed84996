// Looks for a few files in an image's layers without unpacking them anywhere: from the top layer down, each read as a
// stream (OCI image specification 1.1, "layer": a tar, plain, gzip or zstd, with whiteouts). The layers are a
// stranger's: whatever they hold, this ends within its bounds, and no path leads out of the image.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace loco::registry {

// The next piece; empty at the end. What it reads is trusted only when that end was reached without an error.
using ByteSource = std::function<Result<std::string>()>;
// 0 is the lowest layer, as in a manifest.
using OpenLayer = std::function<Result<ByteSource>(std::size_t layer)>;

struct WalkBounds {
    std::int64_t stored_bytes = 8LL << 30;     // as the registry has them, of all layers read
    std::int64_t unpacked_bytes = 32LL << 30;  // likewise unpacked
    std::int64_t entries = 2'000'000;
    std::size_t file_bytes = 1U << 20;
    std::chrono::seconds time{120};
};

// What is left of the bounds; an image's whole walk shares one.
class WalkBudget {
  public:
    // `stopped`, when given, ends the walk soon after it is true.
    WalkBudget(const WalkBounds& bounds, const Clock& clock,
               const std::atomic<bool>* stopped = nullptr)
        : left_(bounds),
          clock_(clock),
          deadline_(clock.steady() + bounds.time),
          stopped_(stopped) {}

    // refused (image_user_unreadable) when a bound is passed, interrupted when stopped.
    [[nodiscard]] Result<> stored(std::size_t bytes);
    [[nodiscard]] Result<> unpacked(std::size_t bytes);
    [[nodiscard]] Result<> entry();
    [[nodiscard]] std::size_t file_bytes() const { return left_.file_bytes; }
    [[nodiscard]] Duration time_left() const;
    [[nodiscard]] Result<> go_on() const;

  private:
    WalkBounds left_;
    const Clock& clock_;
    SteadyTime deadline_;
    const std::atomic<bool>* stopped_;
};

// The contents of the files, in the order of `paths` ("etc/passwd"); empty for one that is not there or is no file.
// Links are followed inside the image, at most eight. A layer that is read is read to its end, so that its digest is
// known before anything in it counts.
[[nodiscard]] Result<std::vector<std::string>> read_files(const std::vector<std::string>& paths,
                                                          std::size_t layers, const OpenLayer& open,
                                                          WalkBudget& budget);

}  // namespace loco::registry
