// HAProxy's Runtime API over its Unix socket (HAProxy Management Guide, section 9.3): orders and questions as lines.
// One session is one short connection: a connection that is kept would stay with an old worker after a reload.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::gateway::haproxy {

class RuntimeSession {
  public:
    // unavailable when nothing answers there.
    [[nodiscard]] static Result<RuntimeSession> open(
        const std::filesystem::path& socket,
        std::chrono::milliseconds timeout = std::chrono::seconds(5));
    RuntimeSession(RuntimeSession&& other) noexcept;
    RuntimeSession& operator=(RuntimeSession&&) = delete;
    ~RuntimeSession();

    // What it answers to one command, without the prompt; too_large beyond 64 MiB.
    [[nodiscard]] Result<std::string> ask(std::string_view command);
    // ask(), where anything but one of `expected` (a prefix each; empty answers are always good) is an error.
    [[nodiscard]] Result<> order(std::string_view command,
                                 std::initializer_list<std::string_view> expected = {});

  private:
    RuntimeSession(int fd, std::chrono::milliseconds timeout, std::string name)
        : fd_(fd), timeout_(timeout), name_(std::move(name)) {}
    int fd_;
    std::chrono::milliseconds timeout_;
    std::string name_;
};

// The master's socket knows no prompt over several commands of a worker: one command, one connection.
[[nodiscard]] Result<std::string> ask_once(
    const std::filesystem::path& socket, std::string_view command,
    std::chrono::milliseconds timeout = std::chrono::seconds(5));

// An argument as the command line of HAProxy takes it: what is special there gets a backslash.
[[nodiscard]] std::string escaped(std::string_view argument);

// `show stat` as rows: column's name → value, each row with all of these columns. internal when it is no such table, as
// when HAProxy answers with a message instead.
using Row = std::map<std::string, std::string, std::less<>>;
[[nodiscard]] Result<std::vector<Row>> parse_csv(std::string_view text,
                                                 const std::vector<std::string_view>& columns);

struct ServerState {
    std::string backend;
    std::string name;
    std::string address;
    int port = 0;
    bool maintenance = false;
    bool draining = false;
};
// `show servers state`, version 1 of its format.
[[nodiscard]] Result<std::vector<ServerState>> parse_servers(std::string_view text);

// `show map`: key → value; a key that is there twice has the value "" (no wanted value is).
[[nodiscard]] std::map<std::string, std::string> parse_map(std::string_view text);

// Process ids of workers that a reload left behind, from the master's `show proc`.
[[nodiscard]] std::vector<int> parse_old_workers(std::string_view text);

}  // namespace loco::gateway::haproxy
