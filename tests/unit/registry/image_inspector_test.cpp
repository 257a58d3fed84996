#include "registry/image_inspector.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "http/server.hpp"
#include "tests/unit/registry/tar.hpp"

namespace loco::registry {
namespace {

std::string digest_of(const std::string& data) { return "sha256:" + crypto::sha256_hex(data); }

std::string descriptor(const std::string& data, const std::string& more = {}) {
    return R"({"mediaType":"x","digest":")" + digest_of(data) + R"(","size":)" +
           std::to_string(data.size()) + more + "}";
}

std::string platform(const std::string& os, const std::string& arch) {
    return R"(,"platform":{"os":")" + os + R"(","architecture":")" + arch + R"("})";
}

// A registry that has what it is told, and counts what it is asked for.
class ImageInspectorTest : public testing::Test, public Registry {
  protected:
    void SetUp() override {
        server_ = http::Server::start({}, [this](http::Request&& request) {
                      const std::lock_guard lock(mutex_);
                      ++asked_;
                      const auto digest = request.path.substr(request.path.rfind('/') + 1);
                      if (redirect_ && request.path.contains("/blobs/")) {
                          authorized_elsewhere_ = false;
                          http::Response elsewhere{.status = 307};
                          elsewhere.headers.set("Location",
                                                "http://localhost:" + port() + "/store/" + digest);
                          return elsewhere;
                      }
                      if (request.path.starts_with("/store/"))
                          authorized_elsewhere_ = request.headers.has("Authorization");
                      else if (request.headers.get("Authorization") != "Bearer pull")
                          return http::Response{.status = 401};
                      const auto found = has_.find(digest);
                      if (found == has_.end()) return http::Response{.status = 404};
                      return http::Response{.status = 200, .body = found->second};
                  }).value();
    }
    void TearDown() override { server_->stop(std::chrono::milliseconds(100)); }
    std::string port() const { return std::to_string(server_->port()); }

    [[nodiscard]] std::string host() const override { return "127.0.0.1:" + port(); }
    [[nodiscard]] Result<ManifestInfo> manifest(const std::string&, const std::string&) override {
        return ManifestInfo{};
    }
    [[nodiscard]] Result<RegistryToken> push_token(const std::string&) override {
        return RegistryToken{};
    }
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string&) override {
        return RegistryToken{.token = Secret<>("pull"), .expires_at = {}};
    }
    [[nodiscard]] Result<> remove_manifest(const std::string&, const std::string&) override {
        return {};
    }

    std::string put(const std::string& data) {
        const std::lock_guard lock(mutex_);
        has_[digest_of(data)] = data;
        return data;
    }
    // The manifest.
    std::string image(const std::string& config, const std::vector<std::string>& layers) {
        std::string list;
        for (const auto& layer : layers) list += (list.empty() ? "" : ",") + descriptor(put(layer));
        return put(R"({"schemaVersion":2,"config":)" + descriptor(put(config)) + R"(,"layers":[)" +
                   list + "]}");
    }
    static std::string config(const std::string& user) {
        return R"({"os":"linux","architecture":"amd64","config":{"User":")" + user +
               R"(","Cmd":["/app"],"ExposedPorts":{"8080/tcp":{},"53/udp":{},"90":{}}}})";
    }
    Result<ImageFacts> facts(const std::string& manifest, std::string_view of = "linux/amd64") {
        return inspector_->facts({.repository = "apps/shop", .digest = digest_of(manifest)}, of);
    }

    std::mutex mutex_;
    std::map<std::string, std::string> has_;
    int asked_ = 0;
    bool redirect_ = false;
    bool authorized_elsewhere_ = false;
    std::unique_ptr<http::Server> server_;
    SystemClock clock_;
    http::Client client_;
    std::optional<ImageInspector> inspector_{std::in_place, *this, client_, clock_};
};

const std::string kLayer = test::gzip(
    test::tar_of({{"etc/passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\nboss:x:0:0::/:\n"},
                  {"etc/group", "web:x:33:\n"}}));

TEST_F(ImageInspectorTest, AnImageIsReadWithItsUser) {
    const auto cfg = config("app:web");
    const auto manifest = image(cfg, {kLayer, test::gzip(test::tar_of({{"app", "x"}}))});
    const auto seen = facts(manifest);
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(seen->image_id, digest_of(cfg));
    EXPECT_EQ(seen->digest, digest_of(manifest));
    EXPECT_EQ(seen->platform, "linux/amd64");
    EXPECT_EQ(seen->user, "app:web");
    EXPECT_EQ(seen->uid, 1000);
    EXPECT_EQ(seen->gid, 33);
    EXPECT_EQ(seen->exposed_tcp, (std::vector{8080, 90}));
    EXPECT_TRUE(seen->has_command);
    EXPECT_GT(seen->size_bytes, static_cast<std::int64_t>(kLayer.size()));
}

TEST_F(ImageInspectorTest, LayersAreReadOnlyWhenTheUserNeedsThem) {
    for (const auto& [user, asked] : std::map<std::string, int>{
             {"", 2}, {"1000:1000", 2}, {"0:0", 2}, {"1000", 3}, {"app", 3}, {"1000:web", 3}}) {
        const auto manifest = image(config(user), {kLayer});
        asked_ = 0;
        ASSERT_TRUE(facts(manifest)) << user;
        EXPECT_EQ(asked_, asked) << "USER " << user;
    }
    EXPECT_EQ(facts(image(config("boss"), {kLayer}))->uid, 0);
    EXPECT_EQ(facts(image(config("00"), {kLayer}))->uid, 0);
    EXPECT_EQ(facts(image(config(""), {kLayer}))->uid, 0);
    EXPECT_EQ(facts(image(config("ghost"), {kLayer}))->uid, std::nullopt);
}

