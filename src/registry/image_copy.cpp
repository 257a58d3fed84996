#include "registry/image_copy.hpp"

#include "crypto/hash.hpp"
#include "registry/blob_stream.hpp"

namespace loco::registry {
namespace {

using std::chrono::seconds;

constexpr int kMaxDepth = 2;  // an index, and its manifests
constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxLayers = 512;
constexpr seconds kAnswerWithin{60};

std::string_view origin_of(std::string_view url) {
    return url.substr(0, url.find('/', url.find("://") + 3));
}

class Copy {
  public:
    Copy(http::Client& client, const CopySide& from, const CopySide& to, const CopyHooks& hooks)
        : client_(client), from_(from), to_(to), hooks_(hooks) {}

    Result<> image(const std::string& digest, int depth = 1);
    [[nodiscard]] const CopyOutcome& outcome() const { return outcome_; }

  private:
    Result<http::ClientRequest> request(const CopySide& side, http::Method method, std::string url,
                                        bool renew) const;
    // Once more with a new token when the first is no longer taken.
    Result<http::ClientResponse> ask(const CopySide& side, http::Method method,
                                     const std::string& path,
                                     const std::function<void(http::ClientRequest&)>& fill = {});
    Result<std::string> manifest(const std::string& digest);
    Result<bool> there(const std::string& kind, const std::string& digest);
    Result<> blob(const Descriptor& what);
    Result<> send(const Descriptor& what);
    [[nodiscard]] std::unexpected<Error> refused(const http::ClientResponse& answer,
                                                 const std::string& what) const;

