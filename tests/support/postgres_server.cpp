#include "tests/support/postgres_server.hpp"

#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "os/process.hpp"
#include "tests/support/free_port.hpp"

namespace loco::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const fs::path kPackages = "/usr/lib/postgresql";

// The newest that is installed.
std::string programs() {
    std::vector<int> versions;
    if (fs::exists(kPackages)) {
        for (const auto& entry : fs::directory_iterator(kPackages)) {
            if (fs::exists(entry.path() / "bin/initdb"))
                versions.push_back(std::atoi(entry.path().filename().c_str()));
        }
    }
    if (versions.empty())
        throw std::runtime_error(
            "no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql");
    return (kPackages / std::to_string(std::ranges::max(versions)) / "bin").string();
}

// PostgreSQL does not run as root.
std::vector<std::string> unprivileged(std::vector<std::string> argv) {
    if (::geteuid() != 0) return argv;
    std::vector<std::string> all{"setpriv", "--reuid=postgres", "--regid=postgres",
                                 "--clear-groups", "--pdeathsig=QUIT"};
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
}

std::string all_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

postgres::Target parsed(const std::string& text) {
    auto target = postgres::Target::parse(Secret<>(text));
    if (!target) throw std::runtime_error(target.error().message);
    return *std::move(target);
}

}  // namespace

PostgresServer& PostgresServer::shared() {
    static PostgresServer server;
    return server;
}

PostgresServer::PostgresServer() {
    if (const char* given = std::getenv("LOCO_TEST_POSTGRES"); given != nullptr && *given != '\0') {
        given_ = given;
        return;
    }
    bin_ = programs();
    std::string name = "/tmp/loco-pg-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder in /tmp");
    folder_ = name;
    if (::geteuid() == 0) {
        const auto* user = ::getpwnam("postgres");
        if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
            throw std::runtime_error("no user postgres");
    }
    std::ofstream(folder_ + "/password") << kPassword << "\n";
    const auto made = os::output_of(
        {.argv = unprivileged({bin_ + "/initdb", "-D", folder_ + "/data", "-U", "loco", "-E",
                               "UTF8", "--locale=C.UTF-8", "--no-sync", "--auth-local=trust",
                               "--auth-host=scram-sha-256", "--pwfile", folder_ + "/password"})},
        60s);
    if (!made) throw std::runtime_error("initdb: " + made.error().message);
    port_ = tests::free_port();
    start();
}

PostgresServer::~PostgresServer() {
    if (!is_own()) return;
    stop();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void PostgresServer::start() {
    child_ = Child(
        unprivileged({bin_ + "/postgres", "-D", folder_ + "/data", "-k", folder_, "-h", "127.0.0.1",
                      "-p", std::to_string(port_), "-F", "-c", "max_connections=80", "-c",
                      "shared_buffers=32MB", "-c", "deadlock_timeout=100ms"}),
        folder_ + "/log");
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (true) {
        const auto opened = postgres::Database::open(target("postgres"), {});
        if (opened) return;
        if (std::chrono::steady_clock::now() > end)
            throw std::runtime_error(opened.error().message + "\n" + all_of(folder_ + "/log"));
        ::poll(nullptr, 0, 20);
    }
}

void PostgresServer::stop() { child_.stop(SIGQUIT); }

postgres::Target PostgresServer::target(const std::string& database) const {
    if (!is_own()) return parsed(given_ + " dbname=" + database);
    return parsed("host=" + folder_ + " port=" + std::to_string(port_) +
                  " user=loco dbname=" + database);
}

std::unique_ptr<postgres::Database> PostgresServer::connect(const std::string& database) const {
    auto opened = postgres::Database::open(target(database), {});
    if (!opened) throw std::runtime_error(opened.error().message);
    return *std::move(opened);
}

std::string PostgresServer::create_database() {
    auto name = "loco_test_" + std::to_string(::getpid()) + "_" + std::to_string(++databases_);
    const auto made =
        connect("postgres")->run("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'");
    if (!made) throw std::runtime_error(made.error().message);
    return name;
}

void PostgresServer::drop_database(const std::string& name) {
    (void)connect("postgres")->run("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
}

}  // namespace loco::test
