// The functions of OpenSSL's libcrypto that Loco calls (base/on_demand.hpp).
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdarg>

#include "base/on_demand.hpp"

namespace {

const loco::OnDemand& library() {
    static const loco::OnDemand kLibrary("libcrypto.so.3", "libssl3");
    return kLibrary;
}

}  // namespace

#define REAL(function) LOCO_FORWARD(library, function)

extern "C" {

int ASN1_INTEGER_set(ASN1_INTEGER* a, long v) { return REAL(ASN1_INTEGER_set)(a, v); }
long BIO_ctrl(BIO* bp, int cmd, long larg, void* parg) {
    return REAL(BIO_ctrl)(bp, cmd, larg, parg);
}
void BIO_free_all(BIO* a) { REAL(BIO_free_all)(a); }
BIO* BIO_new(const BIO_METHOD* type) { return REAL(BIO_new)(type); }
BIO* BIO_new_mem_buf(const void* buf, int len) { return REAL(BIO_new_mem_buf)(buf, len); }
const BIO_METHOD* BIO_s_mem() { return REAL(BIO_s_mem)(); }
BIGNUM* BN_bin2bn(const unsigned char* s, int len, BIGNUM* ret) {
    return REAL(BN_bin2bn)(s, len, ret);
}
int BN_bn2binpad(const BIGNUM* a, unsigned char* to, int tolen) {
    return REAL(BN_bn2binpad)(a, to, tolen);
}
void BN_free(BIGNUM* a) { REAL(BN_free)(a); }
void CRYPTO_free(void* ptr, const char* file, int line) { REAL(CRYPTO_free)(ptr, file, line); }
void ECDSA_SIG_free(ECDSA_SIG* sig) { REAL(ECDSA_SIG_free)(sig); }
const BIGNUM* ECDSA_SIG_get0_r(const ECDSA_SIG* sig) { return REAL(ECDSA_SIG_get0_r)(sig); }
const BIGNUM* ECDSA_SIG_get0_s(const ECDSA_SIG* sig) { return REAL(ECDSA_SIG_get0_s)(sig); }
ECDSA_SIG* ECDSA_SIG_new() { return REAL(ECDSA_SIG_new)(); }
int ECDSA_SIG_set0(ECDSA_SIG* sig, BIGNUM* r, BIGNUM* s) { return REAL(ECDSA_SIG_set0)(sig, r, s); }
void ERR_clear_error() { REAL(ERR_clear_error)(); }
int EVP_DecodeBlock(unsigned char* t, const unsigned char* f, int n) {
    return REAL(EVP_DecodeBlock)(t, f, n);
}
int EVP_Digest(const void* data, size_t count, unsigned char* md, unsigned int* size,
               const EVP_MD* type, ENGINE* impl) {
    return REAL(EVP_Digest)(data, count, md, size, type, impl);
}
int EVP_DigestSign(EVP_MD_CTX* ctx, unsigned char* sigret, size_t* siglen, const unsigned char* tbs,
                   size_t tbslen) {
    return REAL(EVP_DigestSign)(ctx, sigret, siglen, tbs, tbslen);
}
int EVP_DigestSignInit(EVP_MD_CTX* ctx, EVP_PKEY_CTX** pctx, const EVP_MD* type, ENGINE* e,
                       EVP_PKEY* pkey) {
    return REAL(EVP_DigestSignInit)(ctx, pctx, type, e, pkey);
}
int EVP_DigestVerify(EVP_MD_CTX* ctx, const unsigned char* sigret, size_t siglen,
                     const unsigned char* tbs, size_t tbslen) {
    return REAL(EVP_DigestVerify)(ctx, sigret, siglen, tbs, tbslen);
}
int EVP_DigestVerifyInit(EVP_MD_CTX* ctx, EVP_PKEY_CTX** pctx, const EVP_MD* type, ENGINE* e,
                         EVP_PKEY* pkey) {
    return REAL(EVP_DigestVerifyInit)(ctx, pctx, type, e, pkey);
}
void EVP_MD_CTX_free(EVP_MD_CTX* ctx) { REAL(EVP_MD_CTX_free)(ctx); }
EVP_MD_CTX* EVP_MD_CTX_new() { return REAL(EVP_MD_CTX_new)(); }
// Of a key on a named curve, the only kind that Loco makes: one argument more.
EVP_PKEY* EVP_PKEY_Q_keygen(OSSL_LIB_CTX* context, const char* query, const char* type, ...) {
    va_list more;
    va_start(more, type);
    char* curve = va_arg(more, char*);
    va_end(more);
    return REAL(EVP_PKEY_Q_keygen)(context, query, type, curve);
}
void EVP_PKEY_free(EVP_PKEY* pkey) { REAL(EVP_PKEY_free)(pkey); }
int EVP_PKEY_get_base_id(const EVP_PKEY* pkey) { return REAL(EVP_PKEY_get_base_id)(pkey); }
int EVP_PKEY_get_bits(const EVP_PKEY* pkey) { return REAL(EVP_PKEY_get_bits)(pkey); }
const EVP_MD* EVP_sha256() { return REAL(EVP_sha256)(); }
void OPENSSL_cleanse(void* ptr, size_t len) { REAL(OPENSSL_cleanse)(ptr, len); }
EVP_PKEY* PEM_read_bio_PrivateKey(BIO* out, EVP_PKEY** x, pem_password_cb* cb, void* u) {
    return REAL(PEM_read_bio_PrivateKey)(out, x, cb, u);
}
int PEM_write_bio_PKCS8PrivateKey(BIO* a, const EVP_PKEY* b, const EVP_CIPHER* c, const char* kstr,
                                  int klen, pem_password_cb* cb, void* u) {
    return REAL(PEM_write_bio_PKCS8PrivateKey)(a, b, c, kstr, klen, cb, u);
}
int PEM_write_bio_X509(BIO* out, const X509* x) { return REAL(PEM_write_bio_X509)(out, x); }
int X509_NAME_add_entry_by_txt(X509_NAME* name, const char* field, int type,
                               const unsigned char* bytes, int len, int loc, int set) {
    return REAL(X509_NAME_add_entry_by_txt)(name, field, type, bytes, len, loc, set);
}
void X509_free(X509* a) { REAL(X509_free)(a); }
ASN1_INTEGER* X509_get_serialNumber(X509* x) { return REAL(X509_get_serialNumber)(x); }
X509_NAME* X509_get_subject_name(const X509* a) { return REAL(X509_get_subject_name)(a); }
ASN1_TIME* X509_getm_notAfter(const X509* x) { return REAL(X509_getm_notAfter)(x); }
ASN1_TIME* X509_getm_notBefore(const X509* x) { return REAL(X509_getm_notBefore)(x); }
ASN1_TIME* X509_gmtime_adj(ASN1_TIME* s, long adj) { return REAL(X509_gmtime_adj)(s, adj); }
X509* X509_new() { return REAL(X509_new)(); }
int X509_set_issuer_name(X509* x, const X509_NAME* name) {
    return REAL(X509_set_issuer_name)(x, name);
}
int X509_set_pubkey(X509* x, EVP_PKEY* pkey) { return REAL(X509_set_pubkey)(x, pkey); }
int X509_set_version(X509* x, long version) { return REAL(X509_set_version)(x, version); }
int X509_sign(X509* x, EVP_PKEY* pkey, const EVP_MD* md) { return REAL(X509_sign)(x, pkey, md); }
ECDSA_SIG* d2i_ECDSA_SIG(ECDSA_SIG** a, const unsigned char** in, long len) {
    return REAL(d2i_ECDSA_SIG)(a, in, len);
}
int i2d_ECDSA_SIG(const ECDSA_SIG* a, unsigned char** out) { return REAL(i2d_ECDSA_SIG)(a, out); }
int i2d_PUBKEY(const EVP_PKEY* a, unsigned char** out) { return REAL(i2d_PUBKEY)(a, out); }

}  // extern "C"
