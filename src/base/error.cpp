#include "base/error.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace loco {
namespace {

using Level = ErrorTraits::Level;

// kind → name, HTTP status, exit status, log level. In the order of ErrorKind.
constexpr std::array kTraits{
    ErrorTraits{"internal", 500, 1, Level::error},
    ErrorTraits{"invalid", 422, 2, Level::info},
    ErrorTraits{"unauthenticated", 401, 3, Level::info},
    ErrorTraits{"forbidden", 403, 3, Level::info},
    ErrorTraits{"not_found", 404, 4, Level::info},
    ErrorTraits{"conflict", 409, 9, Level::info},
    ErrorTraits{"build_failed", 422, 5, Level::info},
    ErrorTraits{"refused", 422, 6, Level::info},
    ErrorTraits{"rollout_failed", 422, 7, Level::warning},
    ErrorTraits{"unavailable", 503, 8, Level::warning},
    ErrorTraits{"too_large", 413, 2, Level::info},
    ErrorTraits{"rate_limited", 429, 8, Level::info},
    ErrorTraits{"interrupted", 503, 130, Level::info},
};
static_assert(kTraits.size() == static_cast<std::size_t>(ErrorKind::interrupted) + 1);

ErrorKind kind_of_errno(int value) {
    switch (value) {
        case ENOENT: return ErrorKind::not_found;
        case EACCES:
        case EPERM: return ErrorKind::forbidden;
        case ECONNREFUSED:
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ETIMEDOUT: return ErrorKind::unavailable;
        default: return ErrorKind::internal;
    }
}

}  // namespace

const ErrorTraits& traits(ErrorKind kind) { return kTraits.at(static_cast<std::size_t>(kind)); }

std::string_view Error::code_or_kind() const {
    return code.empty() ? traits(kind).name : std::string_view(code);
}

Error Error::while_(std::string_view what) && {
    message.insert(0, std::string(what) + ": ");
    return std::move(*this);
}

Error Error::with(std::string key, std::string value) && {
    context.emplace_back(std::move(key), std::move(value));
    return std::move(*this);
}

std::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint,
                            std::string code) {
    return std::unexpected(Error{.kind = kind,
                                 .message = std::move(message),
                                 .hint = std::move(hint),
                                 .code = std::move(code)});
}

std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

std::unexpected<Error> fail_errno(int errno_value, std::string_view what) {
    std::array<char, 256> buffer{};
    const char* words = strerror_r(errno_value, buffer.data(), buffer.size());
    return fail(kind_of_errno(errno_value), std::string(what) + ": " + words);
}

void check_failed(const char* file, int line, const char* condition) {
    std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
    std::abort();
}

}  // namespace loco
