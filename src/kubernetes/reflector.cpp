#include "kubernetes/reflector.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "kubernetes/watch_decoder.hpp"

namespace loco::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A watch that ends sooner and brought nothing is no progress: without a wait it would be a storm.
constexpr seconds kShortWatch{1};

// The server no longer has the version that was asked for, or (its data being an older copy) does not have it yet.
bool must_list_again(int code, const Object& status) {
    return code == 410 || text(status, "reason") == "Expired" ||
           text(status, "message").find("Too large resource version") != std::string::npos;
}

int code_of(const Object& status) {
    const auto* code = member(status, "code").if_int64();
    return code == nullptr ? 500 : static_cast<int>(*code);
}

}  // namespace

struct Reflector::Impl {
    // What a watch came to.
    struct Watch {
        bool ended = false;
        bool list_again = false;
        bool unauthorized = false;
        std::uint64_t events = 0;
        std::optional<Error> error = {};
        milliseconds at_least{0};  // to wait, by the server's word
    };

    Impl(Client& c, http::StreamClient& s, const Clock& k, Random& r, Kind of, ReflectorOptions o,
         ReflectorListener l)
        : client(c),
          streams(s),
          clock(k),
          random(r),
          kind(of),
          options(std::move(o)),
          listener(std::move(l)),
          backoff(options.backoff, random),
          watching{.verb = "watch", .kind = &kind, .what = std::string(kind.plural)},
          thread([this] { run(); }) {}

