#include "runtime/docker/docker_runtime.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "runtime/docker/examine.hpp"
#include "runtime/docker/names.hpp"

namespace loco {
namespace {

using namespace runtime;  // its parts

constexpr auto kPullTimeout = std::chrono::minutes(10);
constexpr auto kMinSample = std::chrono::milliseconds(200);

bool running(const engine::ContainerSummary& container) {
    return observed(container).state == ContainerState::running;
}

std::string bridge_of(const engine::Network& network) {
    const auto found = network.options.find("com.docker.network.bridge.name");
    return found == network.options.end() ? std::string() : found->second;
}

std::string value_of(const engine::Labels& labels, std::string_view name) {
    const auto found = labels.find(std::string(name));
    return found == labels.end() ? std::string() : found->second;
}

}  // namespace

DockerRuntime::DockerRuntime(engine::Engine& engine, Registry& registry, const Clock& clock,
                             DockerOptions options, LogCollector* logs)
    : engine_(engine),
      registry_(registry),
      options_(std::move(options)),
      logs_(logs),
      firewall_({.tag = tag_of(options_.loco),
                 .bridge_prefix = bridge_prefix(options_.loco),
                 .host_ports = options_.host_ports},
                clock),
      images_(engine, options_.loco) {
    LOCO_CHECK(!options_.loco.empty());
}

DockerRuntime::~DockerRuntime() { watcher_.reset(); }

engine::Labels DockerRuntime::ours() const {
    return {{std::string(label::kInstanceOf), options_.loco}};
}

engine::Labels DockerRuntime::ours(std::string_view name, const std::string& value) const {
    engine::Labels labels = ours();
    labels.emplace(std::string(name), value);
    return labels;
}

// ---- what changes by itself

void DockerRuntime::on_change(std::function<void(std::optional<AppId>)> listener) {
    listener_ = std::move(listener);
}

void DockerRuntime::watch() {
    watcher_ = std::make_unique<EventWatcher>(
        engine_, ours(),
        EventWatcher::Listener{.on_event = [this](const engine::Event& event) { happened(event); },
                               .on_connected = [this] { connected(); }});
}

void DockerRuntime::unwatch() {
    watcher_.reset();
    if (logs_ != nullptr) logs_->forget_all();
}

void DockerRuntime::happened(const engine::Event& event) {
    if (event.type != "container") return;
    const std::string app = value_of(event.attributes, label::kAppId);
    if (app.empty()) return;
    const bool matters = event.action == "die" || event.action == "oom" ||
                         event.action == "destroy" || event.action == "start";
    if (!matters) return;
    if (event.action == "start" && logs_ != nullptr) {
        LogSource source = log_source(event.actor, event.attributes);
        source.fresh = true;
        logs_->follow(source);
    }
    if (event.action == "destroy") forget(event.actor);
    if (event.action == "die" || event.action == "start") {
        // The engine tells of a death before its list shows it: until it does, what was seen of it running is not believed.
        const std::lock_guard lock(mutex_);
        if (event.action == "die") {
            died_.insert(event.actor);
        } else {
            died_.erase(event.actor);
        }
    }
    if (listener_) listener_(AppId(app));
}

// The engine is there (again): what it forgot is put back, what was missed is looked at.
void DockerRuntime::connected() {
    firewall_.doubt();
    {
        const std::lock_guard lock(mutex_);
        inspected_.clear();
    }
    if (auto cleaned = images_.remove_left_overs(); !cleaned)
        log::failure("clean up", cleaned.error());
    guard_again();
    if (logs_ != nullptr) {
        if (auto containers = engine_.list_containers(ours()); containers) {
            for (const auto& container : *containers) {
                if (!value_of(container.labels, label::kInstance).empty() &&
                    container.state != "created") {
                    logs_->follow(log_source(container.id, container.labels));
                }
            }
        }
    }
    if (listener_) listener_(std::nullopt);
}

void DockerRuntime::forget(const std::string& container) {
    const std::lock_guard lock(mutex_);
    samples_.erase(container);
    died_.erase(container);
    const auto from = inspected_.lower_bound(container);
    auto to = from;
    while (to != inspected_.end() && to->first.starts_with(container)) ++to;
    inspected_.erase(from, to);
}

// ---- networks

Result<> DockerRuntime::guard(const std::vector<engine::Network>& networks) {
    if (!options_.firewall) return {};
    std::vector<std::string> bridges;
    for (const auto& network : networks) {
        if (const std::string bridge = bridge_of(network); !bridge.empty())
            bridges.push_back(bridge);
    }
    std::ranges::sort(bridges);
    return firewall_.ensure(bridges);
}

// Somebody else may have flushed the rules (another firewall's service, a person) while containers run.
void DockerRuntime::guard_again() {
    const auto networks = engine_.list_networks(ours());
    if (!networks || networks->empty()) return;
    if (auto guarded = guard(*networks); !guarded)
        log::failure("protect this machine", guarded.error());
}

Result<> DockerRuntime::ensure_network(const TeamNetwork& network) {
    LOCO_TRY(network_of(network));
    return {};
}

// The rules stand before the bridge is given to anyone.
Result<std::string> DockerRuntime::network_of(const TeamNetwork& wanted) {
    std::string id;
    for (int attempt = 0; attempt < 2; ++attempt) {
        LOCO_ASSIGN(const auto networks, engine_.list_networks(ours()));
        for (const auto& network : networks) {
            if (value_of(network.labels, label::kTeamId) != wanted.team.str()) continue;
            if (network.subnet != wanted.subnet || network.gateway != wanted.gateway) {
                return fail(ErrorKind::conflict,
                            "team " + wanted.team_slug + "'s network has the addresses " +
                                network.subnet + ", not " + wanted.subnet,
                            "the range of team networks was changed while networks exist: change "
                            "it back, or "
                            "destroy the team's apps first",
                            "network_mismatch");
            }
            id = network.id;
        }
        if (!id.empty()) {
            LOCO_TRY(guard(networks));
            return id;
        }
        LOCO_TRY(make_network(wanted));
    }
    return fail(ErrorKind::internal,
                "team " + wanted.team_slug + "'s network was made and is not there");
}

Result<> DockerRuntime::make_network(const TeamNetwork& wanted) {
    engine::NetworkSpec spec;
    spec.name = network_name(options_.loco, wanted.team);
    spec.subnet = wanted.subnet;
    spec.gateway = wanted.gateway;
    spec.enable_icc = true;
    spec.bridge_name = bridge_name(options_.loco, wanted.team);
    spec.labels = {{std::string(label::kTeam), wanted.team_slug},
                   {std::string(label::kTeamId), wanted.team.str()},
                   {std::string(label::kInstanceOf), options_.loco}};
    auto made = engine_.create_network(spec);
    if (made) return {};
    if (made.error().message.find("already exists") != std::string::npos)
        return {};  // a race: look again
    Error error = std::move(made).error();
    if (error.message.find("overlaps") != std::string::npos) {
        error.kind = ErrorKind::conflict;
        error.code = "subnet_taken";
        error.hint = "another network of this machine uses " + wanted.subnet +
                     " (`docker network ls`, `ip route`): give Loco another range of addresses";
    }
    return fail(std::move(error).while_("make team " + wanted.team_slug + "'s network"));
}

Result<> DockerRuntime::remove_network(const TeamId& team) {
    LOCO_ASSIGN(const auto networks, engine_.list_networks(ours(label::kTeamId, team.str())));
    for (const auto& network : networks) {
        auto removed = engine_.remove_network(network.id);
        if (removed || removed.error().message.find("active endpoints") != std::string::npos)
            continue;
        return removed;
    }
    return {};
}

// ---- images

Result<ImageFacts> DockerRuntime::ensure_image(const ImageRef& image) {
    const std::string reference = registry_.host() + "/" + image.repository + "@" + image.digest;
    auto here = engine_.inspect_image(reference);
    if (!here && here.error().kind != ErrorKind::not_found) return fail(std::move(here).error());
    if (!here) {
        LOCO_ASSIGN(const RegistryToken token, registry_.pull_token(image.repository));
        engine::TransferOptions options;
        options.auth.token = token.token;
        options.timeout = kPullTimeout;
        options.cancelled = [this, before = interruptions_.load()] {
            return interruptions_.load() != before;
        };
        LOCO_TRY(engine_.pull_image(reference, options));
        here = engine_.inspect_image(reference);
        if (!here) return fail(std::move(here).error());
    }
    return images_.facts(*here, image.digest);
}

Result<> DockerRuntime::remove_image(const ImageRef& image) {
    const std::string repository = registry_.host() + "/" + image.repository;
    auto here = engine_.inspect_image(repository + "@" + image.digest);
    if (!here) {
        if (here.error().kind == ErrorKind::not_found) return {};
        return fail(std::move(here).error());
    }
    // Whoever's container it is: without its references the image would be nobody's.
    LOCO_ASSIGN(const auto containers, engine_.list_containers({}));
    for (const auto& container : containers) {
        if (container.image_id == here->id) return {};
    }
    // A push leaves tags besides the digest; each keeps the layers.
    std::vector<std::string> references;
    for (const auto& tag : here->tags) {
        if (tag.starts_with(repository + ":")) references.push_back(tag);
    }
    for (const auto& digest : here->digests) {
        if (digest.starts_with(repository + "@")) references.push_back(digest);
    }
    for (const auto& reference : references) {
        auto removed = engine_.remove_image(reference, /*force=*/false);
        if (!removed && removed.error().kind != ErrorKind::conflict) return removed;
    }
    return {};
}

Result<> DockerRuntime::remove_tag(const std::string& repository, const std::string& tag) {
    auto removed =
        engine_.remove_image(registry_.host() + "/" + repository + ":" + tag, /*force=*/false);
    // A container runs it and it has no other name: it keeps this one.
    if (!removed && removed.error().kind != ErrorKind::conflict) return removed;
    return {};
}

// ---- containers

Result<> DockerRuntime::start(const ContainerSpec& spec) {
    LOCO_ASSIGN(const std::string container, container_for(spec));
    if (container.empty()) return {};
    if (auto started = engine_.start_container(container); !started) {
        Error error = start_failure(std::move(started).error());
        return fail(error.kind == ErrorKind::refused
                        ? std::move(error)
                        : std::move(error).while_("start a container"));
    }
    if (logs_ != nullptr) {
        LogSource source =
            log_source(container, to_engine(spec, {.loco = options_.loco}, {}, {}).labels);
        source.fresh = true;
        logs_->follow(source);
    }
    return {};
}

Result<std::int64_t> DockerRuntime::most_cpu_millis(const Instance& instance) {
    // Every machine has one core.
    if (instance.cpu_max_millis > 1000 && cpus_ == 0) LOCO_TRY(machine());
    return cpus_ == 0 ? 1000 : std::int64_t{cpus_} * 1000;
}

// The container of (instance, attempt), made if there is none; nothing when it has run already.
Result<std::string> DockerRuntime::container_for(const ContainerSpec& spec) {
    LOCO_ASSIGN(const auto most_cpu, most_cpu_millis(spec.instance));
    const ContainerPolicy policy{
        .loco = options_.loco, .pids_limit = options_.pids_limit, .most_cpu_millis = most_cpu};
    LOCO_ASSIGN(const std::string network, network_of(spec.network));
    for (int attempt = 0; attempt < 2; ++attempt) {
        LOCO_ASSIGN(const auto existing,
                    engine_.list_containers(ours(label::kInstance, spec.instance.id.str())));
        for (const auto& container : existing) {
            const ObservedContainer seen = observed(container);
            if (seen.attempt < spec.instance.attempt) LOCO_TRY(remove_container(container));
            if (seen.attempt != spec.instance.attempt) continue;
            return seen.state == ContainerState::created ? container.id : std::string();
        }
        const std::string image =
            registry_.host() + "/" + spec.image.repository + "@" + spec.image.digest;
        auto made =
            engine_.create_container(container_name(spec.instance.id, spec.instance.attempt),
                                     to_engine(spec, policy, image, network));
        if (made) return made;
        // A race, or one whose answer was lost: it is there now.
        if (made.error().kind == ErrorKind::conflict && attempt == 0) continue;
        return fail(std::move(made).error().while_("create a container"));
    }
    return fail(ErrorKind::conflict, "a container named " +
                                         container_name(spec.instance.id, spec.instance.attempt) +
                                         " exists that is not Loco's");
}

Result<> DockerRuntime::signal(const InstanceId& instance, Signal signal) {
    LOCO_ASSIGN(const auto containers,
                engine_.list_containers(ours(label::kInstance, instance.str())));
    for (const auto& container : containers) {
        if (!running(container)) continue;
        auto sent =
            engine_.kill_container(container.id, signal == Signal::kill ? "SIGKILL" : "SIGTERM");
        if (!sent && sent.error().kind != ErrorKind::not_found) return sent;
    }
    return {};
}

Result<> DockerRuntime::remove(const InstanceId& instance) {
    LOCO_ASSIGN(const auto containers,
                engine_.list_containers(ours(label::kInstance, instance.str())));
    for (const auto& container : containers) LOCO_TRY(remove_container(container));
    return {};
}

// Killed first, so that its output has an end that can be waited for.
Result<> DockerRuntime::remove_container(const engine::ContainerSummary& container) {
    if (running(container)) {
        auto killed = engine_.kill_container(container.id, "SIGKILL");
        if (!killed && killed.error().kind != ErrorKind::not_found) return killed;
    }
    if (logs_ != nullptr && container.state != "created") {
        logs_->follow(log_source(container.id, container.labels));
        if (!logs_->drain(container.id, options_.log_grace)) {
            log::warning("the last output of a container may be lost",
                         {{"instance", value_of(container.labels, label::kInstance)}});
        }
    }
    auto removed = engine_.remove_container(container.id, /*force=*/true);
    if (!removed && removed.error().message.find("already in progress") == std::string::npos)
        return removed;
    if (logs_ != nullptr) logs_->forget(container.id);
    forget(container.id);
    return {};
}

// ---- what is

Result<std::vector<ObservedContainer>> DockerRuntime::list(const AppId& app) {
    return observe(ours(label::kAppId, app.str()));
}

// Asked for now and then, by the sweep: the moment to look after the rules too.
Result<std::vector<ObservedContainer>> DockerRuntime::list_all() {
    guard_again();
    return observe(ours());
}

Result<std::vector<ObservedContainer>> DockerRuntime::observe(const engine::Labels& labels) {
    LOCO_ASSIGN(const auto containers, engine_.list_containers(labels));
    std::vector<ObservedContainer> result;
    for (const auto& container : containers) {
        ObservedContainer seen = observed(container);
        if (seen.instance.empty()) continue;  // made to look into an image
        auto filled = inspect_into(seen);
        if (!filled && filled.error().kind == ErrorKind::not_found) continue;  // gone meanwhile
        LOCO_TRY(filled);
        result.push_back(std::move(seen));
    }
    std::ranges::sort(result, {}, [](const auto& c) { return std::pair(c.instance, c.attempt); });
    return result;
}

// Each container is inspected once while it runs and once when it has ended.
Result<> DockerRuntime::inspect_into(ObservedContainer& container) {
    const std::string key =
        container.runtime_id + " " + std::to_string(static_cast<int>(container.state));
    const bool may_change = container.state == ContainerState::created;
    if (!may_change) {
        const std::lock_guard lock(mutex_);
        const bool stale =
            container.state == ContainerState::running && died_.contains(container.runtime_id);
        if (const auto known = inspected_.find(key); known != inspected_.end() && !stale) {
            container = known->second;
            return {};
        }
    }
    LOCO_ASSIGN(const engine::Container seen, engine_.inspect_container(container.runtime_id));
    if (container.state == ContainerState::running && !seen.state.running) {
        container.state = ContainerState::exited;  // between the two questions
    }
    fill_in(container, seen.state);
    if (may_change) return {};
    const std::lock_guard lock(mutex_);
    inspected_[container.runtime_id + " " + std::to_string(static_cast<int>(container.state))] =
        container;
    return {};
}

Result<std::vector<ResourceUsage>> DockerRuntime::usage(const AppId& app) {
    LOCO_ASSIGN(const auto containers, observe(ours(label::kAppId, app.str())));
    std::vector<ResourceUsage> result;
    for (const auto& container : containers) {
        if (container.state != ContainerState::running) continue;
        auto stats = engine_.container_stats(container.runtime_id);
        if (!stats && stats.error().kind == ErrorKind::not_found) continue;
        if (!stats) return fail(std::move(stats).error());
        const std::lock_guard lock(mutex_);
        const auto known = samples_.find(container.runtime_id);
        // Without an earlier sample: the mean since its start.
        const Time from =
            known != samples_.end() ? known->second.at : container.started_at.value_or(stats->at);
        const std::int64_t before = known != samples_.end() ? known->second.cpu_ns : 0;
        double millis = known != samples_.end() ? known->second.cpu_millis : 0;
        if (stats->at - from >= kMinSample) {
            const auto interval = static_cast<double>((stats->at - from).count());
            millis = static_cast<double>(std::max<std::int64_t>(stats->cpu_ns - before, 0)) *
                     1000.0 / interval;
            samples_[container.runtime_id] = {
                .at = stats->at, .cpu_ns = stats->cpu_ns, .cpu_millis = millis};
        }
        result.push_back({.instance = container.instance,
                          .cpu_millis = millis,
                          .memory_bytes = stats->memory_bytes});
    }
    return result;
}

Result<MachineSize> DockerRuntime::machine() {
    LOCO_ASSIGN(const auto info, engine_.info());
    if (info.cpus < 1 || info.memory_bytes < 1)
        return fail(ErrorKind::unavailable,
                    "the container engine does not say how large its machine is");
    cpus_ = info.cpus;
    return MachineSize{.cpu_millis = std::int64_t{info.cpus} * 1000,
                       .memory_bytes = info.memory_bytes,
                       .storage = info.root_dir};
}

Result<std::vector<WrittenBytes>> DockerRuntime::written() {
    LOCO_ASSIGN(const auto containers, engine_.container_sizes(ours()));
    std::vector<WrittenBytes> result;
    for (const auto& [container, bytes] : containers) {
        if (!running(container)) continue;
        const auto seen = observed(container);
        result.push_back({seen.instance, seen.app, seen.attempt, bytes});
    }
    return result;
}

ContainerFacts DockerRuntime::examine(const InstanceId& instance) {
    const auto containers = engine_.list_containers(ours(label::kInstance, instance.str()));
    if (!containers || containers->empty()) return {};
    const auto newest = std::ranges::max_element(
        *containers, {}, [](const auto& container) { return observed(container).attempt; });
    const auto container = engine_.inspect_container(newest->id);
    return container ? runtime::examine(engine_, *container) : ContainerFacts{};
}

Result<> DockerRuntime::purge() {
    LOCO_ASSIGN(const auto containers, engine_.list_containers(ours()));
    for (const auto& container : containers) {
        LOCO_TRY(engine_.remove_container(container.id, /*force=*/true));
        if (logs_ != nullptr) logs_->forget(container.id);
    }
    LOCO_ASSIGN(const auto networks, engine_.list_networks(ours()));
    for (const auto& network : networks) LOCO_TRY(engine_.remove_network(network.id));
    // Names in this Loco's own registry are its own; an image that has others too stays under those.
    LOCO_ASSIGN(const auto images, engine_.list_images({}));
    for (const auto& image : images) {
        for (const auto* references : {&image.tags, &image.digests}) {
            for (const auto& reference : *references) {
                if (!reference.starts_with(registry_.host() + "/")) continue;
                auto removed = engine_.remove_image(reference, /*force=*/false);
                if (!removed && removed.error().kind != ErrorKind::conflict) return removed;
            }
        }
    }
    if (!options_.firewall) return {};
    return firewall_.remove();
}

}  // namespace loco
