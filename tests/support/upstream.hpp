// A small HTTP/1.1 application for tests of what stands before applications. By the target's path:
//   .../hold    answers when release() is called
//   .../events  server-sent events: one at once, one per emit(), until the client goes
//   .../ws      101, then sends back every byte
//   .../close   reads the request and closes without an answer
//   .../big     1 MiB
//   else        200
// An answer's headers: X-Instance (its name), X-Path (the target), X-Body (bytes of the request's body). Its body is
// the request's head as it came, so that a test sees every header.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/socket.hpp"

namespace loco::test {

class Upstream {
  public:
    explicit Upstream(std::string name);
    ~Upstream();
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] int held() const { return held_; }
    [[nodiscard]] std::uint64_t requests() const { return requests_; }
    void release();
    void emit();
    // As a good application does at SIGTERM: takes no connection, closes idle ones at once, ends what it is at.
    void stop();
    // As SIGKILL.
    void kill();

  private:
    void accept();
    void serve(Connection connection);
    bool answer(Connection& connection, const std::string& head);
    void shut_idle();

    std::string name_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> held_ = 0;
    std::atomic<std::uint64_t> requests_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<bool> killed_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t released_ = 0;
    std::uint64_t emitted_ = 0;
    std::set<int> idle_;  // descriptors that wait for a request
    std::set<int> all_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace loco::test
