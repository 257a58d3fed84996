// What docker-registry (the CNCF distribution registry) is started with. `loco up` calls prepare() and starts argv().
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"

namespace loco::registry {

struct Options {
    std::filesystem::path data_dir;  // DATA/registry, absolute
    std::string listen = "127.0.0.1:5000";
    std::string realm =
        "http://127.0.0.1:8081/registry/token";  // where clients are told to ask for a token
};

// The folder of the key and certificate that tokens are signed with (SigningKey::open).
[[nodiscard]] std::filesystem::path key_folder(const Options& options);

// config.yml's text. `secret` lets an upload that was begun go on after the registry was restarted.
[[nodiscard]] std::string render_config(const Options& options, const Secret<>& secret);

// Makes folders, key, certificate, secret and config.yml (all 0600) in data_dir.
[[nodiscard]] Result<> prepare(const Options& options, Random& random);

[[nodiscard]] std::vector<std::string> argv(const Options& options,
                                            const std::string& program = "docker-registry");
// Removes what no manifest refers to from the disk. Nothing may be pushed, nor the registry run, meanwhile.
[[nodiscard]] std::vector<std::string> collect_argv(const Options& options,
                                                    const std::string& program = "docker-registry");

}  // namespace loco::registry
