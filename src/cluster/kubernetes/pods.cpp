#include "cluster/kubernetes/pods.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "cluster/kubernetes/drift.hpp"
#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/quantity.hpp"
#include "crypto/hash.hpp"

namespace loco::cluster {
namespace {

using boost::json::array;
using boost::json::value;
using kubernetes::label_of;
using kubernetes::member;
using kubernetes::text;

constexpr std::size_t kMaxWords = 300;

const array& items(const value& object, std::string_view name) {
    static const array kNone;
    const auto* list = member(object, name).if_array();
    return list == nullptr ? kNone : *list;
}

std::int64_t number(const value& object, std::string_view name) {
    const auto& found = member(object, name);
    return found.is_int64() ? found.get_int64() : 0;
}

bool flag(const value& object, std::string_view name) {
    const auto* found = member(object, name).if_bool();
    return found != nullptr && *found;
}

std::optional<Time> time_of(const value& object, std::string_view name) {
    const auto written = text(object, name);
    if (written.empty()) return std::nullopt;
    const auto time = parse_rfc3339(written);
    return time ? std::optional(*time) : std::nullopt;
}

const value& condition(const value& object, std::string_view type) {
    static const value kNone;
    for (const auto& one : items(member(object, "status"), "conditions")) {
        if (text(one, "type") == type) return one;
    }
    return kNone;
}

// The app's own container among `list` (of specs or of statuses), or the first.
const value& own_container(const array& list) {
    static const value kNone;
    for (const auto& one : list) {
        if (text(one, "name") == kContainer) return one;
    }
    return list.empty() ? kNone : list.front();
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::ranges::find(words, word) != words.end();
}

// kubelet's reasons (pkg/kubelet/images, pkg/kubelet/container).
constexpr std::array<std::string_view, 7> kImageReasons{
    "ImagePullBackOff",  "ErrImagePull",        "InvalidImageName",         "ErrImageNeverPull",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"};
constexpr std::array<std::string_view, 6> kStartReasons{"RunContainerError", "CreateContainerError",
                                                        "StartError",        "ContainerCannotRun",
                                                        "PreStartHookError", "PostStartHookError"};

class HashedRandom final : public Random {
  public:
    explicit HashedRandom(std::string_view from) : hex_(crypto::sha256_hex(from)) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            byte = static_cast<std::uint8_t>(std::stoi(hex_.substr(at_, 2), nullptr, 16));
            at_ = (at_ + 2) % hex_.size();
        }
    }

