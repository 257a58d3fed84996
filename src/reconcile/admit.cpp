#include "reconcile/admit.hpp"

#include <charconv>
#include <string_view>

#include "domain/diagnosis.hpp"

namespace loco::reconcile {
namespace {

constexpr std::int64_t kMostId = 4'294'967'294;  // the kernel's, 2^32 - 1 means "none"

std::optional<std::int64_t> parse_numeric_id(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || value > kMostId)
        return std::nullopt;
    return value;
}

std::unexpected<Error> refuse(std::string code, std::string message,
                              std::vector<std::string> steps) {
    return fail(Error{.kind = ErrorKind::refused,
                      .message = std::move(message),
                      .code = std::move(code),
                      .next_steps = std::move(steps)});
}

std::unexpected<Error> refuse_root(const std::string& why) {
    return refuse("image_runs_as_root", why,
                  {"add to the Dockerfile, before CMD:\n    RUN chown -R 10001:10001 /app    # "
                   "what it must write\n    USER 10001:10001",
                   "or set [deploy] user = \"10001:10001\" in loco.toml"});
}

// "amd64" is what Debian, Docker and Go say; "x86_64" what others do. A variant ("arm64/v8") is not compared.
std::string comparable(std::string_view platform) {
    const auto slash = platform.find('/');
    if (slash == std::string_view::npos) return std::string(platform);
    auto architecture = std::string(platform.substr(slash + 1));
    architecture = architecture.substr(0, architecture.find('/'));
    if (architecture == "x86_64") architecture = "amd64";
    if (architecture == "aarch64") architecture = "arm64";
    return std::string(platform.substr(0, slash + 1)) + architecture;
}

Result<> check(const AppSpec& spec, const ImageFacts& facts, const std::string& platform,
               const std::set<std::string>& secrets) {
    if (!facts.platform.empty() && comparable(facts.platform) != comparable(platform)) {
        return refuse(
            "wrong_platform",
            "the image is for " + facts.platform + ", and this server runs " + platform,
            {"build it for the server: [build] platform = \"" + platform + "\" in loco.toml"});
    }
    if (!facts.has_command && spec.deploy.command.empty()) {
        return refuse("no_command",
                      "the image has neither CMD nor ENTRYPOINT: nothing says what to run",
                      {"add CMD to the Dockerfile, or [deploy] command to loco.toml"});
    }
    LOCO_TRY(image_user(spec, facts));
    LOCO_TRY(check_env(spec));
    std::string missing;
    std::vector<std::string> steps;
    for (const auto& name : spec.required_secrets) {
        if (secrets.contains(name)) continue;
        missing += (missing.empty() ? "" : ", ") + name;
        steps.push_back("loco env set " + name + " --stage");
    }
    if (!missing.empty()) {
        return refuse("secret_unset", "[secrets] required names what is not set: " + missing,
                      std::move(steps));
    }
    return {};
}

}  // namespace

Result<ImageUser> image_user(const AppSpec& spec, const ImageFacts& facts) {
    if (!spec.deploy.user.empty()) {
        const auto colon = spec.deploy.user.find(':');
        const auto uid = parse_numeric_id(std::string_view(spec.deploy.user).substr(0, colon));
        const auto gid =
            colon == std::string::npos
                ? uid
                : parse_numeric_id(std::string_view(spec.deploy.user).substr(colon + 1));
        if (!uid || !gid) {
            return refuse("invalid_user",
                          "[deploy] user \"" + spec.deploy.user + "\" is not numeric",
                          {"write it as \"10001\" or \"10001:10001\""});
        }
        if (*uid == 0)
            return refuse_root("[deploy] user is root (uid 0); containers never run as root here");
        return ImageUser{*uid, *gid};
    }
    if (facts.user.empty()) return refuse_root("the image runs as root: it names no USER");
    if (!facts.uid) {
        return refuse(
            "image_user_unknown",
            "the image's USER \"" + facts.user + "\" is not in its own /etc/passwd",
            {"make the user in the Dockerfile, or name it by its number: USER 10001:10001"});
    }
    if (*facts.uid == 0) {
        return refuse_root("the image runs as root: its USER \"" + facts.user +
                           "\" is uid 0 in its own /etc/passwd");
    }
    if (*facts.uid < 0 || *facts.uid > kMostId || facts.gid < 0 || facts.gid > kMostId) {
        return refuse("image_user_unknown",
                      "the image's USER \"" + facts.user + "\" has an impossible number", {});
    }
    return ImageUser{*facts.uid, facts.gid};
}

Result<> check_env(const AppSpec& spec) {
    if (!env_is_sealed(spec)) return {};
    return refuse("env_unreadable",
                  "[env] of this release can't be opened: it was sealed with another key than "
                  "this server has",
                  {"put back keys/seal.key as it belongs to this database, and restart loco-api",
                   "or deploy the app's folder again: it brings its [env] along"});
}

Result<> check_size(std::int64_t bytes, std::int64_t max_bytes) {
    if (bytes <= max_bytes) return {};
    return refuse("image_too_large",
                  "the image is " + memory_text(bytes) +
                      " (all layers, compressed), and this "
                      "server takes " +
                      memory_text(max_bytes),
                  {"see which layers are large: docker history, on the machine that built it",
                   "build in one stage, and COPY --from only the result into a small last one",
                   "or have the bound raised: max_image_size in the server's loco-api.toml"});
}

std::optional<Diagnosis> check_image(const AppSpec& spec, const ImageFacts& facts,
                                     const std::string& platform,
                                     const std::set<std::string>& secrets) {
    const auto checked = check(spec, facts, platform, secrets);
    if (checked) return std::nullopt;
    return diagnose_error(DeploymentState::checking, checked.error());
}

}  // namespace loco::reconcile
