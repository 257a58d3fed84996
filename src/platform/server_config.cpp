#include "platform/server_config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <variant>

#include "base/error.hpp"
#include "os/file.hpp"
#include "spec/quantity.hpp"
#include "spec/toml_library.hpp"

namespace loco::platform {
namespace {

using Member = std::variant<std::string ServerConfig::*, bool ServerConfig::*, int ServerConfig::*,
                            std::filesystem::path ServerConfig::*>;

constexpr std::int64_t kMaxNumber = 100'000;

// The file's keys: the one table for reading and writing.
const std::map<std::string, Member, std::less<>>& members() {
    static const std::map<std::string, Member, std::less<>> table{
        {"data_dir", &ServerConfig::data_dir},
        {"instance", &ServerConfig::instance},
        {"listen", &ServerConfig::listen},
        {"ops_listen", &ServerConfig::ops_listen},
        {"base_domain", &ServerConfig::base_domain},
        {"gateway_listen", &ServerConfig::gateway_listen},
        {"trusted_proxies", &ServerConfig::trusted_proxies},
        {"registry_listen", &ServerConfig::registry_listen},
        {"engine_socket", &ServerConfig::engine_socket},
        {"engine_is_ours", &ServerConfig::engine_is_ours},
        {"subnets", &ServerConfig::subnets},
        {"collect_every", &ServerConfig::collect_every},
        {"memory_reserve", &ServerConfig::memory_reserve},
        {"memory_overcommit", &ServerConfig::memory_overcommit},
        {"cpu_overcommit", &ServerConfig::cpu_overcommit},
        {"disk_low", &ServerConfig::disk_low},
        {"disk_full", &ServerConfig::disk_full},
        {"writable_max", &ServerConfig::writable_max},
        {"app_logs_max", &ServerConfig::app_logs_max},
        {"max_image_size", &ServerConfig::max_image_size},
        {"store", &ServerConfig::store},
        {"log_level", &ServerConfig::log_level},
        {"runtime", &ServerConfig::runtime},
        {"kubeconfig", &ServerConfig::kubeconfig},
        {"gateway_name", &ServerConfig::gateway_name},
        {"gateway_namespace", &ServerConfig::gateway_namespace},
        {"drain", &ServerConfig::drain},
        {"gateway_pod_namespaces", &ServerConfig::gateway_pod_namespaces},
        {"gateway_networks", &ServerConfig::gateway_networks},
        {"allowed_networks", &ServerConfig::allowed_networks},
        {"denied_networks", &ServerConfig::denied_networks},
        {"dns_namespace", &ServerConfig::dns_namespace},
        {"dns_pods", &ServerConfig::dns_pods},
        {"max_pods", &ServerConfig::max_pods},
        {"max_cpu", &ServerConfig::max_cpu},
        {"max_memory", &ServerConfig::max_memory},
        {"external_url", &ServerConfig::external_url},
        {"registry_host", &ServerConfig::registry_host},
        {"registry_internal", &ServerConfig::registry_internal},
        {"seal_key", &ServerConfig::seal_key},
        {"signing_key", &ServerConfig::signing_key},
    };
    return table;
}

// Takes one value; gives what is wrong with it, or nothing.
std::string take(ServerConfig& config, const std::string& key, const toml::node& node) {
    const auto found = members().find(key);
    if (found == members().end()) return key + " is no key of this file";
    return std::visit(
        [&](auto member) -> std::string {
            using Value = std::remove_reference_t<decltype(config.*member)>;
            if constexpr (std::is_same_v<Value, bool>) {
                const auto value = node.value_exact<bool>();
                if (!value) return key + " must be true or false";
                config.*member = *value;
            } else if constexpr (std::is_same_v<Value, int>) {
                const auto value = node.value_exact<std::int64_t>();
                if (!value || *value < 1 || *value > kMaxNumber)
                    return key + " must be a number from 1 to " + std::to_string(kMaxNumber);
                config.*member = static_cast<int>(*value);
            } else {
                const auto value = node.value_exact<std::string>();
                if (!value) return key + " must be a string";
                config.*member = *value;
            }
            return {};
        },
        found->second);
}

bool is_host(std::string_view text) {
    return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
}

// "host" or "host:port": the port, or 0.
std::optional<std::pair<std::string, std::uint16_t>> host_with_port(std::string_view text) {
    std::uint16_t port = 0;
    if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        const auto* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
        if (parsed.ec != std::errc{} || parsed.ptr != end || port == 0) return std::nullopt;
        text = text.substr(0, colon);
    }
    if (!is_host(text)) return std::nullopt;
    return std::pair{std::string(text), port};
}

// "10.0.0.0/8", "fd00::/8"
bool is_cidr(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) return false;
    const auto address = text.substr(0, slash);
    const bool six = address.find(':') != std::string::npos;
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    if (::inet_pton(six ? AF_INET6 : AF_INET, address.c_str(), bytes.data()) != 1) return false;
    int bits = -1;
    const auto* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
    return parsed.ec == std::errc{} && parsed.ptr == end && bits >= 0 && bits <= (six ? 128 : 32);
}

