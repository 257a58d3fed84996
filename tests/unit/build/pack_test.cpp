#include "build/pack.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "os/process.hpp"
#include "tests/unit/build/folder.hpp"

namespace loco::build {
namespace {

namespace fs = std::filesystem;

class Pack : public testing::Test {
  protected:
    Pack() { folder.write("Dockerfile", "FROM scratch\n"); }

    Result<Context> scan() {
        return Context::scan(
            {.context = folder.path(), .dockerfile = folder.path() / "Dockerfile"});
    }
    std::vector<std::string> packed() {
        auto context = scan();
        EXPECT_TRUE(context) << context.error().message;
        return context ? context->paths() : std::vector<std::string>{};
    }
    bool holds(const std::string& path) {
        const auto all = packed();
        return std::ranges::find(all, path) != all.end();
    }
    static std::string tar_of(const Context& context) {
        std::string result;
        const auto next = context.stream();
        while (true) {
            auto chunk = next();
            EXPECT_TRUE(chunk) << chunk.error().message;
            if (!chunk || chunk->empty()) return result;
            result += *chunk;
        }
    }
    // What GNU tar makes of it.
    static std::string listing(const std::string& tar, const char* flags) {
        std::string out;
        bool given = false;
        auto ended = os::run({.argv = {"tar", flags}},
                             {.input = [&]() -> Result<std::string> {
                                  return std::exchange(given, true) ? std::string() : tar;
                              },
                              .on_stdout = [&](std::string_view text) { out += text; }});
        EXPECT_TRUE(ended && ended->ok());
        return out;
    }

