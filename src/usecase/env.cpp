#include "usecase/env.hpp"

#include <algorithm>

#include "domain/deployment.hpp"
#include "domain/names.hpp"
#include "usecase/deployments.hpp"

namespace loco {
namespace {

// The sealed values of every change, before the write: sealing costs time that the writer should not spend.
Result<std::map<std::string, std::string>> seal_all(const AppId& app, const EnvChange& change,
                                                    const SealFn& seal) {
    std::map<std::string, std::string> sealed;
    for (const auto& [name, value] : change.values) {
        if (!value) {
            LOCO_TRY(check_env_name(name));
            continue;
        }
        LOCO_TRY(check_env_value(name, *value));
        LOCO_ASSIGN(sealed[name], seal(app, name, *value));
    }
    return sealed;
}

// Names only: what a reader of the history needs, and no more.
std::string describe(const std::string& login, const EnvChange& change) {
    std::string set;
    std::string unset;
    for (const auto& [name, value] : change.values) {
        auto& list = value ? set : unset;
        list += (list.empty() ? "" : ", ") + name;
    }
    std::string text = login;
    if (!set.empty()) text += " sets " + set;
    if (!unset.empty()) text += (set.empty() ? " unsets " : " and unsets ") + unset;
    return text;
}

}  // namespace

Result<> check_env_value(const std::string& name, const Secret<>& value) {
    LOCO_TRY(check_env_name(name));
    if (value.reveal().size() > kMaxEnvValue) {
        return fail(ErrorKind::invalid, "the value of " + name + " is larger than 64 KiB",
                    "keep files out of the environment", "env_too_large");
    }
    if (value.reveal().find('\0') != std::string::npos) {
        return fail(ErrorKind::invalid, "the value of " + name + " holds a NUL byte", {},
                    "invalid_env_value");
    }
    return {};
}

Result<EnvResult> change_env(Context& context, const Actor& actor, const AppId& id,
                             const EnvChange& change, const SealFn& seal) {
    LOCO_ASSIGN(auto sealed, seal_all(id, change, seal));
    EnvResult result;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, tx.app(id));
        if (app.destroying)
            return fail(ErrorKind::not_found, "app " + app.name + " is being removed", {},
                        "app_being_destroyed");
        const auto now = context.clock.now();
        EnvVersion next{.app = id, .version = app.env_version + 1, .sealed = {}, .created_at = now};
        if (app.env_version > 0) {
            LOCO_ASSIGN(const auto current, tx.env(id, app.env_version));
            next.sealed = current.sealed;
        }
        const auto before = next.sealed;
        for (const auto& [name, value] : change.values) {
            if (value) {
                next.sealed[name] = sealed.at(name);
            } else {
                next.sealed.erase(name);
            }
        }
        result.version = app.env_version;
        if (next.sealed == before) return {};
        if (next.sealed.size() > kMaxEnvNames) {
            return fail(ErrorKind::refused,
                        "an app can have " + std::to_string(kMaxEnvNames) + " variables", {},
                        "env_quota");
        }
        result.version = app.env_version = next.version;
        LOCO_TRY(tx.put(next));
        LOCO_TRY(tx.put(app));
        LOCO_TRY(tx.append(Event{.team = app.team,
                                 .app = id,
                                 .deployment = {},
                                 .actor = actor.login,
                                 .kind = "env.changed",
                                 .message = describe(actor.login, change) +
                                            (change.stage ? " (with the next deploy)" : ""),
                                 .data = {},
                                 .at = now}));
        if (change.stage || !app.live_release) return {};
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        LOCO_ASSIGN(auto deployment,
                    begin_from_release(tx, context, actor, app, DeploymentKind::env, live,
                                       app.env_version));
        LOCO_TRY(tx.put(deployment));
        LOCO_TRY(tx.append(event_of(deployment, app, describe(actor.login, change), now)));
        result.deployment = std::move(deployment);
        return {};
    }));
    // Else there is nothing to reconcile yet.
    if (result.deployment) context.wake(id);
    return result;
}

}  // namespace loco
