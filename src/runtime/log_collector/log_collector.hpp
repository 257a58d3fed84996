// Takes the output of every running container while it lives and keeps it in the log store: all containers on one
// thread that reads (http::StreamClient) and one that writes. Exactly once: after a break (Loco's restart, the
// daemon's, a full store) reading goes on where the store ends.
//
// Bounded: when the store does not keep up, reading stops and goes on later; the engine holds the last 20 MB of each
// container meanwhile.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/engine.hpp"
#include "ports/log_store.hpp"
#include "runtime/log_collector/log_follower.hpp"

namespace loco::runtime {

struct LogSource {
    std::string container;  // the engine's id
    AppId app;
    InstanceId instance;
    DeploymentId set;
    std::string process;
    int release = 0;
    bool fresh = false;  // just started: nothing of it can have been kept
};

class LogCollector {
  public:
    LogCollector(engine::Engine& engine, LogStore& store, const Clock& clock);
    ~LogCollector();
    LogCollector(const LogCollector&) = delete;
    LogCollector& operator=(const LogCollector&) = delete;

    // Returns at once; nothing happens for one that is followed already.
    void follow(const LogSource& source);
    // For one that does not run: waits until all that it wrote is in the store. False when it was not in time.
    bool drain(const std::string& container, std::chrono::milliseconds timeout);
    // Its container is gone, or about to be.
    void forget(const std::string& container);
    // Somebody else follows them from now on; where this has come to is in the store.
    void forget_all();
    // The last lines of an instance. Of its containers that have ended the rest is waited for, at most `timeout`.
    [[nodiscard]] Result<std::vector<LogLine>> tail(const AppId& app, const InstanceId& instance,
                                                    int lines, std::chrono::milliseconds timeout);
    // For a diagnosis: the last 20 lines as text, at most 8 KiB of it; empty when there are none. Waits at most 1 s.
    [[nodiscard]] std::string last_words(const Instance& instance);

  private:
    enum class State : std::uint8_t {
        idle,       // to be opened when due
        opening,    // by the worker
        following,  // the stream is open
        ended,      // the stream has ended; to be looked at when due
        complete,   // its container has ended, and everything of it was read
    };
    struct Source;
    using SourcePtr = std::shared_ptr<Source>;

    void work();
    void open(const SourcePtr& source);
    void look(const SourcePtr& source);
    // Writes what is queued. False when the store did not take it.
    bool flush(std::unique_lock<std::mutex>& lock);
    bool take(const SourcePtr& source, std::uint64_t stream, std::string_view bytes);
    void ended(const SourcePtr& source, std::uint64_t stream, Result<http::ClientResponse> how);
    void queue(Source& source, RawLine line);
    void later(Source& source);
    [[nodiscard]] bool settled(const Source& source) const;

    engine::Engine& engine_;
    LogStore& store_;
    const Clock& clock_;

    std::mutex mutex_;
    std::condition_variable work_;     // for the worker
    std::condition_variable settled_;  // for who waits on drain() and tail()
    std::map<std::string, SourcePtr> sources_;
    std::vector<LogLine> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t queued_ = 0;            // lines ever queued, and
    std::uint64_t kept_ = 0;              // ever kept, in the same order
    std::optional<SteadyTime> retry_at_;  // the store refused
    std::uint64_t next_stream_ = 1;
    bool stopping_ = false;

    http::StreamClient streams_;
    std::thread worker_;
};

}  // namespace loco::runtime