bool is_label(const std::string& text) {
    const auto equals = text.find('=');
    return equals != std::string::npos && equals > 0 &&
           std::ranges::all_of(text,
                               [](char c) {
                                   return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                                          std::string_view("-_./=").find(c) !=
                                              std::string_view::npos;
                               }) &&
           text.find('=', equals + 1) == std::string::npos;
}

void check_bounds(const ServerConfig& config, std::vector<std::string>& wrong) {
    if (const auto size = spec::parse_memory(config.max_image_size); !size)
        wrong.push_back("max_image_size: " + size.error().message + "; expected " +
                        size.error().expected);
    if (!config.max_cpu.empty()) {
        if (const auto cpu = spec::parse_cpu(config.max_cpu); !cpu)
            wrong.push_back("max_cpu: " + cpu.error().message);
    }
    if (!config.max_memory.empty()) {
        if (const auto memory = spec::parse_memory(config.max_memory); !memory)
            wrong.push_back("max_memory: " + memory.error().message);
    }
}

constexpr std::string_view kNever = "0";

// What the machine is shared by, and its disks' marks.
void check_sizes(const ServerConfig& config, std::vector<std::string>& wrong) {
    const auto check = [&](const char* key, const std::string& value, bool needed) {
        if ((value.empty() || value == kNever) && !needed) return;
        if (const auto size = spec::parse_memory(value); !size)
            wrong.push_back(std::string(key) + ": " + size.error().message);
    };
    check("memory_reserve", config.memory_reserve, false);
    check("disk_low", config.disk_low, false);
    check("disk_full", config.disk_full, false);
    check("writable_max", config.writable_max, true);
    check("app_logs_max", config.app_logs_max, true);
    const auto low = spec::parse_memory(config.disk_low);
    const auto full = spec::parse_memory(config.disk_full);
    if (low && full && *full >= *low) wrong.emplace_back("disk_full must be less than disk_low");
}

// What only a cluster needs, and what it cannot do without.
void check_cluster(const ServerConfig& config, std::vector<std::string>& wrong) {
    if (config.runtime != "docker" && config.runtime != "kubernetes")
        wrong.emplace_back("runtime must be docker or kubernetes");
    for (const auto& [key, value] : {std::pair{"external_url", config.external_url},
                                     {"registry_internal", config.registry_internal}}) {
        if (value.empty()) continue;
        if (const auto parsed = parse_service_url(value); !parsed)
            wrong.push_back(std::string(key) + ": " + parsed.error().message);
    }
    if (!config.registry_host.empty() && !host_with_port(config.registry_host))
        wrong.emplace_back("registry_host must be a host name, with a port where it needs one");
    for (const auto& [key, value] : {std::pair{"gateway_name", config.gateway_name},
                                     {"gateway_namespace", config.gateway_namespace},
                                     {"dns_namespace", config.dns_namespace}}) {
        if (!is_host(value)) wrong.push_back(std::string(key) + " must be a name of Kubernetes");
    }
    for (const auto& name : listed(config.gateway_pod_namespaces)) {
        if (!is_host(name)) wrong.push_back("gateway_pod_namespaces: " + name + " is no name");
    }
    for (const auto& [key, value] : {std::pair{"gateway_networks", config.gateway_networks},
                                     {"allowed_networks", config.allowed_networks},
                                     {"denied_networks", config.denied_networks}}) {
        for (const auto& network : listed(value)) {
            if (!is_cidr(network))
                wrong.push_back(std::string(key) + ": " + network +
                                " is no network like 10.0.0.0/8");
        }
    }
    for (const auto& network : listed(config.denied_networks)) {
        if (network.ends_with("/0")) wrong.push_back("denied_networks: " + network + " is all");
    }
    for (const auto& label : listed(config.dns_pods)) {
        if (!is_label(label))
            wrong.push_back("dns_pods: " + label + " is no label like k8s-app=kube-dns");
    }
    check_bounds(config, wrong);
    for (const auto& [key, value] :
         {std::pair{"seal_key", config.seal_key}, {"signing_key", config.signing_key}}) {
        if (!value.empty() && !value.is_absolute())
            wrong.push_back(std::string(key) + " must be an absolute path");
    }
    if (config.runtime != "kubernetes") return;
    if (config.external_url.empty())
        wrong.emplace_back("external_url must be set where runtime is kubernetes");
    if (config.registry_host.empty())
        wrong.emplace_back("registry_host must be set where runtime is kubernetes");
}

