// An app's beginning and end.
#pragma once

#include <string>

#include "usecase/context.hpp"

namespace loco {

// An app without a release, with its host name. invalid for a bad or reserved name; conflict when the team has one of
// that name; refused when the team has as many as it may.
[[nodiscard]] Result<App> create_app(Context& context, const Actor& actor, const TeamId& team,
                                     const std::string& name);

// Marks it; the reconciler stops and removes everything of it, and at last its row. May be repeated.
[[nodiscard]] Result<> destroy_app(Context& context, const Actor& actor, const AppId& app);

// For the reconciler, when nothing of a destroyed app runs any more: frees its hosts (kept for the team for 30 days) and
// removes its row with all that belongs to it.
[[nodiscard]] Result<> finish_destroy(WriteTx& tx, const App& app, Time now);

// invalid when one of them is the base domain or under it: those hosts are Loco's own and the apps' primary ones, which
// only create_app gives. The app's own primary host may be named.
[[nodiscard]] Result<> check_domains(const ReadTx& tx, const App& app,
                                     const std::vector<std::string>& domains,
                                     const std::string& base_domain);

// Keeps those further host names (`[http] domains`) for the app, from the beginning of its deploy; they are routed once
// the live release names them. conflict when another app has one.
[[nodiscard]] Result<> claim_domains(WriteTx& tx, const App& app,
                                     const std::vector<std::string>& domains, Time now);
// Frees those that neither what serves nor an open deployment names. For every write that ends a deployment, when all
// else of it is written.
[[nodiscard]] Result<> free_unused_domains(WriteTx& tx, const AppId& app, Time now);

}  // namespace loco
