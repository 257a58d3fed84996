// Loco's image registry, as the use cases need it (registry/, the distribution API).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace loco {

struct ManifestInfo {
    std::string digest;
    std::string media_type;
    std::int64_t total_bytes = 0;  // config and layers, compressed
};

struct RegistryToken {
    Secret<> token;
    Time expires_at;
};

// The user under whose name a pull token is the password where clients ask for tokens: for those that know only names and
// passwords (a cluster's nodes).
inline constexpr std::string_view kPullTokenUser = "loco-pull";

class Registry {
  public:
    virtual ~Registry() = default;
    // "127.0.0.1:5000": what stands before a repository in a reference that the engine is given. Never stored.
    [[nodiscard]] virtual std::string host() const = 0;
    // not_found when the repository has no such manifest; unavailable when the registry does not answer.
    [[nodiscard]] virtual Result<ManifestInfo> manifest(const std::string& repository,
                                                        const std::string& digest) = 0;
    // The digest of what was pushed under that tag; not_found when nothing was (a registry without tags has nothing).
    [[nodiscard]] virtual Result<std::string> tagged(const std::string& repository,
                                                     const std::string& tag) {
        return fail(ErrorKind::not_found, "there is no " + repository + ":" + tag);
    }
    // May write to that one repository and nothing else, for 5 minutes.
    [[nodiscard]] virtual Result<RegistryToken> push_token(const std::string& repository) = 0;
    // May read that one repository, at most 10 minutes.
    [[nodiscard]] virtual Result<RegistryToken> pull_token(const std::string& repository) = 0;
    [[nodiscard]] virtual Result<> remove_manifest(const std::string& repository,
                                                   const std::string& digest) = 0;
};

}  // namespace loco
