// Tokens for Loco's own registry, in the form of the distribution project's token authentication: a JWT, signed ES256,
// that names repositories and what may be done to them. The registry asks nobody: it believes the signature.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "ports/registry.hpp"
#include "registry/signing_key.hpp"

namespace loco::registry {

inline constexpr std::string_view kIssuer = "loco";
inline constexpr std::string_view kService = "loco-registry";
inline constexpr std::chrono::minutes kPushTokenLife{5};
inline constexpr std::chrono::minutes kPullTokenLife{10};

struct Access {
    std::string repository;
    std::set<std::string> actions;  // "pull", "push", "delete"
    bool operator==(const Access&) const = default;
};

// Any thread may ask for tokens.
class TokenService {
  public:
    TokenService(SigningKey key, const Clock& clock, Random& random)
        : key_(std::move(key)), clock_(clock), random_(random) {}

    // `subject`: who it is for, as the registry's log names them. invalid when a repository is malformed or a life is
    // longer than 10 minutes.
    [[nodiscard]] Result<RegistryToken> issue(std::string_view subject,
                                              const std::vector<Access>& access,
                                              std::chrono::seconds life) const;
    // That one repository, pull and push, 5 minutes.
    [[nodiscard]] Result<RegistryToken> push_token(const std::string& repository) const;
    // That one repository, pull only, 10 minutes.
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string& repository) const;

    // What a token of this service opens; nothing for one that is not, or no longer, good.
    [[nodiscard]] std::optional<std::vector<Access>> read(std::string_view token) const;

    [[nodiscard]] const SigningKey& key() const { return key_; }
    [[nodiscard]] Time now() const { return clock_.now(); }

  private:
    SigningKey key_;
    const Clock& clock_;
    Random& random_;
};

// A name as distribution allows it, at most 255 characters.
[[nodiscard]] bool is_repository(std::string_view name);

// --- GET /registry/token, without HTTP

struct Credentials {
    std::string user;
    Secret<> password;
};
// Of "Basic …" (RFC 7617); nothing for anything else.
[[nodiscard]] std::optional<Credentials> parse_basic(std::string_view authorization);

// Every `scope` of a query ("repository:NAME:pull,push", several in one or in many), at most 16; scopes of other
// things than repositories are left out. Nothing for a malformed one.
[[nodiscard]] std::optional<std::vector<Access>> parse_scopes(std::string_view query);

struct Grant {
    std::string subject;
    std::vector<Access> access;  // all that these credentials may do
};
// unauthenticated when the credentials are not good.
using CheckCredentials = std::function<Result<Grant>(const Credentials&)>;

// What was asked for and is granted, as the JSON that the protocol answers with. An answer without any access is an
// answer too: the registry then refuses. With the user kPullTokenUser a pull token is the password, and gives what it opens
// itself; else `check` says what the credentials give. unauthenticated without good credentials; invalid for a malformed query.
[[nodiscard]] Result<std::string> answer_token_request(const TokenService& tokens,
                                                       std::string_view authorization,
                                                       std::string_view query,
                                                       const CheckCredentials& check);

}  // namespace loco::registry
