#include "store/memory/tables.hpp"

namespace loco::store {
namespace {

using Key = std::optional<std::string>;

}  // namespace

Tables::Tables()
    : users([](const User& row) { return row.id.str(); },
            {{[](const User& row) -> Key { return joined(row.provider, row.subject); },
              "that user"}}),
      tokens([](const Token& row) { return row.id.str(); },
             {{[](const Token& row) -> Key { return row.sha256; }, "that token"},
              {[](const Token& row) -> Key { return joined(row.user.str(), row.id.str()); }, ""}}),
      teams([](const Team& row) { return row.id.str(); },
            {{[](const Team& row) -> Key { return row.slug; }, "that team's name"},
             {[](const Team& row) -> Key { return joined("", sortable(row.number)); },
              "that team's number"}}),
      memberships(
          [](const Membership& row) { return joined(row.team.str(), row.user.str()); },
          {{[](const Membership& row) -> Key { return joined(row.user.str(), row.team.str()); },
            ""},
           {[](const Membership& row) -> Key { return joined(row.team.str(), row.user.str()); },
            ""}}),
      apps([](const App& row) { return row.id.str(); },
           {{[](const App& row) -> Key { return joined(row.team.str(), row.name); },
             "that app's name"}}),
      envs([](const EnvVersion& row) { return joined(row.app.str(), sortable(row.version)); },
           {{[](const EnvVersion& row) -> Key {
                 return joined(row.app.str(), sortable(row.version));
             },
             ""}}),
      deployments(
          [](const Deployment& row) { return row.id.str(); },
          {{[](const Deployment& row) -> Key { return joined(row.app.str(), row.id.str()); }, ""},
           {[](const Deployment& row) -> Key {
                if (is_terminal(row.state)) return std::nullopt;
                return joined(row.app.str(), row.id.str());
            },
            ""}}),
      releases(
          [](const Release& row) { return row.id.str(); },
          {{[](const Release& row) -> Key { return joined(row.app.str(), sortable(row.number)); },
            "that release's number"}}),
      instances(
          [](const Instance& row) { return row.id.str(); },
          {{[](const Instance& row) -> Key { return joined(row.app.str(), row.id.str()); }, ""},
           {[](const Instance& row) -> Key {
                if (row.address.empty()) return std::nullopt;
                return joined(row.team.str(), row.address);
            },
            "that instance's address"}}),
      hosts([](const Host& row) { return row.name; },
            {{[](const Host& row) -> Key {
                  if (!row.app) return std::nullopt;
                  return joined(row.app->str(), (row.primary ? "0" : "1") + row.name);
              },
              ""}}),
      idempotency([](const IdempotencyRecord& row) { return row.key; }, {}) {}

void Tables::commit() {
    users.commit();
    tokens.commit();
    teams.commit();
    memberships.commit();
    apps.commit();
    envs.commit();
    deployments.commit();
    releases.commit();
    instances.commit();
    hosts.commit();
    idempotency.commit();
    events_kept = events.size();
    events_removed_kept = events_removed;
}

void Tables::roll_back() {
    users.roll_back();
    tokens.roll_back();
    teams.roll_back();
    memberships.roll_back();
    apps.roll_back();
    envs.roll_back();
    deployments.roll_back();
    releases.roll_back();
    instances.roll_back();
    hosts.roll_back();
    idempotency.roll_back();
    events.resize(events_kept);
    events_removed = events_removed_kept;
}

}  // namespace loco::store
