// Sends a build's output to the server while it is built, so that it is kept as the deployment's build log, and by that
// renews the client's lease. On a thread of its own: a slow server must not slow the build.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "client/api.hpp"

namespace loco::cli {

class LogUploader {
  public:
    // `path`: the deployment's, "/teams/…/deployments/dep_…".
    LogUploader(client::Endpoint endpoint, std::string path);
    ~LogUploader();  // sends what is left, for at most a few seconds

    void add(std::string_view text);
    // Sends the rest and ends; what is added later is thrown away.
    void finish();
    // The deployment has ended on the server (cancelled, lease lost): there is no use in going on.
    [[nodiscard]] std::optional<Error> ended();

  private:
    void run();

    client::Api api_;
    std::string path_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::string pending_;
    bool finishing_ = false;
    std::size_t dropped_ = 0;
    std::optional<Error> ended_;
    std::thread thread_;
};

}  // namespace loco::cli
