// A watch's answer, JSON lines in pieces of any size, taken apart in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "kubernetes/object.hpp"

namespace loco::kubernetes {

struct WatchEvent {
    // error: `object` is a Status; the watch ends with it.
    enum class Type : std::uint8_t { added, modified, deleted, bookmark, error } type;
    Object object;
};

class WatchDecoder {
  public:
    // etcd takes objects up to 1.5 MiB.
    explicit WatchDecoder(std::size_t max_event_bytes = 8U << 20) : max_(max_event_bytes) {}

    // Calls back for every whole event. too_large for one beyond the bound; invalid for what is no event, of a type that
    // is not known, or an object without a resourceVersion. After an error it takes no more.
    [[nodiscard]] Result<> feed(std::string_view piece,
                                const std::function<void(WatchEvent)>& on_event);

  private:
    std::string pending_;
    std::size_t max_;
};

}  // namespace loco::kubernetes
