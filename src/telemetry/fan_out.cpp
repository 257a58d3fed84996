#include "telemetry/fan_out.hpp"

#include <mutex>
#include <set>
#include <unordered_map>

namespace loco::telemetry {
namespace {

struct Follower {
    // Held while the waker runs, so that it never runs after its end; recursive, so that it may end itself.
    std::recursive_mutex mutex;
    std::function<void()> waker;

    void wake() {
        const std::lock_guard lock(mutex);
        if (waker) waker();
    }
    void end() {
        const std::lock_guard lock(mutex);
        waker = nullptr;
    }
};

struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>{}(text);
    }
};

}  // namespace

struct FanOut::Followers {
    std::mutex mutex;
    std::unordered_multimap<std::string, std::shared_ptr<Follower>, Hash, std::equal_to<>> by_key;

    void remove(const std::string& key, const std::shared_ptr<Follower>& follower) {
        const std::lock_guard lock(mutex);
        const auto [first, last] = by_key.equal_range(key);
        for (auto it = first; it != last; ++it) {
            if (it->second == follower) {
                by_key.erase(it);
                return;
            }
        }
    }
};

FanOut::FanOut() : followers_(std::make_shared<Followers>()) {}
FanOut::~FanOut() = default;

std::shared_ptr<void> FanOut::follow(std::string key, std::function<void()> waker) {
    auto follower = std::make_shared<Follower>();
    follower->waker = std::move(waker);
    {
        const std::lock_guard lock(followers_->mutex);
        followers_->by_key.emplace(key, follower);
    }
    struct Subscription {
        std::shared_ptr<Followers> all;
        std::string key;
        std::shared_ptr<Follower> follower;
        Subscription(std::shared_ptr<Followers> a, std::string k, std::shared_ptr<Follower> f)
            : all(std::move(a)), key(std::move(k)), follower(std::move(f)) {}
        Subscription(const Subscription&) = delete;
        Subscription& operator=(const Subscription&) = delete;
        ~Subscription() {
            all->remove(key, follower);
            follower->end();
        }
    };
    return std::make_shared<Subscription>(followers_, std::move(key), std::move(follower));
}

void FanOut::wake(std::string_view key) {
    std::vector<std::shared_ptr<Follower>> woken;
    {
        const std::lock_guard lock(followers_->mutex);
        const auto [first, last] = followers_->by_key.equal_range(key);
        for (auto it = first; it != last; ++it) woken.push_back(it->second);
    }
    for (const auto& follower : woken) follower->wake();
}

void FanOut::wake_for(const std::vector<Event>& events) {
    std::set<std::string_view> keys;
    for (const auto& event : events) {
        keys.insert(event.team.str());
        if (event.app) keys.insert(event.app->str());
        if (event.deployment) keys.insert(event.deployment->str());
    }
    for (const auto key : keys) wake(key);
}

}  // namespace loco::telemetry
