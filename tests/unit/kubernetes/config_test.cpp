#include "kubernetes/config.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "os/file.hpp"

namespace loco::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "/etc/loco/kubeconfig";

// A kubeconfig with these fields of its cluster and its user, in flow style.
std::string document(const std::string& cluster, const std::string& user) {
    return "apiVersion: v1\nkind: Config\ncurrent-context: one\n"
           "clusters: [{name: c, cluster: {" +
           cluster +
           "}}]\n"
           "users: [{name: u, user: {" +
           user +
           "}}]\n"
           "contexts: [{name: one, context: {cluster: c, user: u, namespace: shop}},\n"
           "  {name: two, context: {cluster: c}}, {name: lost, context: {cluster: gone}}]\n";
}
const std::string kServer = R"(server: "https://example.test:6443/")";

class Folder {
  public:
    Folder() : path_(fs::temp_directory_path() / ("loco-config-" + std::to_string(::getpid()))) {
        EXPECT_TRUE(os::make_directories(path_));
    }
    ~Folder() { fs::remove_all(path_); }
    [[nodiscard]] std::string write(const std::string& name, const std::string& contents) const {
        EXPECT_TRUE(os::write_file_atomically(path_ / name, contents));
        return path_ / name;
    }
    [[nodiscard]] std::string path(const std::string& name) const { return path_ / name; }

  private:
    fs::path path_;
};

TEST(Kubeconfig, certificates_inline_are_decoded) {
    const auto config =
        parse_kubeconfig(document(kServer + ", certificate-authority-data: Y2E=",
                                  "client-certificate-data: Y2VydA==, client-key-data: a2V5"),
                         kFile);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->server, "https://example.test:6443");
    EXPECT_EQ(config->namespace_, "shop");
    EXPECT_EQ(config->ca_pem, "ca");
    EXPECT_EQ(config->certificate_pem, "cert");
    EXPECT_EQ(config->key_pem.reveal(), "key");
    EXPECT_TRUE(config->verify);
    EXPECT_EQ(config->origin, "/etc/loco/kubeconfig, context one");
}

TEST(Kubeconfig, files_are_meant_from_the_folder_of_the_kubeconfig) {
    const auto config = parse_kubeconfig(
        document(kServer + ", certificate-authority: pki/ca.crt",
                 "client-certificate: ../me.crt, client-key: /keys/me.key, tokenFile: token"),
        kFile);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->ca_file, "/etc/loco/pki/ca.crt");
    EXPECT_EQ(config->certificate_file, "/etc/me.crt");
    EXPECT_EQ(config->key_file, "/keys/me.key");
    EXPECT_EQ(config->token_file, "/etc/loco/token");
}

TEST(Kubeconfig, an_exec_plugin_keeps_its_arguments_as_they_are) {
    const auto config = parse_kubeconfig(
        document(
            kServer,
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get token, "
            "args: [\"--for=a b\", $HOME], env: [{name: K, value: V}], interactiveMode: Never}"),
        kFile);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->exec->argv,
              (std::vector<std::string>{"/etc/loco/get token", "--for=a b", "$HOME"}));
    EXPECT_EQ(config->exec->env.at(0), (std::pair<std::string, std::string>{"K", "V"}));
}

TEST(Kubeconfig, another_context_is_taken_by_name) {
    const auto config = parse_kubeconfig(document(kServer, "token: t"), kFile, "two");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->namespace_, "default");
    EXPECT_TRUE(config->token.reveal().empty());
}

TEST(Kubeconfig, json_is_read_too) {
    const auto config = parse_kubeconfig(
        R"({"current-context":"x","clusters":[{"name":"c","cluster":{"server":"https://h"}}],)"
        R"("contexts":[{"name":"x","context":{"cluster":"c"}}]})",
        kFile);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->server, "https://h");
}

