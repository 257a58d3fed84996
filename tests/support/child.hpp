// A program that a test runs beside itself; it dies with the test.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

namespace loco::test {

class Child {
  public:
    Child() = default;
    // stdout and stderr go to log_file.
    Child(std::vector<std::string> argv, const std::string& log_file);
    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    // Returns when it has ended.
    void stop(int signal = SIGKILL);

  private:
    pid_t pid_ = -1;
};

}  // namespace loco::test
