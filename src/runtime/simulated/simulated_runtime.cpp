#include "runtime/simulated/simulated_runtime.hpp"

#include <algorithm>

namespace loco {
namespace {

constexpr int kKilled = 137;

std::pair<std::string, std::string> key_of(const ImageRef& ref) {
    return {ref.repository, ref.digest};
}

}  // namespace

// Every call of the port: the hook before, the daemon's absence, the work under the lock, the hook after.
template <class T>
Result<T> SimulatedRuntime::call(std::string_view name, const std::function<Result<T>()>& work) {
    Hook hook;
    {
        const std::lock_guard lock(mutex_);
        hook = hook_;
    }
    if (hook) LOCO_TRY(hook(When::before, name));
    Result<T> result = [&]() -> Result<T> {
        const std::lock_guard lock(mutex_);
        if (away_) {
            return fail(ErrorKind::unavailable, "the container engine cannot be reached",
                        "is the Docker daemon running?", "engine_unavailable");
        }
        return work();
    }();
    if (hook) LOCO_TRY(hook(When::after, name));
    return result;
}

// ---- what a test sets

void SimulatedRuntime::add_image(const ImageRef& ref, ImageFacts facts,
                                 SimulatedBehaviour behaviour) {
    const std::lock_guard lock(mutex_);
    facts.digest = ref.digest;
    images_[key_of(ref)] = {
        .facts = std::move(facts), .behaviour = std::move(behaviour), .pulled = false};
}

void SimulatedRuntime::forget_image(const ImageRef& ref) {
    const std::lock_guard lock(mutex_);
    images_.erase(key_of(ref));
}

void SimulatedRuntime::set_behave(Behave behave) {
    const std::lock_guard lock(mutex_);
    behave_ = std::move(behave);
}

void SimulatedRuntime::set_hook(Hook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
}

void SimulatedRuntime::on_change(std::function<void(std::optional<AppId>)> listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
}

// ---- what happens by itself

void SimulatedRuntime::tell(const std::vector<std::optional<AppId>>& changed) {
    std::function<void(std::optional<AppId>)> listener;
    {
        const std::lock_guard lock(mutex_);
        if (away_) return;  // daemon_back tells of everything
        listener = listener_;
    }
    if (!listener) return;
    for (const auto& app : changed) listener(app);
}

void SimulatedRuntime::die(Container& container, int exit_code, bool oom_killed) {
    container.seen.state = ContainerState::exited;
    container.seen.exit_code = exit_code;
    container.seen.oom_killed = oom_killed;
    container.seen.finished_at = clock_.now();
    container.dies_at.reset();
}

void SimulatedRuntime::advance() {
    std::vector<std::optional<AppId>> changed;
    {
        const std::lock_guard lock(mutex_);
        for (auto& [key, container] : containers_) {
            if (!container.dies_at || *container.dies_at > clock_.now()) continue;
            die(container, container.dies_with, container.dies_oom);
            changed.emplace_back(container.seen.app);
        }
    }
    tell(changed);
}

std::optional<Time> SimulatedRuntime::next_due() const {
    const std::lock_guard lock(mutex_);
    std::optional<Time> next;
    const auto earlier = [&next](Time at) { next = next ? std::min(*next, at) : at; };
    for (const auto& [key, container] : containers_) {
        if (container.dies_at) earlier(*container.dies_at);
        // Answering for the first time is something that happens too.
        if (container.seen.state == ContainerState::running && container.behaviour.healthy_after) {
            const Time at = *container.seen.started_at + *container.behaviour.healthy_after;
            if (at > clock_.now()) earlier(at);
        }
    }
    return next;
}

bool SimulatedRuntime::crash(const InstanceId& instance, int exit_code, bool oom_killed) {
    std::vector<std::optional<AppId>> changed;
    {
        const std::lock_guard lock(mutex_);
        for (Container* container : of(instance)) {
            if (container->seen.state != ContainerState::running) continue;
            die(*container, exit_code, oom_killed);
            changed.emplace_back(container->seen.app);
        }
    }
    tell(changed);
    return !changed.empty();
}

bool SimulatedRuntime::remove_by_hand(const InstanceId& instance) {
    std::vector<std::optional<AppId>> changed;
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(containers_, [&](const auto& entry) {
            if (entry.first.first != instance) return false;
            changed.emplace_back(entry.second.seen.app);
            return true;
        });
    }
    tell(changed);
    return !changed.empty();
}

void SimulatedRuntime::daemon_away(bool containers_die) {
    const std::lock_guard lock(mutex_);
    away_ = true;
    if (!containers_die) return;
    for (auto& [key, container] : containers_) {
        if (container.seen.state == ContainerState::running) die(container, kKilled, false);
    }
}

