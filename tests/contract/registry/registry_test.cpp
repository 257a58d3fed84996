// Loco's tokens against a real docker-registry: what each of them opens, and what it does not.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/random.hpp"
#include "crypto/hash.hpp"
#include "os/process.hpp"
#include "registry/config.hpp"
#include "registry/distribution_client.hpp"
#include "registry/image_copy.hpp"
#include "registry/storage.hpp"
#include "tests/support/child.hpp"
#include "tests/support/socket.hpp"

namespace loco::registry {
namespace {

class ShiftedClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return SystemClock().now() + shift; }
    [[nodiscard]] SteadyTime steady() const override { return SystemClock().steady(); }
    Duration shift{0};
};

std::string digest_of(const std::string& data) { return "sha256:" + crypto::sha256_hex(data); }

class RegistryContract : public testing::Test {
  protected:
    void SetUp() override {
        char folder[] = "/tmp/loco-registry-XXXXXX";
        ASSERT_NE(::mkdtemp(folder), nullptr);
        folder_ = folder;
        const auto port = std::to_string(test::free_port());
        options_ = {.data_dir = folder_ / "registry", .listen = "127.0.0.1:" + port};
        port_ = static_cast<std::uint16_t>(std::stoi(port));
        const auto prepared = prepare(options_, random_);
        ASSERT_TRUE(prepared) << prepared.error().message;
        auto key = SigningKey::open(key_folder(options_));
        ASSERT_TRUE(key) << key.error().message;
        tokens_.emplace(std::move(*key), clock_, random_);
        registry_.emplace(options_.listen, *tokens_, client_);
        start();
    }
    void TearDown() override {
        child_.stop();
        std::filesystem::remove_all(folder_);
    }
    void start() {
        child_ = test::Child(argv(options_), (folder_ / "log").string());
        ASSERT_TRUE(test::eventually([&] { return test::Connection::to(port_).open(); })) << log();
    }
    std::string log() const {
        std::ifstream file(folder_ / "log");
        return {(std::istreambuf_iterator<char>(file)), {}};
    }

    http::ClientResponse ask(http::Method method, const std::string& path, const std::string& token,
                             const std::string& body = {}, const std::string& type = {}) {
        http::ClientRequest request;
        request.method = method;
        request.url = path.starts_with("http") ? path : "http://" + options_.listen + path;
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        if (!type.empty()) request.headers.set("Content-Type", type);
        request.headers.set("Accept", "application/vnd.oci.image.manifest.v1+json");
        request.body = body;
        auto response = client_.send(request);
        EXPECT_TRUE(response) << response.error().message;
        return response.value_or(http::ClientResponse{});
    }
    int push_blob(const std::string& repository, const std::string& token,
                  const std::string& data) {
        const auto begun = ask(http::Method::post, "/v2/" + repository + "/blobs/uploads/", token);
        if (begun.status != 202) return begun.status;
        const auto location = std::string(begun.headers.get("Location"));
        return ask(http::Method::put,
                   location + (location.contains('?') ? "&" : "?") + "digest=" + digest_of(data),
                   token, data, "application/octet-stream")
            .status;
    }
    // The manifest's digest, or empty.
    std::string push_image(const std::string& repository, const std::string& token) {
        const std::string config =
            R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}})";
        const std::string layer(1000, 'l');
        if (push_blob(repository, token, config) != 201 ||
            push_blob(repository, token, layer) != 201)
            return {};
        const auto manifest =
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
            digest_of(config) + R"(","size":)" + std::to_string(config.size()) +
            R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":")" +
            digest_of(layer) + R"(","size":1000}]})";
        image_bytes_ = static_cast<std::int64_t>(config.size()) + 1000;
        const auto put = ask(http::Method::put, "/v2/" + repository + "/manifests/t1", token,
                             manifest, "application/vnd.oci.image.manifest.v1+json");
        return put.status == 201 ? digest_of(manifest) : "";
    }
    std::string token(const std::string& repository, std::set<std::string> actions) {
        return tokens_
            ->issue("test", {{.repository = repository, .actions = std::move(actions)}},
                    std::chrono::minutes(5))
            .value()
            .token.reveal();
    }

    std::filesystem::path folder_;
    Options options_;
    std::uint16_t port_ = 0;
    test::Child child_;
    ShiftedClock clock_;
    SystemRandom random_;
    http::Client client_;
    std::optional<TokenService> tokens_;
    std::optional<DistributionClient> registry_;
    std::int64_t image_bytes_ = 0;
};

