#include "registry/distribution_client.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "registry/manifest.hpp"

namespace loco::registry {
namespace {

Result<> check_digest(std::string_view text) {
    if (is_digest(text)) return {};
    return fail(ErrorKind::invalid, "no digest");
}

// As Loco makes them.
bool is_tag(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    });
}

}  // namespace

Result<http::ClientResponse> DistributionClient::ask(http::Method method,
                                                     const std::string& repository,
                                                     const std::string& digest_or_tag,
                                                     const Secret<>& token) {
    if (!is_repository(repository)) return fail(ErrorKind::invalid, "no repository's name");
    http::ClientRequest request;
    request.method = method;
    request.url = url_ + "/v2/" + repository + "/manifests/" + digest_or_tag;
    request.headers.set("Accept", std::string(kManifestTypes));
    request.headers.set("Authorization", "Bearer " + token.reveal());
    request.timeout = std::chrono::seconds(15);
    request.max_response_bytes = kMaxManifest;
    auto response = client_.send(request);
    if (!response) return fail(std::move(response.error()).while_("ask the registry"));
    if (response->ok()) return response;
    if (response->status == 404) {
        return fail(ErrorKind::not_found,
                    "the registry has no image " + repository + " " + digest_or_tag,
                    "deploy again: the push did not end");
    }
    // After a change of the key, a registry that was not restarted trusts the former one.
    return fail(
        Error{.kind = ErrorKind::unavailable,
              .message = "the registry answered " + std::to_string(response->status),
              .context = {{"repository", repository}, {"body", response->body.substr(0, 300)}}});
}

Result<ManifestInfo> DistributionClient::manifest(const std::string& repository,
                                                  const std::string& digest) {
    LOCO_TRY(check_digest(digest));
    LOCO_ASSIGN(const auto token, tokens_.pull_token(repository));
    const auto get = [&](const std::string& of) -> Result<http::ClientResponse> {
        LOCO_ASSIGN(auto response, ask(http::Method::get, repository, of, token.token));
        if ("sha256:" + crypto::sha256_hex(response.body) != of) {
            return fail(ErrorKind::invalid,
                        "what the registry has as " + of + " has another digest");
        }
        return response;
    };
    LOCO_ASSIGN(const auto response, get(digest));
    LOCO_ASSIGN(auto manifest, parse_manifest(response.body));
    ManifestInfo info{.digest = digest, .media_type = manifest.media_type, .total_bytes = 0};
    if (info.media_type.empty())
        info.media_type = std::string(response.headers.get("Content-Type"));
    if (manifest.index) {
        LOCO_ASSIGN(const auto chosen, manifest_for(manifest, platform_));
        LOCO_TRY(check_digest(chosen.digest));
        LOCO_ASSIGN(const auto of_platform, get(chosen.digest));
        LOCO_ASSIGN(manifest, parse_manifest(of_platform.body));
    }
    info.total_bytes = manifest.total_bytes();
    return info;
}

Result<std::string> DistributionClient::tagged(const std::string& repository,
                                               const std::string& tag) {
    if (!is_tag(tag)) return fail(ErrorKind::invalid, "no tag");
    LOCO_ASSIGN(const auto token, tokens_.pull_token(repository));
    LOCO_ASSIGN(const auto response, ask(http::Method::get, repository, tag, token.token));
    // Computed, not believed.
    return "sha256:" + crypto::sha256_hex(response.body);
}

Result<RegistryToken> DistributionClient::push_token(const std::string& repository) {
    return tokens_.push_token(repository);
}

Result<RegistryToken> DistributionClient::pull_token(const std::string& repository) {
    return tokens_.pull_token(repository);
}

Result<> DistributionClient::remove_manifest(const std::string& repository,
                                             const std::string& digest) {
    LOCO_TRY(check_digest(digest));
    LOCO_ASSIGN(const auto token,
                tokens_.issue("loco", {{.repository = repository, .actions = {"delete"}}},
                              std::chrono::minutes(1)));
    const auto response = ask(http::Method::delete_, repository, digest, token.token);
    if (response && garbage_ != nullptr) garbage_->add();
    if (response || response.error().kind == ErrorKind::not_found) return {};
    return fail(response.error());
}

}  // namespace loco::registry
