// move: an app comes here from another Loco as it is, without a new build.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "build/push.hpp"
#include "cli/build_view.hpp"
#include "cli/commands/all.hpp"
#include "cli/follow.hpp"
#include "cli/json_view.hpp"
#include "cli/log_uploader.hpp"
#include "cli/push_token.hpp"
#include "crypto/base64.hpp"
#include "registry/image_copy.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

struct Move {
    Invocation& invocation;
    client::Endpoint old_endpoint;
    client::Api old;
    std::string old_path;  // "/teams/main/apps/shop", there
    std::string path;      // here
    json::value exported;
    json::value deployment = nullptr;
    std::string deployment_path = {};

    [[nodiscard]] client::Api& here() const { return invocation.api(); }
    [[nodiscard]] const json::array& releases() const {
        return array_at(at(exported, "export"), "releases");
    }
};

// Only the connection's own words may name a host: which of the two it was must be said.
Error of_old(Error error, const std::string& url) {
    error.message = "the Loco at " + url + ": " + error.message;
    return error;
}

Result<client::Endpoint> old_endpoint(const Invocation& invocation) {
    const auto url = invocation.option("--from");
    if (!url)
        return fail(ErrorKind::invalid, "--from is missing: where the app is now",
                    "--from http://127.0.0.1:8081", "usage");
    const char* token = std::getenv("LOCO_FROM_TOKEN");
    if (token == nullptr || *token == '\0') {
        return fail(
            ErrorKind::invalid, "LOCO_FROM_TOKEN is not set: a token of the Loco at " + *url,
            "on the machine of a `loco up` it stands in ~/.config/loco/config.toml", "usage");
    }
    auto trimmed = *url;
    while (trimmed.ends_with('/')) trimmed.pop_back();
    return client::Endpoint{.url = std::move(trimmed), .token = Secret<>(token)};
}

// The app and what it is made from; nothing runs here yet. May be repeated.
Result<> bring_rows(Move& move, const std::string& name) {
    LOCO_ASSIGN(const auto key, move.here().get(move.invocation.team_path() + "/move-key"));
    auto exported = move.old.post(move.old_path + "/export",
                                  json::object{{"public_key", text_at(key, "public_key")}});
    if (!exported) return fail(of_old(exported.error(), move.old.url()));
    move.exported = std::move(*exported);
    const auto created = move.here().post(move.invocation.team_path() + "/apps",
                                          json::object{{"name", name}}, once());
    if (!created && created.error().code != "app_exists") return fail(created.error());
    LOCO_TRY(move.here().post(move.path + "/import", at(move.exported, "export")));
    return {};
}

// The distribution token protocol: who may see the app may pull its images.
Result<Secret<>> old_pull_token(Move& move) {
    http::Client client;
    http::ClientRequest request;
    request.url =
        move.old.url() + "/api/v1/registry/token?service=loco-registry&scope=" +
        http::percent_encode("repository:" + text_at(move.exported, "repository") + ":pull");
    request.headers.set("Authorization",
                        "Basic " + crypto::base64("loco:" + move.old_endpoint.token.reveal()));
    const auto answer = client.send(request);
    if (!answer) return fail(of_old(answer.error(), move.old.url()));
    boost::system::error_code failed;
    const auto document = json::parse(answer->body, failed);
    auto token = failed ? std::string() : text_at(document, "token");
    if (!answer->ok() || token.empty()) {
        return fail(ErrorKind::forbidden,
                    "the Loco at " + move.old.url() + " gives no token for the app's images", {},
                    "pull_forbidden");
    }
    return Secret<>(std::move(token));
}

