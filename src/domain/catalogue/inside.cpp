#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"no_answer", unavailable, "A server ended the connection without an answer", ""},
    Explanation{"timed_out", unavailable, "Something did not answer, or did not end, in time", ""},
    Explanation{"connection_refused", unavailable, "Nothing listens at the address", ""},
    Explanation{"tls_failed", unavailable, "The encrypted connection could not be made",
                "A certificate is not trusted, is of another name, or has expired."},
    Explanation{"invalid_url", invalid, "That is no URL", ""},
    Explanation{"no_parent", not_found, "What a row belongs to is gone", ""},
    Explanation{"rows_moved_on", conflict, "What was planned with has changed meanwhile",
                "It is planned again."},
    Explanation{"version_conflict", conflict, "An object of the cluster has changed meanwhile",
                "It is read again."},
    Explanation{"already_exists", conflict, "The cluster has an object of that name", ""},
    Explanation{"apply_conflict", conflict, "Another program has set fields of Loco's object", ""},
    Explanation{"expired", conflict, "The cluster no longer has that version",
                "It is listed again."},
    Explanation{"invalid_object", invalid, "The cluster does not take an object that Loco has made",
                "A bug, or a cluster older than what Loco supports."},
    Explanation{"unexpected_status", internal, "The cluster gave an answer that Loco does not know",
                ""},
    Explanation{"command_done", conflict, "The release command has run already", ""},
    Explanation{"not_admitted", refused, "The simulated cluster refuses the object", ""},
};

}  // namespace

std::span<const Explanation> explained_inside() { return kEntries; }

}  // namespace loco
