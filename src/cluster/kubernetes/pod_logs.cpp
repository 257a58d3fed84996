#include "cluster/kubernetes/pod_logs.hpp"

#include <algorithm>
#include <charconv>

#include "base/log.hpp"
#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/pods.hpp"

namespace loco::cluster {
namespace {

using kubernetes::member;
using std::chrono::milliseconds;

constexpr std::size_t kMaxQueuedBytes = 16U << 20;
constexpr std::size_t kLineOverhead = 256;
constexpr milliseconds kStoreRetry{500};
constexpr milliseconds kReopen{100};
// Where nothing new comes: thousands of pods whose logs cannot be had are asked for that often.
constexpr milliseconds kMaxReopen{30'000};
constexpr int kLastLines = 20;
constexpr std::size_t kLastBytes = 8192;
constexpr milliseconds kLastWait{5'000};
constexpr std::chrono::seconds kIdle{60};
// A container runtime notes that a container has started when that has been reported to it: it may have written by then.
constexpr std::chrono::seconds kToldLate{5};

// Of the app's own container.
struct Run {
    int restarts = 0;
    bool running = false;
    bool over = false;  // it has ended, and no new one has been started
    // The last one that has ended; whole seconds, cut down.
    std::optional<Time> began;
    std::optional<Time> ended;
    bool operator==(const Run&) const = default;
};

Run run_of(const kubernetes::Object& pod) {
    Run run;
    const auto& statuses = member(member(pod, "status"), "containerStatuses");
    const auto* list = statuses.if_array();
    if (list == nullptr) return run;
    for (const auto& status : *list) {
        if (kubernetes::text(status, "name") != kContainer) continue;
        const auto& count = member(status, "restartCount");
        if (count.is_int64()) run.restarts = static_cast<int>(count.get_int64());
        const auto& state = member(status, "state");
        run.running = !member(state, "running").is_null();
        run.over = !member(state, "terminated").is_null() ||
                   (!run.running && !member(member(status, "lastState"), "terminated").is_null());
        const auto& now = member(state, "terminated");
        const auto& last = now.is_null() ? member(member(status, "lastState"), "terminated") : now;
        if (const auto time = parse_rfc3339(kubernetes::text(last, "startedAt"))) run.began = *time;
        if (const auto time = parse_rfc3339(kubernetes::text(last, "finishedAt")))
            run.ended = *time;
    }
    return run;
}

int release_of(const kubernetes::Object& pod) {
    const auto name = kubernetes::label_of(pod, label::kRelease);  // "v7"
    int number = 0;
    if (name.starts_with('v')) std::from_chars(name.data() + 1, name.data() + name.size(), number);
    return number;
}

// The API takes a sinceTime of whole seconds.
std::string second_of(Time time) {
    auto text = to_rfc3339(std::chrono::floor<std::chrono::seconds>(time));
    if (const auto dot = text.find('.'); dot != std::string::npos) text = text.substr(0, dot) + "Z";
    return text;
}

}  // namespace

struct PodLogs::Source {
    LogLine about;  // without time and text
    std::string namespace_;
    std::string pod;
    Run run;
    bool gone = false;
    State state = State::complete;
    Reading reading = Reading::follow;
    int read_restarts = 0;  // the run that is being read, or that one's previous
    int done = 0;           // of the runs before this one all is read
    SteadyTime due;
    std::uint64_t stream = 0;
    http::StreamClient::Id open = 0;
    int status = 0;
    std::unique_ptr<PodLogCutter> cutter;
    PodResume resume;
    std::uint64_t last_queued = 0;
    int failures = 0;

    [[nodiscard]] bool has_more() const {
        if (gone) return false;
        return run.restarts > done || ((run.running || run.over) && run.restarts >= done);
    }
};

PodLogs::PodLogs(kubernetes::Client& client, LogStore& store, const Clock& clock)
    : client_(client), store_(store), clock_(clock) {
    worker_ = std::thread([this] { work(); });
}

PodLogs::~PodLogs() {
    end();
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    work_.notify_all();
    settled_.notify_all();
    worker_.join();
}

void PodLogs::begin() {
    {
        const std::lock_guard lock(mutex_);
        if (active_) return;
        active_ = true;
        streams_ = std::make_unique<http::StreamClient>();
        for (auto& [uid, source] : sources_) {
            source->done = 0;  // another has read meanwhile; the store says how far
            source->state = source->has_more() ? State::idle : State::complete;
            source->due = clock_.steady();
        }
    }
    work_.notify_all();
}

void PodLogs::end() {
    std::unique_ptr<http::StreamClient> streams;
    {
        const std::lock_guard lock(mutex_);
        active_ = false;
        streams = std::move(streams_);
        for (auto& [uid, source] : sources_) {
            source->stream = 0;
            source->state = State::complete;
        }
        std::erase_if(sources_, [](const auto& entry) { return entry.second->gone; });
    }
    settled_.notify_all();
    // No handler runs after this; they wait for the mutex, so it is not held here.
    streams.reset();
}

void PodLogs::see(const AppId& app, const kubernetes::Object& pod, bool gone) {
    const auto uid = kubernetes::uid_of(pod);
    {
        const std::lock_guard lock(mutex_);
        auto& source = sources_[uid];
        if (!source) {
            if (gone) {
                sources_.erase(uid);
                return;
            }
            const auto observed = observed_pod({.pod = &pod});
            source = std::make_shared<Source>();
            source->about.app = app;
            source->about.deployment = observed.set;
            source->about.instance = observed.instance.str();
            source->about.process = observed.process;
            source->about.release = release_of(pod);
            source->namespace_ = kubernetes::namespace_of(pod);
            source->pod = kubernetes::name_of(pod);
        }
        const auto run = run_of(pod);
        if (run != source->run && source->state == State::idle) {
            source->failures = 0;  // there is something new
            source->due = clock_.steady();
        }
        source->run = run;
        source->gone = gone;
        if (gone) {
            // What its stream still brings is taken; without one there is nothing more to get.
            if (source->state == State::idle || source->state == State::complete) {
                source->state = State::complete;
                sources_.erase(uid);
            }
        } else if (active_ && source->state == State::complete && source->has_more()) {
            source->state = State::idle;
            source->due = clock_.steady();
        }
    }
    work_.notify_all();
    settled_.notify_all();
}

// All is kept that was written by runs that have ended.
bool PodLogs::settled(const Source& source) const {
    const int ended = source.run.over ? source.run.restarts + 1 : source.run.restarts;
    return (source.state == State::complete || source.done >= ended) && kept_ >= source.last_queued;
}

std::string PodLogs::last_words(const AppId& app, const InstanceId& instance) {
    LogFilter filter;
    filter.app = app;
    filter.instance = instance.str();
    {
        std::unique_lock lock(mutex_);
        SourcePtr of_it;
        for (const auto& [uid, source] : sources_) {
            if (source->about.instance == instance.str()) of_it = source;
        }
        if (of_it && active_) {
            settled_.wait_for(lock, kLastWait, [&] { return stopping_ || settled(*of_it); });
            // Not what the containers before and after it said.
            if (of_it->run.began) filter.since = *of_it->run.began - kToldLate;
            if (of_it->run.ended) filter.until = *of_it->run.ended + std::chrono::seconds(1);
        }
    }
    const auto lines = store_.last(filter, kLastLines);
    if (!lines) return {};
    std::string text;
    for (const auto& line : *lines) text += line.text + "\n";
    if (text.size() > kLastBytes) text = "…" + text.substr(text.size() - kLastBytes);
    return text;
}

// ---- the worker: opens and writes

void PodLogs::work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const auto now = clock_.steady();
        if (!queue_.empty() && (!retry_at_ || *retry_at_ <= now)) {
            flush(lock);
            continue;
        }
        SourcePtr next;
        SteadyTime wake = now + kIdle;
        for (const auto& [uid, source] : sources_) {
            if (!active_ || source->state != State::idle) continue;
            if (source->due <= now) {
                next = source;
                break;
            }
            wake = std::min(wake, source->due);
        }
        if (next) {
            next->state = State::opening;
            lock.unlock();
            open(next);
            lock.lock();
            continue;
        }
        if (!queue_.empty() && retry_at_) wake = std::min(wake, *retry_at_);
        work_.wait_for(lock, wake - now);
    }
    if (!queue_.empty()) flush(lock);
}

void PodLogs::flush(std::unique_lock<std::mutex>& lock) {
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
        return;
    }
    retry_at_.reset();
    kept_ += batch.size();
    settled_.notify_all();
}

