// From a request's credentials to who it comes from. Verified tokens are cached by their hash for a few seconds;
// whether one was revoked or has expired is read from the store each time it is not in the cache, and the cache is
// emptied by forget() when this server revokes one.
#pragma once

#include <mutex>
#include <string_view>
#include <unordered_map>

#include "identity/authorization.hpp"
#include "ports/store.hpp"

namespace loco::identity {

class Authenticator {
  public:
    Authenticator(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

    // `authorization` is the header's value ("Bearer loco_…"). unauthenticated without or with an unknown, expired or
    // revoked token; the error never repeats it.
    [[nodiscard]] Result<Principal> authenticate(std::string_view authorization);
    // The token itself, as the registry's token endpoint gets it in Basic credentials.
    [[nodiscard]] Result<Principal> authenticate_token(std::string_view token);
    void forget();

  private:
    struct Entry {
        Principal principal;
        std::optional<Time> expires_at;
        SteadyTime read_at;
    };

    Store& store_;
    const Clock& clock_;
    std::mutex mutex_;
    std::unordered_map<std::string, Entry> cache_;  // by SHA-256
};

}  // namespace loco::identity