    ~Impl() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        changed.notify_all();
        thread.join();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    bool is_stopping() const {
        const std::lock_guard lock(mutex);
        return stopping;
    }
    void wait_for(milliseconds time) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, time, [this] { return stopping; });
    }

    void run() {
        bool must_list = true;
        while (!is_stopping()) {
            if (must_list) {
                must_list = !list();
                if (must_list) wait_for(backoff.next());
                continue;
            }
            const auto began = clock.steady();
            const auto watch = this->watch();
            if (is_stopping()) return;
            if (watch.unauthorized) client.refused();
            must_list = watch.list_again;
            const bool progress = watch.events > 0 || clock.steady() - began >= kShortWatch;
            if (progress) backoff.reset();
            if (watch.error) tell(*watch.error);
            if (watch.error || !progress) wait_for(std::max(watch.at_least, backoff.next()));
        }
    }

    void tell(const Error& error) {
        {
            const std::lock_guard lock(mutex);
            ++counts.troubles;
        }
        if (listener.on_trouble) listener.on_trouble(error);
    }

    bool list() {
        auto listed = client.list(kind, options.selection, [this] { return is_stopping(); });
        if (!listed) {
            if (!is_stopping()) tell(listed.error());
            return false;
        }
        std::unordered_map<std::string, SharedObject> fresh;
        std::vector<Change> changes;
        {
            const std::lock_guard lock(mutex);
            for (auto& item : listed->items) {
                auto object = keep(std::move(item));
                const auto key = key_of(*object);
                const auto known = objects.find(key);
                if (known == objects.end()) {
                    changes.push_back({Change::Type::added, object});
                } else if (uid_of(*known->second) != uid_of(*object)) {
                    // Deleted and made again while nobody watched.
                    changes.push_back({Change::Type::deleted, known->second});
                    changes.push_back({Change::Type::added, object});
                } else if (resource_version_of(*known->second) != resource_version_of(*object)) {
                    changes.push_back({Change::Type::modified, object});
                }
                fresh.emplace(key, std::move(object));
            }
            for (const auto& [key, object] : objects) {
                if (!fresh.contains(key)) changes.push_back({Change::Type::deleted, object});
            }
            objects = std::move(fresh);
            version = listed->resource_version;
            synced = true;
            contact = clock.steady();
            ++counts.lists;
        }
        changed.notify_all();
        if (listener.on_change) {
            for (const auto& change : changes) listener.on_change(change);
        }
        if (listener.on_synced) listener.on_synced();
        return true;
    }

    SharedObject keep(Object object) const {
        if (auto* fields = object.if_object()) {
            if (auto* metadata = fields->if_contains("metadata")) {
                if (auto* inner = metadata->if_object()) inner->erase("managedFields");
            }
        }
        if (options.reduce) options.reduce(object);
        return std::make_shared<const Object>(std::move(object));
    }

    // Until the watch has ended or this is to stop.
    Watch watch() {
        Watch result;
        std::string from;
        {
            const std::lock_guard lock(mutex);
            from = version;
            ++counts.watches;
        }
        const auto lasts =
            options.watch_lasts +
            seconds(random.next() % static_cast<std::uint64_t>(
                                        std::max<std::int64_t>(1, options.watch_lasts.count())));
        auto request = client.watch_request(kind, options.selection, from, lasts);
        if (!request) {
            result.error = std::move(request).error();
            return result;
        }
        WatchDecoder decoder;
        http::StreamClient::Handler handler;
        handler.on_data = [&](std::string_view piece) {
            auto fed =
                decoder.feed(piece, [&](WatchEvent event) { take(std::move(event), result); });
            if (fed) return !result.error && !result.list_again;
            result.error = std::move(fed).error().while_("watch " + watching.what);
            // What the event said is lost: only a list can tell.
            result.list_again = true;
            return false;
        };
        handler.on_end = [&](Result<http::ClientResponse> response) {
            end(std::move(response), result);
            const std::lock_guard lock(mutex);
            result.ended = true;
            changed.notify_all();
        };
        const auto id = streams.open(std::move(*request), std::move(handler));
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return stopping || result.ended; });
            if (result.ended) return result;
        }
        streams.close(id);
        return result;
    }

    void take(WatchEvent event, Watch& result) {
        using Type = WatchEvent::Type;
        if (event.type == Type::error) {
            const auto code = code_of(event.object);
            result.list_again = must_list_again(code, event.object);
            if (!result.list_again) result.error = failure_of(watching, code, event.object);
            return;
        }
        std::optional<Change> change;
        {
            const std::lock_guard lock(mutex);
            contact = clock.steady();
            version = resource_version_of(event.object);
            if (event.type == Type::bookmark) {
                ++counts.bookmarks;
                return;
            }
            ++counts.events;
            ++result.events;
            const auto key = key_of(event.object);
            auto object = keep(std::move(event.object));
            const auto known = objects.find(key);
            if (event.type == Type::deleted) {
                if (known != objects.end()) objects.erase(known);
                change = Change{Change::Type::deleted, std::move(object)};
            } else {
                const auto type =
                    known == objects.end() ? Change::Type::added : Change::Type::modified;
                objects[key] = object;
                change = Change{type, std::move(object)};
            }
        }
        changed.notify_all();
        if (listener.on_change) listener.on_change(*change);
    }

    void end(Result<http::ClientResponse> response, Watch& result) const {
        if (result.error || result.list_again) return;  // this side ended it, and knows why
        if (!response) {
            result.error = std::move(response).error().while_("watch " + watching.what);
            return;
        }
        if (response->ok()) return;
        auto status = parse_object(response->body);
        result.list_again = must_list_again(response->status, status ? *status : Object());
        if (result.list_again) return;
        result.unauthorized = response->status == 401;
        result.at_least = retry_after(*response).value_or(milliseconds(0));
        result.error = failure_of(watching, *response);
    }

    Client& client;
    http::StreamClient& streams;
    const Clock& clock;
    Random& random;
    const Kind kind;
    const ReflectorOptions options;
    const ReflectorListener listener;
    Backoff backoff;  // of the thread
    const Call watching;

    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    bool stopping = false;
    bool synced = false;
    std::unordered_map<std::string, SharedObject> objects;  // by key_of
    std::string version;
    SteadyTime contact{};
    Counts counts;

    std::thread thread;  // the last member: it uses the others
};

Reflector::Reflector(Client& client, http::StreamClient& streams, const Clock& clock,
                     Random& random, Kind kind, ReflectorOptions options,
                     ReflectorListener listener)
    : impl_(std::make_unique<Impl>(client, streams, clock, random, kind, std::move(options),
                                   std::move(listener))) {}
Reflector::~Reflector() = default;

bool Reflector::synced() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->synced;
}
bool Reflector::wait_synced(milliseconds timeout) const {
    std::unique_lock lock(impl_->mutex);
    return impl_->changed.wait_for(lock, timeout, [this] { return impl_->synced; });
}
SharedObject Reflector::find(std::string_view namespace_, std::string_view name) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->objects.find(key_of(namespace_, name));
    return found == impl_->objects.end() ? nullptr : found->second;
}
std::vector<SharedObject> Reflector::all() const {
    const std::lock_guard lock(impl_->mutex);
    std::vector<SharedObject> result;
    result.reserve(impl_->objects.size());
    for (const auto& [key, object] : impl_->objects) result.push_back(object);
    return result;
}
std::string Reflector::resource_version() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->version;
}
SteadyTime Reflector::last_contact() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->contact;
}
Reflector::Counts Reflector::counts() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->counts;
}

}  // namespace loco::kubernetes
