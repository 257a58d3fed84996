#include "domain/names.hpp"

#include <algorithm>
#include <array>

namespace loco {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr std::array<std::string_view, 27> kReservedAppNames = {
    "acme",         "admin",     "api",      "app",      "apps",        "auth",  "autoconfig",
    "autodiscover", "dashboard", "docs",     "gateway",  "git",         "host",  "internal",
    "isatap",       "localhost", "loco",     "loco-api", "loco-system", "login", "metrics",
    "ns1",          "ns2",       "registry", "status",   "wpad",        "www"};
constexpr std::array<std::string_view, 3> kReservedProcessNames = {"release", "run", "web"};

// RFC 1123 section 2.1; upper case is refused because names are compared and derived from.
std::optional<std::string> label_problem(std::string_view label, std::size_t max) {
    if (label.empty()) return "it is empty";
    if (label.size() > max) {
        return "it has " + std::to_string(label.size()) + " characters, at most " +
               std::to_string(max) + " are allowed";
    }
    if (std::ranges::any_of(label, is_upper)) return "it has upper-case letters";
    for (const char c : label) {
        if (!is_lower(c) && !is_digit(c) && c != '-') {
            if (c == '_') return "it has an underscore";
            if (c == ' ') return "it has a space";
            return "it has a character other than a-z, 0-9 and -";
        }
    }
    if (label.front() == '-' || label.back() == '-') return "it starts or ends with a hyphen";
    if (label.starts_with("xn--")) return "names starting with xn-- are encoded Unicode names";
    return std::nullopt;
}

Result<> refused(std::string_view noun, std::string_view name, const std::string& problem,
                 const std::string& hint, std::string_view code) {
    return fail(ErrorKind::invalid,
                "\"" + std::string(name.substr(0, 64)) + "\" can't be " + std::string(noun) + ": " +
                    problem,
                hint, std::string(code));
}

std::string did_you_mean(std::string_view nearest) {
    return nearest.empty() ? "" : "did you mean \"" + std::string(nearest) + "\"?";
}

}  // namespace

bool is_reserved_app_name(std::string_view name) {
    return std::ranges::find(kReservedAppNames, name) != kReservedAppNames.end();
}

bool is_reserved_env_name(std::string_view name) {
    return name == "PORT" || name.starts_with("LOCO_");
}

std::optional<std::string> app_name_problem(std::string_view name) {
    if (auto problem = label_problem(name, kMaxAppName)) return problem;
    if (!is_lower(name.front())) return "it does not start with a letter";
    if (is_reserved_app_name(name)) return "it is reserved for Loco";
    return std::nullopt;
}

std::optional<std::string> process_name_problem(std::string_view name) {
    if (auto problem = label_problem(name, kMaxProcessName)) return problem;
    if (std::ranges::find(kReservedProcessNames, name) != kReservedProcessNames.end()) {
        return "it is reserved for Loco's own processes (release, run, web)";
    }
    return std::nullopt;
}

std::optional<std::string> port_name_problem(std::string_view name) {
    if (auto problem = label_problem(name, kMaxPortName)) return problem;
    if (std::ranges::none_of(name, is_lower)) return "it has no letter";
    if (name == "http") return "it is the name of the port in [http]";
    return std::nullopt;
}

std::optional<std::string> env_name_problem(std::string_view name) {
    if (name.empty()) return "it is empty";
    if (name.size() > kMaxEnvName) {
        return "it has more than " + std::to_string(kMaxEnvName) + " characters";
    }
    if (is_digit(name.front())) return "it starts with a digit";
    for (const char c : name) {
        if (!is_lower(c) && !is_upper(c) && !is_digit(c) && c != '_') {
            return "it has a character other than letters, digits and _";
        }
    }
    if (is_reserved_env_name(name)) return "it is set by Loco itself";
    return std::nullopt;
}

