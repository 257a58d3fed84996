#include "postgres/errors.hpp"

namespace loco::postgres {
namespace {

constexpr std::string_view kVictim = "database_victim";

}  // namespace

Error unreachable(const std::string& database, const std::string& detail) {
    return {
        ErrorKind::unavailable, "the database " + database + " can't be reached: " + detail,
        "see that PostgreSQL runs and lets this machine and user in; loco-api goes on by itself "
        "once it answers",
        "database_unreachable"};
}

Error of_state(std::string_view state, const std::string& constraint, const std::string& detail,
               const std::string& database) {
    if (state == "23503") {
        return {ErrorKind::not_found, "what the row belongs to is not there", "",
                std::string(kNoParent)};
    }
    if (state == "23505")
        return Error{ErrorKind::conflict, "that value is taken"}.with(std::string(kColumns),
                                                                      constraint);
    if (state == "40001" || state == "40P01") {
        return {ErrorKind::unavailable, "another transaction was in the way: " + detail,
                "try again in a moment", std::string(kVictim)};
    }
    if (state == "55P03") {
        return {
            ErrorKind::unavailable, "another program holds a lock in the database " + database,
            "end its transaction (pg_stat_activity shows who has one open); loco-api then goes on "
            "by itself",
            "database_locked"};
    }
    if (state == "57014") {
        return {ErrorKind::unavailable, "the database " + database + " took too long: " + detail,
                "see what keeps it busy (pg_stat_activity); loco-api then goes on by itself",
                "database_slow"};
    }
    if (state == "53100") {
        return {ErrorKind::unavailable, "there is no space left for the database " + database,
                "free some space on its disk; loco-api then goes on by itself", "database_full"};
    }
    if (state == "42501") {
        return {ErrorKind::unavailable, "the database " + database + " refuses its user: " + detail,
                "make that user the owner of the database: ALTER DATABASE … OWNER TO …",
                "database_forbidden"};
    }
    if (state == "25006") {
        return {ErrorKind::unavailable, "the database " + database + " is a standby: it only reads",
                "name the primary, or all of them (host=a,b)", "database_read_only"};
    }
    if (state.starts_with("08") || state.starts_with("53") || state.starts_with("57P") ||
        state.starts_with("58") || state == "25P03" || state.empty()) {
        return unreachable(database, detail);
    }
    if (state.starts_with("XX")) {
        return {ErrorKind::unavailable, "the database " + database + " is damaged: " + detail,
                "look at PostgreSQL's log, and restore a backup if it says so", "database_damaged"};
    }
    return {ErrorKind::internal, "the database: " + detail + " (" + std::string(state) + ")"};
}

bool is_trouble(const Error& error) {
    return error.kind == ErrorKind::unavailable && error.code.starts_with("database_");
}

bool may_be_repeated(const Error& error) { return error.code == kVictim; }

}  // namespace loco::postgres
