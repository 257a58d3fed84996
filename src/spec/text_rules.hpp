// What a string may be, by the kind of its key. Internal to spec/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/names.hpp"
#include "spec/quantity.hpp"
#include "spec/schema.hpp"

namespace loco::spec {

inline constexpr std::size_t kMaxPath = 200;  // an URL prefix
inline constexpr std::size_t kMaxHealthPath = 1024;
inline constexpr std::size_t kMaxFilePath = 1024;
inline constexpr std::size_t kMaxArgument = 8 << 10;
inline constexpr std::size_t kMaxImage = 512;

// The value as it is kept: "/admin/" is "/admin". A Problem says why it is refused.
[[nodiscard]] Parsed<std::string> check_text(Kind kind, std::string_view text);

// What check_text allows, in words.
[[nodiscard]] std::string_view expected_text(Kind kind);

// The text in quotes with TOML's escapes; quote_short cuts what is long.
[[nodiscard]] std::string quote(std::string_view text);
[[nodiscard]] std::string quote_short(std::string_view text);

}  // namespace loco::spec
