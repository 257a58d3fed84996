// The store in memory, for tests and the simulation: the contract of SqliteStore without its durability. What was
// written lives as long as the object, so a simulated crash keeps the object and throws the rest away.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "ports/store.hpp"

namespace loco::store {

class MemoryStore final : public Store {
  public:
    // Where a fault may be made to happen.
    enum class Point : std::uint8_t {
        read,    // before a read
        write,   // before a write's work
        commit,  // after its work: an error or an exception keeps nothing of it
        committed,  // it is kept; an error or an exception only loses the answer, and the listener's call
    };
    // Its error is what read() or write() gives; it may throw instead.
    using FaultHook = std::function<Result<>(Point)>;

    MemoryStore();
    ~MemoryStore() override;

    // Set before use.
    void set_fault_hook(FaultHook hook);

    // Any thread, but not from inside another read's or write's work. What work throws passes through, and nothing
    // of that write is kept.
    [[nodiscard]] Result<> read(const ReadFn& work) override;
    [[nodiscard]] Result<> write(const WriteFn& work) override;
    [[nodiscard]] std::optional<std::uint64_t> version() override;
    void on_events(std::function<void(const std::vector<Event>&)> listener) override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::store
