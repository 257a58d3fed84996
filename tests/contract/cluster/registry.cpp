#include "tests/contract/cluster/registry.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "crypto/hash.hpp"
#include "os/process.hpp"
#include "tests/support/socket.hpp"

namespace loco::cluster {
namespace {

std::string digest_of(const std::string& data) { return "sha256:" + crypto::sha256_hex(data); }

std::string contents(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {(std::istreambuf_iterator<char>(file)), {}};
}

}  // namespace

TestRegistry::TestRegistry(const Clock& clock, Random& random) {
    char folder[] = "/tmp/loco-cluster-registry-XXXXXX";
    EXPECT_NE(::mkdtemp(folder), nullptr);
    folder_ = folder;
    auto server = http::Server::start({}, [this](http::Request&& request) {
        http::Response response;
        const auto query =
            request.target.substr(std::min(request.target.find('?') + 1, request.target.size()));
        auto body = registry::answer_token_request(
            *tokens_, request.headers.get("Authorization"), query,
            [](const registry::Credentials&) -> Result<registry::Grant> {
                return fail(ErrorKind::unauthenticated, "nobody else");
            });
        response.headers.set("Content-Type", "application/json");
        response.status = body ? 200 : 401;
        if (body) response.body = std::move(*body);
        return response;
    });
    EXPECT_TRUE(server) << server.error().message;
    token_server_ = std::move(*server);
    const auto port = test::free_port();
    options_ = {.data_dir = folder_ / "registry",
                .listen = "127.0.0.1:" + std::to_string(port),
                .realm = "http://127.0.0.1:" + std::to_string(token_server_->port()) + "/token"};
    const auto prepared = registry::prepare(options_, random);
    EXPECT_TRUE(prepared) << prepared.error().message;
    auto key = registry::SigningKey::open(registry::key_folder(options_));
    EXPECT_TRUE(key) << key.error().message;
    tokens_.emplace(std::move(*key), clock, random);
    registry_.emplace(options_.listen, *tokens_, client_);
    child_ = test::Child(registry::argv(options_), (folder_ / "log").string());
    EXPECT_TRUE(test::eventually([port] { return test::Connection::to(port).open(); }))
        << contents(folder_ / "log");
}

TestRegistry::~TestRegistry() {
    child_.stop();
    token_server_->stop(std::chrono::milliseconds(0));
    std::filesystem::remove_all(folder_);
}

http::ClientResponse TestRegistry::ask(http::Method method, const std::string& url,
                                       const std::string& token, const std::string& body,
                                       const std::string& type) {
    http::ClientRequest request;
    request.method = method;
    request.url = url.starts_with("http") ? url : "http://" + options_.listen + url;
    request.headers.set("Authorization", "Bearer " + token);
    if (!type.empty()) request.headers.set("Content-Type", type);
    request.body = body;
    auto response = client_.send(request);
    EXPECT_TRUE(response) << response.error().message;
    return response.value_or(http::ClientResponse{});
}

void TestRegistry::push_blob(const std::string& repository, const std::string& token,
                             const std::string& data) {
    const auto begun =
        ask(http::Method::post, "/v2/" + repository + "/blobs/uploads/", token, {}, {});
    ASSERT_EQ(begun.status, 202) << begun.body;
    const auto location = std::string(begun.headers.get("Location"));
    const auto put =
        ask(http::Method::put,
            location + (location.contains('?') ? "&" : "?") + "digest=" + digest_of(data), token,
            data, "application/octet-stream");
    ASSERT_EQ(put.status, 201) << put.body;
}

std::string TestRegistry::layer() {
    if (!layer_.empty()) return layer_;
    const auto root = folder_ / "root";
    for (const auto* made : {"bin", "www", "tmp"}) std::filesystem::create_directories(root / made);
    std::filesystem::copy_file("/bin/busybox", root / "bin/busybox");
    std::ofstream(root / "www/index.html") << "hello\n";
    std::ofstream(root / "www/healthz") << "ok\n";
    const auto file = (folder_ / "layer.tar").string();
    const auto done = os::output_of({.argv = {"tar", "-C", root.string(), "-cf", file, "--owner=0",
                                              "--group=0", "--mtime=@0", "bin", "www", "tmp"}},
                                    std::chrono::seconds(20));
    EXPECT_TRUE(done) << done.error().message;
    return layer_ = contents(file);
}

ImageRef TestRegistry::push(const std::string& repository, const std::string& entrypoint) {
    const auto token = tokens_->push_token(repository).value().token.reveal();
    const auto data = layer();
    const auto config =
        R"({"architecture":"amd64","os":"linux","config":{"User":"1000","Entrypoint":[")" +
        entrypoint +
        R"("],"Cmd":["httpd","-f","-p","8080","-h","/www"]},"rootfs":{"type":"layers","diff_ids":[")" +
        digest_of(data) + R"("]}})";
    push_blob(repository, token, config);
    push_blob(repository, token, data);
    const auto manifest =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
        digest_of(config) + R"(","size":)" + std::to_string(config.size()) +
        R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":")" +
        digest_of(data) + R"(","size":)" + std::to_string(data.size()) + "}]}";
    const auto put = ask(http::Method::put, "/v2/" + repository + "/manifests/t1", token, manifest,
                         "application/vnd.oci.image.manifest.v1+json");
    EXPECT_EQ(put.status, 201) << put.body;
    return {repository, digest_of(manifest)};
}

}  // namespace loco::cluster
