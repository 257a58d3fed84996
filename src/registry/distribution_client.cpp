#include "registry/distribution_client.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "crypto/hash.hpp"

namespace loco::registry {
namespace {

constexpr std::size_t kMaxManifest = 4U << 20;  // distribution's own bound
constexpr std::string_view kAccept =
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

bool is_digest(std::string_view text) {
    return text.size() == 71 && text.starts_with("sha256:") &&
           std::ranges::all_of(text.substr(7), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Result<boost::json::object> parse(const std::string& body) {
    boost::system::error_code failed;
    auto value = boost::json::parse(body, failed);
    if (failed || !value.is_object())
        return fail(ErrorKind::invalid, "the registry's manifest is no JSON object");
    return std::move(value.get_object());
}

std::string_view text_of(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                  : std::string_view();
}

std::int64_t size_of(const boost::json::value& descriptor) {
    const auto* object = descriptor.if_object();
    const auto* size = object == nullptr ? nullptr : object->if_contains("size");
    return size != nullptr && size->is_int64() ? std::max<std::int64_t>(size->get_int64(), 0) : 0;
}

// Config and layers.
std::int64_t total_of(const boost::json::object& manifest) {
    std::int64_t total = 0;
    if (const auto* config = manifest.if_contains("config")) total += size_of(*config);
    if (const auto* layers = manifest.if_contains("layers");
        layers != nullptr && layers->is_array()) {
        for (const auto& layer : layers->get_array()) total += size_of(layer);
    }
    return total;
}

// The digest of the platform's manifest in an index; empty when it has none.
std::string manifest_for(const boost::json::object& index, std::string_view platform) {
    for (const auto& entry : index.at("manifests").get_array()) {
        const auto* descriptor = entry.if_object();
        const auto* of = descriptor == nullptr ? nullptr : descriptor->if_contains("platform");
        if (of == nullptr || !of->is_object()) continue;
        const auto name = std::string(text_of(of->get_object(), "os")) + "/" +
                          std::string(text_of(of->get_object(), "architecture"));
        if (name == platform) return std::string(text_of(*descriptor, "digest"));
    }
    return {};
}

}  // namespace

Result<http::ClientResponse> DistributionClient::ask(http::Method method,
                                                     const std::string& repository,
                                                     const std::string& digest,
                                                     const Secret<>& token) {
    if (!is_repository(repository) || !is_digest(digest)) {
        return fail(ErrorKind::invalid, "no repository's name, or no digest");
    }
    http::ClientRequest request;
    request.method = method;
    request.url = "http://" + host_ + "/v2/" + repository + "/manifests/" + digest;
    request.headers.set("Accept", std::string(kAccept));
    request.headers.set("Authorization", "Bearer " + token.reveal());
    request.timeout = std::chrono::seconds(15);
    request.max_response_bytes = kMaxManifest;
    auto response = client_.send(request);
    if (!response) return fail(std::move(response.error()).while_("ask the registry"));
    if (response->ok()) return response;
    if (response->status == 404) {
        return fail(ErrorKind::not_found, "the registry has no image " + repository + "@" + digest,
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
    LOCO_ASSIGN(auto manifest, parse(response.body));
    ManifestInfo info{.digest = digest,
                      .media_type = std::string(text_of(manifest, "mediaType")),
                      .total_bytes = 0};
    if (info.media_type.empty())
        info.media_type = std::string(response.headers.get("Content-Type"));
    if (const auto* manifests = manifest.if_contains("manifests");
        manifests != nullptr && manifests->is_array()) {
        const auto chosen = manifest_for(manifest, platform_);
        if (chosen.empty()) {
            return fail(ErrorKind::refused, "the image has nothing for " + platform_,
                        "build it for this platform: build.platform in loco.toml",
                        "wrong_platform");
        }
        LOCO_ASSIGN(const auto of_platform, get(chosen));
        LOCO_ASSIGN(manifest, parse(of_platform.body));
    }
    info.total_bytes = total_of(manifest);
    return info;
}

Result<RegistryToken> DistributionClient::push_token(const std::string& repository) {
    return tokens_.push_token(repository);
}

Result<RegistryToken> DistributionClient::pull_token(const std::string& repository) {
    return tokens_.pull_token(repository);
}

Result<> DistributionClient::remove_manifest(const std::string& repository,
                                             const std::string& digest) {
    LOCO_ASSIGN(const auto token,
                tokens_.issue("loco", {{.repository = repository, .actions = {"delete"}}},
                              std::chrono::minutes(1)));
    const auto response = ask(http::Method::delete_, repository, digest, token.token);
    if (response && garbage_ != nullptr) garbage_->add();
    if (response || response.error().kind == ErrorKind::not_found) return {};
    return fail(response.error());
}

}  // namespace loco::registry
