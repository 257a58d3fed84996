#include "kubernetes/object.hpp"

#include <boost/json/parse.hpp>

#include "http/message.hpp"

namespace loco::kubernetes {
namespace {

constexpr std::size_t kMaxDepth = 128;

const Object& metadata(const Object& object) { return member(object, "metadata"); }

}  // namespace

std::string path_of(const Kind& kind, std::string_view namespace_, std::string_view name) {
    const bool core = kind.api_version.find('/') == std::string_view::npos;
    std::string path = core ? "/api/" : "/apis/";
    path += kind.api_version;
    if (kind.namespaced && !namespace_.empty()) {
        path += "/namespaces/" + http::percent_encode(namespace_);
    }
    path += '/';
    path += kind.plural;
    if (!name.empty()) path += '/' + http::percent_encode(name);
    return path;
}

std::string key_of(std::string_view namespace_, std::string_view name) {
    std::string key(namespace_);
    if (!key.empty()) key += '/';
    return key.append(name);
}
std::string key_of(const Object& object) { return key_of(namespace_of(object), name_of(object)); }

const Object& member(const Object& object, std::string_view name) {
    static const Object kNull;
    const auto* fields = object.if_object();
    if (fields == nullptr) return kNull;
    const auto* found = fields->if_contains({name.data(), name.size()});
    return found == nullptr ? kNull : *found;
}

std::string text(const Object& object, std::string_view name) {
    const auto* found = member(object, name).if_string();
    return found == nullptr ? std::string() : std::string(found->data(), found->size());
}

std::string name_of(const Object& object) { return text(metadata(object), "name"); }
std::string namespace_of(const Object& object) { return text(metadata(object), "namespace"); }
std::string uid_of(const Object& object) { return text(metadata(object), "uid"); }
std::string resource_version_of(const Object& object) {
    return text(metadata(object), "resourceVersion");
}
std::string label_of(const Object& object, std::string_view label) {
    return text(member(metadata(object), "labels"), label);
}

Result<Object> parse_object(std::string_view json) {
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = kMaxDepth;
    auto object = boost::json::parse({json.data(), json.size()}, error, {}, options);
    if (error) return fail(ErrorKind::invalid, "no JSON: " + error.message());
    return object;
}

}  // namespace loco::kubernetes
