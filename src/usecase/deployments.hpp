// The use cases of a deployment: how it begins, what a building client reports, how it is cancelled.
// From `checking` on the reconciler drives it (reconcile/).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ports/registry.hpp"
#include "usecase/context.hpp"

namespace loco {

struct DeployStart {
    Deployment deployment;
    // What serves now, so that a client whose image is the same need not push it.
    std::optional<Release> live;
};

// What start_deploy would say, without doing any of it. Gives what is live, if anything is.
[[nodiscard]] Result<std::optional<Release>> check_deploy(Context& context, const AppId& app,
                                                          const AppSpec& spec);

// `deploy`: a client is going to build. Takes no lock; the client holds a lease (kBuildLease) that everything it
// reports renews. refused when a required secret is not set, or when the machine has no room for it (usecase/capacity.hpp);
// conflict when a domain belongs to another app.
[[nodiscard]] Result<DeployStart> start_deploy(Context& context, const Actor& actor,
                                               const AppId& app, AppSpec spec);

// The client lives.
[[nodiscard]] Result<> renew_lease(Context& context, const DeploymentId& deployment);

// At the start of loco-api, before anything looks at leases: whoever builds could not renew while it was away, so every
// open build has a fresh one. A client that is gone meanwhile is missed one lease later.
[[nodiscard]] Result<> renew_all_leases(Context& context);

// Given once; again within 30 s, to a client that has lost the answer, and to go on with a push that has lasted nearly as
// long as the token (4 minutes).
// refused (disk_full) when the disk has filled meanwhile.
// unavailable (code registry_busy) while the registry is being cleaned: ask again. The lease is renewed by asking.
[[nodiscard]] Result<RegistryToken> push_token(Context& context, Registry& registry,
                                               const DeploymentId& deployment);

struct BuildResult {
    std::string
        digest;  // of the pushed manifest; empty: the client says that image_id is one that Loco has already
    std::string image_id;  // "sha256:…", the engine's
};

// Takes the app's lock and hands the deployment to the reconciler; or ends it as live when nothing changed
// (deployment.release is then the live one). May be repeated. conflict when another deployment holds the app, refused when the
// machine has no room for it: this one has then failed. not_found (code unknown_image) when there is no digest and image_id is none of the app's: push it.
[[nodiscard]] Result<Deployment> report_built(Context& context, const DeploymentId& deployment,
                                              const BuildResult& result);

[[nodiscard]] Result<Deployment> report_build_failure(Context& context,
                                                      const DeploymentId& deployment,
                                                      Diagnosis diagnosis);

// conflict when it has ended.
[[nodiscard]] Result<Deployment> cancel_deployment(Context& context, const Actor& actor,
                                                   const DeploymentId& deployment);

// All of these take the app's lock (conflict names its holder), need something live (not_found, code nothing_live), and room on the
// machine for what they start beside it (refused).
[[nodiscard]] Result<Deployment> redeploy(Context& context, const Actor& actor, const AppId& app);
// To the release that was live before, or to that number. not_found, or refused when it never was live or its image is gone.
[[nodiscard]] Result<Deployment> rollback(Context& context, const Actor& actor, const AppId& app,
                                          std::optional<int> number);
[[nodiscard]] Result<Deployment> restart(Context& context, const Actor& actor, const AppId& app);

struct ScaleRequest {
    std::string process;   // empty: the main one
    ScaleOverride change;  // what is set in it is changed
    bool reset =
        false;  // forget all that `scale` set (of that process, or of all when none is named)
};
// Nothing is made when that is its scale already.
[[nodiscard]] Result<std::optional<Deployment>> scale(Context& context, const Actor& actor,
                                                      const AppId& app,
                                                      const ScaleRequest& request);

// The app's repository in Loco's registry: one for each, so that layers are mounted and cached within it and nowhere else.
[[nodiscard]] std::string repository_of(const AppId& app);

// Makes the release's hold on the app: sets the lock or fails with conflict, naming who holds it since when.
[[nodiscard]] Result<> take_lock(const ReadTx& tx, App& app, const DeploymentId& deployment);

// A deployment of that kind in `checking`, holding the lock, that repeats `from` with that environment.
[[nodiscard]] Result<Deployment> begin_from_release(WriteTx& tx, Context& context,
                                                    const Actor& actor, App& app,
                                                    DeploymentKind kind, const Release& from,
                                                    int env_version);

}  // namespace loco