void SimulatedRuntime::daemon_back() {
    {
        const std::lock_guard lock(mutex_);
        if (!away_) return;
        away_ = false;
    }
    tell({std::nullopt});
}

void SimulatedRuntime::lose_everything() {
    {
        const std::lock_guard lock(mutex_);
        containers_.clear();
        networks_.clear();
        for (auto& [key, image] : images_) image.pulled = false;
    }
    tell({std::nullopt});
}

// ---- what a test looks at

bool SimulatedRuntime::running(const InstanceId& instance) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(containers_, [&](const auto& entry) {
        return entry.first.first == instance && entry.second.seen.state == ContainerState::running;
    });
}

bool SimulatedRuntime::answers(const InstanceId& instance, int attempt) const {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find({instance, attempt});
    if (found == containers_.end()) return false;
    const Container& container = found->second;
    return container.seen.state == ContainerState::running && container.behaviour.healthy_after &&
           *container.seen.started_at + *container.behaviour.healthy_after <= clock_.now();
}

std::vector<std::pair<ContainerSpec, ObservedContainer>> SimulatedRuntime::containers() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<ContainerSpec, ObservedContainer>> result;
    for (const auto& [key, container] : containers_)
        result.emplace_back(container.spec, container.seen);
    return result;
}

bool SimulatedRuntime::told_to_stop(const InstanceId& instance) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(containers_, [&](const auto& entry) {
        return entry.first.first == instance && entry.second.told_to_stop;
    });
}

std::size_t SimulatedRuntime::networks() const {
    const std::lock_guard lock(mutex_);
    return networks_.size();
}

std::size_t SimulatedRuntime::starts() const {
    const std::lock_guard lock(mutex_);
    return starts_;
}

// ---- the port

Result<> SimulatedRuntime::ensure_network(const TeamNetwork& network) {
    return call<void>("ensure_network", [&]() -> Result<> {
        networks_.try_emplace(network.team, network);
        return {};
    });
}

Result<> SimulatedRuntime::remove_network(const TeamId& team) {
    return call<void>("remove_network", [&]() -> Result<> {
        for (const auto& [key, container] : containers_) {
            if (container.spec.network.team == team &&
                container.seen.state == ContainerState::running) {
                return {};
            }
        }
        networks_.erase(team);
        return {};
    });
}

Result<ImageFacts> SimulatedRuntime::ensure_image(const ImageRef& image) {
    return call<ImageFacts>("ensure_image", [&]() -> Result<ImageFacts> {
        const auto found = images_.find(key_of(image));
        if (found == images_.end()) {
            return fail(ErrorKind::not_found,
                        "the registry has no " + image.repository + "@" + image.digest);
        }
        found->second.pulled = true;
        return found->second.facts;
    });
}

Result<> SimulatedRuntime::remove_image(const ImageRef& image) {
    return call<void>("remove_image", [&]() -> Result<> {
        const auto found = images_.find(key_of(image));
        if (found == images_.end()) return {};
        const bool used = std::ranges::any_of(containers_, [&](const auto& entry) {
            return key_of(entry.second.spec.image) == key_of(image);
        });
        if (!used) found->second.pulled = false;
        return {};
    });
}

Result<> SimulatedRuntime::start(const ContainerSpec& spec) {
    return call<void>("start", [&] { return start_locked(spec); });
}

Result<> SimulatedRuntime::start_locked(const ContainerSpec& spec) {
    const Key key{spec.instance.id, spec.instance.attempt};
    if (const auto found = containers_.find(key);
        found != containers_.end() && found->second.seen.state != ContainerState::created) {
        return {};
    }
    if (!networks_.contains(spec.network.team)) {
        return fail(ErrorKind::not_found, "the team has no network");
    }
    const auto image = images_.find(key_of(spec.image));
    if (image == images_.end() || !image->second.pulled) {
        return fail(ErrorKind::not_found,
                    "the engine has no image " + spec.image.repository + "@" + spec.image.digest);
    }
    std::erase_if(containers_, [&](const auto& entry) {
        return entry.first.first == spec.instance.id && entry.first.second < spec.instance.attempt;
    });
    for (const auto& [other, container] : containers_) {
        if (other != key && container.seen.state == ContainerState::running &&
            container.spec.network.team == spec.network.team &&
            container.seen.address == spec.instance.address) {
            return fail(ErrorKind::conflict,
                        "address " + spec.instance.address + " is already in use");
        }
    }
    const SimulatedBehaviour behaviour = behave_ ? behave_(spec) : image->second.behaviour;
    Container& container = containers_[key];
    container.spec = spec;
    container.seen = {};
    container.seen.instance = spec.instance.id;
    container.seen.app = spec.instance.app;
    container.seen.attempt = spec.instance.attempt;
    container.seen.runtime_id =
        spec.instance.id.str() + "-" + std::to_string(spec.instance.attempt);
    container.seen.address = spec.instance.address;
    container.behaviour = behaviour;
    if (!behaviour.refused.empty()) {
        container.seen.error = behaviour.refused;
        return fail(ErrorKind::refused, behaviour.refused, {}, "command_not_startable");
    }
    ++starts_;
    container.seen.state = ContainerState::running;
    container.seen.started_at = clock_.now();
    if (behaviour.exits_after) {
        container.dies_at = clock_.now() + *behaviour.exits_after;
        container.dies_with = behaviour.oom_killed ? kKilled : behaviour.exit_code;
        container.dies_oom = behaviour.oom_killed;
    }
    return {};
}

