#include "cluster/kubernetes/attendant.hpp"

#include "base/log.hpp"
#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/pods.hpp"

namespace loco::cluster {
namespace {

using kubernetes::member;
using kubernetes::text;
using std::chrono::milliseconds;

// Of pods that are looked after at one time: the others wait until some of these are well.
constexpr std::size_t kMaxUnready = 10'000;
// Events that are asked for in one turn, so that credentials need not wait.
constexpr int kExplainAtOnce = 5;
constexpr milliseconds kTurn{500};

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

bool is_refusal(std::string_view words) {
    return has(words, "401") || has(words, "403") || has(words, "nauthorized") ||
           has(words, "uthorization failed") || has(words, "denied");
}

// "127.0.0.1:5000/apps/shop@sha256:…" → "apps/shop"; empty for another registry's.
std::string repository_of(std::string_view image, const std::string& host) {
    if (host.empty() || !image.starts_with(host + "/")) return {};
    image.remove_prefix(host.size() + 1);
    return std::string(image.substr(0, image.find('@')));
}

boost::json::object own_labels(const kubernetes::Object& object) {
    boost::json::object kept;
    for (const auto name : {label::kManagedBy, label::kInstanceOf, label::kApp, label::kAppId,
                            label::kTeam, label::kTeamId}) {
        if (auto value = kubernetes::label_of(object, name); !value.empty()) kept[name] = value;
    }
    return kept;
}

std::string newest_message(const std::vector<kubernetes::Object>& events) {
    std::string newest;
    std::string message;
    for (const auto& event : events) {
        auto when = text(member(event, "series"), "lastObservedTime");
        if (when.empty()) when = text(event, "lastTimestamp");
        if (when.empty()) when = text(event, "eventTime");
        if (when >= newest) {
            newest = std::move(when);
            message = text(event, "message");
        }
    }
    return message;
}

}  // namespace

std::string probe_words(std::string_view message) {
    std::string words;
    for (const auto& [kind, said] : {std::pair{"Readiness probe ", "readiness: "},
                                     {"Startup probe ", "startup: "},
                                     {"Liveness probe ", "liveness: "}}) {
        if (message.starts_with(kind)) {
            words = said;
            message.remove_prefix(std::string_view(kind).size());
        }
    }
    for (const std::string_view lead :
         {"failed: ", "errored: ", "errored and resulted in unknown state: "}) {
        if (message.starts_with(lead)) message.remove_prefix(lead.size());
    }
    constexpr std::string_view kStatus = "HTTP probe failed with statuscode: ";
    if (message.starts_with(kStatus)) {
        message.remove_prefix(kStatus.size());
        words += "answered ";
    }
    return short_words(words.append(message));
}

Attendant::Attendant(kubernetes::Client& client, PullCredentials& credentials, const Clock& clock,
                     AttendantOptions options, std::function<void(const AppId&)> changed)
    : client_(client),
      credentials_(credentials),
      clock_(clock),
      options_(std::move(options)),
      changed_(std::move(changed)) {}

Attendant::~Attendant() { end(); }

void Attendant::end() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Attendant::begin(Cache& cache) {
    cache_ = &cache;
    thread_ = std::thread([this] { run(); });
}

void Attendant::see(const CacheChange& change) {
    const auto uid = kubernetes::uid_of(*change.object);
    const auto pod = observed_pod({.pod = change.object.get()});
    const auto namespace_ = kubernetes::namespace_of(*change.object);
    const std::lock_guard lock(mutex_);
    // Of one that has ended and is started again, what was seen last is kept.
    if (change.deleted || pod.state == PodState::ready || pod.state > PodState::waiting) {
        unready_.erase(uid);
    } else if (pod.state == PodState::starting && unready_.size() < kMaxUnready) {
        unready_.try_emplace(uid, change.app, namespace_, clock_.steady() + options_.explain_after,
                             options_.explain_after);
    }
    if (change.deleted || pod.state != PodState::pending) return;
    const auto repository = repository_of(image_of(*change.object), options_.registry_host);
    if (repository.empty()) return;
    auto& starved = starved_[namespace_];
    starved.place = {namespace_, own_labels(*change.object), repository};
    starved.refused =
        starved.refused || (pod.problem_code == "image_pull_failed" && is_refusal(pod.problem));
    wake_.notify_all();
}

std::string Attendant::health_words(const std::string& uid) const {
    const std::lock_guard lock(mutex_);
    const auto found = unready_.find(uid);
    return found == unready_.end() ? std::string() : found->second.words;
}

void Attendant::run() {
    while (true) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, kTurn, [this] { return stopping_ || !starved_.empty(); });
            if (stopping_) return;
        }
        renew_credentials();
        explain();
        keep_in_touch();
    }
}

void Attendant::renew_credentials() {
    while (true) {
        Starved next;
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ || starved_.empty()) return;
            next = std::move(starved_.begin()->second);
            starved_.erase(starved_.begin());
        }
        // What fails now is tried again when the kubelet says once more that it cannot fetch the image.
        if (const auto renewed = credentials_.ensure(next.place, next.refused); !renewed) {
            log::warning(
                "the nodes' credentials for an app's image were not renewed",
                {{"namespace", next.place.namespace_}, {"problem", renewed.error().message}});
        }
    }
}

void Attendant::explain() {
    for (int i = 0; i < kExplainAtOnce; ++i) {
        std::string uid;
        std::string namespace_;
        {
            const std::lock_guard lock(mutex_);
            const auto now = clock_.steady();
            for (auto& [key, pod] : unready_) {
                if (pod.next > now) continue;
                pod.next = now + pod.wait;
                pod.wait = std::min(2 * pod.wait, options_.explain_every);
                uid = key;
                namespace_ = pod.namespace_;
                break;
            }
        }
        if (uid.empty()) return;
        auto words = ask(uid, namespace_);
        AppId app;
        {
            const std::lock_guard lock(mutex_);
            const auto found = unready_.find(uid);
            if (found == unready_.end() || words.empty() || found->second.words == words) continue;
            found->second.words = std::move(words);
            app = found->second.app;
        }
        changed_(app);
    }
}

std::string Attendant::ask(const std::string& uid, const std::string& namespace_) {
    const auto events = client_.list(kubernetes::kEvent,
                                     {.namespace_ = namespace_,
                                      .labels = {},
                                      .fields = "involvedObject.uid=" + uid + ",reason=Unhealthy"},
                                     [this] {
                                         const std::lock_guard lock(mutex_);
                                         return stopping_;
                                     });
    return events ? probe_words(newest_message(events->items)) : std::string();
}

void Attendant::keep_in_touch() {
    const auto now = clock_.steady();
    if (now - cache_->last_contact() < options_.sign_of_life_after ||
        now - touched_ < options_.sign_of_life_after / 4) {
        return;
    }
    touched_ = now;
    if (client_.get_path("/version")) cache_->heard();
}

}  // namespace loco::cluster
