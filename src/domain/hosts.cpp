#include "domain/hosts.hpp"

namespace loco {
namespace {

constexpr std::size_t kMaxLabel = 63;

std::string label_with_hash(std::string_view wanted, const AppId& app) {
    // The random half of the id, not its time: apps made in one second differ in it.
    const auto hash = std::string_view(app.str()).substr(app.str().size() - 6);
    auto head = wanted.substr(0, kMaxLabel - hash.size() - 1);
    while (head.ends_with('-')) head.remove_suffix(1);
    return std::string(head) + "-" + std::string(hash);
}

}  // namespace

std::vector<std::string> host_candidates(const App& app, const Team& team,
                                         std::string_view base_domain) {
    const std::string wanted = team.number == 0 ? app.name : app.name + "-" + team.slug;
    const std::string suffix = "." + std::string(base_domain);
    std::vector<std::string> candidates;
    if (wanted.size() <= kMaxLabel) candidates.push_back(wanted + suffix);
    candidates.push_back(label_with_hash(wanted, app.id) + suffix);
    return candidates;
}

std::string url_of(std::string_view host, int port, bool https) {
    std::string url = (https ? "https://" : "http://") + std::string(host);
    if (port != (https ? 443 : 80)) url += ":" + std::to_string(port);
    return url;
}

}  // namespace loco