std::optional<std::string> host_name_problem(std::string_view host) {
    if (host.empty()) return "it is empty";
    if (host.find("://") != std::string_view::npos)
        return "it has a scheme, and only the host is wanted";
    if (host.find('/') != std::string_view::npos)
        return "it has a path, and only the host is wanted";
    if (host.find('*') != std::string_view::npos) return "wildcards are not supported";
    if (host.find(':') != std::string_view::npos)
        return "it has a port, and only the host is wanted";
    if (host.size() > 253) return "it has more than 253 characters";
    if (host.back() == '.') return "it ends with a dot";
    std::size_t labels = 0;
    std::string_view last;
    for (std::string_view rest = host;;) {
        const auto dot = rest.find('.');
        last = rest.substr(0, dot);
        ++labels;
        if (last.empty()) return "it has an empty part";
        // Unlike an app's name, a host may be an internationalised one (xn--…).
        if (!last.starts_with("xn--")) {
            if (auto problem = label_problem(last, 63)) return problem;
        }
        for (const char c : last) {
            if (!is_lower(c) && !is_digit(c) && c != '-') return "it has an invalid character";
        }
        if (last.size() > 63) return "it has a part of more than 63 characters";
        if (dot == std::string_view::npos) break;
        rest.remove_prefix(dot + 1);
    }
    if (labels < 2) return "it has no dot: a full host name is wanted";
    if (std::ranges::all_of(last, is_digit)) return "it is an address, not a name";
    return std::nullopt;
}

Result<> check_app_name(std::string_view name) {
    const auto problem = app_name_problem(name);
    if (!problem) return {};
    if (is_reserved_app_name(name)) {
        return refused("an app's name", name, *problem,
                       "choose another, for example \"my-" + std::string(name) + "\"",
                       "reserved_name");
    }
    const auto nearest = to_app_name(name);
    const bool valid = !app_name_problem(nearest);
    return refused("an app's name", name, *problem,
                   valid ? did_you_mean(nearest)
                         : "use 1 to 40 of a-z, 0-9 and \"-\", beginning with a letter",
                   "invalid_name");
}

Result<> check_env_name(std::string_view name) {
    const auto problem = env_name_problem(name);
    if (!problem) return {};
    if (is_reserved_env_name(name)) {
        return refused("a variable's name", name, *problem, "choose another name",
                       "reserved_env_name");
    }
    const auto nearest = to_env_name(name);
    const bool valid = !env_name_problem(nearest);
    return refused(
        "a variable's name", name, *problem,
        valid ? did_you_mean(nearest) : "use letters, digits and \"_\", not beginning with a digit",
        "invalid_env_name");
}

Result<> check_host_name(std::string_view host) {
    const auto problem = host_name_problem(host);
    if (!problem) return {};
    const auto nearest = to_host_name(host);
    const bool valid = !host_name_problem(nearest);
    return refused("a host name", host, *problem, valid ? did_you_mean(nearest) : "",
                   "invalid_host");
}

std::string to_app_name(std::string_view text) {
    auto label = to_dns_label(text, kMaxAppName);
    if (label.starts_with("xn--")) label.erase(0, 4);
    if (!label.empty() && is_digit(label.front()))
        label = to_dns_label("app-" + label, kMaxAppName);
    return label;
}

std::string to_dns_label(std::string_view text, std::size_t max) {
    std::string label;
    for (const char raw : text) {
        const char c = to_lower(raw);
        if (is_lower(c) || is_digit(c)) {
            label += c;
        } else if (!label.empty() && label.back() != '-') {
            label += '-';
        }
        if (label.size() == max) break;
    }
    while (!label.empty() && label.back() == '-') label.pop_back();
    return label;
}

std::string to_env_name(std::string_view text) {
    std::string name;
    for (const char c : text) {
        if (is_lower(c) || is_upper(c) || is_digit(c)) {
            name += c;
        } else if (!name.empty() && name.back() != '_') {
            name += '_';
        }
        if (name.size() == kMaxEnvName) break;
    }
    while (!name.empty() && name.back() == '_') name.pop_back();
    if (!name.empty() && is_digit(name.front())) name.insert(name.begin(), '_');
    return name;
}

std::string to_host_name(std::string_view text) {
    if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
        text.remove_prefix(scheme + 3);
    }
    text = text.substr(0, text.find_first_of("/:?#"));
    while (text.ends_with('.')) text.remove_suffix(1);
    std::string host;
    for (const char c : text) host += to_lower(c);
    return host;
}

}  // namespace loco
