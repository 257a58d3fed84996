#include "runtime/log_collector/log_collector.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"

namespace loco::runtime {
namespace {

constexpr std::size_t kMaxQueuedBytes = 16U << 20;
constexpr std::size_t kLineOverhead = 256;
constexpr auto kStoreRetry = std::chrono::milliseconds(500);
constexpr auto kReopen = std::chrono::milliseconds(100);
constexpr auto kMaxReopen = std::chrono::seconds(5);
constexpr int kLastLines = 20;
constexpr std::size_t kLastBytes = 8192;
constexpr auto kLastWait = std::chrono::milliseconds(1000);
constexpr auto kIdle = std::chrono::seconds(60);

}  // namespace

struct LogCollector::Source {
    LogSource about;
    State state = State::idle;
    SteadyTime due;
    std::uint64_t stream = 0;  // which opening is current: older ones are not listened to
    http::StreamClient::Id open = 0;
    std::unique_ptr<LineCutter> cutter;
    Resume resume;
    Repeats repeats;
    std::uint64_t last_queued = 0;  // number of its newest line
    bool ended_well = false;        // the last reading came to its end
    bool last_reading =
        false;  // the container has ended: read once more without following, for what came last
    int failures = 0;
};

LogCollector::LogCollector(engine::Engine& engine, LogStore& store, const Clock& clock)
    : engine_(engine), store_(store), clock_(clock) {
    worker_ = std::thread([this] { work(); });
}

LogCollector::~LogCollector() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    settled_.notify_all();
    worker_.join();
}

void LogCollector::follow(const LogSource& source) {
    {
        const std::lock_guard lock(mutex_);
        auto& entry = sources_[source.container];
        if (entry) return;
        entry = std::make_shared<Source>();
        entry->about = source;
        entry->due = clock_.steady();
    }
    work_.notify_all();
}

void LogCollector::forget(const std::string& container) {
    http::StreamClient::Id open = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = sources_.find(container);
        if (found == sources_.end()) return;
        if (found->second->state == State::following) open = found->second->open;
        found->second->stream = 0;
        found->second->state = State::complete;
        sources_.erase(found);
    }
    settled_.notify_all();
    if (open != 0) streams_.close(open);
}

void LogCollector::forget_all() {
    std::vector<std::string> containers;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [container, source] : sources_) containers.push_back(container);
    }
    for (const auto& container : containers) forget(container);
}

bool LogCollector::settled(const Source& source) const {
    return source.state == State::complete && kept_ >= source.last_queued;
}

bool LogCollector::drain(const std::string& container, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    const auto found = sources_.find(container);
    if (found == sources_.end()) return true;
    const SourcePtr source = found->second;
    if (source->state == State::idle || source->state == State::ended)
        source->due = clock_.steady();
    work_.notify_all();
    settled_.wait_for(lock, timeout, [&] { return stopping_ || settled(*source); });
    return settled(*source);
}

Result<std::vector<LogLine>> LogCollector::tail(const AppId& app, const InstanceId& instance,
                                                int lines, std::chrono::milliseconds timeout) {
    std::vector<SourcePtr> of_it;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [container, source] : sources_) {
            if (source->about.instance == instance) of_it.push_back(source);
        }
    }
    std::set<const Source*> running;
    for (const auto& source : of_it) {
        const auto seen = engine_.inspect_container(source->about.container);
        if (seen && seen->state.running) running.insert(source.get());
    }
    {
        std::unique_lock lock(mutex_);
        settled_.wait_for(lock, timeout, [&] {
            return stopping_ || std::ranges::all_of(of_it, [&](const auto& source) {
                       return running.contains(source.get()) ? kept_ >= source->last_queued
                                                             : settled(*source);
                   });
        });
    }
    LogFilter filter;
    filter.app = app;
    filter.instance = instance.str();
    return store_.last(filter, lines);
}

std::string LogCollector::last_words(const Instance& instance) {
    auto lines = tail(instance.app, instance.id, kLastLines, kLastWait);
    if (!lines) return {};
    std::string text;
    for (const auto& line : *lines) text += line.text + "\n";
    if (text.size() > kLastBytes) text = "…" + text.substr(text.size() - kLastBytes);
    return text;
}

// ---- the worker: opens, looks after what ended, writes

void LogCollector::work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const SteadyTime now = clock_.steady();
        bool worked = false;
        if (!queue_.empty() && (!retry_at_ || *retry_at_ <= now)) {
            worked = flush(lock);
        }
        SourcePtr next;
        SteadyTime wake = now + kIdle;
        for (const auto& [container, source] : sources_) {
            if (source->state != State::idle && source->state != State::ended) continue;
            if (source->due <= now) {
                next = source;
                break;
            }
            wake = std::min(wake, source->due);
        }
        if (next) {
            const bool reads = next->state == State::idle;
            if (reads) next->state = State::opening;
            lock.unlock();
            if (reads) {
                open(next);
            } else {
                look(next);
            }
            lock.lock();
            worked = true;
        }
        if (worked || stopping_) continue;
        if (!queue_.empty() && retry_at_) wake = std::min(wake, *retry_at_);
        if (!queue_.empty() && !retry_at_) continue;
        work_.wait_for(lock, wake - now);
    }
    if (!queue_.empty()) flush(lock);
}

