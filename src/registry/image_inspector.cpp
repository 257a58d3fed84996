#include "registry/image_inspector.hpp"

#include <boost/json/parse.hpp>
#include <charconv>

#include "crypto/hash.hpp"
#include "domain/image_user.hpp"
#include "registry/blob_stream.hpp"
#include "registry/token_service.hpp"

namespace loco::registry {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxConfig = 4U << 20;
constexpr std::size_t kMaxLayers = 512;
constexpr std::size_t kMaxKnown = 4096;

std::unexpected<Error> no_image(std::string why) {
    return fail(ErrorKind::refused,
                "what the registry has is no image that can run: " + std::move(why),
                "build and push it again", "image_unreadable");
}

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

bool has_any(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_array() && !value->get_array().empty();
}

}  // namespace

struct ImageInspector::Request {
    std::string repository;
    Secret<> token;
};

Result<ImageFacts> parse_image_config(std::string_view body) {
    boost::system::error_code failed;
    const auto value = json::parse(body, failed);
    if (failed || !value.is_object()) return no_image("its config is no JSON object");
    const auto& image = value.get_object();
    ImageFacts facts;
    const auto os = text_of(image, "os");
    const auto architecture = text_of(image, "architecture");
    if (os.empty() || architecture.empty()) return no_image("its config names no platform");
    facts.platform = os + "/" + architecture;
    if (const auto variant = text_of(image, "variant"); !variant.empty())
        facts.platform += "/" + variant;
    facts.has_command = false;
    const auto* config = image.if_contains("config");
    if (config == nullptr || !config->is_object()) return facts;
    const auto& run = config->get_object();
    facts.user = text_of(run, "User");
    facts.has_command = has_any(run, "Cmd") || has_any(run, "Entrypoint");
    const auto* ports = run.if_contains("ExposedPorts");
    if (ports == nullptr || !ports->is_object()) return facts;
    for (const auto& [key, unused] : ports->get_object()) {
        const std::string_view port = key;
        const auto slash = port.find('/');
        if (slash != std::string_view::npos && port.substr(slash) != "/tcp") continue;
        int number = 0;
        std::from_chars(port.data(), port.data() + port.size(), number);
        if (number > 0) facts.exposed_tcp.push_back(number);
    }
    return facts;
}

http::ClientRequest ImageInspector::request(const Request& of, std::string_view kind,
                                            const std::string& digest) const {
    http::ClientRequest request;
    request.url = (options_.url.empty() ? "http://" + registry_.host() : options_.url) + "/v2/" +
                  of.repository + "/" + std::string(kind) + "/" + digest;
    request.tls = options_.tls;
    if (kind == "manifests") request.headers.set("Accept", std::string(kManifestTypes));
    if (!of.token.reveal().empty())
        request.headers.set("Authorization", "Bearer " + of.token.reveal());
    request.timeout = std::chrono::seconds(15);
    request.cancelled = [this] { return stopped_.load(); };
    return request;
}

Result<std::string> ImageInspector::get(const Request& of, std::string_view kind,
                                        const std::string& digest, std::size_t most) {
    if (!is_digest(digest)) return no_image("a digest in its manifest is none");
    auto wanted = request(of, kind, digest);
    wanted.max_response_bytes = most;
    LOCO_ASSIGN(auto response, get_following(client_, std::move(wanted)));
    if ("sha256:" + crypto::sha256_hex(response.body) != digest) {
        return fail(ErrorKind::invalid,
                    "what the registry has as " + digest + " has another digest");
    }
    return std::move(response.body);
}

Result<ImageFacts> ImageInspector::facts(const ImageRef& image, std::string_view platform) {
    if (!is_repository(image.repository) || !is_digest(image.digest))
        return fail(ErrorKind::invalid, "no repository's name, or no digest");
    // By repository too: that an image is known says nothing of whether another repository has it.
    const auto key = image.repository + "@" + image.digest + " " + std::string(platform);
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = known_.find(key); known != known_.end()) return known->second;
    }
    LOCO_ASSIGN(auto token, registry_.pull_token(image.repository));
    const Request of{.repository = image.repository, .token = std::move(token.token)};
    LOCO_ASSIGN(auto body, get(of, "manifests", image.digest, kMaxManifest));
    LOCO_ASSIGN(auto manifest, parse_manifest(body));
    if (manifest.index) {
        LOCO_ASSIGN(const auto chosen, manifest_for(manifest, platform));
        LOCO_ASSIGN(body, get(of, "manifests", chosen.digest, kMaxManifest));
        LOCO_ASSIGN(manifest, parse_manifest(body));
        if (manifest.index) return no_image("an index inside an index");
    }
    LOCO_ASSIGN(const auto config, get(of, "blobs", manifest.config.digest, kMaxConfig));
    LOCO_ASSIGN(auto facts, parse_image_config(config));
    facts.image_id = manifest.config.digest;
    facts.digest = image.digest;
    facts.size_bytes = manifest.total_bytes();
    LOCO_TRY(resolve(of, manifest, facts));
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMaxKnown) known_.clear();
    known_[key] = facts;
    return facts;
}

Result<> ImageInspector::resolve(const Request& of, const Manifest& manifest, ImageFacts& facts) {
    if (facts.user.empty()) {
        facts.uid = 0;
        return {};
    }
    const auto needed = files_needed(facts.user);
    std::vector<std::string> contents;
    if (needed.passwd || needed.group) {
        if (manifest.layers.size() > kMaxLayers) return no_image("it has too many layers");
        const std::lock_guard one_at_a_time(reading_);
        WalkBudget budget(options_.bounds, clock_, &stopped_);
        const OpenLayer open = [&](std::size_t layer) -> Result<ByteSource> {
            const auto& blob = manifest.layers[layer];
            if (!is_digest(blob.digest)) return no_image("a digest in its manifest is none");
            auto wanted = request(of, "blobs", blob.digest);
            wanted.timeout = std::chrono::ceil<std::chrono::milliseconds>(budget.time_left());
            if (wanted.timeout.count() <= 0) wanted.timeout = std::chrono::milliseconds(1);
            auto stream = std::make_shared<BlobStream>(client_, std::move(wanted), blob);
            return [stream] { return stream->next(); };
        };
        std::vector<std::string> paths;
        if (needed.passwd) paths.emplace_back("etc/passwd");
        if (needed.group) paths.emplace_back("etc/group");
        LOCO_ASSIGN(contents, read_files(paths, manifest.layers.size(), open, budget));
    }
    const std::string none;
    const auto resolved = resolve_user(facts.user, needed.passwd ? contents.front() : none,
                                       needed.group ? contents.back() : none);
    if (resolved) {
        facts.uid = resolved->uid;
        facts.gid = resolved->gid;
    }
    return {};
}

}  // namespace loco::registry
