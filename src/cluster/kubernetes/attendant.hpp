// Looks after pods that wait, on one thread of its own: renews the credentials by which their image is fetched, and asks for
// the events of one that does not get ready, as only they say what its health check answered. Also keeps asking the API
// server for a sign of life where the watches are quiet.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "cluster/kubernetes/cache.hpp"
#include "cluster/kubernetes/pull_credentials.hpp"

namespace loco::cluster {

struct AttendantOptions {
    std::string registry_host;  // whose images the credentials are for
    std::chrono::milliseconds explain_after{
        2'000};  // not ready since; then after twice as long, and so on
    std::chrono::milliseconds explain_every{60'000};  // at least
    std::chrono::milliseconds sign_of_life_after{20'000};
};

class Attendant {
  public:
    // `changed` is called when there is something new to be told of an app. All must outlive it.
    Attendant(kubernetes::Client& client, PullCredentials& credentials, const Clock& clock,
              AttendantOptions options, std::function<void(const AppId&)> changed);
    ~Attendant();
    Attendant(const Attendant&) = delete;
    Attendant& operator=(const Attendant&) = delete;

    // Of every change of a pod. Does not block.
    void see(const CacheChange& pod);
    // Once the cache is there: begins.
    void begin(Cache& cache);
    // Before the cache goes.
    void end();
    // What the last failed probe of the pod came to: "readiness: answered 500"; empty where nothing is known.
    [[nodiscard]] std::string health_words(const std::string& uid) const;

  private:
    struct Unready {
        AppId app;
        std::string namespace_;
        SteadyTime next;  // when its events are asked for
        std::chrono::milliseconds wait;
        std::string words{};
    };
    struct Starved {
        PullCredentials::Place place;
        bool refused = false;
    };

    void run();
    void renew_credentials();
    void explain();
    void keep_in_touch();
    [[nodiscard]] std::string ask(const std::string& uid, const std::string& namespace_);

    kubernetes::Client& client_;
    PullCredentials& credentials_;
    const Clock& clock_;
    const AttendantOptions options_;
    const std::function<void(const AppId&)> changed_;
    Cache* cache_ = nullptr;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::map<std::string, Unready> unready_;  // by uid
    std::map<std::string, Starved> starved_;  // by namespace
    SteadyTime touched_{};
    std::thread thread_;
};

// "Readiness probe failed: HTTP probe failed with statuscode: 500" → "readiness: answered 500".
[[nodiscard]] std::string probe_words(std::string_view message);

}  // namespace loco::cluster
