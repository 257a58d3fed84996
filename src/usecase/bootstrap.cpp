#include "usecase/bootstrap.hpp"

#include <algorithm>
#include <optional>

namespace loco {
namespace {

Result<User> ensure_user(WriteTx& tx, Context& context, const std::string& login) {
    auto found = tx.user_by_subject("local", login);
    if (found || found.error().kind != ErrorKind::not_found) return found;
    User user{.id = UserId::make(context.clock, context.random),
              .provider = "local",
              .subject = login,
              .login = login,
              .email = {},
              .created_at = context.clock.now()};
    LOCO_TRY(tx.put(user));
    return user;
}

Result<Team> ensure_first_team(WriteTx& tx, Context& context, const std::string& slug) {
    LOCO_ASSIGN(auto teams, tx.teams());
    if (!teams.empty()) return teams.front();
    Team team{.id = TeamId::make(context.clock, context.random),
              .slug = slug,
              .number = 0,
              .created_at = context.clock.now()};
    LOCO_TRY(tx.put(team));
    LOCO_TRY(tx.append(Event{.team = team.id,
                             .app = {},
                             .deployment = {},
                             .actor = "loco",
                             .kind = "team.created",
                             .message = "team " + slug + " was created",
                             .data = {},
                             .at = context.clock.now()}));
    return team;
}

// A token of that client that is still good: its row gets the new hash, so that the former works no more.
Result<std::optional<Token>> token_of_client(const WriteTx& tx, const UserId& user,
                                             const std::string& name) {
    LOCO_ASSIGN(const auto tokens, tx.tokens(user));
    const auto found = std::ranges::find_if(
        tokens, [&](const Token& one) { return one.name == name && !one.revoked; });
    if (found == tokens.end()) return std::nullopt;
    return *found;
}

}  // namespace

Result<> bootstrap(Context& context, const Bootstrap& request) {
    return context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto user, ensure_user(tx, context, request.login));
        LOCO_ASSIGN(const auto team, ensure_first_team(tx, context, request.team));
        LOCO_TRY(tx.put(Membership{.team = team.id, .user = user.id, .role = Role::owner}));
        if (tx.token_by_hash(request.token_sha256)) return {};
        const auto name = request.made_by + (request.client.empty() ? "" : ", " + request.client);
        LOCO_ASSIGN(const auto former, token_of_client(tx, user.id, name));
        return tx.put(
            Token{.id = former ? former->id : TokenId::make(context.clock, context.random),
                  .user = user.id,
                  .name = name,
                  .sha256 = request.token_sha256,
                  .scopes = {"*"},
                  .team = {},
                  .created_at = context.clock.now(),
                  .expires_at = {},
                  .last_used_at = {}});
    });
}

}  // namespace loco
