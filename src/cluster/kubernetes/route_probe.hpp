// Whether requests come through the gateway to an app that had no pod to serve it until now. A route's status says that the
// gateway has accepted it, not that what carries the requests has it and the pods behind it (seconds later with some
// implementations): that shows only by asking. So the Gateway is asked, under the app's host, until it gives another answer
// than to a host that nobody has, and no 502 or 503.
//
// Only where nothing served before: what replaces pods that serve is switched by the cluster itself. A gateway that cannot be
// asked from here is believed, and after `patience` any is.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "http/client.hpp"
#include "kubernetes/client.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

struct RouteProbeOptions {
    std::string gateway_name;
    std::string gateway_namespace;
    std::chrono::milliseconds every{100};
    std::chrono::milliseconds patience{15'000};  // since the first pod was ready
    std::chrono::milliseconds timeout{2'000};    // of one question
};

class RouteProbe {
  public:
    // `changed` is called, on a thread of this object's, when another answer is due for an app. All must outlive it.
    RouteProbe(kubernetes::Client& client, const Clock& clock, RouteProbeOptions options,
               std::function<void(const AppId&)> changed);
    ~RouteProbe();
    RouteProbe(const RouteProbe&) = delete;
    RouteProbe& operator=(const RouteProbe&) = delete;

    // `host`, `path`: of the app's main port; `ready_since`: of the pod that has been ready for the longest. Does not block.
    [[nodiscard]] bool leads(const AppId& app, const std::string& host, const std::string& path,
                             Time ready_since);

  private:
    struct Asked {
        std::string host;
        std::string path;
        Time ready_since;
        bool leads = false;
    };
    struct Gateway {
        std::string address;  // "host:port"; empty: it cannot be asked
        SteadyTime known_at{};
    };

    void run();
    [[nodiscard]] bool ask(const Asked& asked);
    void find_gateway();

    kubernetes::Client& client_;
    const Clock& clock_;
    const RouteProbeOptions options_;
    const std::function<void(const AppId&)> changed_;
    http::Client http_;
    Gateway gateway_;  // of the thread

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::map<AppId, Asked> asked_;
    std::thread thread_;
};

// Where a Gateway takes plain HTTP: its first address and the port of its first HTTP listener; empty where it has none.
[[nodiscard]] std::string plain_address(const kubernetes::Object& gateway);

}  // namespace loco::cluster