std::vector<std::string> check(const ServerConfig& config) {
    std::vector<std::string> wrong;
    for (const auto& [key, value] : {std::pair{"listen", config.listen},
                                     {"ops_listen", config.ops_listen},
                                     {"gateway_listen", config.gateway_listen},
                                     {"registry_listen", config.registry_listen}}) {
        if (const auto parsed = parse_host_port(value); !parsed)
            wrong.push_back(std::string(key) + ": " + parsed.error().message);
    }
    if (!config.data_dir.is_absolute()) wrong.emplace_back("data_dir must be an absolute path");
    if (config.base_domain.empty()) wrong.emplace_back("base_domain must not be empty");
    if (const auto range = parse_network_range(config.subnets); !range)
        wrong.push_back("subnets: " + range.error().message);
    if (const auto proxies = parse_trusted_proxies(config.trusted_proxies); !proxies)
        wrong.push_back("trusted_proxies: " + proxies.error().message);
    if (const auto every = spec::parse_duration(config.collect_every); !every)
        wrong.push_back("collect_every: " + every.error().message);
    if (const auto drain = spec::parse_duration(config.drain);
        !drain || *drain > std::chrono::minutes(1)) {
        wrong.push_back("drain: " + (drain ? "must be at most 1m" : drain.error().message));
    }
    check_sizes(config, wrong);
    check_cluster(config, wrong);
    for (const auto* level : {"debug", "info", "warning", "error"}) {
        if (config.log_level == level) return wrong;
    }
    wrong.emplace_back("log_level must be debug, info, warning or error");
    return wrong;
}

}  // namespace

Result<HostPort> parse_host_port(const std::string& text) {
    const auto colon = text.rfind(':');
    HostPort result;
    if (colon != std::string::npos) {
        result.host = text.substr(0, colon);
        const auto* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data() + colon + 1, end, result.port);
        in_addr address{};
        if (parsed.ec == std::errc{} && parsed.ptr == end &&
            ::inet_pton(AF_INET, result.host.c_str(), &address) == 1) {
            return result;
        }
    }
    return fail(ErrorKind::invalid, "\"" + text + "\" is no IPv4 address with a port",
                "write it like 127.0.0.1:8081");
}

Result<std::vector<std::string>> parse_trusted_proxies(const std::string& text) {
    constexpr std::size_t kMost = 32;
    std::vector<std::string> out;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, ',');) {
        const auto first = word.find_first_not_of(' ');
        word = first == std::string::npos
                   ? std::string()
                   : word.substr(first, word.find_last_not_of(' ') - first + 1);
        if (word.find('/') == std::string::npos) word += "/32";
        const auto network = parse_subnet(word);
        if (!network) return fail(network.error());
        if (network->prefix == 0)
            return fail(ErrorKind::invalid, word + " is everybody, and anybody can say anything");
        out.push_back(network->text());
        if (out.size() > kMost)
            return fail(ErrorKind::invalid, "these are more than " + std::to_string(kMost));
    }
    return out;
}

