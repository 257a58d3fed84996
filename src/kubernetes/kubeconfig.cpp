// kubeconfig files are YAML (JSON being YAML, that too), read with yaml-cpp; its exceptions end here.
#include <openssl/evp.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <map>

#include "kubernetes/config.hpp"
#include "os/file.hpp"

namespace loco::kubernetes {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = 4U << 20;

// One entry of the lists clusters, users or contexts, and the file that defines it.
struct Entry {
    YAML::Node fields;
    std::string file;
};

struct Merged {
    std::map<std::string, Entry> clusters;
    std::map<std::string, Entry> users;
    std::map<std::string, Entry> contexts;
    std::string current_context;
};

std::unexpected<Error> refuse(const Entry& entry, const YAML::Node& at, const std::string& what) {
    const auto line = at.IsDefined() ? at.Mark().line + 1 : 0;
    return fail(ErrorKind::invalid,
                entry.file + (line > 0 ? ":" + std::to_string(line) : "") + ": " + what);
}

std::string text(const YAML::Node& fields, const char* key) {
    const auto value = fields[key];
    return value && value.IsScalar() ? value.Scalar() : std::string();
}

// A path in a kubeconfig is meant from the folder of its file.
std::string path(const Entry& entry, const char* key) {
    const auto value = text(entry.fields, key);
    if (value.empty()) return value;
    return (fs::path(entry.file).parent_path() / value).lexically_normal().string();
}

Result<std::string> decoded(const Entry& entry, const char* key) {
    const auto encoded = text(entry.fields, key);
    if (encoded.empty()) return encoded;
    std::string plain(encoded.size() / 4 * 3 + 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(plain.data()),
                                     reinterpret_cast<const unsigned char*>(encoded.data()),
                                     static_cast<int>(encoded.size()));
    if (size < 0) return refuse(entry, entry.fields[key], std::string(key) + " is no base64");
    plain.resize(static_cast<std::size_t>(size));
    // The padding counts as zero bytes there.
    for (auto at = encoded.rbegin(); at != encoded.rend() && *at == '='; ++at) plain.pop_back();
    return plain;
}

void collect(const YAML::Node& root, const char* list, const char* inner, const std::string& file,
             std::map<std::string, Entry>& into) {
    const auto entries = root[list];
    if (!entries || !entries.IsSequence()) return;
    for (const auto& entry : entries) {
        if (!entry.IsMap()) continue;
        const auto fields = entry[inner];
        into.try_emplace(
            text(entry, "name"),
            Entry{.fields = fields && fields.IsMap() ? fields : YAML::Node(YAML::NodeType::Map),
                  .file = file});
    }
}

Result<> merge(Merged& merged, std::string_view yaml, const std::string& file) {
    const auto root = YAML::Load(std::string(yaml));
    if (!root.IsMap()) return fail(ErrorKind::invalid, file + ": this is no kubeconfig");
    collect(root, "clusters", "cluster", file, merged.clusters);
    collect(root, "users", "user", file, merged.users);
    collect(root, "contexts", "context", file, merged.contexts);
    if (merged.current_context.empty()) merged.current_context = text(root, "current-context");
    return {};
}

Result<> refuse_keys(const Entry& entry, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        const auto value = entry.fields[key];
        if (value && !value.IsNull() && !(value.IsScalar() && value.Scalar().empty())) {
            auto error = refuse(entry, value, std::string(key) + " is not supported").error();
            error.hint =
                "use a client certificate, a token, a token file or an exec plugin, and the "
                "server's own name";
            return fail(std::move(error));
        }
    }
    return {};
}

Result<> read_cluster(const Entry& entry, Config& config) {
    LOCO_TRY(refuse_keys(entry, {"tls-server-name", "proxy-url"}));
    config.server = text(entry.fields, "server");
    while (config.server.ends_with('/')) config.server.pop_back();
    if (!config.server.starts_with("https://") && !config.server.starts_with("http://")) {
        return refuse(entry, entry.fields["server"], "server must be an http or https URL");
    }
    config.verify = text(entry.fields, "insecure-skip-tls-verify") != "true";
    LOCO_ASSIGN(config.ca_pem, decoded(entry, "certificate-authority-data"));
    if (config.ca_pem.empty()) config.ca_file = path(entry, "certificate-authority");
    return {};
}

Result<ExecPlugin> read_exec(const Entry& user) {
    const auto exec = user.fields["exec"];
    const Entry entry{.fields = exec, .file = user.file};
    ExecPlugin plugin;
    auto command = text(exec, "command");
    if (command.empty()) return refuse(user, exec, "exec needs a command");
    // As a shell would not: a name is looked up in PATH, a path is meant from the kubeconfig's folder.
    if (command.find('/') != std::string::npos) command = path(entry, "command");
    plugin.argv.push_back(std::move(command));
    for (const auto& argument : exec["args"]) plugin.argv.push_back(argument.as<std::string>());
    for (const auto& variable : exec["env"]) {
        plugin.env.emplace_back(text(variable, "name"), text(variable, "value"));
    }
    plugin.api_version = text(exec, "apiVersion");
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
        return refuse(user, exec,
                      "exec needs apiVersion client.authentication.k8s.io/v1 or v1beta1");
    }
    if (text(exec, "interactiveMode") == "Always") {
        return refuse(user, exec, "a plugin that always wants a terminal cannot be used");
    }
    plugin.install_hint = text(exec, "installHint");
    plugin.wants_cluster = text(exec, "provideClusterInfo") == "true";
    return plugin;
}

