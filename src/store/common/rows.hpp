// Which member of a row is which column, and the statements that follow from it; the same in every SQL database.
// A query (Query below) is what src/sqlite and src/postgres have under that name: bind() in order, integer(), text().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "domain/model.hpp"
#include "store/common/json_columns.hpp"

namespace loco::store {

template <class Row, class Value>
struct Column {
    std::string_view name;
    Value Row::* member;
};
template <class Row, class Value>
Column(const char*, Value Row::*) -> Column<Row, Value>;

// Specialised for each kind of row: kTable, kKeys (the first so many columns are the primary key), columns().
template <class Row>
struct Rows;

template <>
struct Rows<User> {
    static constexpr std::string_view kTable = "users", kNoun = "user";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{
            Column{"id", &User::id},           Column{"provider", &User::provider},
            Column{"subject", &User::subject}, Column{"login", &User::login},
            Column{"email", &User::email},     Column{"created_at", &User::created_at}};
    }
};

template <>
struct Rows<Team> {
    static constexpr std::string_view kTable = "teams", kNoun = "team";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &Team::id}, Column{"slug", &Team::slug},
                          Column{"number", &Team::number}, Column{"created_at", &Team::created_at}};
    }
};

template <>
struct Rows<Membership> {
    static constexpr std::string_view kTable = "memberships", kNoun = "membership";
    static constexpr int kKeys = 2;
    static constexpr auto columns() {
        return std::tuple{Column{"team", &Membership::team}, Column{"user", &Membership::user},
                          Column{"role", &Membership::role}};
    }
};

template <>
struct Rows<Token> {
    static constexpr std::string_view kTable = "tokens", kNoun = "token";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &Token::id},
                          Column{"user", &Token::user},
                          Column{"name", &Token::name},
                          Column{"sha256", &Token::sha256},
                          Column{"scopes_json", &Token::scopes},
                          Column{"team", &Token::team},
                          Column{"created_at", &Token::created_at},
                          Column{"expires_at", &Token::expires_at},
                          Column{"last_used_at", &Token::last_used_at},
                          Column{"revoked", &Token::revoked}};
    }
};

template <>
struct Rows<App> {
    static constexpr std::string_view kTable = "apps", kNoun = "app";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &App::id},
                          Column{"team", &App::team},
                          Column{"name", &App::name},
                          Column{"created_at", &App::created_at},
                          Column{"next_release", &App::next_release},
                          Column{"env_version", &App::env_version},
                          Column{"live_release", &App::live_release},
                          Column{"live_set", &App::live_set},
                          Column{"previous_set", &App::previous_set},
                          Column{"previous_release", &App::previous_release},
                          Column{"lock", &App::lock},
                          Column{"scale_json", &App::scale},
                          Column{"destroying", &App::destroying}};
    }
};

template <>
struct Rows<EnvVersion> {
    static constexpr std::string_view kTable = "env_versions", kNoun = "environment version";
    static constexpr int kKeys = 2;
    static constexpr auto columns() {
        return std::tuple{Column{"app", &EnvVersion::app}, Column{"version", &EnvVersion::version},
                          Column{"sealed_json", &EnvVersion::sealed},
                          Column{"created_at", &EnvVersion::created_at}};
    }
};

template <>
struct Rows<Deployment> {
    static constexpr std::string_view kTable = "deployments", kNoun = "deployment";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &Deployment::id},
                          Column{"app", &Deployment::app},
                          Column{"team", &Deployment::team},
                          Column{"kind", &Deployment::kind},
                          Column{"state", &Deployment::state},
                          Column{"actor", &Deployment::actor},
                          Column{"created_at", &Deployment::created_at},
                          Column{"ended_at", &Deployment::ended_at},
                          Column{"lease_until", &Deployment::lease_until},
                          Column{"deadline", &Deployment::deadline},
                          Column{"phases_json", &Deployment::phases},
                          Column{"spec_json", &Deployment::spec},
                          Column{"repository", &Deployment::repository},
                          Column{"tag", &Deployment::tag},
                          Column{"digest", &Deployment::digest},
                          Column{"image_id", &Deployment::image_id},
                          Column{"env_version", &Deployment::env_version},
                          Column{"release", &Deployment::release},
                          Column{"instance_set", &Deployment::set},
                          Column{"rollback_to", &Deployment::rollback_to},
                          Column{"previous_scale_json", &Deployment::previous_scale},
                          Column{"cancel_requested", &Deployment::cancel_requested},
                          Column{"push_token_given", &Deployment::push_token_given},
                          Column{"diagnosis_json", &Deployment::diagnosis}};
    }
};

