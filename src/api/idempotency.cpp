#include "api/idempotency.hpp"

#include "base/log.hpp"
#include "crypto/hash.hpp"

namespace loco::api {
namespace {

constexpr auto kKeep = std::chrono::hours(24);
constexpr auto kRunningAtMost = std::chrono::minutes(2);
constexpr std::size_t kMaxKey = 128;

// The answer given before, or nothing after the key was taken for this request.
Result<std::optional<http::Response>> take_key(Services& services, const IdempotencyRecord& mine) {
    std::optional<http::Response> before;
    LOCO_TRY(services.context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.remove_idempotency_before(mine.created_at - kKeep));
        const auto found = tx.idempotency(mine.key);
        if (!found && found.error().kind != ErrorKind::not_found) return fail(found.error());
        if (!found) return tx.put(mine);
        if (found->fingerprint != mine.fingerprint) {
            return fail(ErrorKind::conflict, "that Idempotency-Key was used for another request",
                        "use a new key", "idempotency_conflict");
        }
        if (found->status == 0) {
            // A server that died in the middle leaves it at 0: the request may run again. At once where this one is that
            // server, started anew; another can't know, so after longer than any request takes.
            const bool was_ours =
                found->body == services.server_id && found->created_at < services.started_at;
            if (was_ours || found->created_at + kRunningAtMost < mine.created_at)
                return tx.put(mine);
            return fail(ErrorKind::conflict,
                        "the request with that Idempotency-Key is still running",
                        "ask again in a moment", "idempotency_conflict");
        }
        before = http::Response{.status = found->status, .body = found->body};
        before->headers.set("Content-Type",
                            found->status < 400 ? "application/json" : "application/problem+json");
        before->headers.set("Idempotency-Replayed", "true");
        return {};
    }));
    return before;
}

}  // namespace

Result<http::Response> idempotently(Services& services, const Route& route, Call& call) {
    const auto key = call.request.headers.get("Idempotency-Key");
    if (key.empty() || key.size() > kMaxKey) {
        return fail(ErrorKind::invalid,
                    "an Idempotency-Key has 1 to " + std::to_string(kMaxKey) + " characters", {},
                    "invalid_idempotency_key");
    }
    IdempotencyRecord record{
        .key = call.principal().user.id.str() + ":" + std::string(key),
        .fingerprint = crypto::sha256_hex(std::string(http::to_string(call.request.method)) + " " +
                                          call.request.target + "\n" + call.request.body),
        .status = 0,
        .body = services.server_id,  // who runs it, until it has an answer
        .created_at = services.context.clock.now()};
    LOCO_ASSIGN(auto before, take_key(services, record));
    if (before) return std::move(*before);

    auto result = route.handle(services, call);
    auto response = result ? std::move(*result) : problem(result.error(), call.request_id);
    record.status = response.status >= 500 ? 0 : response.status;
    record.body = record.status == 0 ? std::string() : response.body;
    if (record.status == 0) record.created_at = Time{};  // another try may take it at once
    // What was done is done: the caller learns of it also when its answer can't be kept for a repetition.
    if (const auto kept = services.context.store.write([&](WriteTx& tx) { return tx.put(record); });
        !kept)
        log::failure("the answer of a request with an Idempotency-Key was not kept", kept.error());
    return response;
}

}  // namespace loco::api
