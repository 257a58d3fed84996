// Strong ids: a prefix, then 26 characters as in a ULID (48 bits of milliseconds, 80 random bits, Crockford's
// base 32, lower case), so that ids of one kind sort by the time they were made. Ids never change.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace loco {

inline constexpr std::string_view kBase32Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

[[nodiscard]] std::string make_id(std::string_view prefix, Time now, Random& random);
[[nodiscard]] bool is_id(std::string_view prefix, std::string_view text);

// Tag::kPrefix is the prefix with its underscore, e.g. "app_".
template <class Tag>
class Id {
  public:
    Id() = default;
    explicit Id(std::string value) : value_(std::move(value)) {}

    [[nodiscard]] static Id make(const Clock& clock, Random& random) {
        return Id(make_id(Tag::kPrefix, clock.now(), random));
    }
    // not_found for anything that is no id of this kind: there can be no such thing.
    [[nodiscard]] static Result<Id> parse(std::string_view text) {
        if (!is_id(Tag::kPrefix, text)) {
            return fail(ErrorKind::not_found,
                        "no " + std::string(Tag::kNoun) + " " + std::string(text.substr(0, 64)));
        }
        return Id(std::string(text));
    }

    [[nodiscard]] const std::string& str() const { return value_; }
    [[nodiscard]] bool empty() const { return value_.empty(); }

    friend bool operator==(const Id&, const Id&) = default;
    friend auto operator<=>(const Id&, const Id&) = default;

  private:
    std::string value_;
};

}  // namespace loco

template <class Tag>
struct std::hash<loco::Id<Tag>> {
    std::size_t operator()(const loco::Id<Tag>& id) const noexcept {
        return std::hash<std::string>{}(id.str());
    }
};
