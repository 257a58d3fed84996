#include "cluster/kubernetes/names.hpp"

#include "cluster/kubernetes/labels.hpp"
#include "crypto/hash.hpp"

namespace loco::cluster {
namespace {

constexpr std::size_t kHashDigits = 10;  // 40 bits, and the names differ too

std::string without_prefix(const DeploymentId& set) {
    return set.str().substr(set.str().find('_') + 1);
}

}  // namespace

std::string namespace_of(const TeamId& team, const AppId& app, const std::string& app_name) {
    const auto hash = crypto::sha256_hex(team.str() + "/" + app.str()).substr(0, kHashDigits);
    return "loco-" + app_name + "-" + hash;
}

std::string env_secret_name(const DeploymentId& set) { return "env-" + without_prefix(set); }
std::string release_job_name(const DeploymentId& set) { return "release-" + without_prefix(set); }

std::string selector_of(std::string_view loco) {
    return std::string(label::kInstanceOf) + "=" + std::string(loco);
}

}  // namespace loco::cluster