TEST_F(RegistryContract, NobodyGetsInWithoutAToken) {
    const auto refused = ask(http::Method::get, "/v2/", "");
    EXPECT_EQ(refused.status, 401);
    const auto challenge = std::string(refused.headers.get("WWW-Authenticate"));
    EXPECT_TRUE(challenge.contains("Bearer realm=\"" + options_.realm + "\"")) << challenge;
    EXPECT_TRUE(challenge.contains("service=\"loco-registry\"")) << challenge;
    EXPECT_EQ(ask(http::Method::get, "/v2/_catalog", "").status, 401);
    EXPECT_EQ(ask(http::Method::get, "/v2/_catalog", token("apps/shop", {"pull", "push", "delete"}))
                  .status,
              401);
    EXPECT_EQ(ask(http::Method::get, "/v2/", "x.y.z").status, 401);
    EXPECT_EQ(ask(http::Method::post, "/v2/apps/shop/blobs/uploads/", "").status, 401);
}

TEST_F(RegistryContract, APushTokenWritesItsOneRepositoryAndNothingElse) {
    const auto push = registry_->push_token("apps/shop-1a2b").value();
    const auto& text = push.token.reveal();
    const auto digest = push_image("apps/shop-1a2b", text);
    ASSERT_FALSE(digest.empty()) << log();
    EXPECT_EQ(ask(http::Method::post, "/v2/apps/other/blobs/uploads/", text).status, 401);
    EXPECT_EQ(ask(http::Method::post, "/v2/apps/shop-1a2b/x/blobs/uploads/", text).status, 401);
    EXPECT_EQ(ask(http::Method::get, "/v2/apps/other/manifests/t1", text).status, 401);
    EXPECT_EQ(ask(http::Method::delete_, "/v2/apps/shop-1a2b/manifests/" + digest, text).status,
              401);
    const auto life = push.expires_at - clock_.now();
    EXPECT_LE(life, std::chrono::minutes(5));
    EXPECT_GT(life, std::chrono::seconds(290));
}

TEST_F(RegistryContract, APullTokenReadsItsOneRepositoryAndWritesNothing) {
    const auto digest = push_image("apps/shop", token("apps/shop", {"pull", "push"}));
    ASSERT_FALSE(digest.empty());
    const auto pull = registry_->pull_token("apps/shop").value();
    EXPECT_EQ(
        ask(http::Method::get, "/v2/apps/shop/manifests/" + digest, pull.token.reveal()).status,
        200);
    EXPECT_EQ(ask(http::Method::post, "/v2/apps/shop/blobs/uploads/", pull.token.reveal()).status,
              401);
    EXPECT_EQ(
        ask(http::Method::get, "/v2/apps/other/manifests/" + digest, pull.token.reveal()).status,
        401);
    EXPECT_LE(pull.expires_at - clock_.now(), std::chrono::minutes(10));
}

// The registry allows a minute of difference between clocks.
TEST_F(RegistryContract, ATokenEndsWithItsTime) {
    clock_.shift = -std::chrono::minutes(7);
    const auto expired = registry_->push_token("apps/shop").value();
    EXPECT_EQ(push_blob("apps/shop", expired.token.reveal(), "x"), 401);
    clock_.shift = std::chrono::minutes(3);
    const auto not_yet = registry_->push_token("apps/shop").value();
    EXPECT_EQ(push_blob("apps/shop", not_yet.token.reveal(), "x"), 401);
}

TEST_F(RegistryContract, ATokenOfAnotherKeyOrChangedAfterwardsIsRefused) {
    auto other_key = SigningKey::open(folder_ / "other");
    ASSERT_TRUE(other_key);
    const TokenService other(std::move(*other_key), clock_, random_);
    EXPECT_EQ(push_blob("apps/shop", other.push_token("apps/shop").value().token.reveal(), "x"),
              401);
    const auto good = token("apps/shop", {"pull"});
    const auto wider = token("apps/shop", {"pull", "push"});
    const auto head = good.substr(0, good.find('.'));
    const auto claims = wider.substr(wider.find('.') + 1, wider.rfind('.') - wider.find('.') - 1);
    EXPECT_EQ(push_blob("apps/shop", head + "." + claims + good.substr(good.rfind('.')), "x"), 401);
    EXPECT_EQ(push_blob("apps/shop",
                        base64url(R"({"alg":"none","typ":"JWT"})") + "." + claims + ".", "x"),
              401);
}

