// A thin client of the Docker Engine API (v1.41 and newer) over its Unix socket; Podman's
// compatible API answers to it too. It knows nothing of apps: what to run is the caller's business.
//
// Errors: unavailable (no daemon: with what to do), not_found, conflict (in use, name taken),
// invalid (the daemon refused the request), too_large, interrupted; always with the daemon's own
// message. Any thread may call; each call blocks its caller.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "engine/types.hpp"
#include "http/client.hpp"

namespace loco::engine {

// The socket's path: `given` ("unix:///run/docker.sock" or a path) if not empty, else DOCKER_HOST,
// else the first that exists of Docker's and Podman's usual places. invalid for a remote
// DOCKER_HOST, unavailable when there is none.
[[nodiscard]] Result<std::string> find_socket(std::string_view given = {});

// What a long call asks and tells. `cancelled` is asked at least every 200 ms.
struct TransferOptions {
    RegistryAuth auth = {};
    std::chrono::milliseconds timeout{0};  // 0: none
    std::function<void(const TransferProgress&)> on_progress = {};
    std::function<bool()> cancelled = {};
};

struct LogsQuery {
    bool follow = false;
    bool out = true;
    bool err = true;
    bool timestamps = true;
    std::optional<Time> since = {};
    int tail = -1;  // the last lines; -1: all
};

class Engine {
  public:
    explicit Engine(std::string socket);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    [[nodiscard]] const std::string& socket() const { return socket_; }

    [[nodiscard]] Result<> ping();
    [[nodiscard]] Result<Version> version();
    [[nodiscard]] Result<Info> info();
    [[nodiscard]] Result<DiskUsage> disk_usage();

    // Gives the new container's id. conflict when the name is taken, not_found when the image is
    // not here.
    [[nodiscard]] Result<std::string> create_container(const std::string& name,
                                                       const ContainerSpec& spec);
    [[nodiscard]] Result<> start_container(const std::string& id);  // started already: fine
    // "SIGTERM", "SIGKILL"; one that does not run: fine.
    [[nodiscard]] Result<> kill_container(const std::string& id, const std::string& signal);
    // SIGTERM (or its stop signal), after `grace` SIGKILL; returns when it has stopped.
    [[nodiscard]] Result<> stop_container(const std::string& id, std::chrono::seconds grace);
    // Until it does not run. unavailable after `timeout` (0: none).
    [[nodiscard]] Result<WaitResult> wait_container(const std::string& id,
                                                    std::chrono::milliseconds timeout = {},
                                                    std::function<bool()> cancelled = {});
    [[nodiscard]] Result<Container> inspect_container(const std::string& id);
    // Those that carry all of `labels` ("" as value: any), stopped ones included.
    [[nodiscard]] Result<std::vector<ContainerSummary>> list_containers(const Labels& labels);
    // The same with what each has written into its own layer. The engine walks all of their files.
    [[nodiscard]] Result<std::vector<std::pair<ContainerSummary, std::int64_t>>> container_sizes(
        const Labels& labels);
    // not_found for one that does not run.
    [[nodiscard]] Result<ContainerStats> container_stats(const std::string& id);
    // With its anonymous volumes. Gone already: fine.
    [[nodiscard]] Result<> remove_container(const std::string& id, bool force);
    // One regular file out of a container (running or only created), links followed inside it.
    // not_found; invalid for what is no file; too_large beyond max_bytes.
    [[nodiscard]] Result<std::string> read_file(const std::string& id, const std::string& path,
                                                std::size_t max_bytes = 1U << 20);

    // The first of a file's bytes, however large it is, links followed inside the container.
    // not_found when there is none.
    [[nodiscard]] Result<FileHead> read_head(const std::string& id, const std::string& path,
                                             std::size_t bytes);

    [[nodiscard]] Result<Image> inspect_image(const std::string& reference);
    [[nodiscard]] Result<std::vector<ImageSummary>> list_images(const Labels& labels);
    [[nodiscard]] Result<> tag_image(const std::string& reference, const std::string& repository,
                                     const std::string& tag);
    // Takes the reference away, and the image with its last one. conflict while a container uses
    // it. Gone already: fine.
    [[nodiscard]] Result<> remove_image(const std::string& reference, bool force);
    // `reference` is "host:port/repository:tag".
    [[nodiscard]] Result<PushResult> push_image(const std::string& reference,
                                                const TransferOptions& options);
    // By tag or "repository@sha256:…".
    [[nodiscard]] Result<> pull_image(const std::string& reference, const TransferOptions& options);

    // Gives the network's id. conflict when the name is taken or the subnet overlaps another.
    [[nodiscard]] Result<std::string> create_network(const NetworkSpec& spec);
    [[nodiscard]] Result<Network> inspect_network(const std::string& id);
    [[nodiscard]] Result<std::vector<Network>> list_networks(const Labels& labels);
    // conflict while containers are in it. Gone already: fine.
    [[nodiscard]] Result<> remove_network(const std::string& id);
    [[nodiscard]] Result<> connect_network(const std::string& network, const std::string& container,
                                           const std::string& address,
                                           const std::vector<std::string>& aliases);
    [[nodiscard]] Result<> disconnect_network(const std::string& network,
                                              const std::string& container, bool force);

    // Build cache beyond `keep_bytes`, that nothing used for `unused_for`.
    [[nodiscard]] Result<PruneResult> prune_build_cache(std::int64_t keep_bytes,
                                                        std::chrono::seconds unused_for);

    // For http::StreamClient; without a timeout. The events' body goes through EventReader, the
    // logs' through FrameDemuxer (engine/streams.hpp).
    [[nodiscard]] Result<http::ClientRequest> events_request(const Labels& labels,
                                                             std::optional<Time> since);
    [[nodiscard]] Result<http::ClientRequest> logs_request(const std::string& id,
                                                           const LogsQuery& query);

  private:
    [[nodiscard]] Result<std::string> api_prefix();
    [[nodiscard]] Result<http::ClientRequest> request(http::Method method,
                                                      const std::string& target);
    [[nodiscard]] Result<http::ClientResponse> send(const http::ClientRequest& request);
    [[nodiscard]] Result<http::ClientResponse> call(http::Method method, const std::string& target,
                                                    std::string body = {});
    [[nodiscard]] Result<PushResult> transfer(http::ClientRequest request,
                                              const TransferOptions& options,
                                              const std::string& what);

    std::string socket_;
    http::Client client_;
    std::mutex mutex_;        // guards api_prefix_
    std::string api_prefix_;  // "/v1.41"; empty until the daemon was asked
};

}  // namespace loco::engine