Result<> SimulatedRuntime::signal(const InstanceId& instance, Signal signal) {
    std::vector<std::optional<AppId>> changed;
    auto result = call<void>("signal", [&]() -> Result<> {
        for (Container* container : of(instance)) {
            if (container->seen.state != ContainerState::running) continue;
            container->told_to_stop = true;
            if (signal == Signal::kill) {
                die(*container, kKilled, false);
                changed.emplace_back(container->seen.app);
            } else if (container->behaviour.stops_after) {
                const Time at = clock_.now() + *container->behaviour.stops_after;
                if (container->dies_at && *container->dies_at <= at) continue;
                container->dies_at = at;
                container->dies_with = container->behaviour.stop_code;
                container->dies_oom = false;
            }
        }
        return {};
    });
    tell(changed);
    return result;
}

Result<> SimulatedRuntime::remove(const InstanceId& instance) {
    return call<void>("remove", [&]() -> Result<> {
        std::erase_if(containers_,
                      [&](const auto& entry) { return entry.first.first == instance; });
        return {};
    });
}

Result<std::vector<ObservedContainer>> SimulatedRuntime::list(const AppId& app) {
    return call<std::vector<ObservedContainer>>(
        "list", [&]() -> Result<std::vector<ObservedContainer>> { return seen(&app); });
}

Result<std::vector<ObservedContainer>> SimulatedRuntime::list_all() {
    return call<std::vector<ObservedContainer>>(
        "list_all", [&]() -> Result<std::vector<ObservedContainer>> { return seen(nullptr); });
}

Result<std::vector<ResourceUsage>> SimulatedRuntime::usage(const AppId& app) {
    return call<std::vector<ResourceUsage>>("usage", [&]() -> Result<std::vector<ResourceUsage>> {
        std::vector<ResourceUsage> result;
        for (const auto& [key, container] : containers_) {
            if (container.seen.app != app || container.seen.state != ContainerState::running)
                continue;
            result.push_back(
                {.instance = key.first,
                 .cpu_millis = static_cast<double>(container.spec.instance.cpu_millis) / 2,
                 .memory_bytes = container.spec.instance.memory_bytes / 2});
        }
        return result;
    });
}

Result<MachineSize> SimulatedRuntime::machine() {
    return call<MachineSize>("machine", [&]() -> Result<MachineSize> { return size_; });
}

Result<std::vector<WrittenBytes>> SimulatedRuntime::written() {
    return call<std::vector<WrittenBytes>>("written", [&]() -> Result<std::vector<WrittenBytes>> {
        std::vector<WrittenBytes> result;
        for (const auto& [key, container] : containers_) {
            if (container.seen.state != ContainerState::running) continue;
            result.push_back({key.first, container.seen.app, key.second, container.written});
        }
        return result;
    });
}

void SimulatedRuntime::set_machine(MachineSize size) {
    const std::lock_guard lock(mutex_);
    size_ = std::move(size);
}

void SimulatedRuntime::set_written(const InstanceId& instance, std::int64_t bytes) {
    const std::lock_guard lock(mutex_);
    for (auto* container : of(instance)) {
        if (container->seen.state == ContainerState::running) container->written = bytes;
    }
}

ContainerFacts SimulatedRuntime::examine(const InstanceId& instance) {
    auto seen = call<ContainerFacts>("examine", [&]() -> Result<ContainerFacts> {
        const auto all = of(instance);
        return all.empty() ? ContainerFacts{} : all.back()->behaviour.facts;
    });
    return seen.value_or(ContainerFacts{});
}

std::vector<SimulatedRuntime::Container*> SimulatedRuntime::of(const InstanceId& instance) {
    std::vector<Container*> result;
    for (auto& [key, container] : containers_) {
        if (key.first == instance) result.push_back(&container);
    }
    return result;
}

std::vector<ObservedContainer> SimulatedRuntime::seen(const AppId* app) const {
    std::vector<ObservedContainer> result;
    for (const auto& [key, container] : containers_) {
        if (app == nullptr || container.seen.app == *app) result.push_back(container.seen);
    }
    return result;
}

}  // namespace loco
