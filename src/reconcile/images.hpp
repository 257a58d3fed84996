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

// Of `deployments` (an app's), those that have ended and reported nothing: what they have built here, or pushed, lies under their tag.
// (Who had no push token has pushed nothing, but may have built.)
[[nodiscard]] std::vector<Deployment> unreported_pushes(const std::vector<Deployment>& deployments);
// When none of them can push any more, as its token has ended.
[[nodiscard]] Time push_ends(const Deployment& deployment);

// Whether something of the app needs that image.
[[nodiscard]] bool is_needed(const AppRows& rows, const std::vector<Release>& releases,
                             const std::string& repository, const std::string& digest);

}  // namespace loco::reconcile
