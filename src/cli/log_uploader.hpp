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
    // Sends the rest and ends, after at most some 10 s where the server does not take it; what is added later is
    // thrown away.
    void finish();
    // So many bytes the server does not have: it could not be reached, or took them too slowly. After finish().
    [[nodiscard]] std::size_t not_kept();
    // The deployment has ended on the server (cancelled, lease lost): there is no use in going on.
    [[nodiscard]] std::optional<Error> ended();

  private:
    void run();
    // How much of the pending text goes next: whole lines, as many as a request may have.
    [[nodiscard]] std::size_t next_size(bool last) const;
    // What came of sending the first `size` bytes, and a note of `noted` bytes that were dropped.
    void take_answer(const Result<>& sent, std::size_t size, std::size_t noted);

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
