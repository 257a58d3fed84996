// How much of each deployment's build log is kept: no build, and no client, may fill the disk or the memory.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"

namespace loco::api {

// Counts what came since loco-api was started. Any thread.
class BuildLogs {
  public:
    static constexpr int kLinesARequest = 20'000;
    static constexpr int kLines = 200'000;  // of a deployment
    static constexpr std::size_t kBytes = 16U << 20;
    static constexpr std::size_t kLineBytes = 64U << 10;

    struct Part {
        std::vector<std::string>
            lines;  // the last may be the one that says that the rest was not kept
        std::size_t bytes = 0;
        bool ends = false;  // it has the deployment's last line
    };
    // What is kept of the lines of `text`, without their line feeds. It counts from now on.
    [[nodiscard]] Part take(const DeploymentId& deployment, std::string_view text);
    // The part could not be kept after all.
    void give_back(const DeploymentId& deployment, const Part& part);

  private:
    struct Counted {
        int lines = 0;
        std::size_t bytes = 0;
        bool ended = false;
    };

    std::mutex mutex_;
    std::map<DeploymentId, Counted> counted_;  // the oldest go when there are too many
};

}  // namespace loco::api
