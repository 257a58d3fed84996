// RFC 4648 section 4, with padding. As libsodium does it: in a time that depends on the length only, as it is used on secrets.
#pragma once

#include <string>
#include <string_view>

namespace loco::crypto {

[[nodiscard]] std::string base64(std::string_view data);

}  // namespace loco::crypto