Result<> bring_images(Move& move, BuildView& view) {
    http::Client client;
    Secret<> old_token;
    Secret<> new_token;
    LogUploader heartbeat(
        {.url = move.invocation.settings().host, .token = move.invocation.settings().token},
        move.deployment_path);
    const registry::CopySide from{.url = build::registry_url(text_at(move.exported, "registry")),
                                  .repository = text_at(move.exported, "repository"),
                                  .token = [&](bool renew) -> Result<Secret<>> {
                                      if (renew || old_token.reveal().empty()) {
                                          LOCO_ASSIGN(old_token, old_pull_token(move));
                                      }
                                      return old_token;
                                  }};
    const registry::CopySide to{
        .url = build::registry_url(text_at(move.deployment, "registry")),
        .repository = text_at(move.deployment, "repository"),
        .token = [&](bool renew) -> Result<Secret<>> {
            if (renew || new_token.reveal().empty()) {
                LOCO_ASSIGN(const auto given,
                            ask_push_token(move.here(), move.deployment_path,
                                           [&](std::string_view what) { view.status(what); }));
                new_token = Secret<>(text_at(given, "token"));
            }
            return new_token;
        }};
    // The live one first: it alone is needed to go on, should the others be lost.
    for (auto release = move.releases().rbegin(); release != move.releases().rend(); ++release) {
        const auto name = fmt::format("v{}", int_at(*release, "number"));
        const registry::CopyHooks hooks{
            .on_progress =
                [&](std::int64_t bytes) {
                    view.status("copying " + name + "  " +
                                megabytes(static_cast<std::uint64_t>(bytes)));
                },
            .cancelled = [&] { return interrupted() || heartbeat.ended().has_value(); }};
        const auto copied =
            registry::copy_image(client, from, to, text_at(*release, "digest"), hooks);
        if (!copied) {
            if (const auto ended = heartbeat.ended()) return fail(*ended);
            return fail(copied.error());
        }
        view.line(fmt::format("copied {}: {} of {} parts, {}", name,
                              copied->blobs - copied->existing, copied->blobs,
                              megabytes(static_cast<std::uint64_t>(copied->bytes))));
    }
    return {};
}

void tell_what_is_left(Move& move, const json::value& live) {
    const auto& domains = array_at(at(live, "spec"), "domains");
    auto& invocation = move.invocation;
    invocation.note("what is at " + move.old.url() + " serves on as before");
    if (!domains.empty())
        invocation.note("when its host names lead here (loco domains check), remove it there:");
    else
        invocation.note("when nothing asks it any more, remove it there:");
    invocation.note("  loco destroy " + text_at(at(move.exported, "export"), "name") + " --host " +
                    move.old.url());
}

Result<> run_move(Invocation& invocation) {
    LOCO_ASSIGN(const auto endpoint, old_endpoint(invocation));
    const auto argument = invocation.argument("APP");
    LOCO_ASSIGN(const auto name, argument ? Result<std::string>(*argument) : invocation.app_name());
    const auto old_team = invocation.option("--from-team").value_or(invocation.settings().team);
    Move move{.invocation = invocation,
              .old_endpoint = endpoint,
              .old = client::Api(endpoint),
              .old_path = "/teams/" + client::part(old_team) + "/apps/" + client::part(name),
              .path = invocation.team_path() + "/apps/" + client::part(name),
              .exported = nullptr};
    (void)interrupted();  // from here on Ctrl-C is ours to handle
    LOCO_TRY(bring_rows(move, name));
    const auto& live = move.releases().back();
    LOCO_ASSIGN(
        move.deployment,
        move.here().post(move.path + "/deployments",
                         json::object{{"kind", "deploy"}, {"spec", at(live, "spec")}}, once()));
    move.deployment_path = move.path + "/deployments/" + text_at(move.deployment, "id");
    Result<> brought;
    {
        BuildView view(invocation);
        brought = bring_images(move, view);
    }
    if (!brought) {
        (void)move.here().post(move.deployment_path + "/cancel", json::object());
        if (!interrupted()) return brought;
        return fail(ErrorKind::interrupted, "interrupted; move it again to go on, what is at " +
                                                move.old.url() + " serves as before");
    }
    LOCO_TRY(move.here().post(
        move.deployment_path + "/result",
        json::object{{"digest", text_at(live, "digest")}, {"image_id", text_at(live, "image_id")}},
        once()));
    LOCO_TRY(finish(invocation, move.path, move.deployment, "moved"));
    if (!invocation.json()) tell_what_is_left(move, live);
    return {};
}

}  // namespace

Command move_command() {
    return {
        .name = "move",
        .summary = "Bring an app here from another Loco, without a new build",
        .help =
            "Takes the app's releases, the values of its variables, its scale and host names from "
            "the Loco at --from, copies "
            "their images, and deploys here what is live there. What is there is not changed: it "
            "serves until you remove it. "
            "The values are sealed for this Loco; this client cannot read them. Interrupted or "
            "failed: move it again.\n\n"
            "    LOCO_FROM_TOKEN=… loco move shop --from http://127.0.0.1:8081",
        .options = {{.name = "--from", .value = "URL", .help = "the API of the Loco where it is"},
                    {.name = "--from-team", .value = "T", .help = "its team there"},
                    {.name = "--detach", .help = "do not wait until it serves"}},
        .arguments = {{.name = "APP", .help = "its name; without it the one in ./loco.toml"}},
        .about_an_app = true,
        .run = run_move};
}

}  // namespace loco::cli
