#include "store/memory/memory_store.hpp"

#include <atomic>
#include <mutex>
#include <shared_mutex>

#include "store/memory/memory_tx.hpp"

namespace loco::store {

struct MemoryStore::Impl {
    std::mutex writer;                       // one write at a time, its listener's call included
    std::shared_mutex data;                  // taken after writer
    std::atomic<std::uint64_t> version = 0;  // raised under `data`, with each commit
    Tables tables;
    std::function<void(const std::vector<Event>&)> listener;
    FaultHook hook;

    [[nodiscard]] Result<> at(Point point) const { return hook ? hook(point) : Result<>{}; }
};

MemoryStore::MemoryStore() : impl_(std::make_unique<Impl>()) {}
MemoryStore::~MemoryStore() = default;

void MemoryStore::set_fault_hook(FaultHook hook) { impl_->hook = std::move(hook); }

void MemoryStore::on_events(std::function<void(const std::vector<Event>&)> listener) {
    impl_->listener = std::move(listener);
}

std::optional<std::uint64_t> MemoryStore::version() { return impl_->version; }

Result<> MemoryStore::read(const ReadFn& work) {
    LOCO_TRY(impl_->at(Point::read));
    const std::shared_lock lock(impl_->data);
    const MemoryTx tx(impl_->tables);
    return work(tx);
}

Result<> MemoryStore::write(const WriteFn& work) {
    const std::lock_guard one(impl_->writer);
    LOCO_TRY(impl_->at(Point::write));
    std::vector<Event> events;
    {
        const std::unique_lock lock(impl_->data);
        auto& tables = impl_->tables;
        // Whatever leaves this block without a commit leaves nothing behind.
        struct Undo {
            Tables& all;
            ~Undo() { all.roll_back(); }
        } const undo{tables};
        MemoryTx tx(tables);
        LOCO_TRY(work(tx));
        LOCO_TRY(impl_->at(Point::commit));
        events.assign(tables.events.begin() + static_cast<std::ptrdiff_t>(tables.events_kept),
                      tables.events.end());
        tables.commit();
        ++impl_->version;
    }
    LOCO_TRY(impl_->at(Point::committed));
    if (impl_->listener && !events.empty()) impl_->listener(events);
    return {};
}

}  // namespace loco::store
