#include "registry/manifest.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

namespace loco::registry {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

Descriptor descriptor_of(const json::value& value) {
    const auto* object = value.if_object();
    if (object == nullptr) return {};
    Descriptor result{.media_type = text_of(*object, "mediaType"),
                      .digest = text_of(*object, "digest")};
    const auto* size = object->if_contains("size");
    if (size != nullptr && size->is_int64())
        result.size = std::max<std::int64_t>(size->get_int64(), 0);
    const auto* platform = object->if_contains("platform");
    if (platform != nullptr && platform->is_object()) {
        const auto& of = platform->get_object();
        result.platform = text_of(of, "os") + "/" + text_of(of, "architecture");
        if (const auto variant = text_of(of, "variant"); !variant.empty())
            result.platform += "/" + variant;
    }
    return result;
}

std::vector<Descriptor> descriptors_of(const json::object& object, std::string_view name) {
    std::vector<Descriptor> result;
    const auto* list = object.if_contains(name);
    if (list == nullptr || !list->is_array()) return result;
    for (const auto& one : list->get_array()) result.push_back(descriptor_of(one));
    return result;
}

// "linux/arm64" of "linux/arm64/v8".
std::string_view without_variant(std::string_view platform) {
    const auto slash = platform.find('/', platform.find('/') + 1);
    return platform.substr(0, slash);
}

}  // namespace

std::int64_t Manifest::total_bytes() const {
    std::int64_t total = config.size;
    for (const auto& layer : layers) total += layer.size;
    return total;
}

bool is_digest(std::string_view text) {
    return text.size() == 71 && text.starts_with("sha256:") &&
           std::ranges::all_of(text.substr(7), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

Result<Manifest> parse_manifest(std::string_view body) {
    boost::system::error_code failed;
    const auto value = json::parse(body, failed);
    if (failed || !value.is_object())
        return fail(ErrorKind::invalid, "the registry's manifest is no JSON object");
    const auto& object = value.get_object();
    Manifest manifest{.media_type = text_of(object, "mediaType"),
                      .index = false,
                      .config = {},
                      .layers = descriptors_of(object, "layers"),
                      .manifests = descriptors_of(object, "manifests")};
    if (const auto* config = object.if_contains("config")) manifest.config = descriptor_of(*config);
    const auto* list = object.if_contains("manifests");
    manifest.index = list != nullptr && list->is_array();
    return manifest;
}

Result<Descriptor> manifest_for(const Manifest& index, std::string_view platform) {
    const auto& all = index.manifests;
    auto found = std::ranges::find(all, platform, &Descriptor::platform);
    if (found == all.end()) {
        const bool any = without_variant(platform) == platform;
        found = std::ranges::find_if(all, [&](const Descriptor& entry) {
            return any ? without_variant(entry.platform) == platform
                       : entry.platform == without_variant(platform);
        });
    }
    if (found == all.end()) {
        return fail(ErrorKind::refused, "the image has nothing for " + std::string(platform),
                    "build it for this platform: build.platform in loco.toml", "wrong_platform");
    }
    return *found;
}

}  // namespace loco::registry
