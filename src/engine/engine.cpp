#include "engine/engine.hpp"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "engine/json.hpp"

namespace loco::engine {
namespace {

constexpr int kApiMinor = 41;  // of 1.41: Docker 20.10 and Podman 4
constexpr std::string_view kUnavailable = "engine_unavailable";

std::string unavailable_hint(const std::string& socket) {
    if (access(socket.c_str(), F_OK) == 0 && access(socket.c_str(), R_OK | W_OK) != 0) {
        return "you may not use " + socket +
               ": add yourself to its group (`sudo usermod -aG docker $USER`, then sign in again)";
    }
    return "is the Docker daemon running? Start it (`sudo systemctl start docker`), or set "
           "DOCKER_HOST to its socket";
}

// The minor part of "1.41"; 0 for anything else.
int minor_of(std::string_view version) {
    if (!version.starts_with("1.")) return 0;
    int minor = 0;
    for (const char c : version.substr(2)) {
        if (c < '0' || c > '9' || minor > 9999) return 0;
        minor = minor * 10 + (c - '0');
    }
    return minor;
}

std::string daemon_message(const http::ClientResponse& response) {
    std::string message;
    if (auto body = json::parse(response.body)) message = json::text(*body, "message");
    if (message.empty()) message = response.body.substr(0, 512);
    while (!message.empty() && (message.back() == '\n' || message.back() == '.')) {
        message.pop_back();
    }
    if (message.empty()) {
        message = "the container engine answered " + std::to_string(response.status);
    }
    return message;
}

Error refusal(const http::ClientResponse& response) {
    std::string message = daemon_message(response);
    if (message.find("no space left on device") != std::string::npos) {
        return {.kind = ErrorKind::unavailable,
                .message = std::move(message),
                .hint = "free some disk: `docker system df` shows what takes it",
                .code = "engine_disk_full"};
    }
    ErrorKind kind = ErrorKind::internal;
    switch (response.status) {
        case 400: kind = ErrorKind::invalid; break;
        case 401:
        case 407: kind = ErrorKind::unauthenticated; break;
        case 403:  // "has active endpoints", "operation not permitted on a pre-defined network"
        case 409: kind = ErrorKind::conflict; break;
        case 404: kind = ErrorKind::not_found; break;
        case 503: kind = ErrorKind::unavailable; break;
        default: break;
    }
    return Error{.kind = kind, .message = std::move(message)}.with("engine_status",
                                                                   std::to_string(response.status));
}

std::string without_scheme(std::string_view given) {
    if (given.starts_with("unix://")) given.remove_prefix(7);
    return std::string(given);
}

}  // namespace

Result<std::string> find_socket(std::string_view given) {
    if (given.empty()) {
        if (const char* host = std::getenv("DOCKER_HOST"); host != nullptr) given = host;
    }
    if (!given.empty()) {
        std::string path = without_scheme(given);
        if (!path.starts_with('/')) {
            return fail(ErrorKind::invalid,
                        "Loco speaks to the container engine over its Unix socket, not over " +
                            std::string(given),
                        "set DOCKER_HOST to a socket, e.g. unix:///var/run/docker.sock",
                        "docker_host_unsupported");
        }
        if (path.size() >= sizeof(sockaddr_un::sun_path)) {
            return fail(ErrorKind::invalid, "the socket's path is longer than the system allows: " +
                                                path.substr(0, 128));
        }
        return path;
    }
    std::vector<std::string> places{"/var/run/docker.sock"};
    if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr) {
        places.push_back(std::string(runtime) + "/docker.sock");
        places.push_back(std::string(runtime) + "/podman/podman.sock");
    }
    places.emplace_back("/run/podman/podman.sock");
    for (const auto& place : places) {
        std::error_code error;
        if (std::filesystem::is_socket(place, error)) return place;
    }
    return fail(ErrorKind::unavailable, "no container engine was found at " + places.front(),
                unavailable_hint(places.front()), std::string(kUnavailable));
}

