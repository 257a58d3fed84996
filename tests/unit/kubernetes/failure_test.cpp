#include "kubernetes/failure.hpp"

#include <gtest/gtest.h>

namespace loco::kubernetes {
namespace {

Error failure(int status, const std::string& body, const Kind& kind = kDeployment) {
    http::ClientResponse response;
    response.status = status;
    response.body = body;
    return failure_of(
        {.verb = "apply", .kind = &kind, .what = std::string(kind.name) + " shop/web"}, response);
}
std::string status(const std::string& reason, const std::string& message) {
    return R"({"kind":"Status","reason":")" + reason + R"(","message":")" + message + R"("})";
}

struct Row {
    int status;
    std::string reason;
    std::string message;
    ErrorKind kind;
    std::string code;
};
TEST(Failure, each_refusal_of_the_server_has_its_kind_and_code) {
    const std::vector<Row> rows{
        {401, "Unauthorized", "Unauthorized", ErrorKind::unavailable, "kubernetes_unauthorized"},
        {403, "Forbidden", "User \\\"x\\\" cannot patch resource", ErrorKind::unavailable,
         "kubernetes_forbidden"},
        {403, "Forbidden", "exceeded quota: q, requested: pods=1", ErrorKind::refused,
         "quota_exceeded"},
        {403, "Forbidden", "violates PodSecurity \\\"restricted:latest\\\"", ErrorKind::refused,
         "admission_denied"},
        {404, "NotFound", "not found", ErrorKind::not_found, "not_found"},
        {409, "Conflict",
         "Apply failed with 1 conflict: conflict with \\\"kubectl\\\": .spec.replicas",
         ErrorKind::conflict, "apply_conflict"},
        {409, "AlreadyExists", "already exists", ErrorKind::conflict, "already_exists"},
        {409, "Conflict", "the object has been modified", ErrorKind::conflict, "version_conflict"},
        {410, "Expired", "too old resource version", ErrorKind::conflict, "expired"},
        {422, "Invalid", "spec.replicas: Invalid value: -1", ErrorKind::invalid, "invalid_object"},
        {429, "TooManyRequests", "too many requests", ErrorKind::rate_limited, "rate_limited"},
        {422, "Invalid",
         "deployments.apps \\\"web\\\" is forbidden: ValidatingAdmissionPolicy 'p' with binding "
         "'p' "
         "denied request: no",
         ErrorKind::refused, "admission_denied"},
        {400, "BadRequest", "admission webhook \\\"p.example\\\" denied the request: no",
         ErrorKind::refused, "admission_denied"},
        {500, "", "failed to create typed patch object: .dta: field not declared in schema",
         ErrorKind::invalid, "invalid_object"},
        {503, "ServiceUnavailable", "not ready", ErrorKind::unavailable, "kubernetes_unavailable"},
    };
    for (const auto& row : rows) {
        const auto error = failure(row.status, status(row.reason, row.message));
        EXPECT_EQ(error.kind, row.kind) << row.message;
        EXPECT_EQ(error.code, row.code) << row.message;
        EXPECT_TRUE(
            error.message.starts_with("apply Deployment shop/web: " + std::to_string(row.status)))
            << error.message;
        EXPECT_EQ(is_passing(error), row.status == 429 || row.status == 503) << row.message;
    }
}

TEST(Failure, an_answer_that_is_no_status_is_quoted_within_bounds_and_on_one_line) {
    const auto error = failure(502, "bad\ngateway" + std::string(10'000, 'x'));
    EXPECT_NE(error.message.find("bad gateway"), std::string::npos);
    EXPECT_LT(error.message.size(), 1200U);
}

TEST(Failure, of_a_malformed_secret_fields_are_named_and_no_value) {
    const auto error =
        failure(422,
                R"({"kind":"Status","reason":"Invalid","message":"data.K: Invalid value: s3cret",)"
                R"("details":{"causes":[{"field":"data.K","message":"s3cret"}]}})",
                kSecret);
    EXPECT_EQ(error.message.find("s3cret"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("data.K"), std::string::npos) << error.message;
    EXPECT_EQ(failure(400, "s3cret", kSecret).message.find("s3cret"), std::string::npos);
}

TEST(Failure, retry_after_is_taken_in_seconds_and_within_a_minute) {
    http::ClientResponse response;
    EXPECT_FALSE(retry_after(response));
    response.headers.set("Retry-After", "2");
    EXPECT_EQ(retry_after(response), std::chrono::seconds(2));
    response.headers.set("Retry-After", "99999");
    EXPECT_EQ(retry_after(response), std::chrono::seconds(60));
    for (const char* text : {"", "-1", "soon", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"}) {
        response.headers.set("Retry-After", text);
        EXPECT_FALSE(retry_after(response)) << text;
    }
}

}  // namespace
}  // namespace loco::kubernetes