bool LogCollector::flush(std::unique_lock<std::mutex>& lock) {
    const std::vector<LogLine> batch = std::exchange(queue_, {});
    const std::size_t bytes = std::exchange(queued_bytes_, 0);
    lock.unlock();
    auto written = store_.append(batch);
    lock.lock();
    if (!written) {
        if (!retry_at_)
            log::failure("logs of apps cannot be kept for now; reading goes on later",
                         written.error());
        queue_.insert(queue_.begin(), batch.begin(), batch.end());
        queued_bytes_ += bytes;
        retry_at_ = clock_.steady() + kStoreRetry;
        return false;
    }
    retry_at_.reset();
    kept_ += batch.size();
    settled_.notify_all();
    return true;
}

// With the lock. The source is looked at again after a while, each time a longer one.
void LogCollector::later(Source& source) {
    const int doublings = std::min(source.failures++, 6);
    source.due = clock_.steady() + std::min<Duration>(kReopen * (1 << doublings), kMaxReopen);
}

void LogCollector::open(const SourcePtr& source) {
    const auto not_now = [&](const Error* why) {
        if (why != nullptr && why->kind != ErrorKind::not_found) {
            log::debug("a container's log cannot be opened yet", {{"reason", why->message}});
        }
        const std::lock_guard lock(mutex_);
        if (source->state == State::complete) return;
        source->state = State::idle;
        later(*source);
    };
    bool last_reading = false;
    bool fresh = false;
    {
        const std::lock_guard lock(mutex_);
        last_reading = source->last_reading;
        fresh = source->about.fresh && source->last_queued == 0;
        if (kept_ < source->last_queued) {  // what it wrote must be in the store to go on after it
            source->state = State::idle;
            later(*source);
            return;
        }
    }
    Resume resume;
    if (!fresh) {
        LogFilter filter;
        filter.app = source->about.app;
        filter.instance = source->about.instance.str();
        auto kept = store_.last(filter, Resume::kLines);
        if (!kept) return not_now(&kept.error());
        resume = Resume(*kept);
    }
    engine::LogsQuery query;
    query.follow = !last_reading;
    query.since = resume.since();
    auto request = engine_.logs_request(source->about.container, query);
    if (!request) return not_now(&request.error());

    const std::lock_guard lock(mutex_);
    if (source->state == State::complete) return;  // forgotten meanwhile
    source->state = State::following;
    source->resume = std::move(resume);
    source->cutter = std::make_unique<LineCutter>(
        [this, raw = source.get()](RawLine line) { queue(*raw, std::move(line)); });
    const std::uint64_t stream = next_stream_++;
    source->stream = stream;
    http::StreamClient::Handler handler;
    handler.on_data = [this, source, stream](std::string_view bytes) {
        return take(source, stream, bytes);
    };
    handler.on_end = [this, source, stream](Result<http::ClientResponse> how) {
        ended(source, stream, std::move(how));
    };
    source->open = streams_.open(std::move(*request), std::move(handler));
}

// The stream has ended: because the container did, or because it broke.
void LogCollector::look(const SourcePtr& source) {
    auto seen = engine_.inspect_container(source->about.container);
    const std::lock_guard lock(mutex_);
    if (source->state != State::ended) return;
    if (!seen && seen.error().kind != ErrorKind::not_found) {
        later(*source);
        return;
    }
    const bool gone = !seen;
    const bool over = gone || seen->state.status == "exited" || seen->state.status == "dead";
    if (over && source->ended_well && source->cutter) source->cutter->finish();
    if (gone) {
        source->state = State::complete;
        // Who waits for it holds it still.
        const auto found = sources_.find(source->about.container);
        if (found != sources_.end() && found->second == source) sources_.erase(found);
        settled_.notify_all();
        return;
    }
    source->state = State::idle;
    source->last_reading = over;
    if (over) {
        source->due = clock_.steady();
    } else {
        later(*source);
    }
}

// ---- the reader's thread

bool LogCollector::take(const SourcePtr& source, std::uint64_t stream, std::string_view bytes) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || source->stream != stream) return false;
        if (queued_bytes_ > kMaxQueuedBytes) return false;  // goes on when the store has caught up
        source->failures = 0;
        if (auto fed = source->cutter->feed(bytes); !fed) {
            log::failure("a container's log", fed.error());
            source->failures = 6;
            return false;
        }
        if (queue_.empty()) return true;
    }
    work_.notify_one();
    return true;
}

void LogCollector::ended(const SourcePtr& source, std::uint64_t stream,
                         Result<http::ClientResponse> how) {
    {
        const std::lock_guard lock(mutex_);
        if (source->stream != stream || source->state != State::following) return;
        source->open = 0;
        source->ended_well = how && how->ok();
        if (source->ended_well && source->last_reading) {
            source->cutter->finish();
            source->state = State::complete;
        } else {
            source->state = State::ended;
            source->due = clock_.steady();
            if (!source->ended_well) later(*source);
        }
    }
    work_.notify_one();
    settled_.notify_all();
}

// With the lock.
void LogCollector::queue(Source& source, RawLine line) {
    const bool repeated = source.repeats.was_read(line);
    if (source.resume.was_kept(line) || repeated) return;
    queued_bytes_ += line.text.size() + kLineOverhead;
    source.last_queued = ++queued_;
    LogLine kept;
    kept.app = source.about.app;
    kept.deployment = source.about.set;
    kept.instance = source.about.instance.str();
    kept.process = source.about.process;
    kept.release = source.about.release;
    kept.stream = line.stream;
    kept.at = line.at;
    kept.text = std::move(line.text);
    queue_.push_back(std::move(kept));
}

}  // namespace loco::runtime
