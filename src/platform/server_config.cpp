#include "platform/server_config.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <map>
#include <sstream>
#include <variant>

#include "os/file.hpp"
#include "spec/quantity.hpp"
#include "spec/toml_library.hpp"

namespace loco::platform {
namespace {

using Member = std::variant<std::string ServerConfig::*, bool ServerConfig::*,
                            std::filesystem::path ServerConfig::*>;

// The file's keys: the one table for reading and writing.
const std::map<std::string, Member, std::less<>>& members() {
    static const std::map<std::string, Member, std::less<>> table{
        {"data_dir", &ServerConfig::data_dir},
        {"instance", &ServerConfig::instance},
        {"listen", &ServerConfig::listen},
        {"ops_listen", &ServerConfig::ops_listen},
        {"base_domain", &ServerConfig::base_domain},
        {"gateway_listen", &ServerConfig::gateway_listen},
        {"registry_listen", &ServerConfig::registry_listen},
        {"engine_socket", &ServerConfig::engine_socket},
        {"engine_is_ours", &ServerConfig::engine_is_ours},
        {"subnets", &ServerConfig::subnets},
        {"collect_every", &ServerConfig::collect_every},
        {"store", &ServerConfig::store},
        {"log_level", &ServerConfig::log_level},
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
            } else {
                const auto value = node.value_exact<std::string>();
                if (!value) return key + " must be a string";
                config.*member = *value;
            }
            return {};
        },
        found->second);
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
    if (const auto every = spec::parse_duration(config.collect_every); !every)
        wrong.push_back("collect_every: " + every.error().message);
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

Result<ServerConfig> read_server_config(const std::filesystem::path& file) {
    LOCO_ASSIGN(const auto text, os::read_file(file, 1U << 20));
    ServerConfig config;
    std::vector<std::string> wrong;
    const auto parsed = toml::parse(text, file.string());
    if (!parsed) {
        const auto at = parsed.error().source().begin;
        return fail(ErrorKind::invalid, file.string() + ":" + std::to_string(at.line) + ":" +
                                            std::to_string(at.column) + ": " +
                                            std::string(parsed.error().description()));
    }
    for (const auto& [key, node] : parsed.table()) {
        if (auto problem = take(config, std::string(key.str()), node); !problem.empty())
            wrong.push_back(std::move(problem));
    }
    for (auto& problem : check(config)) wrong.push_back(std::move(problem));
    if (wrong.empty()) return config;
    std::string message = file.string() + ": ";
    for (std::size_t i = 0; i < wrong.size(); ++i) message += (i == 0 ? "" : "; ") + wrong[i];
    return fail(ErrorKind::invalid, std::move(message), "see docs/reference/loco-api.md");
}

Result<> write_server_config(const std::filesystem::path& file, const ServerConfig& config) {
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
    return os::write_file_atomically(file, text.str(), 0600);
}

}  // namespace loco::platform
