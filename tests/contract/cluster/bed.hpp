// What the contract suite needs of a cluster: apps that do a known thing, and the accidents of the world.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/cluster.hpp"

namespace loco::cluster {

enum class Does : std::uint8_t {
    serve,        // answers, healthy
    never_ready,  // runs, and its health check fails
    exit_3,       // at once
    exhaust_memory,
    no_such_program,  // its command is not in the image
    no_such_image,
    fits_nowhere,  // asks for more CPU than any node has
};

class Bed {
  public:
    virtual ~Bed() = default;
    virtual Cluster& cluster() = 0;
    // Another loco-api of the same Loco.
    virtual Cluster& second() = 0;
    // Of another Loco on the same cluster.
    virtual Cluster& strangers() = 0;
    // A new app with one process "web" that does it; a set of its own.
    virtual ClusterApp app(Does does, int replicas = 1) = 0;
    // As a person with the cluster's own tools does: to the Deployment (replicas) or the whole process.
    virtual void scale_by_hand(const ClusterApp& app, int replicas) = 0;
    virtual void remove_by_hand(const ClusterApp& app) = 0;
    // Requests that could have changed something since the bed was made, of all three.
    virtual int writes() = 0;
    // Waits, bounded, until it holds.
    virtual bool eventually(const std::function<bool()>& condition) = 0;
    // Of which apps on_change of cluster() told since the bed was made.
    virtual std::vector<std::optional<AppId>> changes() = 0;
    // How many times the release command of that set has begun, as the cluster itself counts.
    virtual int command_pods(const ClusterApp& app) = 0;
};

struct MakeBed {
    std::string name;
    std::function<std::unique_ptr<Bed>()> make;  // null: cannot be had here
};
// Those of the program that is linked: simulated_bed.cpp or kubernetes_bed.cpp.
[[nodiscard]] std::vector<MakeBed> beds();
[[nodiscard]] std::unique_ptr<Bed> make_kubernetes_bed();

// The parts of an app that are the same everywhere; without an image.
[[nodiscard]] ClusterApp basic_app(const Clock& clock, Random& random, int replicas);
// The same app with a new set, as a deploy or a restart makes it.
[[nodiscard]] ClusterApp next_set(ClusterApp app, const Clock& clock, Random& random);

}  // namespace loco::cluster
