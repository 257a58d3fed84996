#include "spec/text_rules.hpp"

#include <algorithm>
#include <array>

#include "domain/names.hpp"
#include "spec/suggest.hpp"

namespace loco::spec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::unexpected<Problem> refuse(Kind kind, std::string message, std::string suggestion = {},
                                std::string fix = {}) {
    return std::unexpected(Problem{std::move(message), std::string(expected_text(kind)),
                                   std::move(suggestion), std::move(fix)});
}

// `nearest` in quotes if it is valid and differs.
std::string suggest(Kind kind, const std::string& nearest, std::string_view text) {
    if (nearest.empty() || nearest == text || !check_text(kind, nearest)) return {};
    return quote(nearest);
}

Parsed<std::string> check_name(Kind kind, std::string_view text,
                               const std::optional<std::string>& problem, std::size_t max) {
    if (!problem) return std::string(text);
    std::string suggestion;
    std::string fix;
    if (kind == Kind::app_name && is_reserved_app_name(text)) {
        fix = "choose another, for example " + quote("my-" + std::string(text));
    }
    // Of a name in another script too little would be left.
    const bool ascii =
        std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    const auto label = kind == Kind::app_name ? to_app_name(text) : to_dns_label(text, max);
    if (label != text && ascii && !text.starts_with("xn--")) {
        const bool valid =
            kind == Kind::app_name ? !app_name_problem(label) : !port_name_problem(label);
        if (valid) suggestion = quote(label);
    }
    const std::string_view noun = kind == Kind::app_name ? "an app's name" : "a port's name";
    return refuse(kind, quote_short(text) + " cannot be " + std::string(noun) + ": " + *problem,
                  suggestion, fix);
}

// Relative, without leaving the folder by its words alone; symbolic links are for read.cpp's `look`.
Parsed<std::string> check_inside(Kind kind, std::string_view text) {
    if (text.empty()) return refuse(kind, "the path is empty");
    if (text.size() > kMaxFilePath) return refuse(kind, "the path is too long");
    if (std::ranges::any_of(text, is_control))
        return refuse(kind, "the path has a control character");
    if (text.front() == '/') {
        return refuse(
            kind, quote_short(text) + " is an absolute path",
            suggest(kind,
                    std::string(text.substr(std::min(text.find_first_not_of('/'), text.size()))),
                    text));
    }
    int depth = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const auto slash = rest.find('/');
        const auto part = rest.substr(0, slash);
        if (part == "..") {
            if (--depth < 0) {
                return refuse(kind, quote_short(text) + " is outside the app's folder", {},
                              "move the loco.toml to a folder that has it inside");
            }
        } else if (!part.empty() && part != ".") {
            ++depth;
        }
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    return std::string(text);
}

Parsed<std::string> check_stage(std::string_view text) {
    const bool valid = text.size() <= 128 && std::ranges::all_of(text, [](char c) {
                           return is_alnum(c) || c == '-' || c == '_' || c == '.';
                       });
    if (!valid) return refuse(Kind::stage, quote_short(text) + " cannot be a build stage");
    return std::string(text);
}

Parsed<std::string> check_platform(std::string_view text) {
    constexpr std::array<std::string_view, 9> kKnown = {
        "linux/amd64",   "linux/arm64",   "linux/arm/v7", "linux/arm/v6",  "linux/386",
        "linux/ppc64le", "linux/riscv64", "linux/s390x",  "linux/arm64/v8"};
    constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAliases = {
        {{"x86_64", "linux/amd64"},
         {"x64", "linux/amd64"},
         {"aarch64", "linux/arm64"},
         {"armv7", "linux/arm/v7"},
         {"x86", "linux/386"}}};
    if (text.empty() || std::ranges::find(kKnown, text) != kKnown.end()) return std::string(text);
    const auto slash = text.rfind('/');
    const auto architecture = text.substr(slash == std::string_view::npos ? 0 : slash + 1);
    std::string suggestion;
    for (const auto& [alias, platform] : kAliases) {
        if (architecture == alias) suggestion = quote(platform);
    }
    if (suggestion.empty()) {
        const auto known = "linux/" + std::string(architecture);
        if (std::ranges::find(kKnown, known) != kKnown.end()) suggestion = quote(known);
    }
    if (suggestion.empty()) {
        if (const auto near = nearest(text, kKnown); !near.empty()) suggestion = quote(near);
    }
    return refuse(Kind::platform, quote_short(text) + " is no platform that Loco knows",
                  suggestion);
}

