#include "build/push.hpp"

#include <algorithm>
#include <chrono>
#include <map>

namespace loco::build {
namespace {

// The engine takes registries on these without TLS, and so do we.
bool is_loopback(std::string_view registry) {
    const bool v6 = registry.starts_with('[');
    const auto host =
        v6 ? registry.substr(0, registry.find(']') + 1) : registry.substr(0, registry.rfind(':'));
    return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

// That the registry now has the manifest under its digest (seen to fail: a registry whose cache knew a layer
// that garbage collection had removed).
Result<> verify(http::Client& client, const PushRequest& request, const std::string& digest) {
    http::ClientRequest head;
    head.method = http::Method::head;
    head.url =
        registry_url(request.registry) + "/v2/" + request.repository + "/manifests/" + digest;
    for (const char* type : {"application/vnd.docker.distribution.manifest.v2+json",
                             "application/vnd.docker.distribution.manifest.list.v2+json",
                             "application/vnd.oci.image.manifest.v1+json",
                             "application/vnd.oci.image.index.v1+json"}) {
        head.headers.add("Accept", type);
    }
    if (!request.token.reveal().empty()) {
        head.headers.set("Authorization", "Bearer " + request.token.reveal());
    }
    auto response = client.send(head);
    if (!response) return fail(std::move(response).error().while_("verify the push"));
    const std::string what = request.repository + "@" + digest;
    if (response->status == 401 || response->status == 403) {
        return fail(ErrorKind::forbidden, "the registry does not let " + what + " be verified",
                    "the push token may have expired: deploy again", "push_forbidden");
    }
    const auto told = response->headers.get("Docker-Content-Digest");
    if (response->ok() && (told.empty() || told == digest)) return {};
    return fail(ErrorKind::internal,
                "the registry does not have " + what + " although the push succeeded (status " +
                    std::to_string(response->status) + ")",
                "deploy again; if it stays, restart the registry", "push_not_verified");
}

// What the engine told of a push that failed, for a user who knows of no registry.
Error in_words(Error error, const std::string& registry) {
    // "push 127.0.0.1:5000/loco/…:tag: " says nothing.
    auto words = error.message;
    if (const auto end = words.find(": "); words.starts_with("push ") && end != std::string::npos)
        words.erase(0, end + 2);
    if (error.kind == ErrorKind::forbidden) {
        error.code = "push_forbidden";
        error.message = "the registry at " + registry + " refused the push: " + words;
        error.hint =
            "deploy again: a deploy gets a new token, and what has arrived is not sent again";
    } else if (error.code == "registry_unreachable") {
        error.message =
            "the container engine cannot reach the registry at " + registry + ": " + words;
        error.hint =
            "is Loco up? `loco up --detach` on the server's machine starts it, log/registry.log in "
            "its data folder says more";
    } else if (error.kind == ErrorKind::unavailable && error.code.empty()) {
        error.code = "push_failed";
        error.message = "the image could not be pushed to " + registry + ": " + words;
        error.hint = "deploy again: what has arrived is not sent again";
    }
    return error;
}

}  // namespace

std::string registry_url(std::string_view registry) {
    return std::string(is_loopback(registry) ? "http://" : "https://").append(registry);
}

Result<PushOutcome> push(engine::Engine& engine, http::Client& client, const PushRequest& request,
                         const PushHooks& hooks) {
    const auto started = std::chrono::steady_clock::now();
    const std::string repository = request.registry + "/" + request.repository;
    auto tagged = engine.tag_image(request.image, repository, request.tag);
    if (!tagged) return fail(std::move(tagged).error().while_("tag the image"));

    struct Layer {
        std::int64_t bytes = 0;
        bool existing = false;
    };
    std::map<std::string, Layer> layers;
    const auto seen = [&](const engine::TransferProgress& progress) {
        if (!progress.layer.empty() && layers.size() < 1'000) {
            Layer& layer = layers[progress.layer];
            layer.bytes = std::max(layer.bytes, progress.current);
            if (progress.status == "Layer already exists" ||
                progress.status.starts_with("Mounted from")) {
                layer.existing = true;
            }
        }
        if (hooks.on_progress) hooks.on_progress(progress);
    };
    auto pushed = engine.push_image(
        repository + ":" + request.tag,
        {.auth = {.token = request.token}, .on_progress = seen, .cancelled = hooks.cancelled});
    if (!pushed) {
        return fail(in_words(std::move(pushed).error(), request.registry));
    }
    LOCO_TRY(verify(client, request, pushed->digest));

    PushOutcome outcome{.digest = pushed->digest};
    for (const auto& [id, layer] : layers) {
        // The line with the tag ("t1: digest: …") carries no layer; the repository's line has no id.
        ++outcome.layers;
        if (layer.existing) {
            ++outcome.layers_existing;
        } else {
            outcome.bytes += layer.bytes;
        }
    }
    outcome.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return outcome;
}

}  // namespace loco::build
