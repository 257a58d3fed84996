// Where the apps run: what differs between a loco-api of one machine and one of a cluster.
#pragma once

#include <string>
#include <variant>

#include "api/router.hpp"
#include "domain/capacity.hpp"
#include "reconcile/reconciler.hpp"

namespace loco {

class Place {
  public:
    virtual ~Place() = default;

    // What the reconciler works with.
    [[nodiscard]] virtual std::variant<reconcile::MachinePorts, reconcile::ClusterPorts>
    ports() = 0;
    // The last lines that an instance has written, for a diagnosis.
    [[nodiscard]] virtual std::string last_words(const Instance& instance) = 0;
    // What is known of the machine; empty: it is none.
    [[nodiscard]] virtual MachineView machine() { return {}; }
    // What the API shows of it.
    [[nodiscard]] virtual api::Sight sight() = 0;

    // Watches, collects output, keeps house: what only one server does. After the listeners are set.
    virtual void begin() = 0;
    // Returns when all of that has ended; it may begin again.
    virtual void end() = 0;
};

}  // namespace loco
