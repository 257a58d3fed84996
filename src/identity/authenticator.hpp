// From a request's credentials to who it comes from. Nothing is remembered from one request to the next: each reads the
// token's row by the index on its hash and its user's by its key, in the transaction that reads what the request is about.
// So a token that was revoked, has expired or lost a scope is refused from the next request on.
#pragma once

#include <string_view>

#include "identity/authorization.hpp"
#include "ports/store.hpp"

namespace loco::identity {

// `authorization` is the header's value ("Bearer loco_…"). unauthenticated without or with an unknown, expired or revoked
// token; the error never repeats it.
[[nodiscard]] Result<Principal> authenticate(const ReadTx& tx, std::string_view authorization,
                                             Time now);
// The token itself, as the registry's token endpoint gets it in Basic credentials.
[[nodiscard]] Result<Principal> authenticate_token(const ReadTx& tx, std::string_view token,
                                                   Time now);

}  // namespace loco::identity
