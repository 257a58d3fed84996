// Collects the registry's garbage when loco-api asks for it (registry/handover.hpp): stops the registry, runs
// `docker-registry garbage-collect`, starts the registry again. Only the supervisor may do that, as it would otherwise start
// the registry beside it.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "os/process.hpp"
#include "platform/supervisor.hpp"
#include "registry/handover.hpp"

namespace loco::platform {

struct CollectionOptions {
    std::string service = "registry";
    os::Command collect;
    std::chrono::seconds stop_within{15};  // its own draintimeout is 10 s; then SIGKILL
    std::chrono::minutes collect_within{
        5};  // then it is stopped; what it has removed is gone, the rest is for next time
};

// On the thread that watches.
class RegistryCollection {
  public:
    RegistryCollection(Supervisor& supervisor, Directories directories, CollectionOptions options);
    // Stops what is under way.
    ~RegistryCollection();
    RegistryCollection(const RegistryCollection&) = delete;
    RegistryCollection& operator=(const RegistryCollection&) = delete;

    // Never blocks for long: for Supervisor::watch.
    void step();

    // Ends what a supervisor that was killed has left behind. Before the registry is started.
    [[nodiscard]] static Result<> clear(const Directories& directories);

  private:
    enum class Step : unsigned char { idle, stopping, collecting, starting };

    void enter(Step step);
    void start_collecting();
    void collect();  // on its own thread

    Supervisor& supervisor_;
    Directories directories_;
    CollectionOptions options_;
    registry::Handover handover_;
    Step step_ = Step::idle;
    std::chrono::steady_clock::time_point since_;
    bool killed_ = false;
    std::thread worker_;
    std::atomic<bool> cancelled_ = false;
    std::atomic<bool> ended_ = false;
    std::atomic<bool> collected_ = false;
};

}  // namespace loco::platform