// [host[:port]/]path[:tag][@digest], as the distribution project's reference grammar has it.
std::optional<std::string> image_problem(std::string_view text) {
    if (text.size() > kMaxImage) return "it is too long";
    if (text.find("://") != std::string_view::npos) return "it has a scheme";
    if (const auto at = text.find('@'); at != std::string_view::npos) {
        const auto digest = text.substr(at + 1);
        const bool valid = digest.starts_with("sha256:") && digest.size() == 71 &&
                           std::ranges::all_of(digest.substr(7), [](char c) {
                               return is_digit(c) || (c >= 'a' && c <= 'f');
                           });
        if (!valid) return "its digest is not sha256: and 64 hexadecimal digits";
        text = text.substr(0, at);
    }
    const auto slash = text.rfind('/');
    const auto last = slash == std::string_view::npos ? 0 : slash + 1;
    if (const auto colon = text.find(':', last); colon != std::string_view::npos) {
        const auto tag = text.substr(colon + 1);
        const bool valid = !tag.empty() && tag.size() <= 128 && tag[0] != '.' && tag[0] != '-' &&
                           std::ranges::all_of(tag, [](char c) {
                               return is_alnum(c) || c == '_' || c == '.' || c == '-';
                           });
        if (!valid) return "its tag is invalid";
        text = text.substr(0, colon);
    }
    bool first = true;
    for (std::string_view rest = text;;) {
        const auto next = rest.find('/');
        const auto part = rest.substr(0, next);
        if (part.empty()) return "a part of its name is empty";
        const bool host =
            first && next != std::string_view::npos &&
            (part.find_first_of(".:") != std::string_view::npos || part == "localhost");
        for (const char c : part) {
            const bool upper = c >= 'A' && c <= 'Z';
            if (upper && !host) return "it has upper-case letters";
            if (!is_alnum(c) && c != '.' && c != '-' && !(c == '_' && !host) &&
                !(c == ':' && host)) {
                return "it has an invalid character";
            }
        }
        if (!is_alnum(part.front()) || !is_alnum(part.back())) {
            return "a part of its name starts or ends with a separator";
        }
        if (next == std::string_view::npos) return std::nullopt;
        rest.remove_prefix(next + 1);
        first = false;
    }
}

Parsed<std::string> check_image(std::string_view text) {
    if (text.empty()) return std::string();
    const auto problem = image_problem(text);
    if (!problem) return std::string(text);
    std::string nearest_text(text);
    if (const auto scheme = nearest_text.find("://"); scheme != std::string::npos) {
        nearest_text.erase(0, scheme + 3);
    }
    std::ranges::transform(nearest_text, nearest_text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string suggestion;
    if (!image_problem(nearest_text)) suggestion = quote(nearest_text);
    return refuse(Kind::image, quote_short(text) + " is no image: " + *problem, suggestion);
}

// Docker takes 0 to 2^31 - 1.
std::optional<std::int64_t> user_number(std::string_view text) {
    if (text.empty() || text.size() > 10 || !std::ranges::all_of(text, is_digit))
        return std::nullopt;
    std::int64_t number = 0;
    for (const char c : text) number = number * 10 + (c - '0');
    if (number > 2'147'483'647) return std::nullopt;
    return number;
}

Parsed<std::string> check_user(std::string_view text) {
    if (text.empty()) return std::string();
    const auto colon = text.find(':');
    const auto user = user_number(text.substr(0, colon));
    const auto group = colon == std::string_view::npos ? std::optional<std::int64_t>(0)
                                                       : user_number(text.substr(colon + 1));
    if (text.substr(0, colon) == "root" || (user && *user == 0)) {
        return refuse(Kind::user, quote_short(text) + " is root, and no app may run as root",
                      "\"1000\"");
    }
    if (!user || !group) {
        return refuse(Kind::user, quote_short(text) + " is no numeric user", {},
                      "write the number that the user has in the image's /etc/passwd");
    }
    std::string plain = std::to_string(*user);
    if (colon != std::string_view::npos) plain += ":" + std::to_string(*group);
    if (plain != text)
        return refuse(Kind::user, quote_short(text) + " has leading zeros", quote(plain));
    return plain;
}

std::string with_slash(std::string_view text) {
    std::string path = "/";
    for (const char c : text) {
        if (c != '/' || path.back() != '/') path += c;
    }
    return path;
}

Parsed<std::string> check_url_path(std::string_view text) {
    constexpr auto kKind = Kind::url_path;
    if (text.empty()) return refuse(kKind, "the path is empty", "\"/\"");
    if (text.size() > kMaxPath) return refuse(kKind, "the path has more than 200 characters");
    if (text.front() != '/') {
        return refuse(kKind, quote_short(text) + " does not start with /",
                      suggest(kKind, with_slash(text), text));
    }
    for (const char c : text) {
        if (c == '?' || c == '#') {
            return refuse(
                kKind, quote_short(text) + " has more than a path",
                suggest(kKind, std::string(text.substr(0, text.find_first_of("?#"))), text));
        }
        if (c == '*') {
            return refuse(kKind, quote_short(text) + " has a wildcard, and a prefix needs none",
                          suggest(kKind, std::string(text.substr(0, text.find('*'))), text));
        }
        // No percent-encoding either: the gateway compares prefixes byte by byte.
        if (!is_alnum(c) &&
            std::string_view("-._~!$&'()+,;=:@/").find(c) == std::string_view::npos) {
            return refuse(kKind, quote_short(text) + " has a character that a prefix cannot have");
        }
    }
    if (text.find("//") != std::string_view::npos) {
        return refuse(kKind, quote_short(text) + " has an empty part",
                      suggest(kKind, with_slash(text), text));
    }
    for (std::string_view rest = text.substr(1);;) {
        const auto slash = rest.find('/');
        const auto part = rest.substr(0, slash);
        if (part == "." || part == "..") {
            return refuse(kKind, quote_short(text) + " has a part that is . or ..");
        }
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    // "/admin/" and "/admin" are one prefix.
    if (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
    return std::string(text);
}

Parsed<std::string> check_health_path(std::string_view text) {
    constexpr auto kKind = Kind::health_path;
    if (text.empty()) return std::string();
    if (text.size() > kMaxHealthPath)
        return refuse(kKind, "the path has more than 1024 characters");
    if (text.front() != '/') {
        if (text.find("://") != std::string_view::npos) {
            return refuse(kKind, quote_short(text) + " is a URL, and only its path is wanted");
        }
        return refuse(kKind, quote_short(text) + " does not start with /",
                      suggest(kKind, with_slash(text), text));
    }
    if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c == 0x7f || c == '#'; })) {
        return refuse(kKind, quote_short(text) + " has a character that no request can have");
    }
    return std::string(text);
}

Parsed<std::string> check_host(std::string_view text) {
    const auto problem = host_name_problem(text);
    if (!problem) return std::string(text);
    const auto host = to_host_name(text);
    return refuse(Kind::hosts, quote_short(text) + " is no host name: " + *problem,
                  host != text && !host_name_problem(host) ? quote(host) : "");
}

Parsed<std::string> check_plain(Kind kind, std::string_view text, std::size_t max) {
    if (text.find('\0') != std::string_view::npos) return refuse(kind, "it has a NUL character");
    if (text.size() > max) {
        return refuse(kind, "it has " + std::to_string(text.size()) + " bytes, at most " +
                                std::to_string(max) + " are allowed");
    }
    return std::string(text);
}

}  // namespace

