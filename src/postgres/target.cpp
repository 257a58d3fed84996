#include "postgres/target.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace loco::postgres {
namespace {

struct Free {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

bool is_secret(std::string_view key) { return key == "password" || key == "sslpassword"; }

}  // namespace

Result<Target> Target::parse(const Secret<>& text) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, Free> options(
        PQconninfoParse(text.reveal().c_str(), &message));
    PQfreemem(message);
    if (!options) {
        return fail(
            ErrorKind::invalid,
            "that is no PostgreSQL connection string (it is not shown, as it may hold a password)",
            "write it like host=db.example.org dbname=loco user=loco, or "
            "postgresql://loco@db.example.org/loco",
            "database_target_invalid");
    }
    Target target;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr)
            target.settings_.emplace_back(option->keyword, Secret<>(option->val));
    }
    return target;
}

bool Target::has_password() const {
    return std::ranges::any_of(settings_, [](const auto& each) { return is_secret(each.first); });
}

std::string Target::value_of(std::string_view key) const {
    for (const auto& [name, value] : settings_) {
        if (name == key) return value.reveal();
    }
    return {};
}

std::string Target::name() const {
    auto database = value_of("dbname");
    auto host = value_of("host");
    const auto port = value_of("port");
    if (database.empty()) database = "the default database";
    if (host.empty()) host = value_of("hostaddr");
    if (host.empty()) host = "the default host";
    return database + " on " + host + (port.empty() ? "" : ":" + port);
}

std::string Target::without_secrets(std::string message) const {
    std::vector<std::string> secrets;
    for (const auto& [key, value] : settings_) {
        if (is_secret(key)) secrets.push_back(value.reveal());
    }
    if (const char* given = std::getenv("PGPASSWORD"); given != nullptr)
        secrets.emplace_back(given);
    for (const auto& secret : secrets) {
        if (secret.empty()) continue;
        for (auto at = message.find(secret); at != std::string::npos;
             at = message.find(secret, at + 3))
            message.replace(at, secret.size(), "***");
    }
    std::ranges::replace_if(message, [](char c) { return c == '\n' || c == '\t'; }, ' ');
    while (message.ends_with(' ')) message.pop_back();
    return message;
}

}  // namespace loco::postgres
