#include "tests/contract/runtime/docker_world.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "base/random.hpp"
#include "http/client.hpp"
#include "os/file.hpp"

namespace loco::runtime {
namespace {

namespace fs = std::filesystem;

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

bool answers(const std::string& url) {
    http::Client client;
    std::mutex mutex;
    std::condition_variable pause;
    for (int i = 0; i < 200; ++i) {
        http::ClientRequest request;
        request.url = url;
        if (client.send(request)) return true;
        std::unique_lock lock(mutex);
        pause.wait_for(lock, std::chrono::milliseconds(50));
    }
    return false;
}

constexpr const char* kDockerfile = R"(FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY passwd /etc/passwd
COPY group /etc/group
EXPOSE 8080/tcp 9000/udp
USER app
CMD ["/bin/busybox", "sleep", "600"]
)";

}  // namespace

Result<std::unique_ptr<LocalRegistry>> LocalRegistry::start(const std::string& directory) {
    const std::string address = "127.0.0.1:" + std::to_string(free_port());
    LOCO_TRY(os::make_directories(directory + "/data"));
    LOCO_TRY(os::write_file_atomically(
        directory + "/registry.yml",
        "version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: " + directory +
            "/data}\nhttp: {addr: '" + address + "'}\n"));
    LOCO_ASSIGN(
        const pid_t pid,
        os::start_daemon({.argv = {"docker-registry", "serve", directory + "/registry.yml"}},
                         directory + "/registry.log"));
    auto registry = std::make_unique<LocalRegistry>();
    registry->pid_ = pid;
    registry->host_ = address;
    if (!answers("http://" + address + "/v2/")) {
        return fail(ErrorKind::unavailable,
                    "docker-registry did not start: see " + directory + "/registry.log");
    }
    return registry;
}

LocalRegistry::~LocalRegistry() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}
Result<ManifestInfo> LocalRegistry::manifest(const std::string&, const std::string&) {
    return ManifestInfo{};
}
Result<RegistryToken> LocalRegistry::push_token(const std::string&) { return RegistryToken{}; }
Result<RegistryToken> LocalRegistry::pull_token(const std::string&) { return RegistryToken{}; }
Result<> LocalRegistry::remove_manifest(const std::string&, const std::string&) { return {}; }

DockerWorld* DockerWorld::get() {
    struct AtEnd final : testing::Environment {
        ~AtEnd() override = default;
        void TearDown() override { world.reset(); }
        std::unique_ptr<DockerWorld> world;
    };
    static AtEnd* const at_end = [] {
        auto* environment = new AtEnd;  // gtest's from here on
        auto world = std::unique_ptr<DockerWorld>(new DockerWorld);
        auto socket = engine::find_socket();
        if (socket) {
            world->engine_ = std::make_unique<engine::Engine>(*socket);
            if (world->engine_->ping()) {
                auto prepared = world->prepare();
                EXPECT_TRUE(prepared) << prepared.error().message;
                if (prepared) environment->world = std::move(world);
            }
        }
        testing::AddGlobalTestEnvironment(environment);
        return environment;
    }();
    return at_end->world.get();
}

Result<> DockerWorld::prepare() {
    SystemRandom random;
    loco_ = "contract-" + random_word(random, 10);
    subnet_prefix_ = "10." + std::to_string(140 + random.next() % 60) + ".";
    directory_ = (fs::temp_directory_path() / ("loco-" + loco_)).string();
    LOCO_TRY(os::make_directories(directory_));
    LOCO_ASSIGN(registry_, LocalRegistry::start(directory_));
    LOCO_ASSIGN(
        digest_,
        build("contract", kDockerfile,
              {{"passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\ntoor:x:0:0::/:\n"},
               {"group", "root:x:0:\napp:x:1000:\nweb:x:33:app\n"}}));
    return {};
}

Result<std::string> DockerWorld::build(
    const std::string& repository, const std::string& dockerfile,
    const std::vector<std::pair<std::string, std::string>>& files) {
    const std::string context = directory_ + "/" + repository;
    fs::remove_all(context);
    LOCO_TRY(os::make_directories(context));
    std::error_code error;
    fs::copy_file("/bin/busybox", context + "/busybox", error);
    if (error) return fail(ErrorKind::not_found, "no /bin/busybox: install busybox-static");
    for (const auto& [name, text] : files)
        LOCO_TRY(os::write_file_atomically(context + "/" + name, text));
    LOCO_TRY(os::write_file_atomically(context + "/Dockerfile", dockerfile));
    const std::string reference = registry_->host() + "/" + repository + ":latest";
    const char* cli = fs::exists("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
    LOCO_TRY(os::output_of(
        {.argv = {cli, "build", "-q", "-t", reference, context},
         .env = {{"DOCKER_HOST", "unix://" + engine_->socket()}, {"DOCKER_BUILDKIT", "1"}}},
        std::chrono::minutes(2)));
    LOCO_ASSIGN(const engine::PushResult pushed, engine_->push_image(reference, {}));
    references_.push_back(reference);
    references_.push_back(registry_->host() + "/" + repository + "@" + pushed.digest);
    return pushed.digest;
}

DockerWorld::~DockerWorld() {
    for (const auto& reference : references_)
        (void)engine_->remove_image(reference, /*force=*/true);
    registry_.reset();
    std::error_code error;
    if (!directory_.empty()) fs::remove_all(directory_, error);
}

}  // namespace loco::runtime
