#include "kubernetes/credentials.hpp"

#include <boost/json/serialize.hpp>

#include "kubernetes/object.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

namespace loco::kubernetes {
namespace {

using std::chrono::seconds;

// The kubelet renews a projected token when a fifth of its life is left, so a minute would do as well.
constexpr seconds kFilesLive{30};
constexpr seconds kBeforeExpiry{30};
constexpr seconds kPluginTimeout{60};
constexpr std::size_t kMaxFileBytes = 1U << 20;

std::unexpected<Error> no_credentials(Error error, const Config& config) {
    error = std::move(error).while_("signing in with " + config.origin);
    error.kind = ErrorKind::unavailable;
    error.code = "kubernetes_credentials";
    return fail(std::move(error));
}

Result<std::string> text_or_file(const std::string& given, const std::string& file) {
    if (!given.empty() || file.empty()) return given;
    return os::read_file(file, kMaxFileBytes);
}

std::string trimmed(std::string value) {
    while (!value.empty() &&
           (value.back() == '\n' || value.back() == '\r' || value.back() == ' ')) {
        value.pop_back();
    }
    return value;
}

std::string exec_info(const Config& config) {
    boost::json::object spec{{"interactive", false}};
    if (config.exec->wants_cluster) {
        spec["cluster"] = {{"server", config.server}, {"insecure-skip-tls-verify", !config.verify}};
    }
    return boost::json::serialize(boost::json::object{
        {"apiVersion", config.exec->api_version}, {"kind", "ExecCredential"}, {"spec", spec}});
}

}  // namespace

Credentials::Credentials(Config config, const Clock& clock)
    : config_(std::move(config)), clock_(clock) {}

Result<Credential> Credentials::current() {
    const std::lock_guard lock(mutex_);
    bool old = !credential_;
    if (credential_) {
        const bool files = !config_.token_file.empty() || !config_.certificate_file.empty() ||
                           !config_.key_file.empty() || !config_.ca_file.empty();
        if (files && !config_.exec) old = clock_.steady() - made_ >= kFilesLive;
        if (plugin_expiry_) old = clock_.now() + kBeforeExpiry >= *plugin_expiry_;
    }
    if (!old) return *credential_;
    auto renewed = renew();
    if (!renewed) return no_credentials(std::move(renewed).error(), config_);
    credential_ = std::move(*renewed);
    made_ = clock_.steady();
    return *credential_;
}

void Credentials::refused() {
    const std::lock_guard lock(mutex_);
    if (clock_.steady() - made_ >= seconds(1)) credential_.reset();
}

Result<Credential> Credentials::renew() {
    http::TlsOptions tls;
    tls.verify = config_.verify;
    LOCO_ASSIGN(tls.ca_pem, text_or_file(config_.ca_pem, config_.ca_file));
    LOCO_ASSIGN(tls.certificate_pem,
                text_or_file(config_.certificate_pem, config_.certificate_file));
    LOCO_ASSIGN(auto key, text_or_file(config_.key_pem.reveal(), config_.key_file));
    tls.key_pem = Secret(std::move(key));
    LOCO_ASSIGN(auto token, text_or_file(config_.token.reveal(), config_.token_file));
    Secret<std::string> bearer(trimmed(std::move(token)));
    if (config_.exec) LOCO_TRY(run_plugin(tls, bearer));
    return Credential{.tls = std::make_shared<const http::TlsOptions>(std::move(tls)),
                      .bearer = std::move(bearer)};
}

Result<> Credentials::run_plugin(http::TlsOptions& tls, Secret<std::string>& bearer) {
    const auto& plugin = *config_.exec;
    os::Command command{.argv = plugin.argv, .env = plugin.env};
    command.env.emplace_back("KUBERNETES_EXEC_INFO", exec_info(config_));
    auto output = os::output_of(command, kPluginTimeout, kMaxFileBytes);
    if (!output) {
        auto error = std::move(output).error();
        if (error.hint.empty()) error.hint = plugin.install_hint;
        return fail(std::move(error).while_("the plugin " + plugin.argv.front()));
    }
    auto answer = parse_object(*output);
    if (!answer || text(*answer, "kind") != "ExecCredential" ||
        text(*answer, "apiVersion") != plugin.api_version) {
        // Never what it printed: that is the credential.
        return fail(ErrorKind::unavailable, "the plugin " + plugin.argv.front() +
                                                " printed no ExecCredential of " +
                                                plugin.api_version);
    }
    const auto& status = member(*answer, "status");
    if (auto token = text(status, "token"); !token.empty()) bearer = Secret(std::move(token));
    if (auto pem = text(status, "clientCertificateData"); !pem.empty()) {
        tls.certificate_pem = std::move(pem);
        tls.key_pem = Secret(text(status, "clientKeyData"));
    }
    if (bearer.reveal().empty() && tls.certificate_pem.empty()) {
        return fail(ErrorKind::unavailable, "the plugin " + plugin.argv.front() +
                                                " gave neither a token nor a certificate");
    }
    plugin_expiry_.reset();
    if (const auto expiry = text(status, "expirationTimestamp"); !expiry.empty()) {
        LOCO_ASSIGN(plugin_expiry_, parse_rfc3339(expiry));
    }
    return {};
}

}  // namespace loco::kubernetes