std::string to_seconds(Time time) {
    const auto ns = time.time_since_epoch().count();
    std::string fraction = std::to_string(ns % 1'000'000'000);
    fraction.insert(0, 9 - std::min<std::size_t>(fraction.size(), 9), '0');
    return std::to_string(ns / 1'000'000'000) + "." + fraction;
}

Engine::Engine(std::string socket) : socket_(without_scheme(socket)) {}
Engine::~Engine() = default;

Result<http::ClientResponse> Engine::send(const http::ClientRequest& request) {
    auto response = client_.send(request);
    if (!response) {
        Error error = std::move(response).error();
        if (error.kind == ErrorKind::unavailable) {
            // Which of its paths was asked for tells nobody anything.
            error.message = "the container engine cannot be reached: " +
                            (error.code == "connection_refused" ? "nothing answers on " + socket_
                                                                : error.message);
            error.hint = unavailable_hint(socket_);
            error.code = kUnavailable;
        }
        return fail(std::move(error));
    }
    // 304: the container is already in the state that was asked for.
    if (response->ok() || response->status == 304) return response;
    if (response->status == 400 && response->body.find("client version") != std::string::npos) {
        // The daemon was replaced by one that speaks other versions: ask it again next time.
        const std::lock_guard lock(mutex_);
        api_prefix_.clear();
    }
    return fail(refusal(*response));
}

Result<std::string> Engine::api_prefix() {
    {
        const std::lock_guard lock(mutex_);
        if (!api_prefix_.empty()) return api_prefix_;
    }
    LOCO_ASSIGN(const Version daemon, version());
    const int newest = minor_of(daemon.api_version);
    const int oldest = minor_of(daemon.min_api_version);
    if (newest < kApiMinor) {
        return fail(ErrorKind::unavailable,
                    "the container engine is too old: it speaks API " + daemon.api_version +
                        ", Loco needs 1." + std::to_string(kApiMinor),
                    "upgrade to Docker 20.10 or Podman 4, or newer", "engine_too_old");
    }
    const std::lock_guard lock(mutex_);
    api_prefix_ = "/v1." + std::to_string(std::max(oldest, kApiMinor));
    return api_prefix_;
}

Result<http::ClientRequest> Engine::request(http::Method method, const std::string& target) {
    LOCO_ASSIGN(const std::string prefix, api_prefix());
    http::ClientRequest request;
    request.method = method;
    request.url = "http://engine" + prefix + target;
    request.unix_socket = socket_;
    return request;
}

Result<http::ClientResponse> Engine::call(http::Method method, const std::string& target,
                                          std::string body) {
    LOCO_ASSIGN(http::ClientRequest wanted, request(method, target));
    if (!body.empty()) {
        wanted.headers.set("Content-Type", "application/json");
        wanted.body = std::move(body);
    }
    // A busy disk makes create and remove slow; an engine that is only asked has the answer in memory.
    wanted.timeout =
        method == http::Method::get ? std::chrono::seconds(10) : std::chrono::minutes(2);
    return send(wanted);
}

Result<> Engine::ping() {
    http::ClientRequest request;
    request.url = "http://engine/_ping";
    request.unix_socket = socket_;
    request.timeout = std::chrono::seconds(5);
    LOCO_TRY(send(request));
    return {};
}

Result<Version> Engine::version() {
    http::ClientRequest request;
    request.url = "http://engine/version";
    request.unix_socket = socket_;
    LOCO_ASSIGN(const http::ClientResponse response, send(request));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    Version version{.version = json::text(v, "Version"),
                    .api_version = json::text(v, "ApiVersion"),
                    .min_api_version = json::text(v, "MinAPIVersion"),
                    .os = json::text(v, "Os"),
                    .arch = json::text(v, "Arch")};
    for (const auto& component : json::list(v, "Components")) {
        if (json::text(component, "Name").find("Podman") != std::string::npos) {
            version.podman = true;
        }
    }
    return version;
}

Result<Info> Engine::info() {
    LOCO_ASSIGN(const http::ClientResponse response, call(http::Method::get, "/info"));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    return Info{.id = json::text(v, "ID"),
                .name = json::text(v, "Name"),
                .server_version = json::text(v, "ServerVersion"),
                .os = json::text(v, "OSType"),
                .arch = json::text(v, "Architecture"),
                .operating_system = json::text(v, "OperatingSystem"),
                .storage_driver = json::text(v, "Driver"),
                .root_dir = json::text(v, "DockerRootDir"),
                .cgroup_version = json::text(v, "CgroupVersion"),
                .init_binary = json::text(v, "InitBinary"),
                .cpus = static_cast<int>(json::integer(v, "NCPU")),
                .memory_bytes = json::integer(v, "MemTotal"),
                .memory_limit = json::boolean(v, "MemoryLimit"),
                .swap_limit = json::boolean(v, "SwapLimit"),
                .cpu_quota = json::boolean(v, "CpuCfsQuota"),
                .pids_limit = json::boolean(v, "PidsLimit"),
                .security_options = json::texts(v, "SecurityOptions"),
                .warnings = json::texts(v, "Warnings")};
}

Result<DiskUsage> Engine::disk_usage() {
    LOCO_ASSIGN(http::ClientRequest wanted, request(http::Method::get, "/system/df"));
    wanted.timeout = std::chrono::minutes(5);  // it walks every container's files
    LOCO_ASSIGN(const http::ClientResponse response, send(wanted));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    DiskUsage usage{.layers_bytes = json::integer(v, "LayersSize"),
                    .images = static_cast<std::int64_t>(json::list(v, "Images").size())};
    for (const auto& container : json::list(v, "Containers")) {
        usage.containers_bytes += json::integer(container, "SizeRw");
    }
    for (const auto& volume : json::list(v, "Volumes")) {
        const std::int64_t size = json::integer(json::member(volume, "UsageData"), "Size");
        usage.volumes_bytes += std::max<std::int64_t>(size, 0);
    }
    for (const auto& record : json::list(v, "BuildCache")) {
        usage.build_cache_bytes += json::integer(record, "Size");
    }
    return usage;
}

Result<PruneResult> Engine::prune_build_cache(std::int64_t keep_bytes,
                                              std::chrono::seconds unused_for) {
    json::object filters;
    if (unused_for.count() > 0) {
        filters["until"] = json::array{std::to_string(unused_for.count()) + "s"};
    }
    LOCO_ASSIGN(http::ClientRequest wanted,
                request(http::Method::post,
                        "/build/prune?all=true&keep-storage=" + std::to_string(keep_bytes) +
                            "&filters=" + http::percent_encode(boost::json::serialize(filters))));
    wanted.timeout = std::chrono::minutes(10);
    LOCO_ASSIGN(const http::ClientResponse response, send(wanted));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    return PruneResult{.reclaimed_bytes = json::integer(v, "SpaceReclaimed"),
                       .removed = json::list(v, "CachesDeleted").size()};
}

Result<http::ClientRequest> Engine::events_request(const Labels& labels,
                                                   std::optional<Time> since) {
    std::string target = "/events?filters=" +
                         http::percent_encode(boost::json::serialize(json::label_filter(labels)));
    if (since) target += "&since=" + to_seconds(*since);
    LOCO_ASSIGN(http::ClientRequest wanted, request(http::Method::get, target));
    wanted.timeout = std::chrono::milliseconds(0);
    return wanted;
}

}  // namespace loco::engine
