// One blob of a registry, read piece by piece while its size and digest are verified.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "http/client.hpp"
#include "registry/manifest.hpp"

namespace loco::registry {

// Sends a GET and follows at most three redirects (to a registry's object storage), where the Authorization header goes
// only to the origin that it was made for. not_found and unavailable as the registry's answer says.
[[nodiscard]] Result<http::ClientResponse> get_following(http::Client& client,
                                                         http::ClientRequest request);

// One reader's. At most a megabyte is kept in memory; who reads slowly slows the registry down.
class BlobStream {
  public:
    // Begins at once, on a thread of its own. `client` must outlive it.
    BlobStream(http::Client& client, http::ClientRequest request, Descriptor blob);
    ~BlobStream();  // ends the transfer
    BlobStream(const BlobStream&) = delete;
    BlobStream& operator=(const BlobStream&) = delete;

    // The next piece; empty at the end. invalid when it was not what the descriptor says.
    [[nodiscard]] Result<std::string> next();

  private:
    void fetch(http::ClientRequest request);

    http::Client& client_;
    Descriptor blob_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> pieces_;
    std::size_t waiting_ = 0;      // bytes in pieces_
    std::optional<Result<>> end_;  // once the transfer is over
    bool given_up_ = false;
    std::thread thread_;
};

}  // namespace loco::registry
