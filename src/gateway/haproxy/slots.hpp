// The files under DATA/gateway that hold routes. A slot is a backend that HAProxy declares ahead, for one routed port
// of one app; its file is both what HAProxy reads at a start and the only record of what the slot is for.
// Not for several threads at once.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ports/gateway.hpp"

namespace loco::gateway::haproxy {

// HAProxy counts per backend, not per app: what a slot's former owners had is taken off.
struct Counters {
    std::uint64_t requests = 0, status_2xx = 0, status_3xx = 0, status_4xx = 0, status_5xx = 0,
                  bytes_in = 0, bytes_out = 0;
    bool operator==(const Counters&) const = default;
};

struct Slot {
    int number = 0;
    bool used = false;
    AppId app;  // of a free slot: who had it last, until its servers are gone
    std::vector<std::string> hosts;
    PortRoute route;
    NoEndpoint without_endpoint = NoEndpoint::down;
    Counters before;  // when its app took it
    bool operator==(const Slot&) const = default;
};

[[nodiscard]] std::string backend_name(int number);  // "s0001"
[[nodiscard]] std::optional<int> slot_number(std::string_view backend);
[[nodiscard]] std::string render(const Slot& slot);
[[nodiscard]] Result<Slot> parse_slot(std::string_view text);
// What follows the address in a `server` line and in `add server` alike.
[[nodiscard]] std::string server_options(Protocol protocol);
// The values that routes.map and starting.map have for it: key → value.
[[nodiscard]] std::map<std::string, std::string> routes_of(const Slot& slot);

class SlotFiles {
  public:
    // Reads what is there. One that can't be understood is written anew as a free one: all of it follows from the database,
    // and the next sync says so.
    [[nodiscard]] static Result<SlotFiles> open(std::filesystem::path data_dir);

    [[nodiscard]] int count() const { return static_cast<int>(slots_.size()); }
    [[nodiscard]] const Slot& at(int number) const {
        return slots_.at(static_cast<std::size_t>(number - 1));
    }
    [[nodiscard]] const std::vector<Slot>& all() const { return slots_; }
    // On disk, and only then here. Does nothing when it is the same already.
    [[nodiscard]] Result<> put(const Slot& slot);
    [[nodiscard]] Result<> grow(int by);
    // Both maps, where what the slots say differs from what was written last.
    [[nodiscard]] Result<> write_maps();
    // What the maps should say is made anew from the slots: of two that claim a key the later one has it.
    void index_all();

    [[nodiscard]] std::filesystem::path routes_map() const { return data_dir_ / "routes.map"; }
    [[nodiscard]] std::filesystem::path starting_map() const { return data_dir_ / "starting.map"; }
    // What the maps should say now.
    [[nodiscard]] const std::map<std::string, std::string>& routes() const { return routes_; }
    [[nodiscard]] const std::map<std::string, std::string>& starting() const { return starting_; }

  private:
    explicit SlotFiles(std::filesystem::path data_dir) : data_dir_(std::move(data_dir)) {}
    void index(const Slot& slot);
    void unindex(const Slot& slot);

    std::filesystem::path data_dir_;
    std::vector<Slot> slots_;
    std::map<std::string, std::string> routes_;
    std::map<std::string, std::string> starting_;
    bool routes_dirty_ = true;
    bool starting_dirty_ = true;
};

}  // namespace loco::gateway::haproxy