struct Refusal {
    std::string cluster;
    std::string user;
    std::string words;
};
TEST(Kubeconfig, what_cannot_be_honoured_is_refused_by_name) {
    const std::vector<Refusal> refusals{
        {kServer + ", tls-server-name: other", "", "tls-server-name is not supported"},
        {kServer + ", proxy-url: \"http://p\"", "", "proxy-url is not supported"},
        {kServer, "username: me, password: s3cret", "username is not supported"},
        {kServer, "auth-provider: {name: gcp}", "auth-provider is not supported"},
        {kServer, "as: root", "as is not supported"},
        {kServer, "client-certificate-data: Y2VydA==", "go together"},
        {kServer, "client-certificate-data: \"!!\", client-key-data: a2V5", "is no base64"},
        {"server: \"http://example.test\"", "token: s3cret", "in the clear"},
        {"server: example.test", "", "must be an http or https URL"},
        {kServer, "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}",
         "v1 or v1beta1"},
        {kServer, "exec: {apiVersion: client.authentication.k8s.io/v1}", "needs a command"},
        {kServer,
         "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}",
         "wants a terminal"},
    };
    for (const auto& [cluster, user, words] : refusals) {
        const auto config = parse_kubeconfig(document(cluster, user), kFile);
        ASSERT_FALSE(config) << words;
        EXPECT_EQ(config.error().kind, ErrorKind::invalid);
        EXPECT_NE(config.error().message.find(words), std::string::npos) << config.error().message;
        EXPECT_EQ(config.error().message.find("s3cret"), std::string::npos);
    }
}

TEST(Kubeconfig, what_is_malformed_is_an_error_with_its_line) {
    const auto broken = parse_kubeconfig("clusters:\n- {name: [\n", kFile);
    ASSERT_FALSE(broken);
    EXPECT_NE(broken.error().message.find("/etc/loco/kubeconfig:"), std::string::npos)
        << broken.error().message;
    for (const std::string text :
         {"", "just text", "- a", "clusters: 3\ncontexts: {}\ncurrent-context: x", "\t", "a: *b"}) {
        EXPECT_FALSE(parse_kubeconfig(text, kFile)) << text;
    }
    EXPECT_EQ(parse_kubeconfig(document(kServer, ""), kFile, "none").error().kind,
              ErrorKind::not_found);
    EXPECT_NE(parse_kubeconfig(document(kServer, ""), kFile, "lost").error().message.find("gone"),
              std::string::npos);
}

TEST(Kubeconfig, of_several_files_the_first_that_defines_something_counts) {
    const Folder folder;
    const auto first =
        folder.write("first",
                     "current-context: mine\nusers: [{name: u, user: {token: first}}]\n"
                     "contexts: [{name: mine, context: {cluster: c, user: u}}]\n");
    const auto second = folder.write("second", document(kServer, "token: second"));
    const auto config = read_kubeconfig({folder.path("missing"), first, second});
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->token.reveal(), "first");
    EXPECT_EQ(config->server, "https://example.test:6443");
    EXPECT_EQ(read_kubeconfig({folder.path("missing")}).error().kind, ErrorKind::not_found);
}

TEST(InCluster, the_pods_own_account_is_used) {
    const Folder folder;
    InClusterFacts facts{.host = "10.96.0.1", .port = "443", .folder = folder.path("")};
    EXPECT_EQ(in_cluster(facts).error().kind, ErrorKind::not_found);
    const auto token = folder.write("token", "abc\n");
    ASSERT_FALSE(folder.write("namespace", "loco-system").empty());
    const auto config = in_cluster(facts);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->server, "https://10.96.0.1:443");
    EXPECT_EQ(config->namespace_, "loco-system");
    EXPECT_TRUE(fs::equivalent(config->token_file, token));
    facts.host = "fd00::1";
    EXPECT_EQ(in_cluster(facts)->server, "https://[fd00::1]:443");
    EXPECT_EQ(in_cluster({}).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace loco::kubernetes
