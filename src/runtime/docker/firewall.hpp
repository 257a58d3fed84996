// Keeps containers away from the host: from this Loco's bridges (known by the prefix of their interfaces' names) only
// the gateway's TCP ports are reached, link-local addresses (169.254.0.0/16, where clouds keep their metadata) not at
// all, and other teams' bridges neither. Two chains of its own, hooked from INPUT and from DOCKER-USER (FORWARD where
// Docker made none); each is replaced as a whole, so that there is no moment without rules.
//
// Networks have no IPv6: the engine turns it off inside containers.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace loco::runtime {

struct FirewallConfig {
    std::string tag;              // tells apart two Locos of one machine; at most 8 of [a-z0-9]
    std::string bridge_prefix;    // of the interfaces of all of this Loco's bridges
    std::vector<int> host_ports;  // TCP ports of the host that containers may reach: the gateway's
};

class Firewall {
  public:
    Firewall(FirewallConfig config, const Clock& clock);

    // Puts the rules in place for these bridges (interface names). Cheap when they were seen in place within the last
    // seconds. unavailable, with what to do, when iptables is missing or may not be used: then nothing must be started.
    [[nodiscard]] Result<> ensure(const std::vector<std::string>& bridges);
    // The next ensure() looks again.
    void doubt();
    [[nodiscard]] Result<> remove();

    [[nodiscard]] std::string input_chain() const;
    [[nodiscard]] std::string forward_chain() const;

  private:
    [[nodiscard]] Result<> apply(const std::vector<std::string>& bridges);
    [[nodiscard]] std::string rules(const std::vector<std::string>& bridges) const;

    FirewallConfig config_;
    const Clock& clock_;
    std::mutex mutex_;
    std::vector<std::string> applied_;
    std::optional<SteadyTime> seen_at_;
};

}  // namespace loco::runtime
