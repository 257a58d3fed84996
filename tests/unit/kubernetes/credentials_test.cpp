#include "kubernetes/credentials.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/file.hpp"

namespace loco::kubernetes {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class HandClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return Time(seconds(1'800'000'000)) + passed; }
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime(seconds(1000)) + passed; }
    Duration passed{};
};

class CredentialsTest : public testing::Test {
  protected:
    CredentialsTest() { EXPECT_TRUE(os::make_directories(folder_)); }
    ~CredentialsTest() override { fs::remove_all(folder_); }
    std::string write(const std::string& name, const std::string& contents, mode_t mode = 0600) {
        EXPECT_TRUE(os::write_file_atomically(folder_ / name, contents, mode));
        return folder_ / name;
    }
    // A plugin that counts its runs in the token it gives.
    Config with_plugin(const std::string& status) {
        const auto program = write("plugin",
                                   "#!/usr/bin/python3\nimport os, sys\n"
                                   "runs = os.path.join(os.path.dirname(__file__), 'runs')\n"
                                   "n = int(open(runs).read()) + 1 if os.path.exists(runs) else 1\n"
                                   "open(runs, 'w').write(str(n))\n"
                                   "assert 'ExecCredential' in os.environ['KUBERNETES_EXEC_INFO']\n"
                                   "print(sys.argv[1].replace('@', str(n)))\n",
                                   0700);
        Config config{.origin = "test", .server = "https://example.test"};
        config.exec =
            ExecPlugin{.argv = {program, R"({"apiVersion":"client.authentication.k8s.io/v1",)"
                                         R"("kind":"ExecCredential","status":)" +
                                             status + "}"},
                       .api_version = "client.authentication.k8s.io/v1",
                       .install_hint = "install the plugin"};
        return config;
    }
    static std::string bearer(Credentials& credentials) {
        auto current = credentials.current();
        return current ? current->bearer.reveal() : "error: " + current.error().message;
    }

    fs::path folder_ =
        fs::temp_directory_path() / ("loco-credentials-" + std::to_string(::getpid()));
    HandClock clock_;
};

TEST_F(CredentialsTest, a_token_that_rotates_on_disk_is_read_again) {
    Config config{.origin = "test", .server = "https://example.test"};
    config.token_file = write("token", "first\n");
    Credentials credentials(config, clock_);
    EXPECT_EQ(bearer(credentials), "first");
    (void)write("token", "second\n");
    EXPECT_EQ(bearer(credentials), "first");
    clock_.passed += seconds(31);
    EXPECT_EQ(bearer(credentials), "second");
    (void)write("token", "third\n");
    clock_.passed += seconds(2);
    credentials.refused();
    EXPECT_EQ(bearer(credentials), "third");
}

TEST_F(CredentialsTest, a_missing_file_is_named) {
    Config config{.origin = "test", .server = "https://example.test"};
    config.token_file = folder_ / "none";
    Credentials credentials(config, clock_);
    const auto current = credentials.current();
    ASSERT_FALSE(current);
    EXPECT_EQ(current.error().code, "kubernetes_credentials");
    EXPECT_NE(current.error().message.find((folder_ / "none").string()), std::string::npos);
}

TEST_F(CredentialsTest, a_plugin_is_run_again_before_what_it_gave_expires_and_when_it_was_refused) {
    auto config = with_plugin(R"({"token":"t@","expirationTimestamp":"2027-01-15T08:05:00Z"})");
    Credentials credentials(config, clock_);  // it is 08:00:00
    EXPECT_EQ(bearer(credentials), "t1");
    clock_.passed += seconds(200);
    EXPECT_EQ(bearer(credentials), "t1");
    credentials.refused();
    EXPECT_EQ(bearer(credentials), "t2");
    clock_.passed += seconds(75);
    EXPECT_EQ(bearer(credentials), "t3");
}

TEST_F(CredentialsTest, a_plugins_certificate_is_used) {
    Credentials credentials(
        with_plugin(R"({"clientCertificateData":"cert","clientKeyData":"key"})"), clock_);
    const auto current = credentials.current();
    ASSERT_TRUE(current) << current.error().message;
    EXPECT_EQ(current->tls->certificate_pem, "cert");
    EXPECT_EQ(current->tls->key_pem.reveal(), "key");
}

TEST_F(CredentialsTest, what_a_plugin_prints_is_never_shown) {
    auto config = with_plugin("{}");
    config.exec->argv[1] = "s3cret-token";
    Credentials credentials(config, clock_);
    const auto current = credentials.current();
    ASSERT_FALSE(current);
    EXPECT_EQ(current.error().message.find("s3cret"), std::string::npos) << current.error().message;
    config.exec->argv = {(folder_ / "not-there").string()};
    Credentials none(config, clock_);
    EXPECT_EQ(none.current().error().hint, "install the plugin");
}

}  // namespace
}  // namespace loco::kubernetes