  private:
    std::string hex_;
    std::size_t at_ = 0;
};

void explain(ObservedPod& pod, std::string_view code, std::string_view words) {
    if (!pod.problem_code.empty()) return;
    pod.problem_code = code;
    pod.problem = short_words(words);
}

std::string words_of(const value& state) {
    auto words = text(state, "message");
    return words.empty() ? text(state, "reason") : words;
}

// 'Back-off pulling image "X": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "X": failed to resolve
// reference "X": X: not found' → "not found": what went wrong stands behind all who pass it on, and a name that nobody chose.
std::string pull_words(std::string words) {
    constexpr std::array<std::string_view, 6> kNaming{"Back-off pulling image \"",
                                                      "failed to pull image \"",
                                                      "failed to pull and unpack image \"",
                                                      "failed to resolve reference \"",
                                                      "Failed to pull image \"",
                                                      "failed to resolve image \""};
    constexpr std::string_view kEnd = "\": ";
    std::string_view rest = words;
    std::string_view image;
    for (bool more = true; more;) {
        more = false;
        for (const auto lead : kNaming) {
            const auto end = rest.starts_with(lead) ? rest.find(kEnd, lead.size()) : rest.npos;
            if (end == rest.npos) continue;
            image = rest.substr(lead.size(), end - lead.size());
            rest.remove_prefix(end + kEnd.size());
            more = true;
        }
        constexpr std::string_view kRpc = "rpc error: code = ";
        if (rest.starts_with(kRpc) && rest.find(" desc = ") != rest.npos) {
            rest.remove_prefix(rest.find(" desc = ") + 8);
            more = true;
        }
        constexpr std::string_view kReason = "ErrImagePull: ";
        if (rest.starts_with(kReason)) {
            rest.remove_prefix(kReason.size());
            more = true;
        }
    }
    if (!image.empty() && rest.starts_with(image) && rest.substr(image.size()).starts_with(": "))
        rest.remove_prefix(image.size() + 2);
    return std::string(rest.empty() ? std::string_view(words) : rest);
}

// 'pods "web-569cf87ddb-qzv44" is forbidden: exceeded quota: …': a pod that was never made has no name to look for.
std::string refusal_words(std::string words) {
    constexpr std::string_view kPods = "pods \"";
    constexpr std::string_view kForbidden = "\" is forbidden: ";
    const auto at = words.find(kForbidden);
    if (words.starts_with(kPods) && at != words.npos) words = words.substr(at + kForbidden.size());
    return words;
}

// How its last container ended, and whether that was for want of being startable.
void read_end(ObservedPod& pod, const value& terminated) {
    if (terminated.is_null()) return;
    pod.exit_code = static_cast<int>(number(terminated, "exitCode"));
    pod.oom_killed = text(terminated, "reason") == "OOMKilled";
    pod.finished_at = time_of(terminated, "finishedAt");
    if (const auto began = time_of(terminated, "startedAt"); began && pod.finished_at)
        pod.ran_for = *pod.finished_at - *began;
    if (is_one_of(text(terminated, "reason"), kStartReasons)) {
        explain(pod, "cannot_start", words_of(terminated));
    }
}

void read_waiting(ObservedPod& pod, const value& waiting) {
    const auto reason = text(waiting, "reason");
    if (is_one_of(reason, kImageReasons)) {
        explain(pod, "image_pull_failed", pull_words(words_of(waiting)));
    } else if (reason == "CreateContainerConfigError") {
        explain(pod, "config_error", words_of(waiting));
    } else if (is_one_of(reason, kStartReasons)) {
        explain(pod, "cannot_start", words_of(waiting));
    }
    const bool has_ended = pod.restarts > 0 || pod.exit_code.has_value();
    pod.state =
        has_ended || pod.problem_code == "cannot_start" ? PodState::waiting : PodState::pending;
}

// It was told to stop its grace before its deletionTimestamp (of whole seconds, cut down), and sleeps first where it serves.
std::optional<Time> asked_until(const value& pod) {
    const auto& metadata = member(pod, "metadata");
    const auto deletion = time_of(metadata, "deletionTimestamp");
    const auto& container = own_container(items(member(pod, "spec"), "containers"));
    const auto sleep =
        number(member(member(member(container, "lifecycle"), "preStop"), "sleep"), "seconds");
    if (!deletion || sleep <= 0) return std::nullopt;
    const auto grace = number(metadata, "deletionGracePeriodSeconds");
    return *deletion + std::chrono::seconds(sleep + 1 - grace);
}

// The kubelet sets Ready=False when it first sees the pod; a later change to False was from True.
bool was_ready_before(const value& pod) {
    const auto& ready = condition(pod, "Ready");
    if (text(ready, "status") == "True") return true;
    const auto since = time_of(ready, "lastTransitionTime");
    auto first = time_of(condition(pod, "Initialized"), "lastTransitionTime");
    if (!first) first = time_of(member(pod, "status"), "startTime");
    return since && first && *since > *first + std::chrono::seconds(1);
}

void read_unready(ObservedPod& observed, const PodView& view) {
    const auto& ready = condition(*view.pod, "Ready");
    if (!view.health_words.empty()) {
        if (observed.problem.empty()) observed.problem = short_words(view.health_words);
        observed.check = check_of(observed.problem);
    } else if (text(ready, "reason") == "ReadinessGatesNotReady" && observed.problem.empty()) {
        observed.problem = short_words(text(ready, "message"));
    }
}

void read_running(ObservedPod& observed, const PodView& view, const value& status) {
    const auto& state = member(status, "state");
    const auto& terminated = member(state, "terminated");
    const auto& last = member(member(status, "lastState"), "terminated");
    read_end(observed, terminated.is_null() ? last : terminated);
    if (const auto& running = member(state, "running"); !running.is_null()) {
        observed.started_at = time_of(running, "startedAt");
        const bool ready = text(condition(*view.pod, "Ready"), "status") == "True";
        observed.state = ready ? PodState::ready : PodState::starting;
        // That an earlier container could not be started says nothing of this one.
        observed.problem.clear();
        observed.problem_code.clear();
        if (!ready) read_unready(observed, view);
    } else if (!terminated.is_null()) {
        observed.state = PodState::waiting;
    } else {
        read_waiting(observed, member(state, "waiting"));
    }
}

void read_unscheduled(ObservedPod& observed, const value& pod) {
    const auto& scheduled = condition(pod, "PodScheduled");
    if (text(scheduled, "status") != "False") return;
    if (text(scheduled, "reason") == "Unschedulable") {
        explain(observed, "unschedulable", text(scheduled, "message"));
    } else {
        observed.problem = short_words(text(scheduled, "message"));
    }
}

// Why it was ended from outside.
void read_eviction(ObservedPod& observed, const value& pod) {
    const auto& status = member(pod, "status");
    const auto reason = text(status, "reason");
    const auto& disrupted = condition(pod, "DisruptionTarget");
    if (reason == "NodeLost" || text(disrupted, "reason") == "DeletionByTaintManager" ||
        text(disrupted, "reason") == "DeletionByPodGC") {
        explain(observed, "node_lost", "its node " + observed.node + " is lost");
    } else if (reason == "DeadlineExceeded") {
        explain(observed, "deadline", text(status, "message"));
    } else if (reason == "Evicted" || reason == "Preempting" || reason == "NodeShutdown" ||
               reason == "Terminated" || text(disrupted, "status") == "True") {
        const auto words = text(status, "message");
        explain(observed, "evicted", words.empty() ? text(disrupted, "message") : words);
    } else if (observed.state == PodState::ended && observed.process != kReleaseProcess) {
        // The kubelet forgets its reason where the program ends well when it is asked to.
        explain(observed, "evicted", "its node does not say why");
    }
}

}  // namespace