Result<> read_user(const Entry& entry, Config& config) {
    LOCO_TRY(refuse_keys(entry, {"username", "password", "auth-provider", "as", "as-uid",
                                 "as-groups", "as-user-extra"}));
    LOCO_ASSIGN(config.certificate_pem, decoded(entry, "client-certificate-data"));
    if (config.certificate_pem.empty()) config.certificate_file = path(entry, "client-certificate");
    LOCO_ASSIGN(auto key, decoded(entry, "client-key-data"));
    if (key.empty()) config.key_file = path(entry, "client-key");
    config.key_pem = Secret(std::move(key));
    // kubectl lets the file go first.
    config.token_file = path(entry, "tokenFile");
    if (config.token_file.empty()) config.token = Secret(text(entry.fields, "token"));
    if (const auto exec = entry.fields["exec"]; exec && exec.IsMap()) {
        LOCO_ASSIGN(config.exec, read_exec(entry));
    }
    const bool has_certificate =
        !config.certificate_pem.empty() || !config.certificate_file.empty();
    const bool has_key = !config.key_pem.reveal().empty() || !config.key_file.empty();
    if (has_certificate != has_key) {
        return refuse(entry, entry.fields, "a client certificate and its key go together");
    }
    const bool has_token = !config.token_file.empty() || !config.token.reveal().empty();
    if ((has_token || config.exec) && !config.server.starts_with("https://")) {
        return refuse(entry, entry.fields,
                      "a token would be sent in the clear: server must be an https URL");
    }
    return {};
}

const Entry* find(const std::map<std::string, Entry>& entries, const std::string& name) {
    const auto it = entries.find(name);
    return it == entries.end() ? nullptr : &it->second;
}

Result<Config> resolve(const Merged& merged, std::string_view context_wanted,
                       const std::string& files) {
    const std::string name(context_wanted.empty() ? merged.current_context : context_wanted);
    if (name.empty()) {
        return fail(ErrorKind::invalid, files + ": no current-context is set",
                    "choose one: kubectl config use-context NAME");
    }
    const auto* context = find(merged.contexts, name);
    if (context == nullptr) {
        return fail(ErrorKind::not_found, files + ": there is no context " + name,
                    "see them with: kubectl config get-contexts");
    }
    const auto cluster_name = text(context->fields, "cluster");
    const auto* cluster = find(merged.clusters, cluster_name);
    if (cluster == nullptr) {
        return refuse(
            *context, context->fields,
            "context " + name + " names the cluster " + cluster_name + ", which is not there");
    }
    Config config;
    config.origin = files + ", context " + name;
    LOCO_TRY(read_cluster(*cluster, config));
    if (const auto user_name = text(context->fields, "user"); !user_name.empty()) {
        const auto* user = find(merged.users, user_name);
        if (user == nullptr) {
            return refuse(
                *context, context->fields,
                "context " + name + " names the user " + user_name + ", which is not there");
        }
        LOCO_TRY(read_user(*user, config));
    }
    if (auto namespace_ = text(context->fields, "namespace"); !namespace_.empty()) {
        config.namespace_ = std::move(namespace_);
    }
    return config;
}

// What yaml-cpp throws shows a place, never a value.
template <class Work>
auto without_exceptions(const std::string& files, Work work) -> decltype(work()) {
    try {
        return work();
    } catch (const YAML::Exception& e) {
        const auto line = e.mark.is_null() ? "" : ":" + std::to_string(e.mark.line + 1);
        return fail(ErrorKind::invalid, files + line + ": no valid YAML: " + e.msg);
    } catch (const std::exception&) {
        return fail(ErrorKind::invalid, files + ": this is no kubeconfig");
    }
}

}  // namespace

Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& file,
                                std::string_view context) {
    return without_exceptions(file, [&]() -> Result<Config> {
        Merged merged;
        LOCO_TRY(merge(merged, yaml, file));
        return resolve(merged, context, file);
    });
}

Result<Config> read_kubeconfig(const std::vector<std::string>& files, std::string_view context) {
    std::string names;
    Merged merged;
    bool any = false;
    for (const auto& file : files) {
        names += (names.empty() ? "" : ":") + file;
        auto yaml = os::read_file(file, kMaxFileBytes);
        if (!yaml && yaml.error().kind == ErrorKind::not_found && files.size() > 1) continue;
        if (!yaml) return fail(std::move(yaml).error().while_("reading the kubeconfig"));
        any = true;
        LOCO_TRY(without_exceptions(file, [&] { return merge(merged, *yaml, file); }));
    }
    if (!any) {
        return fail(ErrorKind::not_found, "no kubeconfig at " + names,
                    "name one that is there: KUBECONFIG=FILE");
    }
    return without_exceptions(names, [&] { return resolve(merged, context, names); });
}

}  // namespace loco::kubernetes
