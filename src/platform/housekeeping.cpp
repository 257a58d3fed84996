#include "platform/housekeeping.hpp"

#include "base/log.hpp"
#include "domain/diagnosis.hpp"

namespace loco::platform {
namespace {

constexpr auto kTrimEvery = std::chrono::hours(1);
constexpr std::string_view kWarned = "instance.disk_warning";
constexpr std::string_view kExceeded = "instance.disk_exceeded";

std::string message_of(const MachineFacts& facts) {
    std::string out;
    for (const auto& one : facts.disks) {
        if (const auto warning = warning_of(one))
            out += (out.empty() ? "" : "; ") + warning->message;
    }
    return out.empty() ? "the server's disk has room again" : out;
}

}  // namespace

Housekeeping::Housekeeping(HousekeepingPorts ports, HousekeepingOptions options)
    : ports_(std::move(ports)), options_(options) {
    // What the server did before it was started anew need not be done at once, unless there is need.
    next_prune_ = ports_.clock.steady() + options_.prune_every;
    next_look_ = ports_.clock.steady();
    next_trim_ = ports_.clock.steady() + kTrimEvery;
}

bool Housekeeping::is_due(SteadyTime& next, Duration every) {
    const auto now = ports_.clock.steady();
    if (now < next) return false;
    next = now + every;
    return true;
}

void Housekeeping::step() {
    const auto facts = ports_.machine();
    const auto state = facts.disk_state();
    if (state > state_) {
        next_prune_ = ports_.clock.steady();
        next_look_ = ports_.clock.steady();
    }
    state_ = state;
    if (state != told_) tell(facts);
    const bool short_of_room = state != DiskState::ok;
    if (is_due(next_prune_, short_of_room ? options_.prune_every_when_low : options_.prune_every)) {
        if (ports_.prune_builds) {
            if (const auto pruned = ports_.prune_builds(short_of_room); !pruned)
                log::failure("the build cache was not pruned", pruned.error());
        }
        if (short_of_room) ports_.collect_garbage();
    }
    if (is_due(next_trim_, kTrimEvery)) trim_events();
    if (is_due(next_look_, short_of_room ? options_.look_every_when_low : options_.look_every))
        look(state);
}

// In the history of every app: each may be kept from its next deploy. On a disk that is full the write may fail; then it is tried
// again in the next step.
void Housekeeping::tell(const MachineFacts& facts) {
    const auto state = facts.disk_state();
    const auto message = message_of(facts);
    const auto now = ports_.clock.now();
    const auto told = ports_.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& id : apps) {
            LOCO_ASSIGN(const auto app, tx.app(id));
            LOCO_TRY(tx.append(Event{.team = app.team,
                                     .app = id,
                                     .deployment = {},
                                     .actor = "loco",
                                     .kind = "machine.disk_" + std::string(to_string(state)),
                                     .message = message,
                                     .data = {},
                                     .at = now}));
        }
        return {};
    });
    if (!told) return log::failure("cannot tell of the disk's state", told.error());
    if (state == DiskState::ok) {
        log::info(message, {});
    } else {
        log::warning(message, {});
    }
    told_ = state;
}

// One write for each app: none of them keeps others waiting.
void Housekeeping::trim_events() {
    std::vector<AppId> apps;
    const auto read = ports_.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(apps, tx.all_apps());
        return {};
    });
    for (const auto& app : apps) {
        const auto trimmed = ports_.store.write(
            [&](WriteTx& tx) { return tx.trim_events(app, options_.events_kept); });
        if (!trimmed) return log::failure("old events were not removed", trimmed.error());
    }
    if (!read) log::failure("old events were not removed", read.error());
}

void Housekeeping::look(DiskState state) {
    const auto written = ports_.runtime.written();
    auto held = ports_.measure ? ports_.measure() : std::map<std::string, std::int64_t>();
    if (written) {
        std::set<std::pair<InstanceId, int>> there;
        std::int64_t sum = 0;
        for (const auto& one : *written) {
            there.emplace(one.instance, one.attempt);
            sum += one.bytes;
            bound(one);
        }
        std::erase_if(warned_, [&](const auto& one) { return !there.contains(one); });
        held["containers"] = sum;
    } else if (state != DiskState::ok) {
        log::failure("cannot see what containers have written", written.error());
    }
    const std::lock_guard lock(mutex_);
    held_ = std::move(held);
}

// It is told before it is killed: its end is a crash like any other then, and its next container begins with nothing written.
void Housekeeping::bound(const WrittenBytes& written) {
    if (written.bytes < options_.writable_max / 5 * 4) return;
    const std::pair key(written.instance, written.attempt);
    const bool over = written.bytes > options_.writable_max;
    if (!over && warned_.contains(key)) return;
    const auto noted = note(written, std::string(over ? kExceeded : kWarned));
    if (!noted) {
        log::failure("cannot tell that a container has written too much", noted.error());
        if (noted.error().kind == ErrorKind::not_found) return;  // its row is gone, it goes too
    } else {
        warned_.insert(key);
    }
    if (!over) return;
    if (const auto killed = ports_.runtime.signal(written.instance, Signal::kill); !killed)
        log::failure("cannot stop a container that has written too much", killed.error());
}

Result<> Housekeeping::note(const WrittenBytes& written, const std::string& kind) {
    return ports_.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto instance, tx.instance(written.instance));
        const auto name = instance_name(instance);
        const auto most = size_text(options_.writable_max);
        const auto message =
            name + " has written " + size_text(written.bytes) + " into its container" +
            (kind == kExceeded
                 ? ", more than " + most + ": it is stopped, and started anew without it"
                 : "; beyond " + most +
                       " it is stopped and started anew without it: keep data in a database or a "
                       "bucket, or raise writable_max in the server's loco-api.toml");
        LOCO_TRY(tx.append(Event{.team = instance.team,
                                 .app = instance.app,
                                 .deployment = {},
                                 .actor = "loco",
                                 .kind = kind,
                                 .message = message,
                                 .data = R"({"instance":")" + instance.id.str() + "\"}",
                                 .at = ports_.clock.now()}));
        return {};
    });
}

std::map<std::string, std::int64_t> Housekeeping::held() const {
    const std::lock_guard lock(mutex_);
    return held_;
}

}  // namespace loco::platform
