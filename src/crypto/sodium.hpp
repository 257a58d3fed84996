// How the sources of this folder call libsodium.
#pragma once

#include <sodium.h>

#include <string_view>

#include "base/error.hpp"

namespace loco::crypto {

// Before anything else of libsodium; cheap after the first call.
inline void use_sodium() {
    static const bool ready = sodium_init() >= 0;
    LOCO_CHECK(ready);
}

[[nodiscard]] inline const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace loco::crypto
