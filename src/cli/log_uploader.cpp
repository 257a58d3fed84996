#include "cli/log_uploader.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace loco::cli {
namespace {

constexpr auto kSendEvery = std::chrono::milliseconds(300);
// The lease is a minute (domain/deployment.hpp): silence must be well below it.
constexpr auto kHeartbeat = std::chrono::seconds(10);
constexpr std::size_t kMaxChunk = 1U << 20;
constexpr int kMaxLines = 20'000;  // of a request; the server keeps no more
constexpr std::size_t kMaxPending = 8U << 20;
// A server that restarts is back in a second or two.
constexpr auto kLastPatience = std::chrono::seconds(10);

}  // namespace

LogUploader::LogUploader(client::Endpoint endpoint, std::string path)
    : api_(std::move(endpoint)), path_(std::move(path)), thread_([this] { run(); }) {}

LogUploader::~LogUploader() { finish(); }

void LogUploader::add(std::string_view text) {
    const std::scoped_lock lock(mutex_);
    if (finishing_) return;
    if (pending_.size() + text.size() > kMaxPending) {
        dropped_ += text.size();
        return;
    }
    pending_ += text;
}

void LogUploader::finish() {
    {
        const std::scoped_lock lock(mutex_);
        finishing_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

std::optional<Error> LogUploader::ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
}

std::size_t LogUploader::not_kept() {
    const std::scoped_lock lock(mutex_);
    return dropped_ + pending_.size();
}

std::size_t LogUploader::next_size(bool last) const {
    const auto most = std::min(pending_.size(), kMaxChunk);
    std::size_t size = 0;
    for (int lines = 0; lines < kMaxLines; ++lines) {
        const auto end = pending_.find('\n', size);
        if (end == std::string::npos || end >= most) {
            // A line that is cut in two would be two lines: only the last one is sent without its end, or one that
            // is longer than a request.
            if ((last && most == pending_.size()) || (size == 0 && most == kMaxChunk)) return most;
            return size;
        }
        size = end + 1;
    }
    return size;
}

void LogUploader::take_answer(const Result<>& sent, std::size_t size, std::size_t noted) {
    if (sent) {
        pending_.erase(0, size);
        dropped_ -= noted;
        return;
    }
    const auto kind = sent.error().kind;
    if (kind == ErrorKind::conflict) ended_ = sent.error();
    if (kind == ErrorKind::unavailable || kind == ErrorKind::rate_limited) return;  // again, soon
    pending_.erase(0, size);
    dropped_ += size;
}

void LogUploader::run() {
    auto last_sent = std::chrono::steady_clock::now();
    std::optional<std::chrono::steady_clock::time_point> give_up_at;
    bool failed = false;
    std::unique_lock lock(mutex_);
    while (true) {
        if (give_up_at) {
            // The rest goes at once, but where the server is away it has a moment to come back.
            if (failed) wake_.wait_for(lock, kSendEvery);
        } else {
            wake_.wait_for(lock, kSendEvery, [&] { return finishing_; });
        }
        const bool last = finishing_;
        const auto now = std::chrono::steady_clock::now();
        if (last && !give_up_at) give_up_at = now + kLastPatience;
        const auto size = next_size(last);
        if (size > 0 || (now - last_sent >= kHeartbeat && !last)) {
            auto chunk = pending_.substr(0, size);
            const auto noted = size == pending_.size() ? dropped_ : 0;
            if (noted > 0) {
                if (!chunk.empty() && !chunk.ends_with('\n')) chunk += '\n';
                chunk += "[" + std::to_string(noted) +
                         " bytes were not kept: the server took them too slowly]\n";
            }
            lock.unlock();
            const auto sent = api_.post_text(path_ + "/build-log", std::move(chunk));
            last_sent = std::chrono::steady_clock::now();
            lock.lock();
            failed = !sent;
            take_answer(sent, size, noted);
        }
        const bool given_up = give_up_at && std::chrono::steady_clock::now() >= *give_up_at;
        if (last && (pending_.empty() || ended_ || given_up)) return;
    }
}

}  // namespace loco::cli
