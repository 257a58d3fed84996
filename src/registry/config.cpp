#include "registry/config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "os/file.hpp"
#include "registry/signing_key.hpp"
#include "registry/token_service.hpp"

namespace loco::registry {
namespace {

// No blob cache: with distribution's `inmemory` one, delete, collect and push again was seen to answer "already
// exists" and to leave a manifest that is 404.
constexpr std::string_view kConfig = R"(# Written by Loco; replaced at each start of the registry.
version: 0.1
log:
  level: warn
  formatter: json
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: "{storage}"
    maxthreads: 100
  delete:
    enabled: true
  redirect:
    disable: true
  maintenance:
    uploadpurging:
      enabled: true
      age: 24h
      interval: 1h
      dryrun: false
http:
  addr: "{listen}"
  secret: "{secret}"
  relativeurls: true
  draintimeout: 10s
  headers:
    X-Content-Type-Options: [nosniff]
auth:
  token:
    realm: "{realm}"
    service: "{service}"
    issuer: "{issuer}"
    rootcertbundle: "{certificate}"
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
)";

// Goes between double quotes of YAML as it is.
bool plain(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return c > ' ' && c < 0x7f && c != '"' && c != '\\';
    });
}

Result<Secret<>> upload_secret(const Options& options, Random& random) {
    const auto path = options.data_dir / "upload-secret";
    if (auto held = os::read_file(path, 256); held && plain(*held))
        return Secret<>(std::move(*held));
    auto made = random_word(random, 40);
    LOCO_TRY(os::write_file_atomically(path, made, 0600));
    return Secret<>(std::move(made));
}

}  // namespace

std::filesystem::path key_folder(const Options& options) { return options.data_dir / "keys"; }

std::string render_config(const Options& options, const Secret<>& secret) {
    return fmt::format(fmt::runtime(kConfig),
                       fmt::arg("storage", (options.data_dir / "storage").string()),
                       fmt::arg("listen", options.listen), fmt::arg("secret", secret.reveal()),
                       fmt::arg("realm", options.realm), fmt::arg("service", kService),
                       fmt::arg("issuer", kIssuer),
                       fmt::arg("certificate", (key_folder(options) / "token-cert.pem").string()));
}

Result<> prepare(const Options& options, Random& random) {
    if (!options.data_dir.is_absolute() || !plain(options.data_dir.string()) ||
        !plain(options.listen) || !plain(options.realm)) {
        return fail(ErrorKind::invalid, "the registry's folder, address or realm is malformed");
    }
    LOCO_TRY(os::make_directories(options.data_dir, 0700));
    LOCO_TRY(os::make_directories(options.data_dir / "storage", 0700));
    LOCO_TRY(SigningKey::open(key_folder(options)));
    LOCO_ASSIGN(const auto secret, upload_secret(options, random));
    return os::write_file_atomically(options.data_dir / "config.yml",
                                     render_config(options, secret), 0600);
}

std::vector<std::string> argv(const Options& options, const std::string& program) {
    return {program, "serve", (options.data_dir / "config.yml").string()};
}

std::vector<std::string> collect_argv(const Options& options, const std::string& program) {
    // Without --delete-untagged: it takes the platforms' manifests of an index for untagged ones.
    return {program, "garbage-collect", (options.data_dir / "config.yml").string()};
}

}  // namespace loco::registry
