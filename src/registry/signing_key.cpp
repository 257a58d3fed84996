#include "registry/signing_key.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <array>

#include "os/file.hpp"

namespace loco::registry {
namespace {

template <class T, void (*Free)(T*)>
struct Deleter {
    void operator()(T* object) const { Free(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG, ECDSA_SIG_free>>;
struct BioDeleter {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

std::unexpected<Error> openssl_failed(std::string_view what) {
    return fail(ErrorKind::internal, "OpenSSL could not " + std::string(what));
}

std::string contents(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

Result<Key> make_key() {
    Key key(EVP_EC_gen("P-256"));
    if (!key) return openssl_failed("make a key");
    return key;
}

Result<std::string> pem_of(EVP_PKEY* key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!bio ||
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return openssl_failed("write a key");
    }
    return contents(bio.get());
}

// Its dates say nothing: the registry takes only the key from it.
Result<std::string> certificate_of(EVP_PKEY* key) {
    constexpr long kDay = 24L * 3600;
    const Certificate certificate(X509_new());
    if (!certificate) return openssl_failed("make a certificate");
    auto* x509 = certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -kDay);
    X509_gmtime_adj(X509_getm_notAfter(x509), 100 * 365 * kDay);
    X509_set_pubkey(x509, key);
    auto* name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("loco registry tokens"), -1,
                               -1, 0);
    X509_set_issuer_name(x509, name);
    const Bio bio(BIO_new(BIO_s_mem()));
    if (X509_sign(x509, key, EVP_sha256()) == 0 || !bio ||
        PEM_write_bio_X509(bio.get(), x509) != 1) {
        return openssl_failed("make a certificate");
    }
    return contents(bio.get());
}

// libtrust's keyIDFromCryptoKey.
Result<std::string> id_of(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    if (size <= 0) return openssl_failed("read a key");
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned hash_size = 0;
    const int hashed = EVP_Digest(der, static_cast<std::size_t>(size), hash.data(), &hash_size,
                                  EVP_sha256(), nullptr);
    OPENSSL_free(der);
    if (hashed != 1) return openssl_failed("hash a key");
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // RFC 4648 section 6
    std::string id;
    unsigned bits = 0;
    int held = 0;
    for (std::size_t i = 0; i < 30; ++i) {
        bits = (bits << 8) | hash.at(i);
        held += 8;
        while (held >= 5) {
            held -= 5;
            if (id.size() % 5 == 4) id += ':';
            id += kAlphabet[(bits >> held) & 31U];
        }
    }
    return id;
}

Result<Key> read_key(const std::filesystem::path& path) {
    LOCO_ASSIGN(auto pem, os::read_file(path, 64U << 10));
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    OPENSSL_cleanse(pem.data(), pem.size());
    if (!key || EVP_PKEY_get_bits(key.get()) != 256 ||
        EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC) {
        return fail(ErrorKind::invalid, path.string() + " holds no key of P-256",
                    "remove it: a new one is made, and the registry is to be restarted");
    }
    return key;
}

}  // namespace

struct SigningKey::Impl {
    Key key;
    std::string id;
    std::filesystem::path certificate;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

const std::string& SigningKey::id() const { return impl_->id; }
const std::filesystem::path& SigningKey::certificate() const { return impl_->certificate; }

Result<SigningKey> SigningKey::open(const std::filesystem::path& folder) {
    LOCO_TRY(os::make_directories(folder, 0700));
    const auto key_file = folder / "token-key.pem";
    const auto certificate = folder / "token-cert.pem";
    std::error_code ignored;
    if (!std::filesystem::exists(key_file, ignored)) {
        LOCO_ASSIGN(const auto made, make_key());
        LOCO_ASSIGN(const auto pem, pem_of(made.get()));
        // A certificate of a former key must not survive the new one.
        std::filesystem::remove(certificate, ignored);
        LOCO_TRY(os::write_file_atomically(key_file, pem, 0600));
    }
    struct stat info{};
    if (::stat(key_file.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
        return fail(ErrorKind::forbidden, "others than its owner may read " + key_file.string(),
                    "chmod 600 " + key_file.string());
    }
    if (!std::filesystem::exists(certificate, ignored)) {
        LOCO_ASSIGN(const auto key, read_key(key_file));
        LOCO_ASSIGN(const auto pem, certificate_of(key.get()));
        LOCO_TRY(os::write_file_atomically(certificate, pem, 0600));
    }
    return read(folder);
}

Result<SigningKey> SigningKey::open_kept(const std::filesystem::path& folder) {
    LOCO_TRY(os::check_kept_key(folder / "token-key.pem"));
    return read(folder);
}

Result<SigningKey> SigningKey::read(const std::filesystem::path& folder) {
    auto impl = std::make_unique<Impl>();
    impl->certificate = folder / "token-cert.pem";
    LOCO_ASSIGN(impl->key, read_key(folder / "token-key.pem"));
    LOCO_ASSIGN(impl->id, id_of(impl->key.get()));
    return SigningKey(std::move(impl));
}

Result<std::string> SigningKey::sign(std::string_view data) const {
    const Context context(EVP_MD_CTX_new());
    const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
    std::array<unsigned char, 80> der{};
    std::size_t size = der.size();
    if (!context ||
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) != 1 ||
        EVP_DigestSign(context.get(), der.data(), &size, bytes, data.size()) != 1) {
        return openssl_failed("sign");
    }
    const auto* at = der.data();
    const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    std::array<unsigned char, 64> raw{};
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), 32) != 32 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + 32, 32) != 32) {
        return openssl_failed("sign");
    }
    return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
}

bool SigningKey::verify(std::string_view data, std::string_view signature) const {
    if (signature.size() != 64) return false;
    const auto* raw = reinterpret_cast<const unsigned char*>(signature.data());
    const Signature pair(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(raw, 32, nullptr);
    BIGNUM* s = BN_bin2bn(raw + 32, 32, nullptr);
    if (!pair || r == nullptr || s == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(pair.get(), &der);
    if (size <= 0) return false;
    const Context context(EVP_MD_CTX_new());
    const bool good =
        context &&
        EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, impl_->key.get()) ==
            1 &&
        EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size),
                         reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

std::string base64url(std::string_view data) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    unsigned bits = 0;
    int held = 0;
    for (const char c : data) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        held += 8;
        while (held >= 6) {
            held -= 6;
            text += kAlphabet[(bits >> held) & 63U];
        }
    }
    if (held > 0) text += kAlphabet[(bits << (6 - held)) & 63U];
    return text;
}

}  // namespace loco::registry
