#include "build/guard.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace loco::build {
namespace {

namespace fs = std::filesystem;

bool guarded(std::string_view path, EntryType type = EntryType::file) {
    return !why_guarded(path, type, "/nonexistent").empty();
}

TEST(Guard, keeps_environments_keys_and_credentials_out_wherever_they_lie) {
    for (const char* path : {".env",
                             "a/b/.env",
                             ".env.production",
                             ".env.local",
                             ".env-staging",
                             ".envrc",
                             ".ENV",
                             "id_rsa",
                             "keys/id_ed25519",
                             "id_rsa.bak",
                             "a.p12",
                             "A.PFX",
                             "store.jks",
                             ".netrc",
                             "home/.aws/credentials",
                             ".aws/credentials",
                             ".docker/config.json",
                             ".kube/config",
                             ".git-credentials",
                             ".pgpass",
                             "server.pem",
                             "tls/server.key",
                             ".npmrc"}) {
        EXPECT_TRUE(guarded(path)) << path;
    }
    for (const char* path : {".git", "vendor/lib/.git", ".ssh", ".gnupg"}) {
        EXPECT_TRUE(guarded(path, EntryType::folder)) << path;
    }
    EXPECT_TRUE(guarded("submodule/.git"));
    EXPECT_TRUE(guarded(".env", EntryType::link));
}

TEST(Guard, lets_what_only_looks_like_it_in) {
    for (const char* path :
         {".env.example", ".env.sample", ".env.template", ".env.dist", ".environment", "env",
          "app.env.ts", "id_rsa.pub", ".gitignore", ".gitattributes", ".github/workflows/ci.yml",
          "config.json", "credentials", "src/kube/config", "monkey", "turkey.txt"}) {
        EXPECT_FALSE(guarded(path)) << path;
    }
}

TEST(Guard, looks_into_files_whose_name_says_too_little) {
    std::string dir = (fs::temp_directory_path() / "loco-guard-XXXXXX").string();
    ASSERT_NE(mkdtemp(dir.data()), nullptr);
    const auto with = [&](const std::string& name, const std::string& content) {
        std::ofstream(dir + "/" + name) << content;
        return !why_guarded(name, EntryType::file, dir + "/" + name).empty();
    };
    const std::string certificate = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
    EXPECT_FALSE(with("ca.pem", certificate));
    EXPECT_TRUE(with("both.pem", certificate + "-----BEGIN EC PRIVATE KEY-----\nx\n"));
    EXPECT_TRUE(with("raw.key", "0123456789"));
    EXPECT_FALSE(with("repo.key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\nx\n"));
    EXPECT_FALSE(
        with(".npmrc", "registry=https://registry.example/\n//r/:_authToken=${NPM_TOKEN}\n"));
    EXPECT_TRUE(with(".npmrc", "//r/:_authToken=npm_abc\n"));
    EXPECT_FALSE(with(".pypirc", "[distutils]\nindex-servers = pypi\n"));
    EXPECT_TRUE(with(".pypirc", "[pypi]\npassword: hush\n"));
    fs::remove_all(dir);
}

}  // namespace
}  // namespace loco::build
