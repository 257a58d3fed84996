// A container runtime in memory, for tests and the simulation: nothing happens but by a call or by the clock it is
// given, so that one seed replays to one trace. Holds to the contract of ports/runtime.hpp
// (tests/contract/runtime), and lets a test make the world go wrong.
//
// Like a real engine it lives on when Loco dies: keep the object, and give the new Loco's listener to on_change.
// Any thread may call. Listeners and hooks run on the caller's thread, without the lock.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/runtime.hpp"

namespace loco {

// What the containers of an image do.
struct SimulatedBehaviour {
    std::string refused;  // not empty: start() is refused with these words
    std::optional<Duration> healthy_after = Duration{0};  // since its start; none: never
    std::optional<Duration> exits_after;                  // by itself, since its start
    int exit_code = 0;
    bool oom_killed = false;  // the exit above is a kill for memory (137)
    ContainerFacts facts;     // what examine() sees
    std::optional<Duration> stops_after =
        Duration{0};  // from SIGTERM to its exit; none: ignores it
    int stop_code = 143;
};

class SimulatedRuntime final : public Runtime {
  public:
    enum class When : std::uint8_t { before, after };
    // Asked around each call of the port, with its name ("start", "list_all", …). An error fails the call: with
    // `before` nothing was done, with `after` it was done and only the answer is lost. It may throw.
    using Hook = std::function<Result<>(When, std::string_view call)>;
    using Behave = std::function<SimulatedBehaviour(const ContainerSpec&)>;

    explicit SimulatedRuntime(const Clock& clock) : clock_(clock) {}

    // ---- what a test sets

    // Puts an image into the registry. An image that is not there is not_found.
    void add_image(const ImageRef& ref, ImageFacts facts, SimulatedBehaviour behaviour = {});
    void forget_image(const ImageRef& ref);
    // Decides for each container when it starts, instead of its image's behaviour.
    void set_behave(Behave behave);
    void set_hook(Hook hook);
    void set_machine(MachineSize size);
    // What the instance's running container has written so far.
    void set_written(const InstanceId& instance, std::int64_t bytes);

    // ---- what happens by itself

    // Lets everything happen that is due at the clock's now. Call it after the clock was moved.
    void advance();
    // When the next thing is due: where to move the clock to.
    [[nodiscard]] std::optional<Time> next_due() const;
    // False when it does not run.
    bool crash(const InstanceId& instance, int exit_code, bool oom_killed = false);
    // As `docker rm -f` by a person.
    bool remove_by_hand(const InstanceId& instance);
    // The engine goes away: each call is unavailable. Its containers go on running, or die with it.
    void daemon_away(bool containers_die);
    void daemon_back();
    // Containers, networks and images are gone, as after the loss of the engine's data.
    void lose_everything();

    // ---- what a test looks at

    [[nodiscard]] bool running(const InstanceId& instance) const;
    // Running, and its behaviour says that it answers by now.
    [[nodiscard]] bool answers(const InstanceId& instance, int attempt) const;
    // By any container, running or not; what was told to stop counts until it is gone.
    [[nodiscard]] std::vector<std::pair<ContainerSpec, ObservedContainer>> containers() const;
    [[nodiscard]] bool told_to_stop(const InstanceId& instance) const;
    [[nodiscard]] std::size_t networks() const;
    [[nodiscard]] std::size_t starts() const;  // containers started since the beginning

    // ---- the port

    [[nodiscard]] Result<> ensure_network(const TeamNetwork& network) override;
    [[nodiscard]] Result<> remove_network(const TeamId& team) override;
    [[nodiscard]] Result<ImageFacts> ensure_image(const ImageRef& image) override;
    [[nodiscard]] Result<> remove_image(const ImageRef& image) override;
    [[nodiscard]] Result<> start(const ContainerSpec& spec) override;
    [[nodiscard]] Result<> signal(const InstanceId& instance, Signal signal) override;
    [[nodiscard]] Result<> remove(const InstanceId& instance) override;
    [[nodiscard]] Result<std::vector<ObservedContainer>> list(const AppId& app) override;
    [[nodiscard]] Result<std::vector<ObservedContainer>> list_all() override;
    [[nodiscard]] Result<std::vector<ResourceUsage>> usage(const AppId& app) override;
    [[nodiscard]] Result<MachineSize> machine() override;
    [[nodiscard]] Result<std::vector<WrittenBytes>> written() override;
    [[nodiscard]] ContainerFacts examine(const InstanceId& instance) override;
    void on_change(std::function<void(std::optional<AppId>)> listener) override;

  private:
    struct Container {
        ContainerSpec spec;
        ObservedContainer seen;
        SimulatedBehaviour behaviour;
        std::optional<Time> dies_at;
        int dies_with = 0;
        bool dies_oom = false;
        bool told_to_stop = false;
        std::int64_t written = 0;
    };
    struct Image {
        ImageFacts facts;
        SimulatedBehaviour behaviour;
        bool pulled = false;
    };
    using Key = std::pair<InstanceId, int>;
    using Images = std::map<std::pair<std::string, std::string>, Image>;

    template <class T>
    Result<T> call(std::string_view name, const std::function<Result<T>()>& work);
    void die(Container& container, int exit_code, bool oom_killed);
    void tell(const std::vector<std::optional<AppId>>& changed);
    Result<> start_locked(const ContainerSpec& spec);
    std::vector<Container*> of(const InstanceId& instance);
    std::vector<ObservedContainer> seen(const AppId* app) const;

    const Clock& clock_;
    mutable std::mutex mutex_;
    Images images_;
    std::map<TeamId, TeamNetwork> networks_;
    std::map<Key, Container> containers_;
    Behave behave_;
    Hook hook_;
    std::function<void(std::optional<AppId>)> listener_;
    MachineSize size_{.cpu_millis = 64'000, .memory_bytes = 256LL << 30, .storage = {}};
    bool away_ = false;
    std::size_t starts_ = 0;
};

}  // namespace loco
