// The simulated cluster as a bed: its clock stands still but while a test waits.
#include <map>
#include <mutex>
#include <set>

#include "cluster/simulated/simulated_cluster.hpp"
#include "tests/contract/cluster/bed.hpp"

namespace loco::cluster {
namespace {

using std::chrono::milliseconds;

constexpr auto kLongest = std::chrono::minutes(2);  // of its own time
constexpr milliseconds kStep{50};

class BedClock final : public Clock {
  public:
    Time now() const override { return now_; }
    SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void move(Duration by) { now_ += by; }

  private:
    // As people's: the ids of sets, which the suite makes by the time of day, are in one order with these.
    Time now_ = SystemClock().now();
};

// The simulation is one thread's; the suite asks from several.
class Guarded final : public Cluster {
  public:
    Guarded(SimulatedCluster& cluster, std::string loco, std::recursive_mutex& mutex,
            std::map<ReleaseId, std::vector<std::string>>& commands)
        : client_(cluster, std::move(loco)), mutex_(mutex), commands_(commands) {}

    Result<ImageFacts> image_facts(const ImageRef& image) override {
        const std::lock_guard lock(mutex_);
        return client_.image_facts(image);
    }
    Result<std::vector<ObservedNode>> nodes() override {
        const std::lock_guard lock(mutex_);
        return client_.nodes();
    }
    bool differs(const ClusterApp& app) override {
        const std::lock_guard lock(mutex_);
        return client_.differs(app);
    }
    Result<Applied> apply(const ClusterApp& app) override {
        const std::lock_guard lock(mutex_);
        return client_.apply(app);
    }
    Result<> stop(const AppId& app) override {
        const std::lock_guard lock(mutex_);
        return client_.stop(app);
    }
    Result<> remove(const AppId& app) override {
        const std::lock_guard lock(mutex_);
        return client_.remove(app);
    }
    Result<> run(const ClusterCommand& command) override {
        const std::lock_guard lock(mutex_);
        commands_[command.app.release.id] = command.command;
        return client_.run(command);
    }
    Result<> remove_command(const AppId& app, const DeploymentId& set) override {
        const std::lock_guard lock(mutex_);
        return client_.remove_command(app, set);
    }
    Result<ObservedApp> observe(const AppId& app) override {
        const std::lock_guard lock(mutex_);
        return client_.observe(app);
    }
    Result<std::vector<AppId>> apps() override {
        const std::lock_guard lock(mutex_);
        return client_.apps();
    }
    Result<std::vector<ResourceUsage>> usage(const AppId& app) override {
        const std::lock_guard lock(mutex_);
        return client_.usage(app);
    }
    void on_change(std::function<void(std::optional<AppId>)> listener) override {
        const std::lock_guard lock(mutex_);
        client_.on_change(std::move(listener));
    }

  private:
    SimulatedClusterClient client_;
    std::recursive_mutex& mutex_;
    std::map<ReleaseId, std::vector<std::string>>& commands_;
};

class SimulatedBed final : public Bed {
  public:
    SimulatedBed() {
        world_.add_node({.name = "one",
                         .ready = true,
                         .schedulable = true,
                         .cpu_millis = 4000,
                         .memory_bytes = 8LL << 30,
                         .platform = "linux/amd64"});
        world_.set_behave([this](const Release& release, const std::string& process) {
            return behaviour(release, process);
        });
        first_.on_change([this](std::optional<AppId> app) { changes_.push_back(std::move(app)); });
    }

    Cluster& cluster() override { return first_; }
    Cluster& second() override { return second_; }
    Cluster& strangers() override { return strangers_; }

    ClusterApp app(Does does, int replicas) override {
        auto made = basic_app(clock_, random_, replicas);
        made.release.repository = "apps/" + made.app.str();
        made.release.digest = "sha256:" + std::string(64, 'a');
        if (does == Does::fits_nowhere) made.processes[0].cpu_millis = 900'000;
        if (does == Does::never_ready) made.release.spec.health.path = "/missing";
        const std::lock_guard lock(mutex_);
        does_[made.app] = does;
        return made;
    }
    void scale_by_hand(const ClusterApp& app, int replicas) override {
        const std::lock_guard lock(mutex_);
        world_.scale_by_hand(app.app, "web", replicas);
    }
    void remove_by_hand(const ClusterApp& app) override {
        const std::lock_guard lock(mutex_);
        world_.remove_by_hand(app.app, "web");
    }
    int writes() override {
        const std::lock_guard lock(mutex_);
        return static_cast<int>(world_.writes());
    }
    bool eventually(const std::function<bool()>& condition) override {
        for (const Time end = clock_.now() + kLongest; clock_.now() < end;) {
            if (condition()) return true;
            const std::lock_guard lock(mutex_);
            clock_.move(kStep);
            world_.advance();
        }
        return condition();
    }
    std::vector<std::optional<AppId>> changes() override {
        const std::lock_guard lock(mutex_);
        return changes_;
    }
    int command_pods(const ClusterApp& app) override {
        const std::lock_guard lock(mutex_);
        const auto found = world_.commands().find(app.set);
        return found == world_.commands().end() ? 0 : found->second;
    }

  private:
    SimulatedPodBehaviour behaviour(const Release& release, const std::string& process) {
        if (process == "release") return of_command(commands_[release.id]);
        SimulatedPodBehaviour out{.ready_after = milliseconds(500),
                                  .stops_after = milliseconds(300)};
        const auto does = does_[release.app];
        const auto cannot_start = [&out](std::string code, std::string words) {
            out.problem_code = std::move(code);
            out.problem = std::move(words);
        };
        if (process == "web" && release.spec.health.path == "/missing") {
            out.ready_after.reset();
            out.unready_words = "readiness: answered 404";
        }
        if (does == Does::exit_3 || does == Does::exhaust_memory) {
            out.ready_after.reset();
            out.exits_after = milliseconds(50);
            out.exit_code = 3;
            out.oom_killed = does == Does::exhaust_memory;
        }
        if (does == Does::no_such_program) cannot_start("cannot_start", "/bin/nothing: not found");
        if (does == Does::no_such_image) cannot_start("image_pull_failed", "not found");
        return out;
    }
    // {"sh", "-c", "exit 7"} or {"sleep", "600"}
    static SimulatedPodBehaviour of_command(const std::vector<std::string>& command) {
        SimulatedPodBehaviour out{.ready_after = {}, .exits_after = std::chrono::seconds(600)};
        if (command.size() == 3 && command[2].starts_with("exit ")) {
            out.exits_after = milliseconds(100);
            out.exit_code = std::stoi(command[2].substr(5));
        }
        return out;
    }

    BedClock clock_;
    SystemRandom random_;
    std::recursive_mutex mutex_;
    std::map<AppId, Does> does_;
    std::map<ReleaseId, std::vector<std::string>> commands_;
    std::vector<std::optional<AppId>> changes_;
    SimulatedCluster world_{clock_};
    Guarded first_{world_, "one", mutex_, commands_};
    Guarded second_{world_, "one", mutex_, commands_};
    Guarded strangers_{world_, "another", mutex_, commands_};
};

}  // namespace

std::vector<MakeBed> beds() {
    return {{"simulated", [] { return std::make_unique<SimulatedBed>(); }}};
}

}  // namespace loco::cluster