    Folder folder;
};

TEST_F(Pack, sorts_and_takes_all_where_nothing_is_ignored) {
    folder.write("b.txt");
    folder.write("a/z.txt");
    folder.write("a/y/x.txt");
    EXPECT_EQ(packed(), (std::vector<std::string>{"Dockerfile", "a/", "a/y/", "a/y/x.txt",
                                                  "a/z.txt", "b.txt"}));
}

TEST_F(Pack, takes_back_below_an_ignored_folder_and_sends_an_ignored_dockerfile) {
    folder.write(".dockerignore", "*\n!src/app\nsrc/app/tmp\n");
    folder.write("other/a");
    folder.write("src/drop");
    folder.write("src/app/main.c");
    folder.write("src/app/tmp/x");
    EXPECT_EQ(packed(),
              (std::vector<std::string>{"Dockerfile", "src/", "src/app/", "src/app/main.c"}));
}

TEST_F(Pack, prefers_the_dockerfiles_own_ignore_file) {
    folder.write(".dockerignore", "a\n");
    folder.write("Dockerfile.dockerignore", "b\n");
    folder.write("a");
    folder.write("b");
    EXPECT_TRUE(holds("a"));
    EXPECT_FALSE(holds("b"));
    EXPECT_EQ(scan()->summary().ignore_file, "Dockerfile.dockerignore");
}

TEST_F(Pack, follows_gitignore_where_there_is_no_dockerignore) {
    folder.write(".gitignore", "node_modules/\n*.log\n!keep.log\n/only-here\n# c\n");
    folder.write("web/.gitignore", "dist\n*.bin\n!special.bin\n");
    folder.write("node_modules/x/y.js");
    folder.write("web/node_modules/z.js");
    folder.write("web/dist/app.js");
    folder.write("dist/app.js");
    folder.write("a.log");
    folder.write("keep.log");
    folder.write("web/special.bin");
    folder.write("only-here");
    folder.write("web/other.bin");
    folder.write("web/only-here");
    const auto all = packed();
    const auto in = [&](const char* p) { return std::ranges::find(all, p) != all.end(); };
    for (const char* path : {"keep.log", "dist/app.js", "web/special.bin", "web/only-here"}) {
        EXPECT_TRUE(in(path)) << path;
    }
    for (const char* path : {"node_modules/", "node_modules/x/y.js", "web/node_modules/z.js",
                             "web/dist/app.js", "a.log", "only-here", "web/other.bin"}) {
        EXPECT_FALSE(in(path)) << path;
    }
    EXPECT_EQ(scan()->summary().ignore_file, ".gitignore");
    folder.write(".dockerignore", "");
    EXPECT_TRUE(holds("a.log"));
}

TEST_F(Pack, follows_the_gitignore_above_a_context_inside_of_a_repository) {
    Folder repository;
    repository.write(".git/HEAD", "ref: refs/heads/main\n");
    repository.write(".gitignore", "*.tmp\n/apps/web/out\n");
    repository.write("apps/web/Dockerfile", "FROM scratch\n");
    repository.write("apps/web/a.tmp");
    repository.write("apps/web/out/x");
    repository.write("apps/web/in/out/x");
    const fs::path web = repository.path() / "apps/web";
    auto context = Context::scan({.context = web, .dockerfile = web / "Dockerfile"});
    ASSERT_TRUE(context) << context.error().message;
    EXPECT_EQ(context->paths(),
              (std::vector<std::string>{"Dockerfile", "in/", "in/out/", "in/out/x"}));
    EXPECT_FALSE(fs::exists(repository.path() / ".git/config"));
}

TEST_F(Pack, keeps_secrets_and_git_out_and_says_so) {
    for (const char* path : {".env", "config/.env.production", "id_rsa", "tls/server.key",
                             ".git/config", "home/.ssh/known_hosts", "home/.aws/credentials"}) {
        folder.write(path, "secret");
    }
    folder.write("config/app.toml");
    auto context = scan();
    ASSERT_TRUE(context);
    EXPECT_EQ(context->paths(),
              (std::vector<std::string>{"Dockerfile", "config/", "config/app.toml", "home/",
                                        "home/.aws/", "tls/"}));
    std::vector<std::string> told;
    for (const auto& out : context->summary().left_out) told.push_back(out.path);
    EXPECT_EQ(told, (std::vector<std::string>{".env", ".git/", "config/.env.production",
                                              "home/.aws/credentials", "home/.ssh/", "id_rsa",
                                              "tls/server.key"}));
    EXPECT_EQ(tar_of(*context).find("secret"), std::string::npos);
}

TEST_F(Pack, sends_a_secret_that_is_named_on_purpose_and_only_that) {
    folder.write(".dockerignore", "!.env\n!tls/server.key\n!*.p12\n!.ssh/config\n");
    for (const char* path : {".env", "a/.env", "tls/server.key", "tls/other.key", "x.p12",
                             ".ssh/config", ".ssh/id_rsa"}) {
        folder.write(path);
    }
    const auto all = packed();
    const auto in = [&](const char* p) { return std::ranges::find(all, p) != all.end(); };
    EXPECT_TRUE(in(".env"));
    EXPECT_TRUE(in("tls/server.key"));
    EXPECT_TRUE(in(".ssh/"));
    EXPECT_TRUE(in(".ssh/config"));
    EXPECT_FALSE(in(".ssh/id_rsa"));
    EXPECT_FALSE(in("a/.env"));
    EXPECT_FALSE(in("tls/other.key"));
    EXPECT_FALSE(in("x.p12"));
}

TEST_F(Pack, sends_git_when_it_is_named) {
    folder.write(".dockerignore", "!.git\n");
    folder.write(".git/HEAD");
    folder.write("sub/.git/HEAD");
    EXPECT_TRUE(holds(".git/HEAD"));
    EXPECT_FALSE(holds("sub/.git/HEAD"));
}

TEST_F(Pack, keeps_the_files_of_build_secrets_out) {
    folder.write("token.txt", "hush");
    auto context = Context::scan({.context = folder.path(),
                                  .dockerfile = folder.path() / "Dockerfile",
                                  .secret_files = {folder.path() / "token.txt"}});
    ASSERT_TRUE(context);
    EXPECT_EQ(context->paths(), std::vector<std::string>{"Dockerfile"});
}

TEST_F(Pack, keeps_links_as_links_and_leaves_sockets_out) {
    fs::create_symlink("/etc/shadow", folder.path() / "out");
    fs::create_directory_symlink("/", folder.path() / "root");
    ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
    auto context = scan();
    ASSERT_TRUE(context);
    EXPECT_EQ(context->paths(), (std::vector<std::string>{"Dockerfile", "out", "root"}));
    const std::string list = listing(tar_of(*context), "tv");
    EXPECT_NE(list.find("out -> /etc/shadow"), std::string::npos) << list;
    ASSERT_EQ(context->summary().left_out.size(), 1U);
    EXPECT_EQ(context->summary().left_out[0].path, "pipe");
}

TEST_F(Pack, the_tar_is_the_same_each_time_and_keeps_modes_times_and_names) {
    const std::string long_name = std::string(120, 'n') + "/" + std::string(200, 'm');
    folder.write(long_name, "long");
    folder.write("n\xC3\xA4me \"x\"", "odd");
    folder.write("bytes\xFF", "raw");
    folder.write("run.sh", "#!/bin/sh\n");
    folder.write("empty", "");
    folder.write("big", std::string(3 << 20, 'b'));
    fs::permissions(folder.path() / "run.sh", fs::perms(0755));
    auto context = scan();
    ASSERT_TRUE(context);
    const std::string tar = tar_of(*context);
    EXPECT_EQ(tar, tar_of(*scan()));
    const std::string list = listing(tar, "-tv");
    EXPECT_NE(list.find(long_name), std::string::npos);
    EXPECT_NE(list.find("-rwxr-xr-x 0/0"), std::string::npos) << list;
    EXPECT_EQ(listing(tar, "-xO").size(), 4U + 3 + 3 + 10 + (3U << 20) + 13);
    EXPECT_EQ(context->summary().files, 7U);
}

TEST_F(Pack, tells_what_is_large) {
    folder.write("node_modules/a/x", std::string(600, 'x'));
    folder.write("node_modules/b/x", std::string(500, 'x'));
    folder.write("assets/video/intro.mp4", std::string(900, 'x'));
    folder.write("assets/logo.svg", std::string(10, 'x'));
    folder.write("main.c", "x");
    const auto summary = scan()->summary();
    ASSERT_GE(summary.largest.size(), 3U);
    EXPECT_EQ(summary.largest[0].path, "node_modules/");
    EXPECT_EQ(summary.largest[0].bytes, 1100U);
    EXPECT_EQ(summary.largest[1].path, "assets/video/intro.mp4");
    EXPECT_EQ(summary.bytes, 1100U + 910 + 1 + 13);
}

TEST_F(Pack, refuses_what_is_too_large_and_names_the_largest) {
    folder.write("data/dump.sql", std::string(4096, 'x'));
    PackRequest request{
        .context = folder.path(), .dockerfile = folder.path() / "Dockerfile", .max_bytes = 1000};
    auto large = Context::scan(request);
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().kind, ErrorKind::too_large);
    EXPECT_EQ(large.error().code, "context_too_large");
    ASSERT_EQ(large.error().next_steps.size(), 1U) << "the small ones are not worth naming";
    EXPECT_NE(large.error().next_steps[0].find("data/dump.sql"), std::string::npos);
    request = {
        .context = folder.path(), .dockerfile = folder.path() / "Dockerfile", .max_entries = 2};
    folder.write("more");
    auto many = Context::scan(request);
    ASSERT_FALSE(many);
    EXPECT_EQ(many.error().kind, ErrorKind::too_large);
    EXPECT_EQ(many.error().code, "context_too_large");
}

TEST_F(Pack, a_dockerfile_elsewhere_is_sent_under_a_name_of_its_own) {
    folder.write("app/main.c");
    folder.write("docker/web.Dockerfile", "FROM scratch\n# web\n");
    auto outside = Context::scan(
        {.context = folder.path() / "app", .dockerfile = folder.path() / "Dockerfile"});
    ASSERT_TRUE(outside);
    EXPECT_EQ(outside->paths(), (std::vector<std::string>{".loco-dockerfile", "main.c"}));
    auto nested = Context::scan(
        {.context = folder.path(), .dockerfile = folder.path() / "docker/web.Dockerfile"});
    ASSERT_TRUE(nested);
    EXPECT_EQ(nested->dockerfile_name(), "docker/web.Dockerfile");
    EXPECT_EQ(nested->dockerfile_text(), "FROM scratch\n# web\n");
}

TEST_F(Pack, says_why_a_file_is_not_there) {
    folder.write(".dockerignore", "# c\n*.log\ndist\n!.npmrc\n");
    folder.write("a.log");
    folder.write("dist/app.js");
    folder.write(".env");
    folder.write("there");
    auto context = scan();
    ASSERT_TRUE(context);
    EXPECT_EQ(context->why_left_out("a.log"), ".dockerignore line 2 (`*.log`) leaves a.log out");
    EXPECT_EQ(context->why_left_out("./dist/app.js"),
              ".dockerignore line 3 (`dist`) leaves dist out");
    EXPECT_NE(context->why_left_out("/.env").value_or("").find("`!.env`"), std::string::npos);
    EXPECT_FALSE(context->why_left_out("there"));
    EXPECT_FALSE(context->why_left_out("nowhere"));
    for (const char* path : {"", ".", "/", "..", "../x"}) {
        EXPECT_FALSE(context->why_left_out(path)) << path;
    }
}

TEST_F(Pack, tells_what_cannot_be_packed) {
    auto no_folder = Context::scan(
        {.context = folder.path() / "no", .dockerfile = folder.path() / "Dockerfile"});
    ASSERT_FALSE(no_folder);
    EXPECT_EQ(no_folder.error().code, "no_context");
    auto no_file = Context::scan({.context = folder.path(), .dockerfile = folder.path() / "no"});
    ASSERT_FALSE(no_file);
    EXPECT_EQ(no_file.error().code, "no_dockerfile");
    folder.write(".dockerignore", "ok\n[\n");
    auto bad = scan();
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message.find("line 2"), std::string::npos);
}

TEST_F(Pack, a_file_that_goes_away_while_it_is_packed_is_a_conflict) {
    folder.write("gone");
    auto context = scan();
    ASSERT_TRUE(context);
    fs::remove(folder.path() / "gone");
    const auto next = context->stream();
    Result<std::string> chunk = next();
    ASSERT_FALSE(chunk);
    EXPECT_EQ(chunk.error().kind, ErrorKind::conflict);
}

TEST_F(Pack, can_be_cancelled) {
    auto context = Context::scan({.context = folder.path(),
                                  .dockerfile = folder.path() / "Dockerfile",
                                  .cancelled = [] { return true; }});
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().kind, ErrorKind::interrupted);
}

}  // namespace
}  // namespace loco::build
