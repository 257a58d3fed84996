#include "identity/authenticator.hpp"

#include "crypto/hash.hpp"

namespace loco::identity {
namespace {

constexpr std::size_t kMaxTokenLength = 512;

std::unexpected<Error> refuse(std::string message, std::string code) {
    return fail(ErrorKind::unauthenticated, std::move(message),
                "on the server's machine `loco up` signs you in; else set LOCO_TOKEN",
                std::move(code));
}

Result<Principal> principal_of(const ReadTx& tx, std::string_view token, Time now) {
    LOCO_ASSIGN(auto row, tx.token_by_hash(crypto::sha256_hex(token)));
    if (row.revoked) return refuse("the token was revoked", "token_revoked");
    if (row.expires_at && *row.expires_at <= now)
        return refuse("the token has expired", "token_expired");
    LOCO_ASSIGN(auto user, tx.user(row.user));
    return Principal{.user = std::move(user),
                     .token = row.id,
                     .scopes = std::move(row.scopes),
                     .only_team = row.team};
}

}  // namespace

Result<Principal> authenticate(const ReadTx& tx, std::string_view authorization, Time now) {
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization.empty()) return refuse("you are not signed in", "not_signed_in");
    if (!authorization.starts_with(kBearer))
        return refuse("the Authorization header has no bearer token", "token_invalid");
    return authenticate_token(tx, authorization.substr(kBearer.size()), now);
}

Result<Principal> authenticate_token(const ReadTx& tx, std::string_view token, Time now) {
    if (token.empty() || token.size() > kMaxTokenLength)
        return refuse("the token is malformed", "token_invalid");
    auto principal = principal_of(tx, token, now);
    if (!principal && principal.error().kind == ErrorKind::not_found)
        return refuse("the token is not valid", "token_invalid");
    return principal;
}

}  // namespace loco::identity
