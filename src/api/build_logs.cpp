#include "api/build_logs.hpp"

#include <algorithm>

namespace loco::api {
namespace {

// Far more than build at once; an ended deployment's build log takes no more lines anyway.
constexpr std::size_t kMaxCounted = 1000;

}  // namespace

BuildLogs::Part BuildLogs::take(const DeploymentId& deployment, std::string_view text) {
    const std::lock_guard lock(mutex_);
    auto& counted = counted_[deployment];
    Part part;
    while (!text.empty() && !counted.ended) {
        const auto end = text.find('\n');
        auto line = text.substr(0, std::min(end, kLineBytes));
        if (counted.lines >= kLines || counted.bytes + line.size() > kBytes) {
            counted.ended = part.ends = true;
            line = "[the rest of this build log was not kept: it has 200,000 lines or 16 MiB]";
        } else if (part.lines.size() >= kLinesARequest) {
            part.lines.emplace_back(
                "[the rest of this request was not kept: it has more than 20,000 lines]");
            break;
        }
        ++counted.lines;
        counted.bytes += line.size();
        part.bytes += line.size();
        part.lines.emplace_back(line);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    while (counted_.size() > kMaxCounted) counted_.erase(counted_.begin());
    return part;
}

void BuildLogs::give_back(const DeploymentId& deployment, const Part& part) {
    const std::lock_guard lock(mutex_);
    const auto found = counted_.find(deployment);
    if (found == counted_.end()) return;
    found->second.lines -= std::min(found->second.lines, static_cast<int>(part.lines.size()));
    found->second.bytes -= std::min(found->second.bytes, part.bytes);
    if (part.ends) found->second.ended = false;
}

}  // namespace loco::api