template <>
struct Rows<Release> {
    static constexpr std::string_view kTable = "releases", kNoun = "release";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &Release::id},
                          Column{"app", &Release::app},
                          Column{"number", &Release::number},
                          Column{"repository", &Release::repository},
                          Column{"digest", &Release::digest},
                          Column{"image_id", &Release::image_id},
                          Column{"spec_json", &Release::spec},
                          Column{"env_version", &Release::env_version},
                          Column{"uid", &Release::uid},
                          Column{"gid", &Release::gid},
                          Column{"deployment", &Release::deployment},
                          Column{"actor", &Release::actor},
                          Column{"created_at", &Release::created_at},
                          Column{"live_at", &Release::live_at},
                          Column{"image_kept", &Release::image_kept}};
    }
};

template <>
struct Rows<Instance> {
    static constexpr std::string_view kTable = "instances", kNoun = "instance";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"id", &Instance::id},
                          Column{"app", &Instance::app},
                          Column{"team", &Instance::team},
                          Column{"release", &Instance::release},
                          Column{"instance_set", &Instance::set},
                          Column{"process", &Instance::process},
                          Column{"number", &Instance::index},
                          Column{"one_shot", &Instance::one_shot},
                          Column{"state", &Instance::state},
                          Column{"host", &Instance::host},
                          Column{"address", &Instance::address},
                          Column{"cpu_millis", &Instance::cpu_millis},
                          Column{"cpu_max_millis", &Instance::cpu_max_millis},
                          Column{"memory_bytes", &Instance::memory_bytes},
                          Column{"attempt", &Instance::attempt},
                          Column{"restarts", &Instance::restarts},
                          Column{"created_at", &Instance::created_at},
                          Column{"state_since", &Instance::state_since},
                          Column{"restart_at", &Instance::restart_at},
                          Column{"deadline", &Instance::deadline},
                          Column{"exit_code", &Instance::exit_code},
                          Column{"oom_killed", &Instance::oom_killed},
                          Column{"last_problem", &Instance::last_problem}};
    }
};

template <>
struct Rows<Host> {
    static constexpr std::string_view kTable = "hosts", kNoun = "host";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"name", &Host::name}, Column{"team", &Host::team},
                          Column{"app", &Host::app}, Column{"is_primary", &Host::primary},
                          Column{"reserved_until", &Host::reserved_until}};
    }
};

template <>
struct Rows<IdempotencyRecord> {
    static constexpr std::string_view kTable = "idempotency_keys", kNoun = "idempotency key";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"key", &IdempotencyRecord::key},
                          Column{"fingerprint", &IdempotencyRecord::fingerprint},
                          Column{"status", &IdempotencyRecord::status},
                          Column{"body", &IdempotencyRecord::body},
                          Column{"created_at", &IdempotencyRecord::created_at}};
    }
};

template <>
struct Rows<Event> {
    static constexpr std::string_view kTable = "events", kNoun = "event";
    static constexpr int kKeys = 1;
    static constexpr auto columns() {
        return std::tuple{Column{"seq", &Event::seq},
                          Column{"team", &Event::team},
                          Column{"app", &Event::app},
                          Column{"deployment", &Event::deployment},
                          Column{"actor", &Event::actor},
                          Column{"kind", &Event::kind},
                          Column{"message", &Event::message},
                          Column{"data", &Event::data},
                          Column{"at", &Event::at}};
    }
};

// "SELECT columns FROM table "
template <class Row>
[[nodiscard]] std::string select_from() {
    std::string sql = "SELECT ";
    std::apply(
        [&](const auto&... column) { ((sql.append("\"").append(column.name) += "\", "), ...); },
        Rows<Row>::columns());
    sql.resize(sql.size() - 2);
    return sql.append(" FROM ").append(Rows<Row>::kTable) += ' ';
}

