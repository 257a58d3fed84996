// A real engine with a registry and an image of our own: one for all tests of a program, with labels and addresses of
// its own, all of it removed at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "os/process.hpp"
#include "ports/registry.hpp"

namespace loco::runtime {

// A registry process on a free port, without authentication.
class LocalRegistry final : public Registry {
  public:
    [[nodiscard]] static Result<std::unique_ptr<LocalRegistry>> start(const std::string& directory);
    ~LocalRegistry() override;
    [[nodiscard]] std::string host() const override { return host_; }
    [[nodiscard]] Result<ManifestInfo> manifest(const std::string&, const std::string&) override;
    [[nodiscard]] Result<RegistryToken> push_token(const std::string&) override;
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string&) override;
    [[nodiscard]] Result<> remove_manifest(const std::string&, const std::string&) override;

  private:
    std::string host_;
    pid_t pid_ = 0;
};

class DockerWorld {
  public:
    // Null where no engine answers.
    static DockerWorld* get();
    ~DockerWorld();

    // Builds an image of the Dockerfile (with busybox and the files beside it) and pushes it to the registry.
    [[nodiscard]] Result<std::string> build(
        const std::string& repository, const std::string& dockerfile,
        const std::vector<std::pair<std::string, std::string>>& files = {});

    engine::Engine& engine() { return *engine_; }
    LocalRegistry& registry() { return *registry_; }
    [[nodiscard]] const std::string& loco() const { return loco_; }
    [[nodiscard]] const std::string& digest() const { return digest_; }  // of repository "contract"
    [[nodiscard]] const std::string& subnet_prefix() const { return subnet_prefix_; }  // "10.199."

  private:
    DockerWorld() = default;
    [[nodiscard]] Result<> prepare();

    std::string directory_;
    std::string loco_;
    std::string digest_;
    std::string subnet_prefix_;
    std::unique_ptr<engine::Engine> engine_;
    std::unique_ptr<LocalRegistry> registry_;
    std::vector<std::string> references_;
};

}  // namespace loco::runtime