// With the lock. The source is looked at again after a while, each time a longer one.
void PodLogs::later(Source& source) {
    const int doublings = std::min(source.failures++, 10);
    source.due = clock_.steady() + std::min<Duration>(kReopen * (1 << doublings), kMaxReopen);
}

void PodLogs::open(const SourcePtr& source) {
    const auto not_now = [&](const std::string& why) {
        log::debug("a pod's log cannot be opened yet", {{"reason", why}});
        const std::lock_guard lock(mutex_);
        if (source->state != State::opening) return;
        source->state = State::idle;
        later(*source);
    };
    std::string target;
    LogFilter filter;
    {
        const std::lock_guard lock(mutex_);
        if (source->state != State::opening) return;
        if (!source->has_more()) {
            source->state = State::complete;
            return;
        }
        if (kept_ < source->last_queued) {  // what it wrote must be in the store to go on after it
            source->state = State::idle;
            later(*source);
            return;
        }
        source->reading = source->run.restarts > source->done ? Reading::previous
                          : source->run.running               ? Reading::follow
                                                              : Reading::rest;
        source->read_restarts = source->run.restarts;
        target = kubernetes::path_of(kubernetes::kPod, source->namespace_, source->pod) +
                 "/log?container=" + std::string(kContainer) + "&timestamps=true";
        if (source->reading == Reading::follow) target += "&follow=true";
        if (source->reading == Reading::previous) target += "&previous=true";
        filter.app = source->about.app;
        filter.instance = source->about.instance;
    }
    auto kept = store_.last(filter, PodResume::kLines);
    if (!kept) return not_now(kept.error().message);
    PodResume resume(*kept);
    if (resume.since()) target += "&sinceTime=" + http::percent_encode(second_of(*resume.since()));
    auto request = client_.stream_request(target);
    if (!request) return not_now(request.error().message);

    const std::lock_guard lock(mutex_);
    if (source->state != State::opening || streams_ == nullptr) return;
    source->state = State::following;
    source->status = 0;
    source->resume = std::move(resume);
    source->cutter = std::make_unique<PodLogCutter>(
        [this, raw = source.get()](PodLine line) { queue(*raw, std::move(line)); });
    const std::uint64_t stream = next_stream_++;
    source->stream = stream;
    http::StreamClient::Handler handler;
    handler.on_data = [this, source, stream](std::string_view bytes) {
        return take(source, stream, bytes);
    };
    handler.on_end = [this, source, stream](Result<http::ClientResponse> how) {
        ended(source, stream, std::move(how));
    };
    log::debug("a pod's log is read", {{"pod", source->pod}, {"target", target}});
    source->open = streams_->open(std::move(*request), std::move(handler));
}

