// What the measuring programs share: a folder that goes, elapsed and CPU time of this process.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace loco::bench {

class Folder {
  public:
    // In the folder that is given, as the disk is part of what is measured.
    explicit Folder(const std::string& parent) : path_(parent + "/loco-bench-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

class Stopwatch {
  public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }
    [[nodiscard]] double cpu_seconds() const { return cpu() - cpu_; }

  private:
    [[nodiscard]] static double cpu() {
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        const auto s = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
        };
        return s(usage.ru_utime) + s(usage.ru_stime);
    }
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double cpu_ = cpu();
};

}  // namespace loco::bench
