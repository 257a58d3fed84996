// What the contract suite needs of a gateway: endpoints behind it, clients before it, and its accidents.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ports/gateway.hpp"

namespace loco::gateway {

struct Answer {
    int status = 0;             // 0: no answer came
    std::string instance = {};  // which endpoint answered; empty for a page of the gateway's own
    std::string path = {};      // as the endpoint saw it
    bool operator==(const Answer&) const = default;
};

// A request in flight at its endpoint.
class Held {
  public:
    virtual ~Held() = default;
    [[nodiscard]] virtual InstanceId instance() const = 0;
    // The endpoint answers now; true when the client got the whole answer.
    virtual bool finish() = 0;
};

class Harness {
  public:
    virtual ~Harness() = default;
    virtual Gateway& gateway() = 0;
    // An endpoint that answers 200 with its instance's id and the path that it saw.
    virtual Endpoint start_endpoint() = 0;
    virtual Answer get(const std::string& host, const std::string& path) = 0;
    virtual std::unique_ptr<Held> hold(const std::string& host, const std::string& path) = 0;
    virtual void kill_gateway_and_start_again() = 0;
    // The process that holds the Gateway object dies and another one starts.
    virtual void restart_adapter() = 0;
    // false: the gateway serves but takes no orders.
    virtual void set_reachable(bool reachable) = 0;
    // Waits, bounded, until it holds.
    virtual bool eventually(const std::function<bool()>& condition) = 0;
};

using MakeHarness = std::unique_ptr<Harness> (*)();

}  // namespace loco::gateway
