#include "crypto/base64.hpp"

#include "crypto/sodium.hpp"

namespace loco::crypto {

std::string base64(std::string_view data) {
    use_sodium();
    std::string text(sodium_base64_ENCODED_LEN(data.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(text.data(), text.size(), bytes(data), data.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    text.pop_back();  // the NUL that it writes
    return text;
}

}  // namespace loco::crypto
