#include "registry/token_service.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "http/message.hpp"

namespace loco::registry {
namespace {

constexpr std::size_t kMaxScopes = 16;

std::int64_t unix_seconds(Time time) { return to_unix_ms(time) / 1000; }

std::vector<std::string_view> split(std::string_view text, char by) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto end = text.find(by);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

boost::json::array access_json(const std::vector<Access>& access) {
    boost::json::array list;
    for (const auto& entry : access) {
        list.push_back(
            {{"type", "repository"},
             {"name", entry.repository},
             {"actions", boost::json::array(entry.actions.begin(), entry.actions.end())}});
    }
    return list;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::optional<std::string> decode_base64(std::string_view text,
                                         std::string_view alphabet = kBase64) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::string data;
    unsigned bits = 0;
    int held = 0;
    for (const char c : text) {
        const auto value = alphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = (bits << 6) | static_cast<unsigned>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            data += static_cast<char>((bits >> held) & 255U);
        }
    }
    return data;
}

// "repository:NAME:pull,push"; the name may hold a colon only in a host's port, which Loco's have not.
bool take_scope(std::string_view scope, std::vector<Access>& access) {
    const auto parts = split(scope, ':');
    if (parts.size() != 3) return false;
    if (parts[0] != "repository") return true;
    if (!is_repository(parts[1])) return false;
    Access entry{.repository = std::string(parts[1]), .actions = {}};
    for (const auto action : split(parts[2], ',')) {
        if (!action.empty()) entry.actions.emplace(action);
    }
    access.push_back(std::move(entry));
    return access.size() <= kMaxScopes;
}

}  // namespace

bool is_repository(std::string_view name) {
    const auto is_alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (name.empty() || name.size() > 255) return false;
    for (const auto part : split(name, '/')) {
        if (part.empty() || !is_alnum(part.front()) || !is_alnum(part.back())) return false;
        for (std::size_t i = 0; i < part.size(); ++i) {
            // Between two alphanumerics: one dot, one or two underscores, any dashes.
            const char c = part[i];
            if (is_alnum(c) || c == '-') continue;
            if (c != '.' && c != '_') return false;
            const bool second_underscore =
                c == '_' && part[i - 1] == '_' && (i < 2 || part[i - 2] != '_');
            if (!is_alnum(part[i - 1]) && !second_underscore) return false;
            if (!is_alnum(part[i + 1]) && !(c == '_' && part[i + 1] == '_')) return false;
        }
    }
    return true;
}

Result<RegistryToken> TokenService::issue(std::string_view subject,
                                          const std::vector<Access>& access,
                                          std::chrono::seconds life) const {
    if (life > kPullTokenLife || life <= std::chrono::seconds(0)) {
        return fail(ErrorKind::invalid, "a registry token lives at most 10 minutes");
    }
    if (!std::ranges::all_of(access,
                             [](const auto& entry) { return is_repository(entry.repository); })) {
        return fail(ErrorKind::invalid, "no repository's name");
    }
    const auto now = clock_.now();
    const auto expires = now + life;
    const auto header = boost::json::serialize(
        boost::json::object{{"typ", "JWT"}, {"alg", "ES256"}, {"kid", key_.id()}});
    const auto claims =
        boost::json::serialize(boost::json::object{{"iss", kIssuer},
                                                   {"sub", subject},
                                                   {"aud", kService},
                                                   {"exp", unix_seconds(expires)},
                                                   {"nbf", unix_seconds(now)},
                                                   {"iat", unix_seconds(now)},
                                                   {"jti", random_word(random_, 26)},
                                                   {"access", access_json(access)}});
    auto text = base64url(header) + "." + base64url(claims);
    LOCO_ASSIGN(const auto signature, key_.sign(text));
    text += "." + base64url(signature);
    return RegistryToken{.token = Secret<>(std::move(text)), .expires_at = expires};
}

Result<RegistryToken> TokenService::push_token(const std::string& repository) const {
    return issue("deploy", {{.repository = repository, .actions = {"pull", "push"}}},
                 kPushTokenLife);
}

Result<RegistryToken> TokenService::pull_token(const std::string& repository) const {
    return issue("engine", {{.repository = repository, .actions = {"pull"}}}, kPullTokenLife);
}

std::optional<Credentials> parse_basic(std::string_view authorization) {
    if (authorization.size() < 6 || authorization.size() > 8192 ||
        !http::equal_ignoring_case(authorization.substr(0, 6), "Basic ")) {
        return std::nullopt;
    }
    const auto decoded = decode_base64(authorization.substr(6));
    if (!decoded) return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return Credentials{.user = decoded->substr(0, colon),
                       .password = Secret<>(decoded->substr(colon + 1))};
}

