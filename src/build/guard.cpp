#include "build/guard.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "os/file.hpp"

namespace loco::build {
namespace {

constexpr std::size_t kMaxLooked = 1U << 20;

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

// .env, .env.production, .envrc; not .env.example and its like, which are made to be shared.
bool is_environment(std::string_view name) {
    if (!name.starts_with(".env")) return false;
    const std::string_view rest = name.substr(4);
    if (rest.empty() || rest == "rc") return true;
    if (rest[0] != '.' && rest[0] != '-' && rest[0] != '_') return false;
    constexpr std::array<std::string_view, 6> kShared{"example",  "sample", "template",
                                                      "defaults", "dist",   "schema"};
    return std::ranges::none_of(kShared, [rest](auto word) { return rest.ends_with(word); });
}

bool is_ssh_key(std::string_view name) {
    constexpr std::array<std::string_view, 4> kNames{"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"};
    return !name.ends_with(".pub") &&
           std::ranges::any_of(kNames, [name](auto start) { return name.starts_with(start); });
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
    return std::ranges::any_of(endings, [name](auto end) { return name.ends_with(end); });
}

// A certificate or a public key in PEM, which says so itself.
bool is_public_pem(const std::string& text) {
    return text.find("-----BEGIN ") != std::string::npos &&
           text.find("PRIVATE KEY") == std::string::npos;
}

// A token written out; "${NPM_TOKEN}" is none.
bool holds_npm_token(const std::string& text) {
    constexpr std::array<std::string_view, 5> kKeys{"_authToken", "_password", "_auth",
                                                    "npmAuthToken", "npmAuthIdent"};
    return std::ranges::any_of(kKeys, [&](auto key) {
        for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
            auto value = text.find_first_not_of(" \t\"'", at + key.size());
            if (value == std::string::npos || (text[value] != '=' && text[value] != ':')) continue;
            value = text.find_first_not_of(" \t\"'", value + 1);
            if (value != std::string::npos && text[value] != '$' && text[value] != '\n')
                return true;
        }
        return false;
    });
}

std::string_view by_content(const std::string& name, const std::filesystem::path& file) {
    const bool pem = ends_with_any(name, {".pem", ".key"});
    const bool npm = name == ".npmrc" || name == ".yarnrc.yml";
    const bool pypi = name == ".pypirc" || name == "pip.conf";
    const bool docker = name == ".dockercfg";
    if (!pem && !npm && !pypi && !docker) return {};
    const auto text = os::read_file(file, kMaxLooked);
    if (pem) return text && is_public_pem(*text) ? "" : "a private key";
    if (npm) return text && !holds_npm_token(*text) ? "" : "a package registry's token";
    if (pypi) {
        const bool open = text && text->find("password") == std::string::npos &&
                          text->find('@') == std::string::npos;
        return open ? "" : "a package registry's password";
    }
    return text && text->find("\"auth\"") == std::string::npos ? "" : "a registry's password";
}

}  // namespace

std::string_view why_guarded(std::string_view path, EntryType type,
                             const std::filesystem::path& file) {
    const std::string whole = lower(path);
    const std::string name = whole.substr(whole.rfind('/') + 1);
    const std::string folder =
        whole.size() > name.size() ? whole.substr(0, whole.size() - name.size() - 1) : "";
    const auto in = [&](std::string_view parent) {
        return folder == parent || folder.ends_with("/" + std::string(parent));
    };
    if (name == ".git") return "Git's data";
    if (name == ".ssh" || name == ".gnupg") return "private keys";
    if (type == EntryType::folder) return {};
    if (is_environment(name)) return "an environment file";
    if (is_ssh_key(name)) return "a private key";
    if (ends_with_any(name, {".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".p8"})) {
        return "a key store";
    }
    if (name == ".netrc" || name == "_netrc" || name == ".pgpass" || name == ".git-credentials" ||
        name == ".my.cnf" || (in(".aws") && name == "credentials") ||
        (in(".docker") && name == "config.json") || (in(".kube") && name == "config") ||
        (in(".config/gcloud") && name.ends_with("credentials.json")) ||
        name == "application_default_credentials.json") {
        return "credentials";
    }
    return type == EntryType::link ? std::string_view() : by_content(name, file);
}

}  // namespace loco::build
