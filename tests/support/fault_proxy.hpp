// An HTTP/1.1 proxy of the tests' own that does to a request what the test says: answers for the server, cuts the
// connection before or after the server has done it, or asks something else. One request a connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/socket.hpp"

namespace loco::test {

struct Fault {
    enum class Type : std::uint8_t { none, answer, cut_before, cut_after } type = Type::none;
    std::string answer = {};  // a whole response
    std::string ask = {};     // instead of the request's line, unless empty
};

class FaultProxy {
  public:
    // Called with each request's line ("GET /api/v1/pods HTTP/1.1"), from any thread, one at a time.
    using Rule = std::function<Fault(const std::string& line)>;

    explicit FaultProxy(std::uint16_t upstream);
    ~FaultProxy();
    FaultProxy(const FaultProxy&) = delete;
    FaultProxy& operator=(const FaultProxy&) = delete;

    [[nodiscard]] std::uint16_t port() const { return port_; }
    void set_rule(Rule rule);
    // Requests that were given to the server.
    [[nodiscard]] int passed() const { return passed_; }
    // Every connection that is open now, with a reset.
    void cut_all();

  private:
    void accept();
    void serve(Connection client);

    std::uint16_t upstream_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> passed_ = 0;
    std::mutex mutex_;
    Rule rule_;
    std::set<int> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

}  // namespace loco::test
