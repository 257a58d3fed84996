#include "identity/authenticator.hpp"

#include "crypto/hash.hpp"

namespace loco::identity {
namespace {

constexpr std::size_t kMaxTokenLength = 512;
constexpr std::size_t kMostKept = 1024;

std::unexpected<Error> refuse(std::string message, std::string code) {
    return fail(ErrorKind::unauthenticated, std::move(message),
                "on the server's machine `loco up` signs you in; else set LOCO_TOKEN",
                std::move(code));
}

Result<> read_session(const ReadTx& tx, const std::string& hash, Session& session) {
    LOCO_ASSIGN(auto token, tx.token_by_hash(hash));
    if (token.revoked) return refuse("the token was revoked", "token_revoked");
    LOCO_ASSIGN(auto user, tx.user(token.user));
    LOCO_ASSIGN(const auto memberships, tx.memberships(user.id));
    session = {.principal = {.user = std::move(user),
                             .token = token.id,
                             .scopes = std::move(token.scopes),
                             .only_team = token.team},
               .teams = {},
               .expires_at = token.expires_at};
    for (const auto& membership : memberships) {
        if (token.team && *token.team != membership.team) continue;
        LOCO_ASSIGN(auto team, tx.team(membership.team));
        session.teams.push_back({std::move(team), membership.role});
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<const Session>> Sessions::of(std::string_view authorization, Time now) {
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization.empty()) return refuse("you are not signed in", "not_signed_in");
    if (!authorization.starts_with(kBearer))
        return refuse("the Authorization header has no bearer token", "token_invalid");
    return of_token(authorization.substr(kBearer.size()), now);
}

Result<std::shared_ptr<const Session>> Sessions::of_token(std::string_view token, Time now) {
    if (token.empty() || token.size() > kMaxTokenLength)
        return refuse("the token is malformed", "token_invalid");
    const auto hash = crypto::sha256_hex(token);
    const auto version = store_.version();
    auto session = version ? known(*version, hash) : nullptr;
    if (!session) {
        auto made = std::make_shared<Session>();
        const auto read = store_.read(
            [&](const ReadTx& tx) -> Result<> { return read_session(tx, hash, *made); });
        if (!read && read.error().kind == ErrorKind::not_found)
            return refuse("the token is not valid", "token_invalid");
        if (!read) return fail(read.error());
        session = std::move(made);
        if (version) keep(*version, hash, session);
    }
    if (session->expires_at && *session->expires_at <= now)
        return refuse("the token has expired", "token_expired");
    return session;
}

std::shared_ptr<const Session> Sessions::known(std::uint64_t version, const std::string& hash) {
    const std::lock_guard lock(mutex_);
    if (version != version_) return nullptr;
    const auto found = kept_.find(hash);
    return found == kept_.end() ? nullptr : found->second;
}

void Sessions::keep(std::uint64_t version, const std::string& hash,
                    std::shared_ptr<const Session> session) {
    const std::lock_guard lock(mutex_);
    if (version != version_ || kept_.size() >= kMostKept) kept_.clear();
    version_ = version;
    kept_[hash] = std::move(session);
}

}  // namespace loco::identity
