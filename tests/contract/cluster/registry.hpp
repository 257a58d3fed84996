// A docker-registry with Loco's own tokens, where the nodes reach it, and small images in it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "http/server.hpp"
#include "ports/runtime.hpp"
#include "registry/config.hpp"
#include "registry/distribution_client.hpp"
#include "tests/support/child.hpp"

namespace loco::cluster {

class TestRegistry {
  public:
    TestRegistry(const Clock& clock, Random& random);
    ~TestRegistry();
    // busybox, or what a test program is, behind `entrypoint`; its user is 1000.
    [[nodiscard]] ImageRef push(const std::string& repository, const std::string& entrypoint);
    [[nodiscard]] Registry& registry() { return *registry_; }
    [[nodiscard]] const registry::TokenService& tokens() const { return *tokens_; }
    [[nodiscard]] std::string host() const { return options_.listen; }

  private:
    void push_blob(const std::string& repository, const std::string& token,
                   const std::string& data);
    [[nodiscard]] http::ClientResponse ask(http::Method method, const std::string& url,
                                           const std::string& token, const std::string& body,
                                           const std::string& type);
    [[nodiscard]] std::string layer();

    std::filesystem::path folder_;
    registry::Options options_;
    std::optional<registry::TokenService> tokens_;
    std::optional<registry::DistributionClient> registry_;
    std::unique_ptr<http::Server> token_server_;
    http::Client client_;
    std::string layer_;
    test::Child child_;
};

}  // namespace loco::cluster
