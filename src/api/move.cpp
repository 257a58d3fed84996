#include "usecase/move.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "crypto/box.hpp"
#include "domain/names.hpp"
#include "spec/json_value.hpp"
#include "usecase/deployments.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

json::object to_json(const MovedRelease& release) {
    return {{"number", release.number},
            {"digest", release.digest},
            {"image_id", release.image_id},
            {"env_version", release.env_version},
            {"uid", release.uid},
            {"gid", release.gid},
            {"actor", release.actor},
            {"created_at", to_rfc3339(release.created_at)},
            {"live_at", to_rfc3339(release.live_at)},
            {"spec", spec::to_json_value(release.spec)}};
}

Secret<> to_text(const std::map<int, MovedEnv>& envs) {
    json::object all;
    for (const auto& [version, env] : envs) {
        json::object values;
        for (const auto& [name, value] : env) values[name] = value.reveal();
        all[std::to_string(version)] = std::move(values);
    }
    return Secret<>(json::serialize(all));
}

std::unexpected<Error> unfit(const std::string& what) {
    return fail(ErrorKind::invalid, "this is no export of a Loco: " + what,
                "export the app again with a client of this server's version", "invalid_export");
}

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() && value->get_string().size() <= 256
               ? std::string(value->get_string())
               : std::string();
}

std::optional<std::int64_t> number_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 0 ||
        value->get_int64() > (1LL << 50))
        return std::nullopt;
    return value->get_int64();
}

Result<MovedRelease> release_of(const json::value& value) {
    if (!value.is_object()) return unfit("a release is no object");
    const auto& object = value.get_object();
    MovedRelease release{.digest = text_of(object, "digest"),
                         .image_id = text_of(object, "image_id"),
                         .actor = text_of(object, "actor")};
    if (!is_digest(release.digest)) return unfit("a release without a digest");
    const auto number = number_of(object, "number");
    const auto env = number_of(object, "env_version");
    const auto uid = number_of(object, "uid");
    const auto gid = number_of(object, "gid");
    constexpr std::int64_t kMost = 1'000'000'000;
    if (!number || !env || !uid || !gid || *number > kMost || *env > kMost)
        return unfit("a release without its numbers");
    release.number = static_cast<int>(*number);
    release.env_version = static_cast<int>(*env);
    release.uid = *uid;
    release.gid = *gid;
    const auto created = parse_rfc3339(text_of(object, "created_at"));
    const auto live = parse_rfc3339(text_of(object, "live_at"));
    if (!created || !live) return unfit("a release without its times");
    release.created_at = *created;
    release.live_at = *live;
    const auto* spec = object.if_contains("spec");
    if (spec == nullptr) return unfit("a release without its loco.toml");
    LOCO_ASSIGN(release.spec, spec::from_json_value(*spec));
    return release;
}

Result<std::map<std::string, ScaleOverride>> scale_of(const json::value& value) {
    std::map<std::string, ScaleOverride> scale;
    if (!value.is_object() || value.get_object().size() > 100) return unfit("its scale");
    for (const auto& [process, entry] : value.get_object()) {
        if (!entry.is_object()) return unfit("its scale");
        ScaleOverride o{.cpu_millis = number_of(entry.get_object(), "cpu_millis"),
                        .memory_bytes = number_of(entry.get_object(), "memory_bytes")};
        if (const auto replicas = number_of(entry.get_object(), "replicas"))
            o.replicas = static_cast<int>(std::min<std::int64_t>(*replicas, 10'000));
        scale[std::string(process)] = o;
    }
    return scale;
}

Result<std::map<int, MovedEnv>> envs_of(const Secret<>& text) {
    boost::system::error_code failed;
    const auto value = json::parse(text.reveal(), failed);
    if (failed || !value.is_object()) return unfit("its variables");
    std::map<int, MovedEnv> envs;
    for (const auto& [key, values] : value.get_object()) {
        int version = 0;
        const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), version);
        if (error != std::errc{} || end != key.data() + key.size() || !values.is_object())
            return unfit("its variables");
        auto& env = envs[version];
        for (const auto& [name, one] : values.get_object()) {
            if (!one.is_string()) return unfit("its variables");
            env[std::string(name)] = Secret<>(std::string(one.get_string()));
        }
    }
    return envs;
}

}  // namespace

Result<http::Response> get_move_key(Services& services, Call&) {
    return json_response(200, json::object{{"public_key", services.box->public_key()}});
}

Result<http::Response> export_app(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    const auto key = body.string("public_key", 64);
    LOCO_TRY(body.done());
    // Before anything is told as exported.
    LOCO_TRY(crypto::seal_for(key, Secret<>("")));
    LOCO_ASSIGN(const auto moved,
                loco::export_app(services.context, call.actor(), call.app.id, services.unseal));
    LOCO_ASSIGN(auto sealed, crypto::seal_for(key, to_text(moved.envs)));
    json::array releases;
    for (const auto& release : moved.releases) releases.push_back(to_json(release));
    return json_response(200,
                         json::object{{"registry", services.build_host},
                                      {"repository", repository_of(call.app.id)},
                                      {"export", json::object{{"name", moved.name},
                                                              {"releases", std::move(releases)},
                                                              {"scale", present(moved.scale)},
                                                              {"env_version", moved.env_version},
                                                              {"sealed_env", std::move(sealed)}}}});
}

Result<http::Response> import_app(Services& services, Call& call) {
    LOCO_ASSIGN(auto body, Body::parse(call.request));
    MovedApp moved;
    moved.name = body.string("name", 64);
    const auto* releases = body.value("releases");
    const auto* scale = body.value("scale");
    if (releases == nullptr || !releases->is_array()) body.wrong("releases must be a list");
    if (scale == nullptr) body.wrong("scale is missing");
    moved.env_version =
        static_cast<int>(body.optional_int("env_version", 0, 1'000'000'000).value_or(0));
    const auto sealed = body.string("sealed_env", 2 * crypto::kMaxBoxed);
    LOCO_TRY(body.done());
    if (releases->get_array().size() > kMaxMovedReleases) return unfit("too many releases");
    for (const auto& one : releases->get_array()) {
        LOCO_ASSIGN(auto release, release_of(one));
        moved.releases.push_back(std::move(release));
    }
    LOCO_ASSIGN(moved.scale, scale_of(*scale));
    LOCO_ASSIGN(const auto text, services.box->open(sealed));
    LOCO_ASSIGN(moved.envs, envs_of(text));
    LOCO_TRY(loco::import_app(services.context, call.actor(), call.app.id, moved, services.seal));
    return json_response(200,
                         json::object{{"app", call.app.name},
                                      {"release", release_name(moved.releases.back().number)}});
}

}  // namespace loco::api
