#include "gateway/haproxy/slots.hpp"

#include <fmt/format.h>

#include <charconv>
#include <sstream>
#include <utility>

#include "base/log.hpp"
#include "gateway/routes.hpp"
#include "os/file.hpp"

namespace loco::gateway::haproxy {
namespace {

constexpr std::string_view kHead =
    "# Written by Loco, and its only record of what this backend is for; replaced as a whole.\n";
constexpr Millis kUsualIdle{60'000};

std::string render_map(const std::map<std::string, std::string>& entries) {
    std::string text;
    for (const auto& [key, value] : entries) {
        text += key;
        text += ' ';
        text += value;
        text += '\n';
    }
    return text;
}

std::string render(const Counters& c) {
    return fmt::format("{} {} {} {} {} {} {}", c.requests, c.status_2xx, c.status_3xx, c.status_4xx,
                       c.status_5xx, c.bytes_in, c.bytes_out);
}

// One "# KEY VALUE…" line; false for what it does not know.
bool take(Slot& slot, const std::string& key, std::istringstream& words) {
    std::string word;
    if (key == "slot") return static_cast<bool>(words >> slot.number);
    if (key == "state") {
        slot.used = (words >> word) && word == "used";
        return word == "used" || word == "free";
    }
    if (key == "app") {
        words >> word;
        slot.app = AppId(word);
        return true;
    }
    if (key == "port") return static_cast<bool>(words >> slot.route.name);
    if (key == "hosts") {
        while (words >> word) slot.hosts.push_back(word);
        return true;
    }
    if (key == "path") return static_cast<bool>(words >> slot.route.path);
    if (key == "strip") return static_cast<bool>(words >> slot.route.strip_path);
    if (key == "protocol") {
        slot.route.protocol = (words >> word) && word == "h2c" ? Protocol::h2c : Protocol::http;
        return word == "h2c" || word == "http";
    }
    if (key == "idle_ms") {
        long long ms = 0;
        words >> ms;
        slot.route.idle_timeout = Millis(ms);
        return ms > 0;
    }
    if (key == "without") {
        slot.without_endpoint =
            (words >> word) && word == "starting" ? NoEndpoint::starting : NoEndpoint::down;
        return word == "starting" || word == "down";
    }
    if (key == "before") {
        auto& c = slot.before;
        return static_cast<bool>(words >> c.requests >> c.status_2xx >> c.status_3xx >>
                                 c.status_4xx >> c.status_5xx >> c.bytes_in >> c.bytes_out);
    }
    if (key == "endpoint") {
        Endpoint endpoint;
        std::string instance, state;
        if (!(words >> instance >> endpoint.address >> endpoint.port >> state)) return false;
        endpoint.instance = InstanceId(instance);
        endpoint.draining = state == "draining";
        slot.route.endpoints.push_back(std::move(endpoint));
        return state == "draining" || state == "active";
    }
    return false;
}

}  // namespace

std::string backend_name(int number) { return fmt::format("s{:04}", number); }

std::optional<int> slot_number(std::string_view backend) {
    int number = 0;
    if (backend.size() != 5 || backend.front() != 's') return std::nullopt;
    const auto [end, error] =
        std::from_chars(backend.data() + 1, backend.data() + backend.size(), number);
    if (error != std::errc() || end != backend.data() + backend.size() || number < 1)
        return std::nullopt;
    return number;
}

// Idle connections are given up sooner than any usual server does (gunicorn keeps one 2 s, Node 5 s), so that a
// request is not sent just as the server closes.
std::string server_options(Protocol protocol) {
    return protocol == Protocol::h2c ? "pool-purge-delay 500ms proto h2" : "pool-purge-delay 500ms";
}

std::string render(const Slot& slot) {
    std::string text(kHead);
    text += fmt::format("# slot {}\n# state {}\n", slot.number, slot.used ? "used" : "free");
    if (!slot.app.empty()) text += fmt::format("# app {}\n", slot.app.str());
    if (slot.used) {
        const auto& route = slot.route;
        text += fmt::format(
            "# port {}\n# hosts {}\n# path {}\n# strip {}\n# protocol {}\n# idle_ms {}\n# without "
            "{}\n",
            route.name, fmt::join(slot.hosts, " "), route.path, route.strip_path ? 1 : 0,
            route.protocol == Protocol::h2c ? "h2c" : "http", route.idle_timeout.count(),
            slot.without_endpoint == NoEndpoint::starting ? "starting" : "down");
        if (slot.before != Counters{}) text += fmt::format("# before {}\n", render(slot.before));
        for (const auto& e : route.endpoints) {
            text += fmt::format("# endpoint {} {} {} {}\n", e.instance.str(), e.address, e.port,
                                e.draining ? "draining" : "active");
        }
    }
    text += fmt::format("backend {} from slot\n", backend_name(slot.number));
    if (slot.used) {
        for (const auto& e : slot.route.endpoints) {
            // After a start nothing is left of what a draining server had in flight.
            if (e.draining) continue;
            text += fmt::format("    server {} {}:{} {}\n", e.instance.str(), e.address, e.port,
                                server_options(slot.route.protocol));
        }
    }
    return text;
}

Result<Slot> parse_slot(std::string_view text) {
    Slot slot;
    std::istringstream lines{std::string(text)};
    std::string line;
    std::getline(lines, line);  // kHead
    while (std::getline(lines, line) && line.starts_with("# ")) {
        std::istringstream words(line.substr(2));
        std::string key;
        words >> key;
        if (!take(slot, key, words))
            return fail(ErrorKind::internal, "it has a line that is not Loco's: " + line);
    }
    if (slot.number < 1) return fail(ErrorKind::internal, "it names no slot");
    return slot;
}

std::map<std::string, std::string> routes_of(const Slot& slot) {
    std::map<std::string, std::string> routes;
    if (!slot.used) return routes;
    auto value = backend_name(slot.number);
    const int strip = slot.route.strip_path ? segments_of(slot.route.path) : 0;
    if (strip != 0 || slot.route.idle_timeout != kUsualIdle) {
        value += fmt::format("|{}|{}", strip, slot.route.idle_timeout.count());
    }
    for (const auto& host : slot.hosts) routes[route_key(host, slot.route.path)] = value;
    return routes;
}

Result<SlotFiles> SlotFiles::open(std::filesystem::path data_dir) {
    SlotFiles files(std::move(data_dir));
    for (int number = 1;; ++number) {
        const auto path = files.data_dir_ / "slots" / (backend_name(number) + ".cfg");
        const auto text = os::read_file(path);
        if (!text && text.error().kind == ErrorKind::not_found) break;
        if (!text) return fail(text.error());
        auto slot = parse_slot(*text);
        if (slot && slot->number != number)
            slot = fail(ErrorKind::internal, "it is another slot's");
        if (!slot) {
            log::failure(
                "a file of the gateway's routes is damaged and made anew: " + path.string(),
                slot.error());
            slot = Slot{.number = number};
            LOCO_TRY(os::replace_file(path, render(*slot)));
        }
        files.index(*slot);
        files.slots_.push_back(std::move(*slot));
    }
    return files;
}

Result<> SlotFiles::put(const Slot& slot) {
    auto& held = slots_.at(static_cast<std::size_t>(slot.number - 1));
    if (held == slot) return {};
    const auto path = data_dir_ / "slots" / (backend_name(slot.number) + ".cfg");
    LOCO_TRY(os::replace_file(path, render(slot)));
    if (routes_of(held) != routes_of(slot) || held.without_endpoint != slot.without_endpoint ||
        held.used != slot.used) {
        unindex(held);
        index(slot);
    }
    held = slot;
    return {};
}

Result<> SlotFiles::grow(int by) {
    for (int i = 0; i < by; ++i) {
        Slot slot;
        slot.number = count() + 1;
        const auto path = data_dir_ / "slots" / (backend_name(slot.number) + ".cfg");
        LOCO_TRY(os::replace_file(path, render(slot)));
        slots_.push_back(std::move(slot));
    }
    return {};
}

Result<> SlotFiles::write_maps() {
    if (routes_dirty_) LOCO_TRY(os::replace_file(routes_map(), render_map(routes_)));
    routes_dirty_ = false;
    if (starting_dirty_) LOCO_TRY(os::replace_file(starting_map(), render_map(starting_)));
    starting_dirty_ = false;
    return {};
}

void SlotFiles::index_all() {
    const auto routes = std::exchange(routes_, {});
    const auto starting = std::exchange(starting_, {});
    const bool routes_dirty = routes_dirty_;
    const bool starting_dirty = starting_dirty_;
    for (const auto& slot : slots_) index(slot);
    routes_dirty_ = routes_dirty || routes != routes_;
    starting_dirty_ = starting_dirty || starting != starting_;
}

void SlotFiles::index(const Slot& slot) {
    for (const auto& [key, value] : routes_of(slot)) {
        auto& held = routes_[key];
        routes_dirty_ |= held != value;
        held = value;
    }
    if (slot.used && slot.without_endpoint == NoEndpoint::starting) {
        starting_dirty_ |= starting_.emplace(backend_name(slot.number), "1").second;
    }
}

void SlotFiles::unindex(const Slot& slot) {
    // A key may have gone to another slot meanwhile.
    for (const auto& [key, value] : routes_of(slot)) {
        if (const auto it = routes_.find(key); it != routes_.end() && it->second == value) {
            routes_.erase(it);
            routes_dirty_ = true;
        }
    }
    starting_dirty_ |= starting_.erase(backend_name(slot.number)) > 0;
}

}  // namespace loco::gateway::haproxy
