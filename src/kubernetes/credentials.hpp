// What a request shows the API server, kept fresh: files that rotate are read again, an exec plugin is run again before
// what it gave expires. Any thread may call; one of them at a time renews while the others wait for it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/clock.hpp"
#include "http/client.hpp"
#include "kubernetes/config.hpp"

namespace loco::kubernetes {

struct Credential {
    std::shared_ptr<const http::TlsOptions> tls;
    Secret<std::string> bearer{};  // empty: none
};

class Credentials {
  public:
    Credentials(Config config, const Clock& clock);

    [[nodiscard]] const Config& config() const { return config_; }
    // unavailable (code kubernetes_credentials) when a file is missing or the plugin fails: with its own words.
    [[nodiscard]] Result<Credential> current();
    // The server refused what current() gave: the next one is made anew, but not more than once a second.
    void refused();

  private:
    [[nodiscard]] Result<Credential> renew();
    [[nodiscard]] Result<> run_plugin(http::TlsOptions& tls, Secret<std::string>& bearer);

    const Config config_;
    const Clock& clock_;
    std::mutex mutex_;
    std::optional<Credential> credential_;
    SteadyTime made_{};
    std::optional<Time> plugin_expiry_;
};

}  // namespace loco::kubernetes
