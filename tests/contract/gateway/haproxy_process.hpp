// A real HAProxy on a free port and in a folder of its own, and what supervises it: as `loco up` does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gateway/haproxy/config.hpp"
#include "gateway/haproxy/gateway.hpp"
#include "tests/support/child.hpp"
#include "tests/support/socket.hpp"

namespace loco::gateway {

class HaproxyProcess {
  public:
    // `adjust` may change the options before anything is written.
    explicit HaproxyProcess(const std::function<void(haproxy::Options&)>& adjust = {});
    ~HaproxyProcess();
    HaproxyProcess(const HaproxyProcess&) = delete;
    HaproxyProcess& operator=(const HaproxyProcess&) = delete;

    [[nodiscard]] const haproxy::Options& options() const { return options_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::string log() const;
    // Returns when it takes connections.
    void start();
    // SIGKILL to the master, or to its workers; returns when all of it has ended.
    void kill(bool only_workers = false);

    test::Connection connect() const { return test::Connection::to(port_); }

  private:
    haproxy::Options options_;
    std::uint16_t port_ = 0;
    test::Child child_;
};

// One request on a connection of its own.
[[nodiscard]] test::RawResponse request(std::uint16_t port, const std::string& host,
                                        const std::string& target,
                                        const std::string& more_headers = "");

}  // namespace loco::gateway