std::string short_words(std::string_view text) {
    for (const std::string_view tail : {" preemption:", " no new claims to deallocate"}) {
        text = text.substr(0, text.find(tail));
    }
    std::string words;
    for (const char c : text) {
        const bool blank = static_cast<unsigned char>(c) <= 0x20;
        if (blank && (words.empty() || words.back() == ' ')) continue;
        words += blank ? ' ' : c;
    }
    while (!words.empty() && (words.back() == ' ' || words.back() == '.' || words.back() == ',')) {
        words.pop_back();
    }
    if (words.size() > kMaxWords) {
        std::size_t end = kMaxWords;
        // Not within a character of several bytes.
        while ((static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;
        words = words.substr(0, end) + "…";
    }
    return words;
}

HealthCheck check_of(std::string_view words) {
    using enum HealthCheck::Saw;
    HealthCheck check{.saw = nothing, .words = std::string(words)};
    const auto says = [&](std::string_view part) {
        return words.find(part) != std::string_view::npos;
    };
    constexpr std::string_view kAnswered = "answered ";
    if (const auto at = words.find(kAnswered); at != std::string_view::npos) {
        const auto digits = words.substr(at + kAnswered.size());
        std::from_chars(digits.data(), digits.data() + digits.size(), check.status);
        // To a server that speaks TLS a plain request is a bad one: Go's says so with 400.
        if (check.status >= 100) check.saw = status;
    } else if (says("stopped after 10 redirects")) {
        check.saw = circle;
        check.status = 302;
    } else if (says("connection refused")) {
        check.saw = refused;
    } else if (says(R"(malformed HTTP response "\x15\x03)") ||
               says("server gave HTTP response to HTTPS client") || says("tls:")) {
        check.saw = tls;
    } else if (says("malformed HTTP")) {
        check.saw = not_http;
    } else if (says("dial tcp") && (says("i/o timeout") || says("no route to host"))) {
        check.saw = unreachable;
    } else if (says("Client.Timeout exceeded") || says("context deadline exceeded") ||
               says("i/o timeout")) {
        check.saw = no_answer;
    } else if (says(": EOF") || says("connection reset by peer")) {
        check.saw = closed;
    }
    return check;
}

InstanceId instance_of(std::string_view uid, Time created_at) {
    HashedRandom random(uid);
    return InstanceId(make_id(InstanceIdTag::kPrefix, created_at, random));
}

ObservedPod observed_pod(const PodView& view) {
    const auto& pod = *view.pod;
    const auto& metadata = member(pod, "metadata");
    const auto& status = member(pod, "status");
    ObservedPod observed;
    observed.created_at = time_of(metadata, "creationTimestamp").value_or(Time{});
    observed.instance = instance_of(kubernetes::uid_of(pod), observed.created_at);
    observed.name = kubernetes::name_of(pod);
    observed.node = text(member(pod, "spec"), "nodeName");
    observed.address = text(status, "podIP");
    observed.set = DeploymentId(label_of(pod, label::kSet));
    observed.release = ReleaseId(label_of(pod, label::kReleaseId));
    observed.process = label_of(pod, label::kProcess);
    observed.was_ready = was_ready_before(pod);

    const auto& container = own_container(items(status, "containerStatuses"));
    observed.restarts = static_cast<int>(number(container, "restartCount"));
    read_running(observed, view, container);
    if (observed.node.empty()) read_unscheduled(observed, pod);
    if (observed.state == PodState::waiting && !view.health_words.empty())
        observed.check = check_of(short_words(view.health_words));
    const auto phase = text(status, "phase");
    if (phase == "Succeeded" || phase == "Failed") observed.state = PodState::ended;
    if (!member(metadata, "deletionTimestamp").is_null()) {
        observed.state = PodState::terminating;
        observed.asked_until = asked_until(pod);
        observed.problem.clear();
        observed.problem_code.clear();
    }
    read_eviction(observed, pod);
    if (view.node_lost && observed.state != PodState::ended) {
        if (observed.state == PodState::ready) observed.state = PodState::starting;
        explain(observed, "node_lost", "its node " + observed.node + " is not ready");
    }
    return observed;
}

ObservedProcess observed_process(const kubernetes::Object& deployment,
                                 const std::vector<ObservedPod>& pods) {
    const auto& status = member(deployment, "status");
    ObservedProcess process;
    process.name = label_of(deployment, label::kProcess);
    process.set = DeploymentId(label_of(deployment, label::kSet));
    process.settled = number(status, "observedGeneration") >=
                      number(member(deployment, "metadata"), "generation");
    process.wanted = static_cast<int>(number(member(unpack(deployment), "spec"), "replicas"));
    for (const auto& pod : pods) {
        if (pod.process != process.name || pod.state == PodState::terminating ||
            pod.state == PodState::ended) {
            continue;
        }
        ++process.total;
        if (pod.set != process.set) continue;
        ++process.updated;
        process.ready += pod.state == PodState::ready ? 1 : 0;
    }
    if (const auto& failure = condition(deployment, "ReplicaFailure");
        text(failure, "status") == "True") {
        process.problem = short_words(refusal_words(text(failure, "message")));
    }
    return process;
}

std::optional<Time> ready_since_of(const kubernetes::Object& pod) {
    const auto& ready = condition(pod, "Ready");
    if (text(ready, "status") != "True") return std::nullopt;
    return time_of(ready, "lastTransitionTime");
}

RouteMatch first_match_of(const kubernetes::Object& packed) {
    const auto route = unpack(packed);
    const auto& hosts = items(member(route, "spec"), "hostnames");
    if (hosts.empty() || !hosts.front().is_string()) return {};
    RouteMatch out{.host = std::string(hosts.front().as_string()), .path = {}};
    for (const auto& rule : items(member(route, "spec"), "rules")) {
        for (const auto& match : items(rule, "matches")) {
            auto path = text(member(match, "path"), "value");
            if (out.path.empty() || path.size() < out.path.size()) out.path = std::move(path);
        }
    }
    if (out.path.empty()) out.path = "/";
    return out;
}

Routing routing_of(const std::vector<const kubernetes::Object*>& routes) {
    Routing routing{.routed = !routes.empty(), .problem = {}};
    for (const auto* route : routes) {
        const auto generation = number(member(*route, "metadata"), "generation");
        const auto& parents = items(member(*route, "status"), "parents");
        bool taken = false;
        for (const auto& parent : parents) {
            bool accepted = false;
            bool resolved = false;
            for (const auto& one : items(parent, "conditions")) {
                const auto type = text(one, "type");
                const bool holds = text(one, "status") == "True";
                const auto seen = number(one, "observedGeneration");
                if (seen != 0 && seen < generation) continue;
                if (type == "Accepted") accepted = holds;
                if (type == "ResolvedRefs") resolved = holds;
                if (!holds && (type == "Accepted" || type == "ResolvedRefs") &&
                    routing.problem.empty()) {
                    routing.problem =
                        short_words(text(one, "reason") + ": " + text(one, "message"));
                }
            }
            taken = taken || (accepted && resolved);
        }
        if (parents.empty() && routing.problem.empty()) {
            routing.problem = "no gateway has taken the route " + kubernetes::name_of(*route);
        }
        routing.routed = routing.routed && taken;
    }
    if (routing.routed) routing.problem.clear();
    return routing;
}

std::vector<ResourceUsage> usage_of(
    const kubernetes::Object& answer,
    const std::function<std::optional<InstanceId>(const std::string& pod)>& instance_of) {
    constexpr double kNanosInMilli = 1'000'000;
    std::vector<ResourceUsage> all;
    for (const auto& pod : items(answer, "items")) {
        const auto instance = instance_of(kubernetes::name_of(pod));
        if (!instance) continue;
        ResourceUsage usage{.instance = *instance};
        for (const auto& container : items(pod, "containers")) {
            const auto& used = member(container, "usage");
            const auto cpu = parse_quantity(text(used, "cpu"));
            if (cpu) usage.cpu_millis += static_cast<double>(*cpu) / kNanosInMilli;
            usage.memory_bytes += to_whole(text(used, "memory"));
        }
        all.push_back(std::move(usage));
    }
    return all;
}

ObservedNode observed_node(const kubernetes::Object& node) {
    ObservedNode observed;
    observed.name = kubernetes::name_of(node);
    observed.ready = text(condition(node, "Ready"), "status") == "True";
    const auto& spec = member(node, "spec");
    observed.schedulable = !flag(spec, "unschedulable");
    for (const auto& taint : items(spec, "taints")) {
        const auto effect = text(taint, "effect");
        if (effect == "NoSchedule" || effect == "NoExecute") observed.schedulable = false;
    }
    const auto& status = member(node, "status");
    const auto& room = member(status, "allocatable");
    observed.cpu_millis = to_millis(text(room, "cpu"));
    observed.memory_bytes = to_whole(text(room, "memory"));
    const auto& info = member(status, "nodeInfo");
    observed.platform = text(info, "operatingSystem") + "/" + text(info, "architecture");
    return observed;
}

namespace {

// Keeps of an object's fields those that are named.
void keep_only(value& object, std::initializer_list<std::string_view> names) {
    auto* fields = object.if_object();
    if (fields == nullptr) return;
    boost::json::object kept;
    for (const auto name : names) {
        if (auto* found = fields->if_contains({name.data(), name.size()})) {
            kept[{name.data(), name.size()}] = std::move(*found);
        }
    }
    *fields = std::move(kept);
}

value* find(value& object, std::string_view name) {
    auto* fields = object.if_object();
    return fields == nullptr ? nullptr : fields->if_contains({name.data(), name.size()});
}

void keep_metadata(value& object) {
    auto* metadata = find(object, "metadata");
    if (metadata == nullptr) return;
    keep_only(*metadata, {"name", "namespace", "uid", "resourceVersion", "generation", "labels",
                          "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"});
}

}  // namespace

void reduce_pod(kubernetes::Object& pod) {
    keep_metadata(pod);
    keep_only(pod, {"apiVersion", "kind", "metadata", "spec", "status"});
    if (auto* spec = find(pod, "spec")) {
        keep_only(*spec, {"nodeName", "containers"});
        if (auto* containers = find(*spec, "containers"); containers && containers->is_array()) {
            for (auto& one : containers->get_array())
                keep_only(one, {"name", "image", "envFrom", "lifecycle"});
        }
    }
    if (auto* status = find(pod, "status")) {
        keep_only(*status, {"phase", "reason", "message", "podIP", "startTime", "conditions",
                            "containerStatuses"});
        if (auto* statuses = find(*status, "containerStatuses"); statuses && statuses->is_array()) {
            for (auto& one : statuses->get_array()) {
                keep_only(one, {"name", "state", "lastState", "restartCount", "ready"});
            }
        }
    }
}

void reduce_node(kubernetes::Object& node) {
    keep_metadata(node);
    keep_only(node, {"apiVersion", "kind", "metadata", "spec", "status"});
    if (auto* spec = find(node, "spec")) keep_only(*spec, {"unschedulable", "taints"});
    if (auto* status = find(node, "status")) {
        keep_only(*status, {"allocatable", "conditions", "nodeInfo"});
    }
}

std::string image_of(const kubernetes::Object& pod) {
    return text(own_container(items(member(pod, "spec"), "containers")), "image");
}

std::vector<std::string> secrets_of(const kubernetes::Object& pod_spec) {
    std::vector<std::string> names;
    for (const auto& container : items(pod_spec, "containers")) {
        for (const auto& source : items(container, "envFrom")) {
            if (auto name = text(member(source, "secretRef"), "name"); !name.empty()) {
                names.push_back(std::move(name));
            }
        }
        for (const auto& variable : items(container, "env")) {
            const auto& from = member(member(variable, "valueFrom"), "secretKeyRef");
            if (auto name = text(from, "name"); !name.empty()) names.push_back(std::move(name));
        }
    }
    return names;
}

}  // namespace loco::cluster