TEST_F(RegistryContract, AManifestIsFoundWithItsSizeAndRemoved) {
    const auto digest =
        push_image("apps/shop", registry_->push_token("apps/shop").value().token.reveal());
    ASSERT_FALSE(digest.empty());
    const auto info = registry_->manifest("apps/shop", digest);
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->digest, digest);
    EXPECT_EQ(info->media_type, "application/vnd.oci.image.manifest.v1+json");
    EXPECT_EQ(info->total_bytes, image_bytes_);
    EXPECT_EQ(registry_->manifest("apps/shop", digest_of("else")).error().kind,
              ErrorKind::not_found);
    EXPECT_EQ(registry_->manifest("apps/never", digest).error().kind, ErrorKind::not_found);
    EXPECT_EQ(registry_->manifest("../etc", digest).error().kind, ErrorKind::invalid);
    EXPECT_EQ(registry_->manifest("apps/shop", "latest").error().kind, ErrorKind::invalid);
    const auto pushed_as = [&](const std::string& tag) {
        const auto found = registry_->tagged("apps/shop", tag);
        return found ? *found : std::string(traits(found.error().kind).name);
    };
    EXPECT_EQ(pushed_as("t1"), digest);
    EXPECT_EQ(pushed_as("never"), "not_found");
    EXPECT_EQ(pushed_as("../v1"), "invalid");
    ASSERT_TRUE(registry_->remove_manifest("apps/shop", digest));
    EXPECT_EQ(pushed_as("t1"), "not_found");
    EXPECT_EQ(registry_->manifest("apps/shop", digest).error().kind, ErrorKind::not_found);
    EXPECT_TRUE(registry_->remove_manifest("apps/shop", digest)) << "it is gone already";
    // Pushed again it is there again: no cache says that it has what was deleted.
    EXPECT_EQ(push_image("apps/shop", registry_->push_token("apps/shop").value().token.reveal()),
              digest);
    EXPECT_TRUE(registry_->manifest("apps/shop", digest));
}

TEST_F(RegistryContract, OfAnIndexThePlatformsManifestCounts) {
    const auto token = registry_->push_token("apps/shop").value().token.reveal();
    const auto digest = push_image("apps/shop", token);
    const auto index_for = [&](const std::string& architecture) {
        const auto index =
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
            digest + R"(","size":400,"platform":{"os":"linux","architecture":")" + architecture +
            R"("}}]})";
        EXPECT_EQ(ask(http::Method::put, "/v2/apps/shop/manifests/" + architecture, token, index,
                      "application/vnd.oci.image.index.v1+json")
                      .status,
                  201);
        return digest_of(index);
    };
    const auto info = registry_->manifest("apps/shop", index_for("amd64"));
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->total_bytes, image_bytes_);
    EXPECT_EQ(info->media_type, "application/vnd.oci.image.index.v1+json");
    EXPECT_EQ(registry_->manifest("apps/shop", index_for("arm64")).error().code, "wrong_platform");
}

// As a backup reads it and a restore writes it, without the registry.
TEST_F(RegistryContract, AnImageGoesFromItsFolderIntoThatOfAnotherRegistryWhichServesAndKeepsIt) {
    const auto digest = push_image("apps/shop", token("apps/shop", {"pull", "push"}));
    ASSERT_FALSE(digest.empty());
    const Storage first(options_.data_dir / "storage");
    const auto image = first.image(digest);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->manifests, std::vector{digest});
    EXPECT_EQ(image->blobs.size(), 2U);
    EXPECT_EQ(first.image(digest_of("else")).error().kind, ErrorKind::not_found);
    EXPECT_EQ(first.image("../etc").error().kind, ErrorKind::invalid);

    child_.stop();
    const auto other = folder_ / "other";
    const Storage second(other);
    auto parts = image->manifests;
    for (const auto& blob : image->blobs) parts.push_back(blob.digest);
    for (const auto& part : parts) {
        std::filesystem::create_directories(second.blob(part).parent_path());
        std::filesystem::copy_file(first.blob(part), second.blob(part));
    }
    ASSERT_TRUE(second.link("apps/restored", *image));
    EXPECT_EQ(second.link("../../out", *image).error().kind, ErrorKind::invalid);
    std::filesystem::remove_all(options_.data_dir / "storage");
    std::filesystem::rename(other, options_.data_dir / "storage");
    // What it collects is not what was put there.
    const auto collected = os::run({.argv = collect_argv(options_)});
    ASSERT_TRUE(collected && collected->ok());
    start();
    const auto info = registry_->manifest("apps/restored", digest);
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->total_bytes, image_bytes_);
    const auto pull = registry_->pull_token("apps/restored").value().token.reveal();
    for (const auto& blob : image->blobs) {
        const auto got = ask(http::Method::get, "/v2/apps/restored/blobs/" + blob.digest, pull);
        EXPECT_EQ(digest_of(got.body), blob.digest);
    }
    EXPECT_TRUE(registry_->remove_manifest("apps/restored", digest));
}