    http::Client& client_;
    const CopySide& from_;
    const CopySide& to_;
    const CopyHooks& hooks_;
    CopyOutcome outcome_;
};

Result<http::ClientRequest> Copy::request(const CopySide& side, http::Method method,
                                          std::string url, bool renew) const {
    http::ClientRequest request;
    request.method = method;
    request.url = std::move(url);
    request.timeout = kAnswerWithin;
    request.cancelled = hooks_.cancelled;
    if (side.token) {
        LOCO_ASSIGN(const auto token, side.token(renew));
        request.headers.set("Authorization", "Bearer " + token.reveal());
    }
    return request;
}

Result<http::ClientResponse> Copy::ask(const CopySide& side, http::Method method,
                                       const std::string& path,
                                       const std::function<void(http::ClientRequest&)>& fill) {
    for (const bool renew : {false, true}) {
        LOCO_ASSIGN(auto wanted, request(side, method,
                                         path.starts_with("http") ? path : side.url + path, renew));
        if (fill) fill(wanted);
        auto answer = client_.send(wanted);
        if (!answer)
            return fail(std::move(answer.error()).while_("ask the registry at " + side.url));
        if (answer->status != 401 || renew) return answer;
    }
    return fail(ErrorKind::internal, "not reached");
}

std::unexpected<Error> Copy::refused(const http::ClientResponse& answer,
                                     const std::string& what) const {
    const bool forbidden = answer.status == 401 || answer.status == 403;
    return fail(
        forbidden ? ErrorKind::forbidden : ErrorKind::unavailable,
        "the registry at " + to_.url + " answered " + std::to_string(answer.status) + " to " + what,
        forbidden ? "" : "see that it has room and runs; what has arrived stays",
        forbidden ? "push_forbidden" : "push_failed");
}

Result<std::string> Copy::manifest(const std::string& digest) {
    LOCO_ASSIGN(auto answer,
                ask(from_, http::Method::get, "/v2/" + from_.repository + "/manifests/" + digest,
                    [](http::ClientRequest& wanted) {
                        wanted.headers.set("Accept", std::string(kManifestTypes));
                        wanted.max_response_bytes = kMaxManifest;
                    }));
    if (answer.status == 404) {
        return fail(ErrorKind::not_found,
                    "the registry at " + from_.url + " has no image " + digest, {},
                    "moved_image_gone");
    }
    if (!answer.ok()) {
        return fail(ErrorKind::unavailable,
                    "the registry at " + from_.url + " answered " + std::to_string(answer.status));
    }
    if ("sha256:" + crypto::sha256_hex(answer.body) != digest)
        return fail(ErrorKind::invalid,
                    "what the registry has as " + digest + " has another digest");
    return std::move(answer.body);
}

Result<bool> Copy::there(const std::string& kind, const std::string& digest) {
    LOCO_ASSIGN(const auto answer,
                ask(to_, http::Method::head, "/v2/" + to_.repository + "/" + kind + "/" + digest,
                    [&](http::ClientRequest& wanted) {
                        if (kind == "manifests")
                            wanted.headers.set("Accept", std::string(kManifestTypes));
                    }));
    if (answer.ok()) return true;
    if (answer.status == 404) return false;
    return refused(answer, "a question for " + digest);
}

Result<> Copy::blob(const Descriptor& what) {
    if (!is_digest(what.digest) || what.size < 0)
        return fail(ErrorKind::invalid, "the image's manifest names a part without a digest");
    ++outcome_.blobs;
    LOCO_ASSIGN(const bool is_there, there("blobs", what.digest));
    if (is_there) {
        ++outcome_.existing;
        return {};
    }
    return send(what);
}

Result<> Copy::send(const Descriptor& what) {
    LOCO_ASSIGN(const auto begun,
                ask(to_, http::Method::post, "/v2/" + to_.repository + "/blobs/uploads/"));
    if (begun.status != 202) return refused(begun, "an upload");
    // The token goes nowhere else.
    const auto at = [&](const http::ClientResponse& answer) -> Result<std::string> {
        auto location = std::string(answer.headers.get("Location"));
        if (location.starts_with('/')) return to_.url + location;
        if (origin_of(location) == origin_of(to_.url)) return location;
        return fail(ErrorKind::unavailable,
                    "the registry at " + to_.url + " sends uploads elsewhere: no Loco's own does");
    };
    LOCO_ASSIGN(const auto upload, at(begun));
    LOCO_ASSIGN(auto get,
                request(from_, http::Method::get,
                        from_.url + "/v2/" + from_.repository + "/blobs/" + what.digest, false));
    get.timeout = std::chrono::milliseconds(0);
    get.keep_alive_probes = true;
    BlobStream stream(client_, std::move(get), what);
    LOCO_ASSIGN(auto patch, request(to_, http::Method::patch, upload, false));
    patch.timeout = std::chrono::milliseconds(0);
    patch.keep_alive_probes = true;
    patch.headers.set("Content-Type", "application/octet-stream");
    std::optional<Error> lost;
    patch.body_source = [&]() -> Result<std::string> {
        auto piece = stream.next();
        if (!piece) lost = piece.error();
        if (piece && !piece->empty()) {
            outcome_.bytes += static_cast<std::int64_t>(piece->size());
            if (hooks_.on_progress) hooks_.on_progress(outcome_.bytes);
        }
        return piece;
    };
    auto sent = client_.send(patch);
    if (lost) return fail(std::move(*lost));
    if (!sent) return fail(std::move(sent.error()).while_("send a layer to " + to_.url));
    if (sent->status != 202) return refused(*sent, "a layer");
    LOCO_ASSIGN(auto end, at(*sent));
    end += (end.find('?') == std::string::npos ? "?digest=" : "&digest=") +
           http::percent_encode(what.digest);
    LOCO_ASSIGN(const auto ended, ask(to_, http::Method::put, end));
    if (ended.status != 201) return refused(ended, "the end of a layer");
    return {};
}

Result<> Copy::image(const std::string& digest, int depth) {
    if (!is_digest(digest)) return fail(ErrorKind::invalid, "no digest of an image");
    LOCO_ASSIGN(const bool is_there, there("manifests", digest));
    if (is_there) return {};  // and so is all that it names
    LOCO_ASSIGN(const auto body, manifest(digest));
    LOCO_ASSIGN(const auto parsed, parse_manifest(body));
    if (parsed.index) {
        if (depth >= kMaxDepth || parsed.manifests.size() > kMaxEntries)
            return fail(ErrorKind::invalid, "an image of indexes in indexes is not copied");
        for (const auto& entry : parsed.manifests) LOCO_TRY(image(entry.digest, depth + 1));
    } else {
        if (parsed.layers.size() > kMaxLayers)
            return fail(ErrorKind::invalid, "the image has more layers than any engine takes");
        LOCO_TRY(blob(parsed.config));
        for (const auto& layer : parsed.layers) LOCO_TRY(blob(layer));
    }
    LOCO_ASSIGN(const auto put,
                ask(to_, http::Method::put, "/v2/" + to_.repository + "/manifests/" + digest,
                    [&](http::ClientRequest& wanted) {
                        wanted.body = body;
                        wanted.headers.set(
                            "Content-Type",
                            parsed.media_type.empty()
                                ? (parsed.index ? "application/vnd.oci.image.index.v1+json"
                                                : "application/vnd.oci.image.manifest.v1+json")
                                : parsed.media_type);
                    }));
    if (put.status != 201) return refused(put, "the image's manifest");
    return {};
}

}  // namespace

Result<CopyOutcome> copy_image(http::Client& client, const CopySide& from, const CopySide& to,
                               const std::string& digest, const CopyHooks& hooks) {
    Copy copy(client, from, to, hooks);
    LOCO_TRY(copy.image(digest));
    return copy.outcome();
}

}  // namespace loco::registry
