// What a server knows of its own health, for `loco doctor`: each part asked for something cheap, all at once, and what mends it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace loco::api {

struct Finding {
    enum class State : unsigned char { ok, warning, failed, not_applicable };
    State state = State::ok;
    std::string message = {};                  // what is so; of a failure, why
    std::vector<std::string> next_steps = {};  // that mend it
};
[[nodiscard]] std::string_view to_string(Finding::State state);
// Failed, with the error's words and what it says to do.
[[nodiscard]] Finding failed(const Error& error);

// One thing that is looked at; may block, though not for ever.
struct Examination {
    std::string name;
    std::function<Finding()> look;
};

// Any thread. However many ask, one examination at a time is made, and its findings hold for a second. A few wait for it: what
// does not answer must not hold all of the server's threads.
class Doctor {
  public:
    using Findings = std::vector<std::pair<std::string, Finding>>;
    // rate_limited when too many wait already.
    [[nodiscard]] Result<Findings> findings(const std::vector<Examination>& examinations,
                                            const Clock& clock);

  private:
    std::atomic<int> asking_ = 0;
    std::mutex mutex_;
    Findings last_;
    std::optional<SteadyTime> at_;
};

}  // namespace loco::api