TEST_F(RegistryContract, KeyAndContentsOutliveARestart) {
    const auto push = registry_->push_token("apps/shop").value();
    const auto digest = push_image("apps/shop", push.token.reveal());
    child_.stop();
    EXPECT_EQ(registry_->manifest("apps/shop", digest).error().kind, ErrorKind::unavailable);
    const auto id = tokens_->key().id();
    ASSERT_TRUE(prepare(options_, random_));
    EXPECT_EQ(SigningKey::open(key_folder(options_)).value().id(), id);
    start();
    EXPECT_TRUE(registry_->manifest("apps/shop", digest));
    EXPECT_EQ(push_blob("apps/shop", push.token.reveal(), "again"), 201);
}

TEST_F(RegistryContract, ItsFilesAreForTheirOwnerOnly) {
    for (const auto* name :
         {"config.yml", "upload-secret", "keys/token-key.pem", "keys/token-cert.pem"}) {
        struct stat info{};
        ASSERT_EQ(::stat((options_.data_dir / name).c_str(), &info), 0) << name;
        EXPECT_EQ(info.st_mode & 0777, 0600U) << name;
    }
    ASSERT_EQ(::chmod((options_.data_dir / "keys/token-key.pem").c_str(), 0644), 0);
    EXPECT_EQ(SigningKey::open(key_folder(options_)).error().kind, ErrorKind::forbidden);
}

// --- through the container engine, as `loco deploy` pushes

std::string engine_socket() {
    const char* host = std::getenv("DOCKER_HOST");
    std::string_view url = host == nullptr ? "unix:///var/run/docker.sock" : host;
    return url.starts_with("unix://") ? std::string(url.substr(7)) : "";
}

std::string tar_of(const std::string& name, const std::string& data) {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) {
        header.replace(at, text.size(), text);
    };
    char size[13];
    std::snprintf(size, sizeof size, "%011o", static_cast<unsigned>(data.size()));
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, size);
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    char checksum[8];
    std::snprintf(checksum, sizeof checksum, "%06o", sum);
    put(148, std::string(checksum) + std::string(1, '\0') + " ");
    auto padded = data;
    padded.resize((data.size() + 511) / 512 * 512);
    return header + padded + std::string(1024, '\0');
}

TEST_F(RegistryContract, TheEnginePushesWithAPushTokenToThatRepositoryOnly) {
    const auto socket = engine_socket();
    const auto engine = [&](http::Method method, const std::string& path,
                            const std::string& token = {}, std::string body = {}) {
        http::ClientRequest request;
        request.method = method;
        request.unix_socket = socket;
        request.url = "http://engine" + path;
        request.body = std::move(body);
        if (!token.empty()) {
            request.headers.set("X-Registry-Auth",
                                base64url(R"({"registrytoken":")" + token + "\"}"));
        }
        return client_.send(request);
    };
    if (socket.empty() || !engine(http::Method::get, "/_ping")) {
        GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
    }
    const auto tag = [&](const std::string& repository) {
        const auto made =
            engine(http::Method::post,
                   "/images/create?fromSrc=-&repo=" +
                       http::percent_encode(options_.listen + "/" + repository) + "&tag=t1",
                   {}, tar_of("hello", random_word(random_, 20)));
        EXPECT_TRUE(made && made->ok()) << (made ? made->body : made.error().message);
    };
    const auto push = [&](const std::string& repository, const std::string& token) {
        const auto pushed =
            engine(http::Method::post,
                   "/images/" + options_.listen + "/" + repository + "/push?tag=t1", token);
        if (!pushed) return pushed.error().message;
        return pushed->ok() ? pushed->body : "\"error\": " + pushed->body;
    };
    tag("apps/mine");
    tag("apps/other");
    const auto token = registry_->push_token("apps/mine").value().token.reveal();
    const auto pushed = push("apps/mine", token);
    const auto at = pushed.find("sha256:", pushed.find("\"aux\""));
    EXPECT_FALSE(pushed.contains("\"error\"")) << pushed;
    ASSERT_NE(at, std::string::npos) << pushed;
    const auto info = registry_->manifest("apps/mine", pushed.substr(at, 71));
    EXPECT_TRUE(info) << info.error().message;
    EXPECT_TRUE(push("apps/other", token).contains("\"error\""));
    EXPECT_TRUE(push("apps/other", "").contains("\"error\""));
    clock_.shift = -std::chrono::minutes(7);
    EXPECT_TRUE(push("apps/mine", registry_->push_token("apps/mine").value().token.reveal())
                    .contains("\"error\""));
    for (const auto* repository : {"apps/mine", "apps/other"}) {
        EXPECT_TRUE(
            engine(http::Method::delete_, "/images/" + options_.listen + "/" + repository + ":t1"));
    }
}

