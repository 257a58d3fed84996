// Keeps a local copy of all objects of one kind that a selection names, by one list and one watch that goes on, and tells
// of every change. One connection per kind, whatever the number of apps.
//
// It lists, then watches from the list's version. A watch that ends is begun again where it ended (bookmarks keep that
// place fresh); when the server has forgotten it (410), everything is listed again and only what differs is told. Trouble
// is told, and tried again with growing waits, for as long as this lives: the copy then grows stale, never empty.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubernetes/client.hpp"
#include "kubernetes/object.hpp"

namespace loco::kubernetes {

// Never changed once it is kept, so that it is shared without a copy.
using SharedObject = std::shared_ptr<const Object>;

struct Change {
    enum class Type : std::uint8_t { added, modified, deleted } type;
    SharedObject object;  // of a deleted one its last known state
};

// Called one at a time, on a thread of the reflector's or the StreamClient's: they must not block.
struct ReflectorListener {
    std::function<void(const Change&)> on_change = {};
    std::function<void()> on_synced = {};  // after each list: the copy is complete
    std::function<void(const Error&)> on_trouble = {};
};

struct ReflectorOptions {
    Selection selection = {};
    std::chrono::seconds watch_lasts{300};  // at least; up to twice that, at random
    BackoffOptions backoff = {};
    // Takes away of each object what nobody reads, before it is kept. metadata.managedFields always goes.
    std::function<void(Object&)> reduce = {};
};

class Reflector {
  public:
    struct Counts {
        std::uint64_t lists = 0;
        std::uint64_t watches = 0;  // begun
        std::uint64_t events = 0;   // without bookmarks
        std::uint64_t bookmarks = 0;
        std::uint64_t troubles = 0;
    };

    // Begins at once. Client, StreamClient, clock and random must outlive it.
    Reflector(Client& client, http::StreamClient& streams, const Clock& clock, Random& random,
              Kind kind, ReflectorOptions options = {}, ReflectorListener listener = {});
    // No listener is called afterwards. Not from a listener.
    ~Reflector();
    Reflector(const Reflector&) = delete;
    Reflector& operator=(const Reflector&) = delete;

    // Whether the first list has come in.
    [[nodiscard]] bool synced() const;
    [[nodiscard]] bool wait_synced(std::chrono::milliseconds timeout) const;
    // nullptr when there is none.
    [[nodiscard]] SharedObject find(std::string_view namespace_, std::string_view name) const;
    [[nodiscard]] std::vector<SharedObject> all() const;
    // The version that the copy is at; empty before the first list.
    [[nodiscard]] std::string resource_version() const;
    // When the server last said anything: how stale the copy may be.
    [[nodiscard]] SteadyTime last_contact() const;
    [[nodiscard]] Counts counts() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::kubernetes
