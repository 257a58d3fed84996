// Seals the values of `loco env`, so that nobody reads them in the database, its backups or its log: XChaCha20-Poly1305
// (libsodium) under one key per instance, which lies in a file of its own. Each value is bound to its app and name: what
// was sealed for one can't be put in place of another.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::crypto {

class Sealer {
  public:
    // Reads the key, or makes it (mode 0600) where there is no such file. forbidden when others than its owner may read
    // it, or its owner is another user; invalid when it holds no key.
    [[nodiscard]] static Result<Sealer> open(const std::filesystem::path& key_file);
    // Reads a key that somebody else keeps (a mounted Secret, os::check_kept_key); never makes one.
    [[nodiscard]] static Result<Sealer> open_kept(const std::filesystem::path& key_file);
    Sealer(Sealer&&) noexcept;
    Sealer& operator=(Sealer&&) noexcept;
    ~Sealer();

    // Any thread. Text of ASCII letters: "1.KEY-ID.BASE64"; another one each time.
    [[nodiscard]] Result<std::string> seal(std::string_view app_id, std::string_view name,
                                           const Secret<>& value) const;
    // invalid when it was not sealed for that app and name, with that key, or was changed. The message holds no value.
    [[nodiscard]] Result<Secret<>> open_sealed(std::string_view app_id, std::string_view name,
                                               std::string_view sealed) const;

    // Another key for another purpose, 64 hex digits: always the same of the same key, and of no use to find it.
    [[nodiscard]] Secret<> derived(std::string_view purpose) const;
    // Tells keys apart: 8 hex digits of the key's hash.
    [[nodiscard]] const std::string& key_id() const;

  private:
    struct Key;
    explicit Sealer(std::unique_ptr<Key> key);
    [[nodiscard]] static Result<Sealer> read(const std::filesystem::path& key_file);
    std::unique_ptr<Key> key_;
};

}  // namespace loco::crypto
