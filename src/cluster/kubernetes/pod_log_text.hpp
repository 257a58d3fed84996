// A pod's log as the API gives it, from bytes to lines. Knows nothing of threads, stores or the API.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ports/log_store.hpp"

namespace loco::cluster {

inline constexpr std::size_t kMaxLogLine = 64U << 10;

struct PodLine {
    Time at;
    std::string text;
};

// Cuts the body of GET …/pods/POD/log?timestamps=true into lines. A line longer than kMaxLogLine comes in pieces of that
// size; the cut depends on nothing but the bytes, so that reading again gives the same pieces. What has no timestamp is
// the kubelet's own words ("unable to retrieve container logs for …") and no line.
class PodLogCutter {
  public:
    using Sink = std::function<void(PodLine)>;
    explicit PodLogCutter(Sink sink) : sink_(std::move(sink)) {}

    void feed(std::string_view bytes);
    // What was written without a line feed at its end: only when nothing more can come.
    void finish();

  private:
    void add(std::string_view bytes);
    void end_line();

    Sink sink_;
    std::string text_;        // of the line that has begun; with its timestamp until that is known
    std::optional<Time> at_;  // of that line
    bool own_words_ = false;  // it has no timestamp
};

// Tells lines that were kept already from new ones. Reading begins again at the second of the newest line kept, as the API
// knows no finer time; the two streams of a container may be written a little out of the order of their times.
class PodResume {
  public:
    static constexpr int kLines = 2000;

    PodResume() = default;
    // `kept`: the newest lines of the instance, at most kLines.
    explicit PodResume(const std::vector<LogLine>& kept);

    // Where to begin reading, for sinceTime; nothing: at the start.
    [[nodiscard]] std::optional<Time> since() const { return newest_; }
    // True once for each line that was kept.
    [[nodiscard]] bool was_kept(const PodLine& line);

  private:
    std::optional<Time> newest_;
    Time all_before_;  // what is older was kept
    std::multiset<std::pair<Time, std::string>> kept_;
};

}  // namespace loco::cluster