// Inserts, or replaces the row of that key. (Not INSERT OR REPLACE, which would delete a row that is in the way.)
template <class Row>
[[nodiscard]] std::string upsert() {
    std::string names, marks, keys, changes;
    int index = 0;
    const auto add = [&](std::string_view column) {
        // In quotes, as user is a word of SQL's own.
        const auto name = "\"" + std::string(column) + "\"";
        names.append(name) += ", ";
        marks += "?, ";
        if (index++ < Rows<Row>::kKeys) {
            keys.append(name) += ", ";
        } else {
            changes.append(name).append(" = excluded.").append(name) += ", ";
        }
    };
    std::apply([&](const auto&... column) { (add(column.name), ...); }, Rows<Row>::columns());
    for (auto* list : {&names, &marks, &keys, &changes}) list->resize(list->size() - 2);
    return "INSERT INTO " + std::string(Rows<Row>::kTable) + " (" + names + ") VALUES (" + marks +
           ") ON CONFLICT (" + keys + ") DO UPDATE SET " + changes;
}

template <class T>
struct IsId : std::false_type {};
template <class Tag>
struct IsId<Id<Tag>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

[[nodiscard]] inline std::optional<Role> parse(std::string_view text, Role) {
    return parse_role(text);
}
[[nodiscard]] inline std::optional<DeploymentKind> parse(std::string_view text, DeploymentKind) {
    return parse_deployment_kind(text);
}
[[nodiscard]] inline std::optional<DeploymentState> parse(std::string_view text, DeploymentState) {
    return parse_deployment_state(text);
}
[[nodiscard]] inline std::optional<InstanceState> parse(std::string_view text, InstanceState) {
    return parse_instance_state(text);
}

template <class Query, class T>
void bind_value(Query& query, const T& value) {
    if constexpr (IsOptional<T>::value) {
        if (value) {
            bind_value(query, *value);
        } else {
            query.bind_null();
        }
    } else if constexpr (std::is_integral_v<T>) {
        query.bind(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_enum_v<T>) {
        query.bind(to_string(value));
    } else if constexpr (IsId<T>::value) {
        query.bind(std::string_view(value.str()));
    } else if constexpr (std::is_same_v<T, Time>) {
        query.bind(value.time_since_epoch().count());
    } else if constexpr (std::is_convertible_v<T, std::string_view>) {
        query.bind(std::string_view(value));
    } else {
        query.bind(std::string_view(to_json(value)));
    }
}

template <class Query, class T>
[[nodiscard]] Result<> take(const Query& query, int column, T& value) {
    if constexpr (IsOptional<T>::value) {
        if (query.is_null(column)) return {};
        return take(query, column, value.emplace());
    } else if constexpr (std::is_same_v<T, bool>) {
        value = query.integer(column) != 0;
    } else if constexpr (std::is_integral_v<T>) {
        value = static_cast<T>(query.integer(column));
    } else if constexpr (std::is_enum_v<T>) {
        const auto parsed = parse(query.text(column), T{});
        if (!parsed) {
            return fail(ErrorKind::internal, "the database holds a word that Loco doesn't know: " +
                                                 std::string(query.text(column)));
        }
        value = *parsed;
    } else if constexpr (IsId<T>::value) {
        value = T(std::string(query.text(column)));
    } else if constexpr (std::is_same_v<T, Time>) {
        value = Time(Duration(query.integer(column)));
    } else if constexpr (std::is_same_v<T, std::string>) {
        value = query.text(column);
    } else {
        return from_json(query.text(column), value);
    }
    return {};
}

template <class Query, class Row>
void bind_row(Query& query, const Row& row) {
    std::apply([&](const auto&... column) { (bind_value(query, row.*column.member), ...); },
               Rows<Row>::columns());
}

template <class Row, class Query>
[[nodiscard]] Result<Row> take_row(const Query& query) {
    Row row;
    Result<> result;
    int index = 0;
    const auto one = [&](const auto& column) {
        result = take(query, index++, row.*column.member);
        return result.has_value();
    };
    std::apply([&](const auto&... column) { (void)(one(column) && ...); }, Rows<Row>::columns());
    if (!result) return fail(std::move(result).error());
    return row;
}

}  // namespace loco::store
