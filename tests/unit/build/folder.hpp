// A temporary folder for tests of what is packed.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace loco::build {

class Folder {
  public:
    Folder() {
        std::string path =
            (std::filesystem::temp_directory_path() / "loco-build-test-XXXXXX").string();
        EXPECT_NE(mkdtemp(path.data()), nullptr);
        path_ = std::filesystem::canonical(path);
    }
    ~Folder() {
        std::error_code error;
        std::filesystem::remove_all(path_, error);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void write(const std::string& name, const std::string& content = "x") const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << content;
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace loco::build
