// `loco init`: a first loco.toml for a folder, from what its Dockerfile says.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace loco::spec {

struct InitFile {
    std::string name;  // the app's
    int port = 8080;
    bool port_found = false;  // the Dockerfile names it
    std::string dockerfile;   // relative to the folder; empty: there is none
    std::string text;         // the loco.toml; read_spec takes it (once there is a Dockerfile)
    std::vector<std::string>
        warnings;  // what a deploy would refuse or a person should know, a sentence each
};

// What the folder's own content tells; reads files only. `folder_name` stands for the folder's name where that
// cannot be an app's; no Dockerfile is no error but a warning.
[[nodiscard]] Result<InitFile> init_folder(const std::filesystem::path& folder);

// The same from texts: `dockerfile_text` is only read where `dockerfile` is not empty.
[[nodiscard]] InitFile init_from(std::string_view folder_name, std::string_view dockerfile,
                                 std::string_view dockerfile_text);

}  // namespace loco::spec
