// Takes the output of the app's container of every pod while it lives and keeps it in the log store: all pods on one thread
// that reads (http::StreamClient) and one that writes. After a break (Loco's restart, another leader, the API server's)
// reading goes on where the store ends; what a container wrote before it was started again is read as `previous`.
//
// Only one loco-api may collect at a time: between begin() and end(). Bounded: when the store does not keep up, reading
// stops and goes on later; the kubelet holds the last 10 MB of each container meanwhile.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/kubernetes/pod_log_text.hpp"
#include "http/client.hpp"
#include "kubernetes/client.hpp"
#include "ports/log_store.hpp"

namespace loco::cluster {

class PodLogs {
  public:
    // All must outlive it.
    PodLogs(kubernetes::Client& client, LogStore& store, const Clock& clock);
    ~PodLogs();
    PodLogs(const PodLogs&) = delete;
    PodLogs& operator=(const PodLogs&) = delete;

    void begin();
    void end();

    // A pod of this Loco as it is now, or as it last was when it is gone. From any thread; does not block.
    void see(const AppId& app, const kubernetes::Object& pod, bool gone);

    // For a diagnosis: the last 20 lines as text, at most 8 KiB of it, of the container that has ended last, if one has.
    // Waits at most 5 s for what has ended and is not read yet.
    [[nodiscard]] std::string last_words(const AppId& app, const InstanceId& instance);

  private:
    enum class State : std::uint8_t {
        idle,       // to be opened when due
        opening,    // by the worker
        following,  // the stream is open
        complete,   // until its pod changes, there is nothing more
    };
    enum class Reading : std::uint8_t { previous, follow, rest };
    struct Source;
    using SourcePtr = std::shared_ptr<Source>;

    void work();
    void open(const SourcePtr& source);
    void flush(std::unique_lock<std::mutex>& lock);
    [[nodiscard]] bool take(const SourcePtr& source, std::uint64_t stream, std::string_view bytes);
    void ended(const SourcePtr& source, std::uint64_t stream, Result<http::ClientResponse> how);
    void finish(Source& source, bool well, int status);
    void queue(Source& source, PodLine line);
    void later(Source& source);
    [[nodiscard]] bool settled(const Source& source) const;

    kubernetes::Client& client_;
    LogStore& store_;
    const Clock& clock_;

    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable settled_;
    std::map<std::string, SourcePtr> sources_;  // by the pod's uid
    std::vector<LogLine> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t queued_ = 0;  // lines ever queued, and
    std::uint64_t kept_ = 0;    // ever kept, in the same order
    std::optional<SteadyTime> retry_at_;
    std::uint64_t next_stream_ = 1;
    bool active_ = false;
    bool stopping_ = false;

    std::unique_ptr<http::StreamClient> streams_;  // while active
    std::thread worker_;
};

}  // namespace loco::cluster