std::string ServiceUrl::authority() const {
    return port == (https ? 443 : 80) ? host : host + ":" + std::to_string(port);
}

std::string ServiceUrl::text() const { return (https ? "https://" : "http://") + authority(); }

Result<ServiceUrl> parse_service_url(const std::string& text) {
    ServiceUrl url{.https = text.starts_with("https://")};
    if (url.https || text.starts_with("http://")) {
        std::string_view rest(text);
        rest.remove_prefix(url.https ? 8 : 7);
        if (rest.ends_with('/')) rest.remove_suffix(1);
        if (auto found = host_with_port(rest)) {
            url.host = std::move(found->first);
            url.port = found->second;
            if (url.port == 0) url.port = url.https ? 443 : 80;
            return url;
        }
    }
    return fail(ErrorKind::invalid, "\"" + text + "\" is no http or https URL of a host alone",
                "write it like https://loco.example.org");
}

ServiceUrl external_url(const ServerConfig& config) {
    if (const auto given = parse_service_url(config.external_url)) return *given;
    const auto gateway = parse_host_port(config.gateway_listen);
    return {.host = "loco." + config.base_domain,
            .port = gateway ? gateway->port : std::uint16_t{80}};
}

std::vector<std::string> listed(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream words(text);
    for (std::string part; std::getline(words, part, ',');) {
        const auto first = part.find_first_not_of(' ');
        if (first == std::string::npos) continue;
        parts.push_back(part.substr(first, part.find_last_not_of(' ') + 1 - first));
    }
    return parts;
}

std::map<std::string, std::string> labelled(const std::string& text) {
    std::map<std::string, std::string> labels;
    for (const auto& one : listed(text)) {
        const auto equals = one.find('=');
        if (equals != std::string::npos) labels[one.substr(0, equals)] = one.substr(equals + 1);
    }
    return labels;
}

std::string registry_host(const ServerConfig& config) {
    return config.registry_host.empty() ? config.registry_listen : config.registry_host;
}

ServiceUrl registry_internal(const ServerConfig& config) {
    if (const auto given = parse_service_url(config.registry_internal)) return *given;
    const auto url = parse_service_url("http://" + registry_host(config));
    LOCO_CHECK(url);
    return *url;
}

Result<ServerConfig> read_server_config(const std::filesystem::path& file) {
    LOCO_ASSIGN(const auto text, os::read_file(file, 1U << 20));
    return parse_server_config(text, file.string());
}

Result<ServerConfig> parse_server_config(const std::string& text, const std::string& name) {
    ServerConfig config;
    std::vector<std::string> wrong;
    const auto parsed = toml::parse(text, name);
    if (!parsed) {
        const auto at = parsed.error().source().begin;
        return fail(ErrorKind::invalid,
                    name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
                        std::string(parsed.error().description()),
                    {}, "server_config_invalid");
    }
    for (const auto& [key, node] : parsed.table()) {
        if (auto problem = take(config, std::string(key.str()), node); !problem.empty())
            wrong.push_back(std::move(problem));
    }
    for (auto& problem : check(config)) wrong.push_back(std::move(problem));
    if (wrong.empty()) return config;
    std::string message = name + ": ";
    for (std::size_t i = 0; i < wrong.size(); ++i) message += (i == 0 ? "" : "; ") + wrong[i];
    return fail(ErrorKind::invalid, std::move(message), "see docs/reference/loco-api.md",
                "server_config_invalid");
}

std::string render_server_config(const ServerConfig& config) {
    toml::table table;
    for (const auto& [key, member] : members()) {
        std::visit(
            [&](auto m) {
                if constexpr (std::is_same_v<std::remove_cvref_t<decltype(config.*m)>,
                                             std::filesystem::path>) {
                    table.insert(key, (config.*m).string());
                } else {
                    table.insert(key, config.*m);
                }
            },
            member);
    }
    std::ostringstream text;
    text << "# loco-api's configuration, written by `loco up`.\n" << table << "\n";
    return text.str();
}

Result<> write_server_config(const std::filesystem::path& file, const ServerConfig& config) {
    return os::write_file_atomically(file, render_server_config(config), 0600);
}

}  // namespace loco::platform
