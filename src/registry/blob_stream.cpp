#include "registry/blob_stream.hpp"

#include "crypto/hash.hpp"

namespace loco::registry {
namespace {

constexpr std::size_t kMostWaiting = 1U << 20;
constexpr int kMostRedirects = 3;

// "http://host:port" of a URL.
std::string_view origin_of(std::string_view url) {
    const auto scheme = url.find("://");
    if (scheme == std::string_view::npos) return {};
    return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

Result<http::ClientResponse> get_following(http::Client& client, http::ClientRequest request) {
    const auto origin = std::string(origin_of(request.url));
    for (int hop = 0;; ++hop) {
        auto response = client.send(request);
        if (!response) return fail(std::move(response.error()).while_("ask the registry"));
        if (response->ok()) return response;
        if (response->status == 404)
            return fail(ErrorKind::not_found, "the registry lacks a part of the image",
                        "deploy again: the push did not end");
        auto target = std::string(response->headers.get("Location"));
        if (target.starts_with('/')) target = std::string(origin_of(request.url)) + target;
        const bool follows = is_redirect(response->status) && hop < kMostRedirects &&
                             (target.starts_with("http://") || target.starts_with("https://"));
        // What was begun with TLS does not go on in plain text.
        if (!follows || (request.url.starts_with("https:") && !target.starts_with("https:"))) {
            return fail(ErrorKind::unavailable,
                        "the registry answered " + std::to_string(response->status));
        }
        request.url = std::move(target);
        http::Headers headers;
        const bool same = origin_of(request.url) == origin;
        for (const auto& [name, value] : request.headers) {
            if (same || !http::equal_ignoring_case(name, "Authorization")) headers.add(name, value);
        }
        request.headers = std::move(headers);
    }
}

BlobStream::BlobStream(http::Client& client, http::ClientRequest request, Descriptor blob)
    : client_(client), blob_(std::move(blob)) {
    thread_ =
        std::thread([this, wanted = std::move(request)]() mutable { fetch(std::move(wanted)); });
}

BlobStream::~BlobStream() {
    {
        const std::lock_guard lock(mutex_);
        given_up_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void BlobStream::fetch(http::ClientRequest request) {
    crypto::Sha256 hash;
    std::int64_t size = 0;
    request.cancelled = [this, also = request.cancelled] {
        const std::lock_guard lock(mutex_);
        return given_up_ || (also && also());
    };
    request.on_data = [&](std::string_view data) {
        hash.add(data);
        size += static_cast<std::int64_t>(data.size());
        if (size > blob_.size) return false;
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return given_up_ || waiting_ < kMostWaiting; });
        if (given_up_) return false;
        waiting_ += data.size();
        pieces_.emplace_back(data);
        changed_.notify_all();
        return true;
    };
    const auto response = get_following(client_, std::move(request));
    Result<> end;
    if (size > blob_.size || (response && size != blob_.size)) {
        end = fail(ErrorKind::invalid,
                   "what the registry has as " + blob_.digest + " has another size");
    } else if (!response) {
        end = fail(response.error());
    } else if ("sha256:" + hash.hex() != blob_.digest) {
        end = fail(ErrorKind::invalid,
                   "what the registry has as " + blob_.digest + " has another digest");
    }
    const std::lock_guard lock(mutex_);
    end_ = std::move(end);
    changed_.notify_all();
}

Result<std::string> BlobStream::next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !pieces_.empty() || end_; });
    if (!pieces_.empty()) {
        auto piece = std::move(pieces_.front());
        pieces_.pop_front();
        waiting_ -= piece.size();
        changed_.notify_all();
        return piece;
    }
    LOCO_TRY(*end_);
    return std::string();
}

}  // namespace loco::registry
