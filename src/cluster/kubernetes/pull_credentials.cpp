#include "cluster/kubernetes/pull_credentials.hpp"

#include <boost/json/serialize.hpp>

#include "cluster/kubernetes/labels.hpp"
#include "crypto/base64.hpp"

namespace loco::cluster {
namespace {

constexpr std::chrono::seconds kJustWritten{20};

}  // namespace

Result<bool> PullCredentials::ensure(const Place& place, bool refused) {
    if (name_.empty()) return false;
    {
        const std::lock_guard lock(mutex_);
        const auto found = known_.find(place.namespace_);
        if (found != known_.end() && found->second.repository == place.repository) {
            const auto& known = found->second;
            const auto now = clock_.now();
            const auto half = (known.expires_at - known.written_at) / 2;
            const bool fresh = known.expires_at - now > half;
            if (refused ? now - known.written_at < kJustWritten : fresh) return false;
        }
    }
    const auto written_at = clock_.now();
    LOCO_ASSIGN(const auto token, registry_.pull_token(place.repository));
    const auto& password = token.token.reveal();
    const std::string user(kPullTokenUser);
    const boost::json::object login{{"username", user},
                                    {"password", password},
                                    {"auth", crypto::base64(user + ":" + password)}};
    const boost::json::object config{{"auths", boost::json::object{{host_, login}}}};
    boost::json::object secret{
        {"apiVersion", "v1"},
        {"kind", "Secret"},
        {"type", "kubernetes.io/dockerconfigjson"},
        {"metadata",
         boost::json::object{
             {"name", name_}, {"namespace", place.namespace_}, {"labels", place.labels}}},
        {"data", boost::json::object{
                     {".dockerconfigjson", crypto::base64(boost::json::serialize(config))}}}};
    LOCO_TRY(
        client_.apply(kubernetes::kSecret, kubernetes::Object(std::move(secret)), {.force = true}));
    const std::lock_guard lock(mutex_);
    known_[place.namespace_] = {place.repository, written_at, token.expires_at};
    return true;
}

void PullCredentials::forget(const std::string& namespace_) {
    const std::lock_guard lock(mutex_);
    known_.erase(namespace_);
}

}  // namespace loco::cluster
