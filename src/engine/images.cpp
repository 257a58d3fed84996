// Images: what they are, their names, and their way to and from a registry.
#include "engine/engine.hpp"
#include "engine/json.hpp"
#include "engine/streams.hpp"

namespace loco::engine {
namespace {

// RFC 4648 section 5, with padding, as Go's base64.URLEncoding that the engine reads.
std::string base64url(std::string_view bytes) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            group <<= 8U;
            if (i + k < bytes.size()) group |= static_cast<unsigned char>(bytes[i + k]);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            const bool padding = k > 1 && i + k - 1 >= bytes.size();
            out += padding ? '=' : kAlphabet[(group >> (18U - 6U * k)) & 63U];
        }
    }
    return out;
}

void show(http::ClientRequest& request, const RegistryAuth& auth) {
    json::object credentials;
    if (!auth.token.reveal().empty()) credentials["registrytoken"] = auth.token.reveal();
    request.headers.set("X-Registry-Auth", base64url(boost::json::serialize(credentials)));
}

struct Reference {
    std::string repository;  // with the registry's host
    std::string tag;         // or digest
};

// A colon counts as the tag's only after the last slash: "host:5000/app" has none.
Reference split(const std::string& reference) {
    if (const auto at = reference.find('@'); at != std::string::npos) {
        return {.repository = reference.substr(0, at), .tag = reference.substr(at + 1)};
    }
    const auto slash = reference.rfind('/');
    const auto colon = reference.rfind(':');
    if (colon != std::string::npos && (slash == std::string::npos || colon > slash)) {
        return {.repository = reference.substr(0, colon), .tag = reference.substr(colon + 1)};
    }
    return {.repository = reference, .tag = "latest"};
}

// References keep their slashes in the engine's paths: /images/host:5000/team/app:tag/json.
std::string path_of(const std::string& reference) {
    std::string result = "/images/";
    std::size_t from = 0;
    while (true) {
        const auto slash = reference.find('/', from);
        result += http::percent_encode(std::string_view(reference).substr(
            from, slash == std::string::npos ? std::string::npos : slash - from));
        if (slash == std::string::npos) return result;
        result += '/';
        from = slash + 1;
    }
}

std::vector<std::string> keys(const json::value& from, std::string_view name) {
    std::vector<std::string> result;
    for (const auto& [key, unused] : json::fields(from, name)) result.emplace_back(key);
    return result;
}

// Untagged images are listed as "<none>:<none>" by older engines.
std::vector<std::string> real(std::vector<std::string> references) {
    std::erase_if(references, [](const std::string& r) { return r.starts_with("<none>"); });
    return references;
}

}  // namespace

Result<Image> Engine::inspect_image(const std::string& reference) {
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get, path_of(reference) + "/json"));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    const json::value& config = json::member(v, "Config");
    Image image{.id = json::text(v, "Id"),
                .tags = real(json::texts(v, "RepoTags")),
                .digests = real(json::texts(v, "RepoDigests")),
                .os = json::text(v, "Os"),
                .arch = json::text(v, "Architecture"),
                .variant = json::text(v, "Variant"),
                .size_bytes = json::integer(v, "Size"),
                .user = json::text(config, "User"),
                .command = json::texts(config, "Cmd"),
                .entrypoint = json::texts(config, "Entrypoint"),
                .env = json::texts(config, "Env"),
                .exposed_ports = keys(config, "ExposedPorts"),
                .layers = json::texts(json::member(v, "RootFS"), "Layers"),
                .working_dir = json::text(config, "WorkingDir"),
                .stop_signal = json::text(config, "StopSignal"),
                .labels = json::text_map(config, "Labels"),
                .created_at = {}};
    if (auto created = parse_rfc3339(json::text(v, "Created"))) image.created_at = *created;
    return image;
}

Result<std::vector<ImageSummary>> Engine::list_images(const Labels& labels) {
    const std::string filters = boost::json::serialize(json::label_filter(labels));
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get, "/images/json?filters=" + http::percent_encode(filters)));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    std::vector<ImageSummary> result;
    for (const auto& item : json::list(v)) {
        result.push_back(
            {.id = json::text(item, "Id"),
             .tags = real(json::texts(item, "RepoTags")),
             .digests = real(json::texts(item, "RepoDigests")),
             .size_bytes = json::integer(item, "Size"),
             .labels = json::text_map(item, "Labels"),
             .created_at = Time(std::chrono::seconds(json::integer(item, "Created")))});
    }
    return result;
}

Result<> Engine::tag_image(const std::string& reference, const std::string& repository,
                           const std::string& tag) {
    LOCO_TRY(call(http::Method::post, path_of(reference) +
                                          "/tag?repo=" + http::percent_encode(repository) +
                                          "&tag=" + http::percent_encode(tag)));
    return {};
}

Result<> Engine::remove_image(const std::string& reference, bool force) {
    auto done =
        call(http::Method::delete_, path_of(reference) + "?force=" + (force ? "true" : "false"));
    if (!done && done.error().kind != ErrorKind::not_found) return fail(std::move(done).error());
    return {};
}

Result<PushResult> Engine::transfer(http::ClientRequest wanted, const TransferOptions& options,
                                    const std::string& what) {
    TransferReader reader(options.on_progress);
    Result<> read;
    show(wanted, options.auth);
    wanted.timeout = options.timeout;
    wanted.cancelled = options.cancelled;
    wanted.on_data = [&](std::string_view bytes) {
        read = reader.feed(bytes);
        return read.has_value();
    };
    auto response = send(wanted);
    if (!read) return fail(std::move(read).error().while_(what));
    if (!response) return fail(std::move(response).error().while_(what));
    auto result = reader.finish();
    if (!result) return fail(std::move(result).error().while_(what));
    return result;
}

Result<PushResult> Engine::push_image(const std::string& reference,
                                      const TransferOptions& options) {
    const Reference target = split(reference);
    LOCO_ASSIGN(http::ClientRequest wanted,
                request(http::Method::post, path_of(target.repository) +
                                                "/push?tag=" + http::percent_encode(target.tag)));
    LOCO_ASSIGN(PushResult result, transfer(std::move(wanted), options, "push " + reference));
    if (result.digest.empty()) {
        return fail(ErrorKind::internal, "push " + reference + ": the engine gave no digest");
    }
    return result;
}

Result<> Engine::pull_image(const std::string& reference, const TransferOptions& options) {
    const Reference source = split(reference);
    LOCO_ASSIGN(http::ClientRequest wanted,
                request(http::Method::post,
                        "/images/create?fromImage=" + http::percent_encode(source.repository) +
                            "&tag=" + http::percent_encode(source.tag)));
    LOCO_TRY(transfer(std::move(wanted), options, "pull " + reference));
    return {};
}

}  // namespace loco::engine
