// A thin client of the Kubernetes API: get, list, server-side apply, delete. It knows nothing of apps.
//
// Every call may be repeated without harm, so a lost connection, 429 and 5xx are tried again with growing waits (the
// server's Retry-After counts) until `deadline`. Errors are those of kubernetes/failure.hpp, and unavailable when there
// was no answer; never with a token. Any thread may call; each call blocks its caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "http/client.hpp"
#include "kubernetes/backoff.hpp"
#include "kubernetes/credentials.hpp"
#include "kubernetes/failure.hpp"
#include "kubernetes/object.hpp"

namespace loco::kubernetes {

struct ClientOptions {
    std::string field_manager = "loco";
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds timeout{15'000};   // of one attempt
    std::chrono::milliseconds deadline{30'000};  // no new attempt begins after it
    BackoffOptions backoff = {.initial = std::chrono::milliseconds(100),
                              .max = std::chrono::milliseconds(5'000)};
    std::size_t max_response_bytes = 64U << 20;
    std::size_t page_size = 500;  // objects in one answer to a list
    std::size_t max_objects = 200'000;
};

// Which objects; empty: all.
struct Selection {
    std::string namespace_ = {};
    std::string labels = {};  // "loco.dev/app-id=app_1"
    std::string fields = {};  // "metadata.name=web"
};

struct ObjectList {
    std::vector<Object> items;  // each with apiVersion and kind
    std::string resource_version;
};

struct ApplyOptions {
    bool force = false;    // take over fields that others set, instead of apply_conflict
    bool dry_run = false;  // checked and defaulted by the server, not kept
    // Instead of the client's: for fields that are set apart from the rest of their object.
    std::string field_manager = {};
};

struct RemoveOptions {
    enum class Dependents : std::uint8_t { background, foreground, orphan } dependents = {};
    std::optional<std::chrono::seconds> grace = {};  // unset: the object's own
    std::string only_uid = {};  // conflict when another one has the name by now
    bool dry_run = false;
};

class Client {
  public:
    using Cancelled = std::function<bool()>;  // asked at least every 200 ms; true: interrupted

    Client(Config config, const Clock& clock, Random& random, ClientOptions options = {});

    [[nodiscard]] Result<Object> get(const Kind& kind, std::string_view namespace_,
                                     std::string_view name);
    // In pages; begun anew when the server has forgotten the first page's version meanwhile.
    [[nodiscard]] Result<ObjectList> list(const Kind& kind, const Selection& selection,
                                          const Cancelled& cancelled = {});
    // The object must name itself and its apiVersion and kind. Unknown and doubled fields are refused. Gives the object
    // as it is now; of a Secret only its metadata, so that no value comes back.
    [[nodiscard]] Result<Object> apply(const Kind& kind, const Object& object,
                                       ApplyOptions options = {});
    // Returns when the server has accepted it; finalizers may take longer. Gone already: fine.
    [[nodiscard]] Result<> remove(const Kind& kind, std::string_view namespace_,
                                  std::string_view name, const RemoveOptions& options = {});
    // Any path: "/version", "/apis/metrics.k8s.io/v1beta1/…".
    [[nodiscard]] Result<Object> get_path(const std::string& path);

    // For http::StreamClient: a GET of a path with its query, without a time-out. The caller tells refused() of a 401.
    [[nodiscard]] Result<http::ClientRequest> stream_request(const std::string& path_and_query);
    // A watch that begins after `resource_version` and that the server ends after `lasts`.
    [[nodiscard]] Result<http::ClientRequest> watch_request(const Kind& kind,
                                                            const Selection& selection,
                                                            std::string_view resource_version,
                                                            std::chrono::seconds lasts);
    void refused() { credentials_.refused(); }

    [[nodiscard]] const Config& config() const { return credentials_.config(); }

  private:
    [[nodiscard]] Result<http::ClientRequest> request(http::Method method,
                                                      const std::string& path_and_query);
    // Tries until it has an answer that does not pass.
    [[nodiscard]] Result<Object> call(const Call& call, http::Method method,
                                      const std::string& path_and_query, std::string body = {},
                                      const http::Headers& headers = {},
                                      const Cancelled& cancelled = {});
    [[nodiscard]] Result<ObjectList> list_pages(const Kind& kind, const Selection& selection,
                                                const Cancelled& cancelled);

    Credentials credentials_;
    const Clock& clock_;
    Random& random_;
    ClientOptions options_;
    http::Client http_;
};

}  // namespace loco::kubernetes
