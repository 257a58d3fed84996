#include "cli/log_uploader.hpp"

#include <boost/json.hpp>

namespace loco::cli {
namespace {

constexpr auto kSendEvery = std::chrono::milliseconds(300);
// The lease is a minute (domain/deployment.hpp): silence must be well below it.
constexpr auto kHeartbeat = std::chrono::seconds(10);
constexpr std::size_t kMaxChunk = 1U << 20;
constexpr std::size_t kMaxPending = 8U << 20;

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

void LogUploader::run() {
    auto last_sent = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait_for(lock, kSendEvery, [&] { return finishing_; });
        const bool last = finishing_;
        // Whole lines only, but for the last: a line that is cut in two would be two lines.
        auto size = std::min(pending_.size(), kMaxChunk);
        if (!last || size < pending_.size()) {
            const auto end = pending_.rfind('\n', size == 0 ? 0 : size - 1);
            size = end == std::string::npos ? (size == kMaxChunk ? size : 0) : end + 1;
        }
        const bool due = std::chrono::steady_clock::now() - last_sent >= kHeartbeat;
        if (size > 0 || (due && !last)) {
            auto chunk = pending_.substr(0, size);
            pending_.erase(0, size);
            if (dropped_ > 0 && pending_.empty()) {
                chunk += "[" + std::to_string(dropped_) +
                         " bytes were not kept: the server took them too slowly]\n";
                dropped_ = 0;
            }
            lock.unlock();
            const auto sent = api_.post_text(path_ + "/build-log", std::move(chunk));
            last_sent = std::chrono::steady_clock::now();
            lock.lock();
            if (!sent && sent.error().kind == ErrorKind::conflict) ended_ = sent.error();
        }
        if (last && (pending_.empty() || ended_)) return;
    }
}

}  // namespace loco::cli
