// Runs `docker build` with the packed context on its stdin.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>

#include "build/builder.hpp"
#include "build/diagnose.hpp"
#include "engine/engine.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

namespace loco::build {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// /usr/bin first: what the distribution installs fits its daemon; elsewhere one often finds a bare client
// without buildx.
std::vector<std::string> candidates() {
    std::vector<std::string> result{"/usr/bin/docker"};
    const char* path = std::getenv("PATH");
    std::string_view left = path == nullptr ? "" : path;
    while (!left.empty()) {
        const auto end = std::min(left.find(':'), left.size());
        const std::string place = std::string(left.substr(0, end)) + "/docker";
        if (place.starts_with('/') && std::ranges::find(result, place) == result.end()) {
            result.push_back(place);
        }
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    std::erase_if(result, [](const std::string& p) { return access(p.c_str(), X_OK) != 0; });
    return result;
}

// "Docker version 20.10.24+dfsg1, build 297e128" → 20; 0 for what is not Docker (Podman's stand-in).
int major_version(std::string_view text) {
    constexpr std::string_view kStart = "Docker version ";
    if (!text.starts_with(kStart)) return 0;
    int major = 0;
    for (const char c : text.substr(kStart.size())) {
        if (c < '0' || c > '9' || major > 9999) break;
        major = major * 10 + (c - '0');
    }
    return major;
}

// A folder of its own for what the build writes, gone with the object.
class Scratch {
  public:
    static Result<Scratch> make() {
        std::error_code error;
        std::string path = (fs::temp_directory_path(error) / "loco-build-XXXXXX").string();
        if (error) path = "/tmp/loco-build-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) return fail_errno(errno, "make a temporary folder");
        return Scratch(std::move(path));
    }
    Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
        std::error_code error;
        if (!path_.empty()) fs::remove_all(path_, error);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    explicit Scratch(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

// One field of the comma-separated list that --secret takes.
std::string field(const std::string& text) {
    if (text.find_first_of(",\"") == std::string::npos) return text;
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"') result += '"';
        result += c;
    }
    return result + "\"";
}

std::vector<std::string> arguments(const BuildRequest& request, const std::string& program,
                                   const std::string& dockerfile, const std::string& id_file,
                                   bool buildx) {
    std::vector<std::string> argv{program, "build", "--progress=plain", "--iidfile=" + id_file,
                                  "--file=" + dockerfile};
    if (buildx) argv.emplace_back("--load");
    if (request.pull) argv.emplace_back("--pull");
    if (request.no_cache) argv.emplace_back("--no-cache");
    if (!request.target.empty()) argv.push_back("--target=" + request.target);
    if (!request.platform.empty()) argv.push_back("--platform=" + request.platform);
    for (const auto& [name, value] : request.args) {
        argv.push_back("--build-arg=" + name + "=" + value);
    }
    for (const auto& [id, file] : request.secrets) {
        argv.push_back("--secret=" + field("id=" + id) + "," + field("src=" + file.string()));
    }
    for (const auto& [name, value] : request.labels)
        argv.push_back("--label=" + name + "=" + value);
    for (const auto& tag : request.tags) argv.push_back("--tag=" + tag);
    argv.emplace_back("-");
    return argv;
}

std::unexpected<BuildFailure> failure(Error error) {
    return std::unexpected(BuildFailure{.error = std::move(error)});
}

// The client lost the daemon, or never had it.
bool is_unreachable(const PlainProgress& progress) {
    return std::ranges::any_of(progress.remarks(), [](const std::string& line) {
        return line.find("Cannot connect to the Docker daemon") != std::string::npos ||
               line.find("error during connect") != std::string::npos;
    });
}

Result<> check_secrets(const BuildRequest& request) {
    for (const auto& [id, file] : request.secrets) {
        if (access(file.c_str(), R_OK) == 0) continue;
        return fail(ErrorKind::invalid,
                    "the build secret \"" + id + "\" cannot be read from " + file.string(),
                    "create the file, or correct [build] secrets in loco.toml",
                    "build_secret_unreadable");
    }
    return {};
}

}  // namespace

Result<DockerBuilder> DockerBuilder::find(std::string socket) {
    std::string seen;
    for (const auto& program : candidates()) {
        auto version = os::output_of({.argv = {program, "--version"}}, seconds(10));
        if (!version) continue;
        const int major = major_version(*version);
        if (major >= 23) {
            auto buildx = os::output_of({.argv = {program, "buildx", "version"}}, seconds(10));
            if (buildx && buildx->find("buildx") != std::string::npos) {
                return DockerBuilder(program, std::move(socket), /*buildx=*/true);
            }
        } else if (major >= 20) {
            return DockerBuilder(program, std::move(socket), /*buildx=*/false);
        }
        const auto line = version->substr(0, version->find('\n'));
        seen += (seen.empty() ? "" : "; ") + program + " (" + line + ") cannot build with BuildKit";
    }
    return fail(
        ErrorKind::unavailable, seen.empty() ? "there is no docker command on this machine" : seen,
        seen.empty() ? "install it: `sudo apt-get install docker.io` (newer systems: docker-cli "
                       "docker-buildx)"
                     : "install buildx: `sudo apt-get install docker-buildx` (from Docker's own "
                       "packages: docker-buildx-plugin)",
        "builder_unavailable");
}

std::expected<BuildResult, BuildFailure> DockerBuilder::build(const BuildRequest& request,
                                                              const BuildHooks& hooks) {
    const auto started = std::chrono::steady_clock::now();
    engine::Engine engine(socket_);
    const auto version = engine.version();
    if (!version) return failure(version.error());
    if (auto checked = check_secrets(request); !checked) return failure(checked.error());

    PackRequest pack{.context = request.context,
                     .dockerfile = request.dockerfile,
                     .max_bytes = request.max_context_bytes,
                     .cancelled = hooks.cancelled};
    for (const auto& [id, file] : request.secrets) pack.secret_files.push_back(file);
    auto context = Context::scan(pack);
    if (!context) return failure(std::move(context).error());
    if (hooks.on_context) hooks.on_context(context->summary());

    auto scratch = Scratch::make();
    if (!scratch) return failure(std::move(scratch).error());
    const std::string id_file = scratch->path() + "/image-id";

    // Both streams are read line by line of their own, whichever of them the client uses for what.
    PlainProgress progress(hooks.on_event);
    std::string line_out;
    std::string line_err;
    const auto take = [&](std::string& line, std::string_view bytes) {
        if (hooks.on_output) hooks.on_output(bytes);
        line += bytes;
        const auto end = line.rfind('\n');
        if (end != std::string::npos) {
            progress.feed(std::string_view(line).substr(0, end + 1));
            line.erase(0, end + 1);
        }
        if (line.size() > PlainProgress::kMaxLine) line.resize(PlainProgress::kMaxLine);
    };
    auto ended = os::run(
        {.argv = arguments(request, program_, context->dockerfile_name(), id_file, buildx_),
         .env = {{"DOCKER_HOST", "unix://" + socket_},
                 {"DOCKER_BUILDKIT", "1"},
                 {"BUILDX_BUILDER", "default"},  // the daemon's own, not a container of buildx
                 {"BUILDX_NO_DEFAULT_ATTESTATIONS", "1"}}},  // a plain manifest, not an index
        {.input = context->stream(),
         .on_stdout = [&](std::string_view bytes) { take(line_out, bytes); },
         .on_stderr = [&](std::string_view bytes) { take(line_err, bytes); },
         .cancelled = hooks.cancelled});
    for (std::string* line : {&line_out, &line_err}) {
        if (!line->empty()) progress.feed(*line + "\n");
    }
    if (!ended) return failure(std::move(ended).error().while_("build"));
    if (!ended->ok()) {
        if (is_unreachable(progress)) {
            auto reached = engine.ping();
            if (!reached) return failure(std::move(reached).error());
        }
        const Dockerfile dockerfile = parse_dockerfile(context->dockerfile_text(), request.args);
        return std::unexpected(diagnose({.request = request,
                                         .context = *context,
                                         .dockerfile = dockerfile,
                                         .progress = progress,
                                         .machine = version->os + "/" + version->arch}));
    }
    auto id = os::read_file(id_file, 1024);
    if (!id) return failure(std::move(id).error().while_("read the image's id"));
    BuildResult result{.image_id = id->substr(0, id->find('\n')), .context = context->summary()};
    for (const auto& [number, step] : progress.steps()) {
        if (parse_step_name(step.name).total == 0) continue;
        ++result.steps;
        if (step.cached) ++result.cached;
    }
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return result;
}

}  // namespace loco::build
