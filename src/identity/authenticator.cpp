#include "identity/authenticator.hpp"

#include "crypto/hash.hpp"

namespace loco::identity {
namespace {

constexpr std::size_t kMaxTokenLength = 512;

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorKind::unauthenticated, std::move(message),
                "on the server's machine `loco up` signs you in; else set LOCO_TOKEN",
                "unauthenticated");
}

}  // namespace

Result<Principal> Authenticator::authenticate(std::string_view authorization) {
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization.empty()) return refuse("you are not signed in");
    if (!authorization.starts_with(kBearer))
        return refuse("the Authorization header has no bearer token");
    return authenticate_token(authorization.substr(kBearer.size()));
}

Result<Principal> Authenticator::authenticate_token(std::string_view token) {
    if (token.empty() || token.size() > kMaxTokenLength) return refuse("the token is malformed");
    const auto hash = crypto::sha256_hex(token);
    Principal principal;
    const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(auto row, tx.token_by_hash(hash));
        if (row.revoked) return refuse("the token was revoked");
        if (row.expires_at && *row.expires_at <= clock_.now())
            return refuse("the token has expired");
        LOCO_ASSIGN(principal.user, tx.user(row.user));
        principal.token = row.id;
        principal.scopes = std::move(row.scopes);
        principal.only_team = row.team;
        return {};
    });
    if (!read) {
        if (read.error().kind == ErrorKind::not_found) return refuse("the token is not valid");
        return fail(read.error());
    }
    return principal;
}

}  // namespace loco::identity
