// The sockets that wait in a network namespace, as /proc/PID/net tells them to whoever may look (proc(5)). Internal to this folder.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "domain/facts.hpp"

namespace loco::runtime {

// Of /proc/net/tcp or tcp6: those that listen. Of udp and udp6: those without a peer.
void read_inet_sockets(std::string_view table, Listener::Kind kind, std::vector<Listener>& out);
// Of /proc/net/unix: those that listen.
void read_unix_sockets(std::string_view table, std::vector<Listener>& out);

// Those in the network of process `pid`, without what the engine itself keeps there; none where this user may not look.
[[nodiscard]] std::optional<std::vector<Listener>> listeners_of(int pid);

}  // namespace loco::runtime
