#include "platform/bootstrap_file.hpp"

#include <boost/json.hpp>

#include "os/file.hpp"

namespace loco::platform {

namespace json = boost::json;

Result<std::optional<Bootstrap>> read_bootstrap(const std::filesystem::path& file) {
    const auto text = os::read_file(file, 64U << 10);
    if (!text) {
        if (text.error().kind == ErrorKind::not_found) return std::nullopt;
        return fail(text.error());
    }
    json::error_code error;
    const auto value = json::parse(*text, error);
    const auto read = [&](std::string_view key) -> std::string {
        if (error || !value.is_object()) return {};
        const auto* found = value.as_object().if_contains(key);
        return found != nullptr && found->is_string() ? std::string(found->as_string())
                                                      : std::string();
    };
    Bootstrap bootstrap{.login = read("login"),
                        .token_sha256 = read("token_sha256"),
                        .team = read("team"),
                        .client = read("client")};
    if (bootstrap.login.empty() || bootstrap.token_sha256.size() != 64 || bootstrap.team.empty()) {
        return fail(ErrorKind::invalid, file.string() + " is malformed",
                    "remove it and run `loco up`");
    }
    return bootstrap;
}

Result<> write_bootstrap(const std::filesystem::path& file, const Bootstrap& bootstrap) {
    const json::object value{{"login", bootstrap.login},
                             {"token_sha256", bootstrap.token_sha256},
                             {"team", bootstrap.team},
                             {"client", bootstrap.client}};
    return os::write_file_atomically(file, json::serialize(value) + "\n", 0600);
}

Result<> remove_bootstrap(const std::filesystem::path& file) {
    std::error_code error;
    std::filesystem::remove(file, error);
    if (!error) return {};
    return fail(ErrorKind::internal, "can't remove " + file.string() + ": " + error.message(),
                "remove it by hand: who reads it may be an owner");
}

}  // namespace loco::platform