class ImageCopy : public RegistryContract {
  protected:
    CopySide side(const std::string& repository, const std::string& given) const {
        return {.url = "http://" + options_.listen,
                .repository = repository,
                .token = [given](bool) { return Result<Secret<>>(Secret<>(given)); }};
    }
    Result<CopyOutcome> copy(const std::string& digest, const CopyHooks& hooks = {}) {
        return copy_image(
            client_, side("apps/here", registry_->pull_token("apps/here").value().token.reveal()),
            side("apps/there", registry_->push_token("apps/there").value().token.reveal()), digest,
            hooks);
    }
    std::string pushed() { return push_image("apps/here", token("apps/here", {"pull", "push"})); }
};

TEST_F(ImageCopy, KeepsItsDigestAndSendsNothingTwice) {
    const auto digest = pushed();
    ASSERT_FALSE(digest.empty()) << log();
    std::int64_t told = 0;
    const auto first = copy(digest, {.on_progress = [&](std::int64_t bytes) { told = bytes; }});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->blobs, 2);
    EXPECT_EQ(first->existing, 0);
    EXPECT_EQ(first->bytes, image_bytes_);
    EXPECT_EQ(told, image_bytes_);
    EXPECT_TRUE(registry_->manifest("apps/there", digest));
    const auto again = copy(digest);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->bytes, 0);
}

TEST_F(ImageCopy, TakesAnIndexWithAllThatItNames) {
    const auto image = pushed();
    const auto writer = token("apps/here", {"pull", "push"});
    const std::string type = "application/vnd.oci.image.index.v1+json";
    const auto size =
        ask(http::Method::get, "/v2/apps/here/manifests/" + image, writer).body.size();
    const auto index =
        R"({"schemaVersion":2,"mediaType":")" + type + R"(","manifests":[{"mediaType":)" +
        R"("application/vnd.oci.image.manifest.v1+json","digest":")" + image + R"(","size":)" +
        std::to_string(size) + R"(,"platform":{"os":"linux","architecture":"amd64"}}]})";
    ASSERT_EQ(ask(http::Method::put, "/v2/apps/here/manifests/all", writer, index, type).status,
              201);
    const auto done = copy(digest_of(index));
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE(registry_->manifest("apps/there", image));
    EXPECT_TRUE(registry_->manifest("apps/there", digest_of(index)));
}

TEST_F(ImageCopy, ATokenThatHasEndedIsAskedForAnew) {
    const auto digest = pushed();
    clock_.shift = -std::chrono::minutes(7);
    const auto old = registry_->push_token("apps/there").value().token.reveal();
    clock_.shift = {};
    int renewed = 0;
    auto to = side("apps/there", old);
    to.token = [&](bool renew) {
        if (renew) ++renewed;
        return Result<Secret<>>(renewed == 0 ? Secret<>(old)
                                             : registry_->push_token("apps/there")->token);
    };
    const auto done = copy_image(
        client_, side("apps/here", registry_->pull_token("apps/here")->token.reveal()), to, digest);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(renewed, 1);
}

TEST_F(ImageCopy, WhatIsNotThereOrNotAllowedIsTold) {
    const auto digest = pushed();
    EXPECT_EQ(copy(digest_of("none")).error().code, "moved_image_gone");
    EXPECT_FALSE(copy("latest"));
    const auto reader = registry_->pull_token("apps/there").value().token.reveal();
    const auto refused =
        copy_image(client_, side("apps/here", registry_->pull_token("apps/here")->token.reveal()),
                   side("apps/there", reader), digest);
    EXPECT_EQ(refused.error().code, "push_forbidden");
    EXPECT_EQ(refused.error().message.find(reader), std::string::npos);
    const auto stopped = copy(digest, {.cancelled = [] { return true; }});
    EXPECT_EQ(stopped.error().kind, ErrorKind::interrupted);
    EXPECT_FALSE(registry_->manifest("apps/there", digest)) << "not a part of it is named";
}

TEST_F(ImageCopy, ARegistryThatIsAwayIsTold) {
    const auto digest = pushed();
    auto to = side("apps/there", "x");
    to.url = "http://127.0.0.1:" + std::to_string(test::free_port());
    const auto lost = copy_image(
        client_, side("apps/here", registry_->pull_token("apps/here")->token.reveal()), to, digest);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace loco::registry
