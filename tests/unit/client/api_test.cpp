#include "client/api.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <mutex>

#include "tests/unit/http/raw_server.hpp"

namespace loco::client {
namespace {

using http::test::RawConnection;
using http::test::RawServer;

std::string header(const std::string& head, std::string_view name) {
    const auto at = head.find("\r\n" + std::string(name) + ": ");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
}

const std::string kStillRunning =
    R"({"status":409,"detail":"the request with that Idempotency-Key is still running","code":"idempotency_conflict"})";

std::string conflict() {
    return "HTTP/1.1 409 Conflict\r\nContent-Length: " + std::to_string(kStillRunning.size()) +
           "\r\nConnection: close\r\n\r\n" + kStillRunning;
}

TEST(Post, AnAnswerThatWasLostIsAskedForAgainWithTheSameKey) {
    std::mutex mutex;
    std::vector<std::string> keys;
    RawServer server([&](RawConnection& connection) {
        const auto head = connection.read_head();
        std::size_t count = 0;
        {
            const std::scoped_lock lock(mutex);
            keys.push_back(header(head, "Idempotency-Key"));
            count = keys.size();
        }
        if (count == 1) return;  // done, but the answer is lost
        if (count == 2) {
            connection.send(conflict());  // the first attempt still runs
            return;
        }
        connection.send(http::test::ok(R"({"a":1})"));
    });
    Api api({.url = server.url(""), .token = {}});
    const auto key = new_idempotency_key();
    const auto answer = api.post("/x", boost::json::object(),
                                 {.idempotency_key = key, .patience = std::chrono::seconds(10)});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->at("a").as_int64(), 1);
    const std::scoped_lock lock(mutex);
    EXPECT_EQ(keys, std::vector<std::string>(3, key));
}

TEST(Post, WithoutPatienceOrKeyNothingIsSentTwice) {
    RawServer server([&](RawConnection& connection) {
        (void)connection.read_head();
        connection.send(conflict());
    });
    Api api({.url = server.url(""), .token = {}});
    const auto answer =
        api.post("/x", boost::json::object(), {.patience = std::chrono::seconds(10)});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "idempotency_conflict");
    EXPECT_EQ(server.connections(), 1);
}

TEST(ToError, WhatIsNoAnswerOfLocoIsToldAsSuch) {
    const auto other = to_error(404, "<html>nope</html>");
    EXPECT_EQ(other.code, "not_a_loco");
    EXPECT_EQ(other.kind, ErrorKind::unavailable) << "it is not the app that is not there";
    // A proxy before it: passing trouble, to be tried again.
    const auto proxy = to_error(502, "bad gateway");
    EXPECT_EQ(proxy.code, "");
    EXPECT_EQ(proxy.kind, ErrorKind::unavailable);
    const auto loco =
        to_error(404, R"({"title":"not_found","detail":"no app x","code":"no_such_app"})");
    EXPECT_EQ(loco.code, "no_such_app");
    EXPECT_EQ(loco.kind, ErrorKind::not_found);
}

TEST(Post, KeysAreRandomAndLong) {
    EXPECT_NE(new_idempotency_key(), new_idempotency_key());
    EXPECT_EQ(new_idempotency_key().size(), 26U);
}

}  // namespace
}  // namespace loco::client
