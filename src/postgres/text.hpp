// Texts in Loco's rows may be any bytes; PostgreSQL's must be UTF-8 without a zero byte. What is not, is kept as U+0001 and
// its bytes in hexadecimal; so is what begins with U+0001, so that two texts are equal where their kept forms are.
#pragma once

#include <string>
#include <string_view>

namespace loco::postgres {

[[nodiscard]] std::string to_kept_text(std::string_view text);
[[nodiscard]] bool is_kept_as_bytes(std::string_view kept);
// Of what is_kept_as_bytes.
[[nodiscard]] std::string from_kept_bytes(std::string_view kept);

}  // namespace loco::postgres
