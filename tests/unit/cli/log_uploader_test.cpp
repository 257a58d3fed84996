#include "cli/log_uploader.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "http/server.hpp"

namespace loco::cli {
namespace {

// A server that keeps the bodies that it takes, and answers otherwise as it is told.
class LogServer {
  public:
    LogServer() {
        server_ = *http::Server::start({}, [this](http::Request&& request) {
            const std::scoped_lock lock(mutex_);
            ++requests_;
            if (refusals_ > 0) {
                --refusals_;
                return http::Response{.status = status_, .body = R"({"detail": "not now"})"};
            }
            most_lines_ = std::max(
                most_lines_, static_cast<std::size_t>(std::ranges::count(request.body, '\n')));
            kept_ += request.body;
            return http::Response{.status = 204};
        });
    }
    client::Endpoint endpoint() const {
        return {.url = "http://127.0.0.1:" + std::to_string(server_->port()), .token = {}};
    }
    void refuse(int count, int status) {
        const std::scoped_lock lock(mutex_);
        refusals_ = count;
        status_ = status;
    }
    std::string kept() {
        const std::scoped_lock lock(mutex_);
        return kept_;
    }
    std::size_t most_lines() {
        const std::scoped_lock lock(mutex_);
        return most_lines_;
    }

  private:
    std::mutex mutex_;
    int refusals_ = 0;
    int status_ = 503;
    int requests_ = 0;
    std::size_t most_lines_ = 0;
    std::string kept_;
    std::unique_ptr<http::Server> server_;
};

TEST(LogUploader, WhatIsAddedArrives) {
    LogServer server;
    LogUploader log(server.endpoint(), "/d");
    log.add("one\ntw");
    log.add("o\nlast");
    log.finish();
    EXPECT_EQ(server.kept(), "one\ntwo\nlast");
    EXPECT_EQ(log.not_kept(), 0U);
}

TEST(LogUploader, LinesOfARequestThatFailedAreSentAgain) {
    LogServer server;
    server.refuse(3, 503);
    LogUploader log(server.endpoint(), "/d");
    log.add("one\ntwo\n");
    log.finish();
    EXPECT_EQ(server.kept(), "one\ntwo\n");
    EXPECT_EQ(log.not_kept(), 0U);
}

TEST(LogUploader, WhatTheServerDoesNotTakeIsCounted) {
    LogServer server;
    server.refuse(1, 422);
    LogUploader log(server.endpoint(), "/d");
    log.add("one\n");
    log.finish();
    EXPECT_EQ(server.kept(), "");
    EXPECT_EQ(log.not_kept(), 4U);
}

TEST(LogUploader, WhatWasTooMuchIsToldInItsPlace) {
    LogServer server;
    LogUploader log(server.endpoint(), "/d");
    log.add("one\n");
    log.add(std::string(9U << 20, 'x'));
    log.finish();
    EXPECT_TRUE(server.kept().starts_with("one\n[9437184 bytes were not kept")) << server.kept();
    EXPECT_EQ(log.not_kept(), 0U);
}

TEST(LogUploader, NoRequestHasMoreLinesThanTheServerKeeps) {
    LogServer server;
    LogUploader log(server.endpoint(), "/d");
    log.add(std::string(50'000, '\n') + "end");
    log.finish();
    EXPECT_EQ(server.kept(), std::string(50'000, '\n') + "end");
    EXPECT_EQ(server.most_lines(), 20'000U);
}

TEST(LogUploader, ADeploymentThatHasEndedIsTold) {
    LogServer server;
    server.refuse(1000, 409);
    LogUploader log(server.endpoint(), "/d");
    log.add("one\n");
    log.finish();
    ASSERT_TRUE(log.ended());
    EXPECT_EQ(log.ended()->kind, ErrorKind::conflict);
}

}  // namespace
}  // namespace loco::cli
