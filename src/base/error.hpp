// The one error type. An Error is made where something went wrong, carried by Result, and turned into
// words (CLI), problem+json (API) or a log line (server) by the one table in error.cpp.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loco {

// What kind of failure it is: decides HTTP status, exit status and log level, nothing else.
enum class ErrorKind : std::uint8_t {
    internal,         // a bug, or the server's own trouble
    invalid,          // wrong usage, malformed input, invalid loco.toml
    unauthenticated,  // no valid credentials
    forbidden,        // valid credentials, not enough rights
    not_found,
    conflict,  // another deploy holds the app, the name is taken
    build_failed,
    refused,         // by policy: root user, size, unset secret, quota, capacity
    rollout_failed,  // what served before still serves
    unavailable,     // server, engine, registry or gateway cannot be reached
    too_large,
    rate_limited,
    interrupted,
};

struct ErrorTraits {
    std::string_view name;  // the default of Error::code
    int http_status;
    int exit_status;
    enum class Level : std::uint8_t { debug, info, warning, error } level;
};

// The one table.
[[nodiscard]] const ErrorTraits& traits(ErrorKind kind);

struct [[nodiscard]] Error {
    ErrorKind kind = ErrorKind::internal;
    std::string message;    // what happened and why; a sentence without a final stop
    std::string hint = {};  // what to do next; empty if nothing helps
    std::string code = {};  // stable word for programs, e.g. "image_runs_as_root"
    std::vector<std::string> next_steps = {};                       // commands or actions, one each
    std::vector<std::pair<std::string, std::string>> context = {};  // for logs; never secrets

    // The code for programs: `code`, or the kind's name where none was given.
    [[nodiscard]] std::string_view code_or_kind() const;

    // Puts "what: " before the message: what was being done when it failed.
    [[nodiscard]] Error while_(std::string_view what) &&;
    [[nodiscard]] Error with(std::string key, std::string value) &&;
};

template <class T = void>
using Result = std::expected<T, Error>;

// `return fail(ErrorKind::not_found, "no app shop", "see them with `loco apps`")`
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string message,
                                          std::string hint = {}, std::string code = {});
[[nodiscard]] std::unexpected<Error> fail(Error error);

// The errno of a system call: unavailable/not_found/internal with strerror's words.
[[nodiscard]] std::unexpected<Error> fail_errno(int errno_value, std::string_view what);

// A broken invariant: logs file, line and condition, and aborts. Never for input or the environment.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace loco

#define LOCO_CHECK(condition) \
    ((condition) ? void(0) : ::loco::check_failed(__FILE__, __LINE__, #condition))

// LOCO_TRY(expr): returns the error of a Result from the enclosing function.
#define LOCO_TRY(expr)                                                           \
    do {                                                                         \
        if (auto loco_try_ = (expr); !loco_try_)                                 \
            return std::unexpected<::loco::Error>(std::move(loco_try_).error()); \
    } while (false)

#define LOCO_CONCAT_(a, b) a##b
#define LOCO_CONCAT(a, b) LOCO_CONCAT_(a, b)
// LOCO_ASSIGN(auto value, expr): declares value from a Result, or returns its error.
#define LOCO_ASSIGN(declaration, expr) \
    LOCO_ASSIGN_(LOCO_CONCAT(loco_result_, __LINE__), declaration, expr)
#define LOCO_ASSIGN_(result, declaration, expr)                                    \
    auto result = (expr);                                                          \
    if (!result) return std::unexpected<::loco::Error>(std::move(result).error()); \
    declaration = std::move(*result)
