#include "reconcile/images.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace loco::reconcile {
namespace {

// The life of a push token, the minute that the registry allows clocks to differ, and one for what has begun.
constexpr auto kPushEnds = std::chrono::minutes(7);

}  // namespace

std::vector<ObsoleteImage> obsolete_images(const AppRows& rows,
                                           const std::vector<Release>& releases) {
    std::vector<const Release*> were_live;
    for (const auto& release : releases) {
        if (release.live_at) were_live.push_back(&release);
    }
    std::ranges::sort(were_live,
                      [](const Release* a, const Release* b) { return *a->live_at > *b->live_at; });
    if (were_live.size() > kKeptLiveReleases) were_live.resize(kKeptLiveReleases);

    std::set<ReleaseId> kept;
    std::set<std::pair<std::string, std::string>> images;
    const auto keep = [&](const Release& release) {
        kept.insert(release.id);
        images.emplace(release.repository, release.digest);
    };
    for (const auto* release : were_live) keep(*release);
    for (const auto& [id, release] : rows.releases) keep(release);
    for (const auto& deployment : rows.open)
        images.emplace(deployment.repository, deployment.digest);

    std::vector<ObsoleteImage> out;
    for (const auto& release : releases) {
        if (!release.image_kept || kept.contains(release.id)) continue;
        // Of several with one image, one removal is enough.
        const bool first = images.emplace(release.repository, release.digest).second;
        out.push_back({release, first});
    }
    return out;
}

namespace {

using Images = std::set<std::pair<std::string, std::string>>;  // repository and digest

Images needed_images(const AppRows& rows, const std::vector<Release>& releases) {
    Images images;
    for (const auto& release : releases) {
        if (release.image_kept) images.emplace(release.repository, release.digest);
    }
    for (const auto& [id, release] : rows.releases)
        images.emplace(release.repository, release.digest);
    for (const auto& deployment : rows.open)
        images.emplace(deployment.repository, deployment.digest);
    return images;
}

}  // namespace

std::vector<Deployment> unreleased_images(const AppRows& rows, const std::vector<Release>& releases,
                                          const std::vector<Deployment>& deployments) {
    auto images = needed_images(rows, releases);
    std::vector<Deployment> out;
    for (const auto& deployment : deployments) {
        const bool unreleased =
            is_terminal(deployment.state) && !deployment.release && !deployment.digest.empty();
        if (unreleased && images.emplace(deployment.repository, deployment.digest).second)
            out.push_back(deployment);
    }
    return out;
}

std::vector<Deployment> unreported_pushes(const std::vector<Deployment>& deployments) {
    std::vector<Deployment> out;
    std::ranges::copy_if(deployments, std::back_inserter(out), [](const Deployment& one) {
        return is_terminal(one.state) && one.digest.empty() && !one.tag.empty();
    });
    return out;
}

Time push_ends(const Deployment& deployment) {
    const auto pushing = deployment.phases.find("pushing");
    return (pushing == deployment.phases.end() ? deployment.created_at : pushing->second) +
           kPushEnds;
}

bool is_needed(const AppRows& rows, const std::vector<Release>& releases,
               const std::string& repository, const std::string& digest) {
    return needed_images(rows, releases).contains({repository, digest});
}

}  // namespace loco::reconcile
