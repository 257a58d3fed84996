#include "domain/hosts.hpp"

#include <algorithm>
#include <array>

namespace loco {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 40;

constexpr std::array<std::string_view, 16> kReserved{
    "admin", "api", "app",      "apps",   "auth", "dashboard", "docs",   "gateway",
    "git",   "loco", "localhost", "metrics", "registry", "status", "www", "internal"};

std::string label_with_hash(std::string_view wanted, const AppId& app) {
    // The random half of the id, not its time: apps made in one second differ in it.
    const auto hash = std::string_view(app.str()).substr(app.str().size() - 6);
    auto head = wanted.substr(0, kMaxLabel - hash.size() - 1);
    while (head.ends_with('-')) head.remove_suffix(1);
    return std::string(head) + "-" + std::string(hash);
}

}  // namespace

std::vector<std::string> host_candidates(const App& app, const Team& team, std::string_view base_domain) {
    const std::string wanted = team.number == 0 ? app.name : app.name + "-" + team.slug;
    const std::string suffix = "." + std::string(base_domain);
    std::vector<std::string> candidates;
    if (wanted.size() <= kMaxLabel) candidates.push_back(wanted + suffix);
    candidates.push_back(label_with_hash(wanted, app.id) + suffix);
    return candidates;
}

bool is_reserved_name(std::string_view name) { return std::ranges::find(kReserved, name) != kReserved.end(); }

bool is_app_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName || name.ends_with('-')) return false;
    if (name[0] < 'a' || name[0] > 'z') return false;
    return std::ranges::all_of(
        name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string url_of(std::string_view host, int port, bool https) {
    std::string url = (https ? "https://" : "http://") + std::string(host);
    if (port != (https ? 443 : 80)) url += ":" + std::to_string(port);
    return url;
}

}  // namespace loco
