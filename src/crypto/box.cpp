#include "crypto/box.hpp"

#include <array>
#include <vector>

#include "crypto/sodium.hpp"

namespace loco::crypto {
namespace {

constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

std::string to_text(const unsigned char* data, std::size_t size) {
    std::string text(sodium_base64_encoded_len(size, kVariant), '\0');
    sodium_bin2base64(text.data(), text.size(), data, size, kVariant);
    text.pop_back();  // its zero byte
    return text;
}

// Empty when it is no base64url.
std::vector<unsigned char> from_text(std::string_view text) {
    std::vector<unsigned char> data(text.size() + 1);
    std::size_t length = 0;
    if (sodium_base642bin(data.data(), data.size(), text.data(), text.size(), nullptr, &length,
                          nullptr, kVariant) != 0)
        length = 0;
    data.resize(length);
    return data;
}

}  // namespace

struct Box::Pair {
    std::array<unsigned char, crypto_box_PUBLICKEYBYTES> open_half{};
    std::array<unsigned char, crypto_box_SECRETKEYBYTES> secret_half{};
    std::string public_key;

    Pair() = default;
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() { sodium_memzero(secret_half.data(), secret_half.size()); }
};

Box::Box(std::unique_ptr<Pair> pair) : pair_(std::move(pair)) {}
Box::Box(Box&&) noexcept = default;
Box& Box::operator=(Box&&) noexcept = default;
Box::~Box() = default;

const std::string& Box::public_key() const { return pair_->public_key; }

Result<Box> Box::of_seed(const Secret<>& seed) {
    use_sodium();
    std::array<unsigned char, crypto_box_SEEDBYTES> raw{};
    std::size_t length = 0;
    const auto& hex = seed.reveal();
    if (sodium_hex2bin(raw.data(), raw.size(), hex.data(), hex.size(), nullptr, &length, nullptr) !=
            0 ||
        length != raw.size())
        return fail(ErrorKind::internal, "the seed of a box is not 64 hex digits");
    auto pair = std::make_unique<Pair>();
    crypto_box_seed_keypair(pair->open_half.data(), pair->secret_half.data(), raw.data());
    sodium_memzero(raw.data(), raw.size());
    pair->public_key = to_text(pair->open_half.data(), pair->open_half.size());
    return Box(std::move(pair));
}

Result<Secret<>> Box::open(std::string_view boxed) const {
    const auto broken = [] {
        return fail(ErrorKind::invalid,
                    "what was sealed cannot be opened here: it was sealed for another Loco, or was "
                    "changed",
                    "begin again: what is sealed is made for the Loco that is asked first",
                    "unboxing_failed");
    };
    if (boxed.size() > 2 * kMaxBoxed) return broken();
    const auto sealed = from_text(boxed);
    if (sealed.size() < crypto_box_SEALBYTES) return broken();
    std::string plain(sealed.size() - crypto_box_SEALBYTES, '\0');
    if (crypto_box_seal_open(reinterpret_cast<unsigned char*>(plain.data()), sealed.data(),
                             sealed.size(), pair_->open_half.data(),
                             pair_->secret_half.data()) != 0)
        return broken();
    return Secret<>(std::move(plain));
}

Result<std::string> seal_for(std::string_view public_key, const Secret<>& value) {
    use_sodium();
    const auto& plain = value.reveal();
    if (plain.size() > kMaxBoxed)
        return fail(ErrorKind::too_large, "more than 2 MiB can't be sealed at once");
    const auto key = public_key.size() > 64 ? std::vector<unsigned char>() : from_text(public_key);
    std::vector<unsigned char> sealed(plain.size() + crypto_box_SEALBYTES);
    // It fails for a key of small order, with which anybody could open the box.
    if (key.size() != crypto_box_PUBLICKEYBYTES ||
        crypto_box_seal(sealed.data(), bytes(plain), plain.size(), key.data()) != 0)
        return fail(ErrorKind::invalid, "that is no public key of a Loco", {},
                    "invalid_public_key");
    return to_text(sealed.data(), sealed.size());
}

}  // namespace loco::crypto
