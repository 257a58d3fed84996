#include "reconcile/images.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace loco::reconcile {

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

std::vector<Deployment> unreleased_images(const AppRows& rows, const std::vector<Release>& releases,
                                          const std::vector<Deployment>& deployments) {
    std::set<std::pair<std::string, std::string>> images;
    for (const auto& release : releases) {
        if (release.image_kept) images.emplace(release.repository, release.digest);
    }
    for (const auto& [id, release] : rows.releases)
        images.emplace(release.repository, release.digest);
    for (const auto& deployment : rows.open)
        images.emplace(deployment.repository, deployment.digest);
    std::vector<Deployment> out;
    for (const auto& deployment : deployments) {
        const bool unreleased =
            is_terminal(deployment.state) && !deployment.release && !deployment.digest.empty();
        if (unreleased && images.emplace(deployment.repository, deployment.digest).second)
            out.push_back(deployment);
    }
    return out;
}

}  // namespace loco::reconcile
