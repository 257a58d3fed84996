#include "gateway/haproxy/gateway.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/log.hpp"
#include "gateway/routes.hpp"

namespace loco::gateway {

using haproxy::backend_name;
using haproxy::escaped;
using haproxy::RuntimeSession;
using haproxy::ServerState;
using haproxy::Slot;

namespace {

constexpr auto kReloadTimeout = std::chrono::seconds(20);
// Columns of `show stat` (HAProxy Management Guide, section 9.1).
const std::vector<std::string_view> kBackendColumns = {
    "pxname",   "scur",     "bin",      "bout",     "req_tot",
    "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "rtime"};
const std::vector<std::string_view> kServerColumns = {"svname", "scur"};
constexpr std::string_view kAllBackends = "show stat -1 2 -1";

std::uint64_t number(const haproxy::Row& row, std::string_view column) {
    std::uint64_t value = 0;
    if (const auto it = row.find(column); it != row.end()) {
        std::from_chars(it->second.data(), it->second.data() + it->second.size(), value);
    }
    return value;
}

haproxy::Counters counters_of(const haproxy::Row& row) {
    return {.requests = number(row, "req_tot"),
            .status_2xx = number(row, "hrsp_2xx"),
            .status_3xx = number(row, "hrsp_3xx"),
            .status_4xx = number(row, "hrsp_4xx"),
            .status_5xx = number(row, "hrsp_5xx"),
            .bytes_in = number(row, "bin"),
            .bytes_out = number(row, "bout")};
}

const Endpoint* endpoint_of(const Slot& slot, std::string_view server) {
    if (!slot.used) return nullptr;
    const auto& endpoints = slot.route.endpoints;
    const auto it =
        std::ranges::find_if(endpoints, [&](const auto& e) { return e.instance.str() == server; });
    return it == endpoints.end() ? nullptr : &*it;
}

std::string server_path(const Slot& slot, std::string_view server) {
    return fmt::format("{}/{}", backend_name(slot.number), escaped(server));
}

Result<> set_state(RuntimeSession& session, const std::string& server, std::string_view state) {
    return session.order(fmt::format("set server {} state {}", server, state));
}

std::string servers_of(int slot) { return fmt::format("show stat {} 4 -1", backend_name(slot)); }

}  // namespace

Result<std::unique_ptr<HaproxyGateway>> HaproxyGateway::open(const haproxy::Options& options,
                                                             int grow_by) {
    LOCO_ASSIGN(auto files, haproxy::SlotFiles::open(options.data_dir));
    return std::unique_ptr<HaproxyGateway>(new HaproxyGateway(options, std::move(files), grow_by));
}

HaproxyGateway::HaproxyGateway(const haproxy::Options& options, haproxy::SlotFiles files,
                               int grow_by)
    : data_dir_(options.data_dir),
      stats_socket_(haproxy::stats_socket(options)),
      master_socket_(haproxy::master_socket(options)),
      grow_by_(grow_by),
      files_(std::move(files)) {}

template <class T>
Result<T> HaproxyGateway::noted(Result<T> result) {
    if (!result) settled_ = false;
    return result;
}

Result<> HaproxyGateway::apply(const AppRoutes& routes) {
    LOCO_TRY(check(routes));
    const std::lock_guard lock(mutex_);
    LOCO_TRY(put_routes(routes));
    LOCO_TRY(files_.write_maps());
    return noted(settle(routes.app));
}

Result<> HaproxyGateway::remove(const AppId& app) {
    const std::lock_guard lock(mutex_);
    LOCO_TRY(free_slots(app, {}));
    LOCO_TRY(files_.write_maps());
    return noted(settle(app));
}

Result<> HaproxyGateway::sync(const std::vector<AppRoutes>& all) {
    for (const auto& routes : all) LOCO_TRY(check(routes));
    const std::lock_guard lock(mutex_);
    // Another loco-api may have led, and written them, since they were read.
    LOCO_ASSIGN(files_, haproxy::SlotFiles::open(data_dir_));
    settled_ = false;
    std::set<AppId> named;
    for (const auto& routes : all) named.insert(routes.app);
    std::set<AppId> gone;
    for (const auto& slot : files_.all()) {
        if (slot.used && !named.contains(slot.app)) gone.insert(slot.app);
    }
    for (const auto& app : gone) LOCO_TRY(free_slots(app, {}));
    for (const auto& routes : all) LOCO_TRY(put_routes(routes));
    files_.index_all();
    LOCO_TRY(files_.write_maps());
    return noted(settle_all());
}

// ---------------------------------------------------------------- files

Result<> HaproxyGateway::put_routes(const AppRoutes& routes) {
    std::set<int> named;
    for (const auto& port : routes.ports) {
        LOCO_ASSIGN(auto slot, slot_for(routes.app, port.name));
        slot.hosts = routes.hosts;
        slot.route = port;
        slot.without_endpoint = routes.without_endpoint;
        LOCO_TRY(files_.put(slot));
        named.insert(slot.number);
    }
    return free_slots(routes.app, named);
}

Result<> HaproxyGateway::free_slots(const AppId& app, const std::set<int>& but) {
    for (int n = 1; n <= files_.count(); ++n) {
        const auto& slot = files_.at(n);
        if (!slot.used || slot.app != app || but.contains(n)) continue;
        // The app stays named: until its servers are gone, their addresses are not free.
        Slot freed;
        freed.number = n;
        freed.app = app;
        LOCO_TRY(files_.put(freed));
        fresh_.erase(n);
        leftovers_.insert(n);
    }
    return {};
}

Result<Slot> HaproxyGateway::slot_for(const AppId& app, const std::string& port) {
    const Slot* untouched = nullptr;
    const Slot* drained = nullptr;
    for (const auto& slot : files_.all()) {
        if (slot.used && slot.app == app && slot.route.name == port) return slot;
        if (slot.used) continue;
        if (untouched == nullptr && slot.app.empty()) untouched = &slot;
        if (drained == nullptr && !slot.app.empty() && settled_ &&
            !leftovers_.contains(slot.number))
            drained = &slot;
    }
    const Slot* chosen = drained != nullptr ? drained : untouched;
    if (chosen == nullptr) {
        const int by = std::min(grow_by_, haproxy::kMaxSlots - files_.count());
        if (by <= 0) {
            return fail(ErrorKind::refused,
                        fmt::format("all {} slots of the gateway are taken", haproxy::kMaxSlots));
        }
        const int first = files_.count() + 1;
        LOCO_TRY(files_.grow(by));
        settled_ = false;
        chosen = &files_.at(first);
    }
    Slot slot;
    slot.number = chosen->number;
    slot.used = true;
    slot.app = app;
    if (!chosen->app.empty()) {
        if (auto session = RuntimeSession::open(stats_socket_)) {
            LOCO_ASSIGN(const auto text,
                        session->ask(fmt::format("show stat {} 2 -1", backend_name(slot.number))));
            LOCO_ASSIGN(const auto rows, haproxy::parse_csv(text, kBackendColumns));
            for (const auto& row : rows) slot.before = counters_of(row);
        }
    }
    fresh_.insert(slot.number);
    return slot;
}

// ---------------------------------------------------------------- HAProxy

Result<> HaproxyGateway::settle(const AppId& app) {
    if (!settled_) return settle_all();
    LOCO_ASSIGN(auto session, RuntimeSession::open(stats_socket_));
    return settle_app(session, app);
}

Result<> HaproxyGateway::settle_app(RuntimeSession& session, const AppId& app) {
    std::map<int, Servers> actual;
    for (const auto& slot : files_.all()) {
        if (slot.app != app || (!slot.used && !leftovers_.contains(slot.number))) continue;
        LOCO_ASSIGN(const auto text,
                    session.ask("show servers state " + backend_name(slot.number)));
        LOCO_ASSIGN(actual[slot.number], haproxy::parse_servers(text));
    }
    return settle_slots(session, actual);
}

Result<> HaproxyGateway::settle_all() {
    LOCO_ASSIGN(auto session, session_with_all_slots());
    LOCO_ASSIGN(const auto servers_text, session.ask("show servers state"));
    LOCO_ASSIGN(auto servers, haproxy::parse_servers(servers_text));
    std::map<int, Servers> actual;
    for (const auto& slot : files_.all()) {
        if (slot.used) actual[slot.number];
    }
    for (auto& server : servers) {
        const auto slot = haproxy::slot_number(server.backend);
        if (slot && *slot <= files_.count()) actual[*slot].push_back(std::move(server));
    }
    LOCO_ASSIGN(const auto routes_text, session.ask("show map " + files_.routes_map().string()));
    LOCO_ASSIGN(const auto starting_text,
                session.ask("show map " + files_.starting_map().string()));
    known_routes_ = haproxy::parse_map(routes_text);
    known_starting_ = haproxy::parse_map(starting_text);
    leftovers_.clear();
    LOCO_TRY(settle_slots(session, actual));
    settled_ = true;
    return {};
}

// A session with a worker that has a backend for each slot, if need be after a reload.
Result<RuntimeSession> HaproxyGateway::session_with_all_slots() {
    const auto deadline = std::chrono::steady_clock::now() + kReloadTimeout;
    bool reloaded = false;
    while (true) {
        auto session = RuntimeSession::open(stats_socket_);
        if (session) {
            auto text = session->ask(kAllBackends);
            if (text) {
                int last = 0;
                LOCO_ASSIGN(const auto rows, haproxy::parse_csv(*text, {"pxname"}));
                for (const auto& row : rows) {
                    last = std::max(last, haproxy::slot_number(row.at("pxname")).value_or(0));
                }
                if (last >= files_.count()) return session;
                if (!reloaded) LOCO_TRY(reload());
                reloaded = true;
            } else if (!reloaded) {
                return fail(std::move(text.error()));
            }
        } else if (!reloaded) {
            return session;
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            return fail(ErrorKind::unavailable,
                        "the gateway (HAProxy) was reloaded for more slots but does not have them",
                        "its log says why", "gateway_unavailable");
        }
        ::poll(nullptr, 0, 10);
    }
}

Result<> HaproxyGateway::reload() {
    // The master replaces itself and drops the connection: whether it worked, the new worker shows.
    const auto answer = haproxy::ask_once(master_socket_, "reload");
    if (!answer) log::failure("reload the gateway", answer.error());
    ++reloads_;
    old_workers_possible_ = true;
    log::info("the gateway is reloaded for more slots",
              {{"slots", files_.count()}, {"reloads", reloads_.load()}});
    return {};
}

// New servers first, then the routes to them, then what is not named any more goes.
Result<> HaproxyGateway::settle_slots(RuntimeSession& session,
                                      const std::map<int, Servers>& actual) {
    for (const auto& [n, servers] : actual) {
        const auto& slot = files_.at(n);
        if (fresh_.contains(n)) LOCO_TRY(cut_off(session, slot, servers));
        LOCO_TRY(bring_up(session, slot, servers));
    }
    LOCO_TRY(settle_maps(session));
    for (const auto& [n, servers] : actual) {
        LOCO_TRY(cut_off(session, files_.at(n), servers));
        fresh_.erase(n);
    }
    return {};
}

Result<> HaproxyGateway::settle_maps(RuntimeSession& session) {
    const auto settle_map = [&](const std::string& file, std::map<std::string, std::string>& known,
                                const std::map<std::string, std::string>& wanted) -> Result<> {
        // Both are sorted, so one walk finds what differs; to look each key up took 6 ms with
        // 10,000 routes.
        std::vector<std::string> gone;
        auto held = known.begin();
        for (const auto& [key, value] : wanted) {
            while (held != known.end() && held->first < key) gone.push_back((held++)->first);
            const bool there = held != known.end() && held->first == key;
            if (!there || held->second != value) {
                // A second `add` of a key makes a second entry.
                const bool twice = there && held->second.empty();
                if (twice)
                    LOCO_TRY(session.order(fmt::format("del map {} {}", file, escaped(key))));
                LOCO_TRY(
                    session.order(fmt::format("{} map {} {} {}", !there || twice ? "add" : "set",
                                              file, escaped(key), escaped(value))));
                if (there) {
                    held->second = value;
                } else {
                    held = known.emplace_hint(held, key, value);
                }
            }
            ++held;
        }
        for (; held != known.end(); ++held) gone.push_back(held->first);
        for (const auto& key : gone) {
            LOCO_TRY(
                session.order(fmt::format("del map {} {}", file, escaped(key)), {"Key not found"}));
            known.erase(key);
        }
        return {};
    };
    LOCO_TRY(settle_map(files_.starting_map().string(), known_starting_, files_.starting()));
    return settle_map(files_.routes_map().string(), known_routes_, files_.routes());
}

Result<> HaproxyGateway::bring_up(RuntimeSession& session, const Slot& slot,
                                  const Servers& actual) {
    if (!slot.used) return {};
    const auto bring = [&](const Endpoint& endpoint) -> Result<> {
        const auto server = server_path(slot, endpoint.instance.str());
        const auto it = std::ranges::find(actual, endpoint.instance.str(), &ServerState::name);
        if (it == actual.end()) {
            // One that drains and is not there has nothing in flight.
            if (endpoint.draining) return {};
            LOCO_TRY(session.order(
                fmt::format("add server {} {}:{} {}", server, endpoint.address, endpoint.port,
                            haproxy::server_options(slot.route.protocol)),
                {"New server registered"}));
            return session.order("enable server " + server);
        }
        const bool moved = it->address != endpoint.address || it->port != endpoint.port;
        if (moved) {
            // Maintenance closes the idle connections to the former address.
            LOCO_TRY(set_state(session, server, "maint"));
            LOCO_TRY(session.order(
                fmt::format("set server {} addr {} port {}", server, endpoint.address,
                            endpoint.port),
                {"IP changed", "port changed", "no need to change", "nothing changed"}));
        }
        const bool active = !it->draining && !it->maintenance;
        if (endpoint.draining && (moved || !it->draining || it->maintenance)) {
            LOCO_TRY(set_state(session, server, "drain"));
        }
        if (!endpoint.draining && (moved || !active)) LOCO_TRY(set_state(session, server, "ready"));
        return {};
    };
    for (const auto& endpoint : slot.route.endpoints) {
        if (!endpoint.draining) LOCO_TRY(bring(endpoint));
    }
    for (const auto& endpoint : slot.route.endpoints) {
        if (endpoint.draining) LOCO_TRY(bring(endpoint));
    }
    return {};
}

Result<> HaproxyGateway::cut_off(RuntimeSession& session, const Slot& slot, const Servers& actual) {
    bool all_gone = true;
    for (const auto& held : actual) {
        if (endpoint_of(slot, held.name) != nullptr) continue;
        const auto server = server_path(slot, held.name);
        // It may have gone in an earlier pass.
        LOCO_TRY(
            session.order(fmt::format("set server {} state maint", server), {"No such server"}));
        LOCO_TRY(session.order("shutdown sessions server " + server, {"No such server"}));
        LOCO_ASSIGN(const auto deleted, session.ask("del server " + server));
        all_gone = all_gone &&
                   (deleted.starts_with("Server deleted") || deleted.starts_with("No such server"));
        LOCO_ASSIGN(const auto workers, old_workers());
        for (const int pid : workers) {
            LOCO_TRY(haproxy::ask_once(
                master_socket_, fmt::format("@!{} shutdown sessions server {}", pid, server)));
        }
    }
    if (all_gone) {
        leftovers_.erase(slot.number);
    } else {
        leftovers_.insert(slot.number);
    }
    return {};
}

Result<std::vector<int>> HaproxyGateway::old_workers() {
    if (!old_workers_possible_) return std::vector<int>{};
    LOCO_ASSIGN(const auto text, haproxy::ask_once(master_socket_, "show proc"));
    auto pids = haproxy::parse_old_workers(text);
    old_workers_possible_ = !pids.empty();
    return pids;
}

Result<std::map<InstanceId, int>> HaproxyGateway::connections(const AppId& app) {
    const std::lock_guard lock(mutex_);
    const bool leftover =
        std::ranges::any_of(leftovers_, [&](int n) { return files_.at(n).app == app; });
    if (!settled_ || leftover) LOCO_TRY(noted(settle(app)));

    auto asked = [&]() -> Result<std::map<InstanceId, int>> {
        std::map<InstanceId, int> result;
        LOCO_ASSIGN(auto session, RuntimeSession::open(stats_socket_));
        LOCO_ASSIGN(const auto workers, old_workers());
        for (const auto& slot : files_.all()) {
            if (slot.app != app || (!slot.used && !leftovers_.contains(slot.number))) continue;
            LOCO_ASSIGN(const auto text, session.ask(servers_of(slot.number)));
            LOCO_ASSIGN(const auto rows, haproxy::parse_csv(text, kServerColumns));
            for (const auto& row : rows) {
                result[InstanceId(row.at("svname"))] += static_cast<int>(number(row, "scur"));
            }
            for (const int pid : workers) {
                LOCO_ASSIGN(
                    const auto old,
                    haproxy::ask_once(master_socket_,
                                      fmt::format("@!{} {}", pid, servers_of(slot.number))));
                const auto left = haproxy::parse_csv(old, kServerColumns);
                if (!left) continue;  // that worker has just ended
                for (const auto& row : *left) {
                    const auto count = static_cast<int>(number(row, "scur"));
                    if (count > 0) result[InstanceId(row.at("svname"))] += count;
                }
            }
        }
        return result;
    };
    return noted(asked());
}

Result<std::vector<TrafficStats>> HaproxyGateway::stats() {
    const std::lock_guard lock(mutex_);
    LOCO_ASSIGN(auto session, RuntimeSession::open(stats_socket_));
    LOCO_ASSIGN(const auto text, session.ask(kAllBackends));
    std::vector<TrafficStats> result;
    LOCO_ASSIGN(const auto rows, haproxy::parse_csv(text, kBackendColumns));
    for (const auto& row : rows) {
        const auto n = haproxy::slot_number(row.at("pxname"));
        if (!n || *n > files_.count() || !files_.at(*n).used) continue;
        const auto& slot = files_.at(*n);
        auto now = counters_of(row);
        // Less than before: HAProxy was started anew since, and counts from zero.
        const auto before = now.requests < slot.before.requests ? haproxy::Counters{} : slot.before;
        result.push_back({.app = slot.app,
                          .port = slot.route.name,
                          .requests = now.requests - before.requests,
                          .status_2xx = now.status_2xx - before.status_2xx,
                          .status_3xx = now.status_3xx - before.status_3xx,
                          .status_4xx = now.status_4xx - before.status_4xx,
                          .status_5xx = now.status_5xx - before.status_5xx,
                          .bytes_in = now.bytes_in - before.bytes_in,
                          .bytes_out = now.bytes_out - before.bytes_out,
                          .average_ms = static_cast<double>(number(row, "rtime")),
                          .current_sessions = number(row, "scur")});
    }
    return result;
}

}  // namespace loco::gateway
