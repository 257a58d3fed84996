#include "spec/init.hpp"

#include <algorithm>
#include <array>

#include "domain/names.hpp"
#include "os/file.hpp"
#include "spec/dockerfile.hpp"
#include "spec/text_rules.hpp"

namespace loco::spec {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDockerfile = 1 << 20;
constexpr std::array<std::string_view, 3> kNames = {"Dockerfile", "Containerfile", "dockerfile"};

std::string name_from(std::string_view folder_name) {
    const auto name = to_app_name(folder_name);
    if (!app_name_problem(name)) return name;
    const auto prefixed = to_app_name("my-" + name);
    return !name.empty() && !app_name_problem(prefixed) ? prefixed : "my-app";
}

// Uid 0 however it is written: "root", "0", "00", "0:0".
bool is_root(std::string_view user) {
    const auto name = user.substr(0, user.find(':'));
    return name == "root" ||
           (!name.empty() && std::ranges::all_of(name, [](char c) { return c == '0'; }));
}

void warn_of_user(const DockerfileFacts& facts, InitFile& file) {
    // These end with USER lines of their own.
    const bool distroless_nonroot = facts.base.find("nonroot") != std::string::npos;
    if (facts.user.empty() && distroless_nonroot) return;
    constexpr std::string_view kFix = "add a line such as `USER 1000` at the end of the last stage";
    if (facts.user.empty()) {
        file.warnings.push_back(
            file.dockerfile +
            " has no USER, so the app may run as root, which is refused: " + std::string(kFix));
    } else if (is_root(facts.user)) {
        file.warnings.push_back(file.dockerfile + ":" + std::to_string(facts.user_line) +
                                ": USER is " + facts.user.substr(0, 40) +
                                ", and an app that runs as root is refused: " + std::string(kFix));
    }
}

std::string port_comment(const DockerfileFacts& facts, bool found, std::string_view dockerfile) {
    if (!found) return "the app finds this number in $PORT";
    std::string comment = "from EXPOSE in " + std::string(dockerfile);
    if (facts.ports.size() > 1) {
        comment += ", which has also";
        for (std::size_t i = 1; i < facts.ports.size() && i < 6; ++i)
            comment += " " + std::to_string(facts.ports[i]);
    }
    return comment;
}

std::string build_section(const InitFile& file) {
    if (file.dockerfile == "Dockerfile" || file.dockerfile.empty()) {
        return "# [build]\n"
               "# dockerfile = \"Dockerfile\"  # relative to this file, as is context\n"
               "# target = \"\"                # a stage; default: the last\n";
    }
    return "[build]\ndockerfile = " + quote(file.dockerfile) + "\n";
}

std::string write(const InitFile& file, const std::string& comment) {
    return "# How Loco builds and runs this app. Every key: `loco docs`, or "
           "docs/reference/loco-toml.md.\n"
           "version = 1\n"
           "name = " +
           quote(file.name) + "\n\n" + build_section(file) +
           "\n"
           "[http]\n"
           "port = " +
           std::to_string(file.port) + "  # " + comment +
           "\n"
           "\n"
           "# [health]\n"
           "# path = \"/healthz\"          # 2xx or 3xx is healthy; without it, any answer below "
           "500 is\n"
           "\n"
           "# [resources]\n"
           "# cpu = \"250m\"               # a quarter of a core, guaranteed\n"
           "# memory = \"256Mi\"\n"
           "# writable = false           # read-only files with a writable /tmp: recommended\n"
           "\n"
           "# [deploy]\n"
           "# release_command = [\"/app\", \"migrate\"]  # once, before traffic moves to a new "
           "release\n"
           "\n"
           "# [process.worker]           # a further process of the same image\n"
           "# command = [\"/app\", \"work\"]\n"
           "\n"
           "# [env]                      # not secret: secrets are set with `loco env set NAME`\n"
           "# LOG_LEVEL = \"info\"\n";
}

}  // namespace

InitFile init_from(std::string_view folder_name, std::string_view dockerfile,
                   std::string_view dockerfile_text) {
    InitFile file{.name = name_from(folder_name),
                  .dockerfile = std::string(dockerfile),
                  .text = {},
                  .warnings = {}};
    DockerfileFacts facts;
    if (file.dockerfile.empty()) {
        file.warnings.push_back(
            "there is no Dockerfile here: write one, or set `image` in [build]");
    } else {
        facts = read_dockerfile(dockerfile_text);
        if (!facts.has_stage)
            file.warnings.push_back(file.dockerfile + " has no FROM, so it cannot be built");
        if (facts.has_stage) warn_of_user(facts, file);
        file.port_found = !facts.ports.empty();
        if (file.port_found) {
            file.port = facts.ports.front();
        } else if (facts.has_stage) {
            file.warnings.push_back(
                file.dockerfile +
                " has no EXPOSE, so port 8080 is assumed: check `port` in [http]");
        }
    }
    file.text = write(file, port_comment(facts, file.port_found, file.dockerfile));
    return file;
}

Result<InitFile> init_folder(const fs::path& folder) {
    std::error_code code;
    const fs::path absolute = fs::canonical(folder, code);
    if (code) return fail_errno(code.value(), "the folder " + folder.string());
    if (!fs::is_directory(absolute, code)) {
        return fail(ErrorKind::invalid, folder.string() + " is no folder", {}, "no_folder");
    }
    for (const auto name : kNames) {
        if (!fs::is_regular_file(absolute / name, code)) continue;
        LOCO_ASSIGN(const std::string text, os::read_file(absolute / name, kMaxDockerfile));
        return init_from(absolute.filename().string(), name, text);
    }
    return init_from(absolute.filename().string(), {}, {});
}

}  // namespace loco::spec
