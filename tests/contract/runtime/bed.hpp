// What the contract suite needs of a runtime: containers that do a known thing, and the accidents of the world.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ports/runtime.hpp"

namespace loco::runtime {

enum class Does : std::uint8_t {
    sleep,  // until it is told to stop
    ignore_terminate,
    exit_3,  // at once
    exhaust_memory,
    nothing_such_a_program,  // its command is not in the image
};

class Bed {
  public:
    virtual ~Bed() = default;
    virtual Runtime& runtime() = 0;
    // The image that spec() uses: in the registry, its user has uid 1000 and gid 1000.
    virtual ImageRef image() = 0;
    virtual TeamNetwork team(int number) = 0;
    // A container of a new instance in that team; `host` is the last part of its address.
    virtual ContainerSpec spec(Does does, int team_number, int host) = 0;
    // As a person with the engine's own tools does.
    virtual void remove_by_hand(const InstanceId& instance) = 0;
    // Waits, bounded, until it holds.
    virtual bool eventually(const std::function<bool()>& condition) = 0;
    // Of which apps on_change told since the bed was made.
    virtual std::vector<std::optional<AppId>> changes() = 0;
};

struct MakeBed {
    std::string name;
    std::function<std::unique_ptr<Bed>()> make;  // null: cannot be had here
};

[[nodiscard]] std::vector<MakeBed> beds();
[[nodiscard]] std::unique_ptr<Bed> make_simulated_bed();
[[nodiscard]] std::unique_ptr<Bed> make_docker_bed();

// Parts of a spec that are the same everywhere.
[[nodiscard]] ContainerSpec basic_spec(const TeamNetwork& network, const ImageRef& image, int host);
[[nodiscard]] std::string address_in(const TeamNetwork& network, int host);

}  // namespace loco::runtime
