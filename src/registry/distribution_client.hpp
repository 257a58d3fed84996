// ports/registry.hpp over the distribution API (OCI distribution specification 1.1) of Loco's own registry.
#pragma once

#include <string>

#include "http/client.hpp"
#include "ports/registry.hpp"
#include "registry/garbage.hpp"
#include "registry/token_service.hpp"

namespace loco::registry {

// May be called from any thread.
class DistributionClient final : public Registry {
  public:
    // `host`: "127.0.0.1:5000". `platform`: which manifest of an index counts for the size, "os/architecture".
    // `garbage` counts what is removed. `url`: where it is asked from here, when that is not http://HOST.
    DistributionClient(std::string host, const TokenService& tokens, http::Client& client,
                       std::string platform = "linux/amd64", Garbage* garbage = nullptr,
                       std::string url = {})
        : url_(url.empty() ? "http://" + host : std::move(url)),
          host_(std::move(host)),
          platform_(std::move(platform)),
          tokens_(tokens),
          client_(client),
          garbage_(garbage) {}

    [[nodiscard]] std::string host() const override { return host_; }
    // Verifies that what the registry has under that digest has that digest.
    [[nodiscard]] Result<ManifestInfo> manifest(const std::string& repository,
                                                const std::string& digest) override;
    [[nodiscard]] Result<std::string> tagged(const std::string& repository,
                                             const std::string& tag) override;
    [[nodiscard]] Result<RegistryToken> push_token(const std::string& repository) override;
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string& repository) override;
    // One that is not there is removed already.
    [[nodiscard]] Result<> remove_manifest(const std::string& repository,
                                           const std::string& digest) override;

  private:
    [[nodiscard]] Result<http::ClientResponse> ask(http::Method method,
                                                   const std::string& repository,
                                                   const std::string& digest_or_tag,
                                                   const Secret<>& token);

    std::string url_;
    std::string host_;
    std::string platform_;
    const TokenService& tokens_;
    http::Client& client_;
    Garbage* garbage_;
};

}  // namespace loco::registry
