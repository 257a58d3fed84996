// From a request's credentials to who it comes from.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "identity/authorization.hpp"
#include "ports/store.hpp"

namespace loco::identity {

struct TeamRole {
    Team team;
    Role role = Role::viewer;
};

// Who a token's holder is, and what they are in which teams: those that the token is good for.
struct Session {
    Principal principal;
    std::vector<TeamRole> teams;
    std::optional<Time> expires_at;
};

// Sessions of tokens. One that was read is kept for as long as the store's version stays (Store::version), so that a token
// that was revoked, or has lost a scope, a role or a team, is refused from the next request on; that it expires is looked
// at each time. Where a store has no version, each request reads anew. Any thread.
class Sessions {
  public:
    explicit Sessions(Store& store) : store_(store) {}

    // `authorization` is the header's value ("Bearer loco_…"). unauthenticated without or with an unknown, expired or
    // revoked token; the error never repeats it.
    [[nodiscard]] Result<std::shared_ptr<const Session>> of(std::string_view authorization,
                                                            Time now);
    // The token itself, as the registry's token endpoint gets it in Basic credentials.
    [[nodiscard]] Result<std::shared_ptr<const Session>> of_token(std::string_view token, Time now);

  private:
    [[nodiscard]] std::shared_ptr<const Session> known(std::uint64_t version,
                                                       const std::string& hash);
    void keep(std::uint64_t version, const std::string& hash,
              std::shared_ptr<const Session> session);

    Store& store_;
    std::mutex mutex_;
    std::uint64_t version_ = 0;                                   // that what is kept was read at
    std::map<std::string, std::shared_ptr<const Session>> kept_;  // by the token's SHA-256
};

}  // namespace loco::identity