TEST_F(ImageInspectorTest, AKnownImageIsNotAskedForAgain) {
    const auto manifest = image(config("app"), {kLayer});
    ASSERT_TRUE(facts(manifest));
    asked_ = 0;
    EXPECT_EQ(facts(manifest)->uid, 1000);
    EXPECT_EQ(asked_, 0);
    const auto other = inspector_->facts(
        {.repository = "apps/other", .digest = digest_of(manifest)}, "linux/amd64");
    EXPECT_EQ(other->uid, 1000);
    EXPECT_GT(asked_, 0) << "what one repository has, another may not";
}

TEST_F(ImageInspectorTest, OfAnIndexThePlatformsImageIsRead) {
    const auto amd = image(config("1000:1"), {});
    const auto arm = image(R"({"os":"linux","architecture":"arm64","variant":"v8"})", {});
    const auto index =
        put(R"({"manifests":[)" + descriptor("attestation", platform("unknown", "unknown")) + "," +
            descriptor(amd, platform("linux", "amd64")) + "," +
            descriptor(arm, platform("linux", R"(arm64","variant":"v8)")) + "]}");
    EXPECT_EQ(facts(index)->uid, 1000);
    EXPECT_EQ(facts(index)->digest, digest_of(index));
    EXPECT_EQ(facts(index, "linux/arm64")->platform, "linux/arm64/v8");
    EXPECT_EQ(facts(index, "linux/arm64/v8")->platform, "linux/arm64/v8");
    EXPECT_FALSE(facts(index, "linux/arm64/v8")->has_command);
    EXPECT_EQ(facts(index, "linux/arm64/v7").error().code, "wrong_platform");
    EXPECT_EQ(facts(index, "linux/s390x").error().code, "wrong_platform");
    const auto nested =
        put(R"({"manifests":[)" + descriptor(index, platform("linux", "amd64")) + "]}");
    EXPECT_EQ(facts(nested).error().code, "image_unreadable");
}

TEST_F(ImageInspectorTest, WhatHasAnotherDigestIsNotBelieved) {
    const auto swap = [&](const std::string& of, const std::string& by) {
        const std::lock_guard lock(mutex_);
        has_[digest_of(of)] = by;
    };
    const auto evil = test::gzip(test::tar_of({{"etc/passwd", "app:x:7:7::/:\n"}}));
    auto same_size = evil;
    same_size.back() = static_cast<char>(same_size.back() ^ 1);
    const auto manifest = image(config("app"), {evil});
    swap(evil, same_size);
    EXPECT_FALSE(facts(manifest));
    swap(evil, kLayer);
    EXPECT_EQ(facts(manifest).error().kind, ErrorKind::invalid);
    swap(evil, evil + "more");
    EXPECT_EQ(facts(manifest).error().kind, ErrorKind::invalid);
    swap(evil, evil);
    EXPECT_EQ(facts(manifest)->uid, 7);
    const auto second = image(config("1000:2"), {});
    swap(config("1000:2"), config("1000:3"));
    EXPECT_EQ(facts(second).error().kind, ErrorKind::invalid);
    swap(second, manifest);
    EXPECT_EQ(facts(second).error().kind, ErrorKind::invalid);
}

TEST_F(ImageInspectorTest, WhatIsMissingOrMalformedIsSaid) {
    EXPECT_EQ(facts("never pushed").error().kind, ErrorKind::not_found);
    const auto manifest = image(config("app"), {kLayer});
    {
        const std::lock_guard lock(mutex_);
        has_.erase(digest_of(kLayer));
    }
    EXPECT_EQ(facts(manifest).error().kind, ErrorKind::not_found);
    EXPECT_EQ(facts(put("[]")).error().kind, ErrorKind::invalid);
    EXPECT_EQ(facts(put("{}")).error().code, "image_unreadable");
    EXPECT_EQ(facts(image("[]", {})).error().code, "image_unreadable");
    EXPECT_EQ(facts(image("{}", {})).error().code, "image_unreadable");
    EXPECT_EQ(facts(put(R"({"config":{"digest":"../../etc/passwd"}})")).error().code,
              "image_unreadable");
    EXPECT_EQ(inspector_->facts({.repository = "../x", .digest = digest_of("x")}, "linux/amd64")
                  .error()
                  .kind,
              ErrorKind::invalid);
    server_->stop(std::chrono::milliseconds(100));
    EXPECT_EQ(facts(put("other")).error().kind, ErrorKind::unavailable);
}

TEST_F(ImageInspectorTest, ARedirectToAnotherPlaceGetsNoToken) {
    redirect_ = true;
    const auto seen = facts(image(config("app"), {kLayer}));
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(seen->uid, 1000);
    EXPECT_FALSE(authorized_elsewhere_);
}

TEST_F(ImageInspectorTest, AnInspectorThatIsStoppedReadsNoMore) {
    const auto manifest = image(config("app"), {kLayer});
    inspector_->stop();
    EXPECT_FALSE(facts(manifest));
}

}  // namespace
}  // namespace loco::registry