std::string_view expected_text(Kind kind) {
    switch (kind) {
        case Kind::app_name:
            return "1 to 40 characters of a-z, 0-9 and -, starting with a letter, not ending with "
                   "a hyphen";
        case Kind::port_name:
            return "a DNS label of at most 15 characters with a letter, other than \"http\"";
        case Kind::file:
            return "the path of a file, relative to the loco.toml and inside its folder";
        case Kind::folder:
            return "the path of a folder, relative to the loco.toml and inside its folder";
        case Kind::stage: return "the name of a stage in the Dockerfile";
        case Kind::platform: return "a platform such as \"linux/amd64\" or \"linux/arm64\"";
        case Kind::image: return "an image such as \"ghcr.io/acme/shop:1.4\" or one with @sha256:…";
        case Kind::user:
            return "a numeric user, or user:group, such as \"1000\" or \"1000:1000\"; not 0";
        case Kind::url_path: return "a path such as \"/\" or \"/api\"";
        case Kind::health_path: return "a path such as \"/healthz\"";
        case Kind::hosts: return "an array of full host names such as \"shop.example.com\"";
        default: return "a string";
    }
}

Parsed<std::string> check_text(Kind kind, std::string_view text) {
    switch (kind) {
        case Kind::app_name: return check_name(kind, text, app_name_problem(text), kMaxAppName);
        case Kind::port_name: return check_name(kind, text, port_name_problem(text), kMaxPortName);
        case Kind::file:
        case Kind::folder: return check_inside(kind, text);
        case Kind::stage: return check_stage(text);
        case Kind::platform: return check_platform(text);
        case Kind::image: return check_image(text);
        case Kind::user: return check_user(text);
        case Kind::url_path: return check_url_path(text);
        case Kind::health_path: return check_health_path(text);
        case Kind::hosts: return check_host(text);
        case Kind::command: return check_plain(kind, text, kMaxArgument);
        default: return check_plain(kind, text, kMaxEnvValue);
    }
}

std::string quote(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            result += '\\';
            result += c;
        } else if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (c == '\r') {
            result += "\\r";
        } else if (is_control(c)) {
            result += "\\u00";
            result += kHex[static_cast<unsigned char>(c) >> 4];
            result += kHex[static_cast<unsigned char>(c) & 15];
        } else {
            result += c;
        }
    }
    return result + "\"";
}

std::string quote_short(std::string_view text) {
    constexpr std::size_t kMax = 60;
    if (text.size() <= kMax) return quote(text);
    std::size_t end = kMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;  // whole code points
    return quote(text.substr(0, end)) + "…";
}

}  // namespace loco::spec