std::optional<std::vector<Access>> parse_scopes(std::string_view query) {
    std::vector<Access> access;
    if (query.empty()) return access;
    for (const auto pair : split(query, '&')) {
        const auto equals = pair.find('=');
        if (pair.substr(0, equals) != "scope" || equals == std::string_view::npos) continue;
        auto spaced = std::string(pair.substr(equals + 1));
        std::ranges::replace(spaced, '+', ' ');
        const auto scopes = http::percent_decode(spaced);
        if (!scopes) return std::nullopt;
        for (const auto scope : split(*scopes, ' ')) {
            if (!scope.empty() && !take_scope(scope, access)) return std::nullopt;
        }
    }
    return access;
}

namespace {

// A claim's list of {type, name, actions}; what is of another form opens nothing.
std::vector<Access> access_of(const boost::json::value& claims) {
    std::vector<Access> all;
    const auto* list = claims.as_object().if_contains("access");
    if (list == nullptr || !list->is_array()) return all;
    for (const auto& entry : list->get_array()) {
        const auto* fields = entry.if_object();
        const auto* name = fields == nullptr ? nullptr : fields->if_contains("name");
        const auto* actions = fields == nullptr ? nullptr : fields->if_contains("actions");
        if (name == nullptr || !name->is_string() || actions == nullptr || !actions->is_array()) {
            continue;
        }
        Access access{.repository = std::string(name->get_string()), .actions = {}};
        for (const auto& action : actions->get_array()) {
            if (action.is_string()) access.actions.emplace(action.get_string());
        }
        all.push_back(std::move(access));
    }
    return all;
}

}  // namespace

std::optional<std::vector<Access>> TokenService::read(std::string_view token) const {
    constexpr std::size_t kMaxToken = 8U << 10;
    const auto parts = split(token.substr(0, kMaxToken), '.');
    if (token.size() > kMaxToken || parts.size() != 3) return std::nullopt;
    const auto signature = decode_base64(parts[2], kBase64Url);
    const auto body = decode_base64(parts[1], kBase64Url);
    // The signature covers the header, which therefore is one that was made here.
    const auto signed_part = token.substr(0, parts[0].size() + 1 + parts[1].size());
    if (!signature || !body || !key_.verify(signed_part, *signature)) return std::nullopt;
    boost::system::error_code error;
    const auto claims = boost::json::parse(*body, error);
    if (error || !claims.is_object()) return std::nullopt;
    const auto number = [&](const char* name) -> std::int64_t {
        const auto* found = claims.get_object().if_contains(name);
        return found != nullptr && found->is_int64() ? found->get_int64() : 0;
    };
    const auto now = unix_seconds(clock_.now());
    if (now >= number("exp") || now + 60 < number("nbf")) return std::nullopt;
    return access_of(claims);
}

Result<std::string> answer_token_request(const TokenService& tokens, std::string_view authorization,
                                         std::string_view query, const CheckCredentials& check) {
    const auto credentials = parse_basic(authorization);
    if (!credentials) {
        return fail(ErrorKind::unauthenticated, "the registry's token is given to known users only",
                    "sign in with `docker login`, an API token of Loco being the password");
    }
    const auto parameters = http::parse_query(query);
    const auto asked = parse_scopes(query);
    if (!parameters || !asked) return fail(ErrorKind::invalid, "a malformed scope");
    if (const auto service = parameters->find("service");
        service == parameters->end() || service->second != kService) {
        return fail(ErrorKind::invalid,
                    "another service than " + std::string(kService) + " was asked for");
    }
    Grant grant;
    if (credentials->user == kPullTokenUser) {
        auto access = tokens.read(credentials->password.reveal());
        if (!access) {
            return fail(ErrorKind::unauthenticated, "the pull token is not, or no longer, good");
        }
        grant = {.subject = credentials->user, .access = std::move(*access)};
        // Whatever it opens: the name is for those that only pull.
        for (auto& entry : grant.access) {
            std::erase_if(entry.actions, [](const auto& action) { return action != "pull"; });
        }
    } else {
        LOCO_ASSIGN(grant, check(*credentials));
    }
    std::vector<Access> granted;
    for (const auto& wanted : *asked) {
        Access entry{.repository = wanted.repository, .actions = {}};
        for (const auto& allowed : grant.access) {
            if (allowed.repository != wanted.repository) continue;
            std::ranges::set_intersection(wanted.actions, allowed.actions,
                                          std::inserter(entry.actions, entry.actions.end()));
        }
        if (!entry.actions.empty()) granted.push_back(std::move(entry));
    }
    LOCO_ASSIGN(const auto token, tokens.issue(grant.subject, granted, kPushTokenLife));
    const auto& text = token.token.reveal();
    return boost::json::serialize(
        boost::json::object{{"token", text},
                            {"access_token", text},
                            {"expires_in", std::chrono::seconds(kPushTokenLife).count()},
                            {"issued_at", to_rfc3339(tokens.now())}});
}

}  // namespace loco::registry