// ---- the reader's thread

bool PodLogs::take(const SourcePtr& source, std::uint64_t stream, std::string_view bytes) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || source->stream != stream) return false;
        if (queued_bytes_ > kMaxQueuedBytes) return false;  // goes on when the store has caught up
        source->cutter->feed(bytes);
        if (queue_.empty()) return true;
    }
    work_.notify_one();
    return true;
}

void PodLogs::ended(const SourcePtr& source, std::uint64_t stream,
                    Result<http::ClientResponse> how) {
    const int status = how ? how->status : 0;
    log::debug("a pod's log ended", {{"pod", source->pod}, {"status", std::to_string(status)}});
    if (status == 401) client_.refused();
    {
        const std::lock_guard lock(mutex_);
        if (source->stream != stream || source->state != State::following) return;
        source->open = 0;
        finish(*source, how && how->ok(), status);
        if (source->gone) {
            source->cutter->finish();
            std::erase_if(sources_, [&](const auto& entry) { return entry.second == source; });
        }
    }
    work_.notify_one();
    settled_.notify_all();
}

// With the lock.
void PodLogs::finish(Source& source, bool well, int status) {
    // There is no such run any more, or the kubelet has lost its log.
    const bool none = status == 400 || status == 404 || status == 410;
    source.state = State::idle;
    if (source.gone) {
        source.state = State::complete;
    } else if (source.reading == Reading::previous && (well || none)) {
        if (well) source.cutter->finish();
        source.done = std::max(source.done, source.read_restarts);
        source.failures = 0;
        source.due = clock_.steady();
    } else if (source.reading == Reading::rest && (well || none)) {
        if (well) source.cutter->finish();
        source.done = source.read_restarts + 1;
        source.failures = 0;
        source.due = clock_.steady();
        if (!source.has_more()) source.state = State::complete;
    } else {
        // The kubelet ends what is followed when its container ends, and now and then for reasons of its own.
        later(source);
    }
}

// With the lock.
void PodLogs::queue(Source& source, PodLine line) {
    if (source.resume.was_kept(line)) return;
    source.failures = 0;
    queued_bytes_ += line.text.size() + kLineOverhead;
    source.last_queued = ++queued_;
    LogLine kept = source.about;
    kept.at = line.at;
    kept.text = std::move(line.text);
    queue_.push_back(std::move(kept));
}

}  // namespace loco::cluster
