#include "identity/authenticator.hpp"

#include "crypto/hash.hpp"

namespace loco::identity {
namespace {

constexpr auto kCacheFor = std::chrono::seconds(5);
constexpr std::size_t kMaxCached = 10'000;
constexpr std::size_t kMaxTokenLength = 512;

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorKind::unauthenticated, std::move(message),
                "on the server's machine `loco up` signs you in; else set LOCO_TOKEN", "unauthenticated");
}

}  // namespace

Result<Principal> Authenticator::authenticate(std::string_view authorization) {
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization.empty()) return refuse("you are not signed in");
    if (!authorization.starts_with(kBearer)) return refuse("the Authorization header has no bearer token");
    return authenticate_token(authorization.substr(kBearer.size()));
}

Result<Principal> Authenticator::authenticate_token(std::string_view token) {
    if (token.empty() || token.size() > kMaxTokenLength) return refuse("the token is malformed");
    const auto hash = crypto::sha256_hex(token);
    const auto now = clock_.now();
    {
        const std::scoped_lock lock(mutex_);
        const auto found = cache_.find(hash);
        if (found != cache_.end() && clock_.steady() - found->second.read_at < kCacheFor &&
            (!found->second.expires_at || *found->second.expires_at > now)) {
            return found->second.principal;
        }
    }
    Entry entry;
    const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto row, tx.token_by_hash(hash));
        if (row.revoked) return refuse("the token was revoked");
        if (row.expires_at && *row.expires_at <= now) return refuse("the token has expired");
        LOCO_ASSIGN(entry.principal.user, tx.user(row.user));
        entry.principal.token = row.id;
        entry.principal.scopes = row.scopes;
        entry.principal.only_team = row.team;
        entry.expires_at = row.expires_at;
        return {};
    });
    if (!read) {
        if (read.error().kind == ErrorKind::not_found) return refuse("the token is not valid");
        return fail(read.error());
    }
    entry.read_at = clock_.steady();
    const std::scoped_lock lock(mutex_);
    if (cache_.size() >= kMaxCached) cache_.clear();
    cache_[hash] = entry;
    return entry.principal;
}

void Authenticator::forget() {
    const std::scoped_lock lock(mutex_);
    cache_.clear();
}

}  // namespace loco::identity
