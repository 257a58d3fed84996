#include "crypto/seal.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "crypto/hash.hpp"
#include "crypto/sodium.hpp"
#include "os/file.hpp"

namespace loco::crypto {
namespace {

constexpr std::size_t kKeyBytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t kMaxSealed = 1U << 20;
constexpr std::string_view kVersion = "1.";

// What a value is bound to. Neither part holds a zero byte in what Loco seals; the length makes it unambiguous for any.
std::string bound_to(std::string_view app_id, std::string_view name) {
    return std::to_string(app_id.size()) + ":" + std::string(app_id) + ":" + std::string(name);
}

struct Owned {
    int fd;
    explicit Owned(int descriptor) : fd(descriptor) {}
    ~Owned() { ::close(fd); }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
};

Result<> check_private(const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP) {
        return fail(ErrorKind::forbidden, "the key file " + file.string() + " is a symbolic link",
                    "put the file itself there");
    }
    if (fd < 0) return fail_errno(errno, "open the key file " + file.string());
    const Owned owned(fd);
    struct stat info{};
    if (::fstat(fd, &info) != 0) return fail_errno(errno, "look at " + file.string());
    if (!S_ISREG(info.st_mode)) return fail(ErrorKind::invalid, file.string() + " is no file");
    if ((info.st_mode & 077) != 0) {
        return fail(ErrorKind::forbidden, "others may read the key file " + file.string(),
                    "chmod 600 " + file.string() +
                        "; if others did read it, set the apps' secrets anew with a new key",
                    "key_readable_by_others");
    }
    if (info.st_uid != ::geteuid()) {
        return fail(ErrorKind::forbidden,
                    "the key file " + file.string() + " belongs to another user",
                    "run loco-api as the user who owns its data");
    }
    return {};
}

}  // namespace

struct Sealer::Key {
    std::array<unsigned char, kKeyBytes> bytes{};
    std::string id;

    Key() = default;
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    ~Key() { sodium_memzero(bytes.data(), bytes.size()); }
};

Sealer::Sealer(std::unique_ptr<Key> key) : key_(std::move(key)) {}
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;
Sealer::~Sealer() = default;

const std::string& Sealer::key_id() const { return key_->id; }

Secret<> Sealer::derived(std::string_view purpose) const {
    std::array<unsigned char, kKeyBytes> made{};
    crypto_generichash(made.data(), made.size(),
                       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                       key_->bytes.data(), key_->bytes.size());
    std::string hex(made.size() * 2 + 1, '\0');
    sodium_bin2hex(hex.data(), hex.size(), made.data(), made.size());
    hex.pop_back();
    sodium_memzero(made.data(), made.size());
    return Secret<>(std::move(hex));
}

Result<Sealer> Sealer::open(const std::filesystem::path& key_file) {
    use_sodium();
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::symlink_status(key_file, ignored))) {
        Key made;
        crypto_aead_xchacha20poly1305_ietf_keygen(made.bytes.data());
        char hex[kKeyBytes * 2 + 1];
        sodium_bin2hex(hex, sizeof hex, made.bytes.data(), made.bytes.size());
        const auto written = os::write_file_atomically(key_file, std::string(hex) + "\n", 0600);
        sodium_memzero(hex, sizeof hex);
        if (!written)
            return fail(Error(written.error()).while_("make the key for the apps' secrets"));
    }
    LOCO_TRY(check_private(key_file));
    return read(key_file);
}

Result<Sealer> Sealer::open_kept(const std::filesystem::path& key_file) {
    use_sodium();
    LOCO_TRY(os::check_kept_key(key_file));
    return read(key_file);
}

Result<Sealer> Sealer::read(const std::filesystem::path& key_file) {
    auto key = std::make_unique<Key>();
    LOCO_ASSIGN(auto text, os::read_file(key_file, 4096));
    std::size_t length = 0;
    const int bad = sodium_hex2bin(key->bytes.data(), key->bytes.size(), text.data(), text.size(),
                                   "\n", &length, nullptr);
    sodium_memzero(text.data(), text.size());
    if (bad != 0 || length != kKeyBytes) {
        return fail(ErrorKind::invalid,
                    "the key file " + key_file.string() + " holds no key of 64 hex digits",
                    "restore it from a backup; without it the apps' secrets must be set anew");
    }
    const std::string_view raw(reinterpret_cast<const char*>(key->bytes.data()), key->bytes.size());
    key->id = sha256_hex(raw).substr(0, 8);
    return Sealer(std::move(key));
}

Result<std::string> Sealer::seal(std::string_view app_id, std::string_view name,
                                 const Secret<>& value) const {
    const auto& plain = value.reveal();
    if (plain.size() > kMaxSealed)
        return fail(ErrorKind::too_large, "a value of more than 1 MiB can't be sealed");
    const auto aad = bound_to(app_id, name);
    std::vector<unsigned char> box(kNonceBytes + plain.size() + kTagBytes);
    randombytes_buf(box.data(), kNonceBytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(box.data() + kNonceBytes, nullptr, bytes(plain),
                                               plain.size(), bytes(aad), aad.size(), nullptr,
                                               box.data(), key_->bytes.data());
    constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    std::string text(sodium_base64_encoded_len(box.size(), kVariant), '\0');
    sodium_bin2base64(text.data(), text.size(), box.data(), box.size(), kVariant);
    text.pop_back();  // its zero byte
    return std::string(kVersion) + key_->id + "." + text;
}

Result<Secret<>> Sealer::open_sealed(std::string_view app_id, std::string_view name,
                                     std::string_view sealed) const {
    const auto broken = [&](const std::string& why) {
        return fail(ErrorKind::invalid,
                    "the value of " + std::string(name) + " can't be unsealed: " + why,
                    "set it anew: loco env set " + std::string(name), "unseal_failed");
    };
    const auto header = kVersion.size() + key_->id.size() + 1;
    if (sealed.size() < header || sealed.size() > 2 * kMaxSealed || !sealed.starts_with(kVersion) ||
        sealed[header - 1] != '.') {
        return broken("it is no sealed value");
    }
    const auto id = sealed.substr(kVersion.size(), key_->id.size());
    if (id != key_->id) {
        return fail(ErrorKind::invalid,
                    "the value of " + std::string(name) + " was sealed with key " +
                        std::string(id) + ", and this server has key " + key_->id,
                    "put back the key file that belongs to this database, or set the value anew",
                    "unseal_wrong_key");
    }
    const auto text = sealed.substr(header);
    if (text.empty()) return broken("it is no sealed value");  // and an empty box has no address
    std::vector<unsigned char> box(text.size());
    std::size_t length = 0;
    if (sodium_base642bin(box.data(), box.size(), text.data(), text.size(), nullptr, &length,
                          nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length < kNonceBytes + kTagBytes) {
        return broken("it is no sealed value");
    }
    std::string plain(length - kNonceBytes - kTagBytes, '\0');
    const auto aad = bound_to(app_id, name);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(reinterpret_cast<unsigned char*>(plain.data()),
                                                   nullptr, nullptr, box.data() + kNonceBytes,
                                                   length - kNonceBytes, bytes(aad), aad.size(),
                                                   box.data(), key_->bytes.data()) != 0) {
        return broken("it was changed, or belongs to another app or name");
    }
    return Secret<>(std::move(plain));
}

}  // namespace loco::crypto
