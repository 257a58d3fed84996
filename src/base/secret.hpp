// A value that must not be shown: it has no operator<<, no formatter and no implicit conversion, so a
// log line or an error with it does not compile. reveal() names each place that needs the value.
#pragma once

#include <string>
#include <utility>

namespace loco {

template <class T = std::string>
class Secret {
  public:
    Secret() = default;
    explicit Secret(T value) : value_(std::move(value)) {}

    [[nodiscard]] const T& reveal() const& { return value_; }
    [[nodiscard]] T reveal() && { return std::move(value_); }

    friend bool operator==(const Secret&, const Secret&) = default;

  private:
    T value_{};
};

}  // namespace loco
