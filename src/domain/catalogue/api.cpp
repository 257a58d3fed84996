#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"no_such_path", not_found, "The API has no such path",
                "The API is described at /api/v1/openapi.json."},
    Explanation{"method_not_allowed", invalid, "The path does not take that method",
                "Answered with 405; the header Allow names those that it takes."},
    Explanation{"bad_request", invalid, "The request is no valid HTTP", ""},
    Explanation{"headers_too_large", invalid, "The request's headers are too large",
                "Answered with 431."},
    Explanation{"payload_too_large", too_large, "The request's body is too large", ""},
    Explanation{"http_version_unsupported", invalid, "The request is of another version of HTTP",
                "This server speaks HTTP/1.1 and HTTP/1.0. Answered with 505."},
    Explanation{"invalid_json", invalid, "The body is no JSON object", ""},
    Explanation{"invalid_body", invalid,
                "A field of the body is missing, unknown or of another type",
                "All of them are named."},
    Explanation{"invalid_query", invalid, "A parameter of the query cannot have that value", ""},
    Explanation{"invalid_limit", invalid, "The limit is out of its bounds", ""},
    Explanation{"invalid_cursor", invalid, "The cursor is none that a list has given", ""},
    Explanation{"invalid_release", invalid, "That is no release", "It is written like v7."},
    Explanation{"invalid_idempotency_key", invalid, "The Idempotency-Key is empty or too long", ""},
    Explanation{"idempotency_conflict", conflict, "The Idempotency-Key is in use",
                "For another request, or for the same one, which still runs: ask again in a "
                "moment, or use a new key."},
    Explanation{"invalid_namespace", invalid, "The namespace is no DNS label", ""},
    Explanation{"invalid_gateway", invalid, "The gateway is not written as NAMESPACE/NAME", ""},
    Explanation{"invalid_registry", invalid, "The registry is no host", ""},
    Explanation{"invalid_export", invalid, "An exported app does not hold together",
                "Export it again."},
    Explanation{"invalid_public_key", invalid, "That is no public key of a Loco", ""},
    Explanation{"unboxing_failed", invalid, "What was sealed cannot be opened here",
                "It was sealed for another Loco, or was changed on the way. Begin again: what is "
                "sealed is made for the Loco that is asked first."},
    Explanation{"overloaded", unavailable, "The server is busy",
                "More requests, or larger ones, than it takes at once. Ask again in a moment; "
                "Retry-After says when."},
    Explanation{"request_timeout", invalid, "The request did not arrive in time",
                "Answered with 408."},
    Explanation{"not_implemented", invalid, "The method, or the coding of the body, is not known",
                "Answered with 501."},
};

}  // namespace

std::span<const Explanation> explained_api() { return kEntries; }

}  // namespace loco
