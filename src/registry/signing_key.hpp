// The key with which Loco signs registry tokens: ECDSA on P-256, and a self-signed certificate of it, which is how the
// registry is told whom to believe. The only place that calls OpenSSL.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::registry {

class SigningKey {
  public:
    // Reads DIR/token-key.pem and DIR/token-cert.pem, or makes them (mode 0600) where they are not.
    // forbidden when others than its owner may read the key.
    [[nodiscard]] static Result<SigningKey> open(const std::filesystem::path& folder);
    // Reads what somebody else keeps (a mounted Secret, os::check_kept_key); never makes one.
    [[nodiscard]] static Result<SigningKey> open_kept(const std::filesystem::path& folder);
    SigningKey(SigningKey&&) noexcept;
    SigningKey& operator=(SigningKey&&) noexcept;
    ~SigningKey();

    // The key's name as libtrust makes it: base 32 of 240 bits of its SHA-256, in groups of four.
    [[nodiscard]] const std::string& id() const;
    [[nodiscard]] const std::filesystem::path& certificate() const;
    // ES256 (RFC 7518 section 3.4): r and s, 32 bytes each. May be called from any thread.
    [[nodiscard]] Result<std::string> sign(std::string_view data) const;
    // Whether sign() made it, with this key.
    [[nodiscard]] bool verify(std::string_view data, std::string_view signature) const;

  private:
    struct Impl;
    [[nodiscard]] static Result<SigningKey> read(const std::filesystem::path& folder);
    explicit SigningKey(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// RFC 4648 section 5, without padding.
[[nodiscard]] std::string base64url(std::string_view data);

}  // namespace loco::registry
