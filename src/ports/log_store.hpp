// Where the output of instances and builds is kept, after their containers are gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/model.hpp"

namespace loco {

enum class LogStream : std::uint8_t { out, err, build };

struct LogLine {
    std::int64_t seq = 0;  // given by the store; grows
    AppId app;
    DeploymentId deployment;  // of a build, else the instance's set
    std::string instance;     // InstanceId, empty for a build
    std::string process;
    int release = 0;  // number; 0 for a build
    LogStream stream = LogStream::out;
    Time at;           // when the engine saw it
    std::string text;  // without its line feed; bytes as written, at most 64 KiB
};

struct LogFilter {
    AppId app;
    std::optional<std::string> process;
    std::optional<int> release;
    std::optional<std::string> instance;
    std::optional<DeploymentId>
        build;  // the build log of that deployment instead of instances' lines
    std::optional<Time> since;
    std::optional<Time> until;  // and at that time
};

class LogStore {
  public:
    virtual ~LogStore() = default;
    [[nodiscard]] virtual Result<> append(std::vector<LogLine> lines) = 0;
    // In order of time, those with seq > after.
    [[nodiscard]] virtual Result<std::vector<LogLine>> after(const LogFilter& filter,
                                                             std::int64_t after, int limit) = 0;
    // The last `limit`, in order of time.
    [[nodiscard]] virtual Result<std::vector<LogLine>> last(const LogFilter& filter, int limit) = 0;
    // The time of the newest line kept of an instance's attempt, to go on after it.
    [[nodiscard]] virtual Result<std::optional<Time>> newest(const std::string& instance) = 0;
    [[nodiscard]] virtual Result<> remove_app(const AppId& app) = 0;
};

}  // namespace loco
