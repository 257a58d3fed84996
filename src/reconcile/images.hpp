// Which images may go. Pure.
#pragma once

#include <vector>

#include "reconcile/rows.hpp"

namespace loco::reconcile {

inline constexpr std::size_t kKeptLiveReleases = 3;

struct ObsoleteImage {
    Release release;
    bool remove =
        false;  // false: another release, or an open deployment, still needs the same image
};

// Of `releases` (an app's), those whose image is kept but needed by nothing: not live, not among the last
// kKeptLiveReleases that were, run by no instance and named by no open deployment.
[[nodiscard]] std::vector<ObsoleteImage> obsolete_images(const AppRows& rows,
                                                         const std::vector<Release>& releases);

// Of `deployments` (an app's), those that have ended and whose image no release whose image is kept has, and no open
// deployment names: it was pushed, and refused. One of each image.
[[nodiscard]] std::vector<Deployment> unreleased_images(const AppRows& rows,
                                                        const std::vector<Release>& releases,
                                                        const std::vector<Deployment>& deployments);

}  // namespace loco::reconcile
