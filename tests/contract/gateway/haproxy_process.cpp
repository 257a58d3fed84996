#include "tests/contract/gateway/haproxy_process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "os/file.hpp"

namespace loco::gateway {
namespace {

std::vector<pid_t> children_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) +
                       "/children");
    std::vector<pid_t> result;
    for (pid_t child = 0; file >> child;) result.push_back(child);
    return result;
}

// Any of its threads is: the first may be a zombie while another still holds the listening sockets.
bool alive(pid_t pid) {
    std::error_code gone;  // the process may end at any of these steps
    for (std::filesystem::directory_iterator task("/proc/" + std::to_string(pid) + "/task", gone),
         end;
         !gone && task != end; task.increment(gone)) {
        const auto text = os::read_file(task->path() / "stat", 4096);
        if (!text) continue;
        const auto name_end = text->rfind(')');
        if (name_end != std::string::npos && text->size() > name_end + 2 &&
            (*text)[name_end + 2] != 'Z')
            return true;
    }
    return false;
}

}  // namespace

HaproxyProcess::HaproxyProcess(const std::function<void(haproxy::Options&)>& adjust) {
    char folder[] = "/tmp/loco-gateway-XXXXXX";
    if (::mkdtemp(folder) == nullptr) throw std::runtime_error("no temporary folder");
    port_ = test::free_port();
    options_.data_dir = folder;
    options_.listen = {"127.0.0.1:" + std::to_string(port_)};
    options_.api_address = "127.0.0.1:" + std::to_string(test::free_port());
    options_.slots = 32;
    if (adjust) adjust(options_);
    const auto prepared = haproxy::prepare(options_);
    if (!prepared) throw std::runtime_error(prepared.error().message);
    start();
}

HaproxyProcess::~HaproxyProcess() {
    if (testing::Test::HasFailure()) std::cerr << "HAProxy said:\n" << log();
    kill();
    std::filesystem::remove_all(options_.data_dir);
}

void HaproxyProcess::start() {
    child_ = test::Child(haproxy::argv(options_), (options_.data_dir / "log").string());
    if (!test::eventually([&] {
            return connect().open() && std::filesystem::exists(haproxy::stats_socket(options_));
        })) {
        ADD_FAILURE() << "HAProxy did not start: " << this->log();
    }
}

void HaproxyProcess::kill(bool only_workers) {
    if (child_.pid() <= 0) return;
    const auto workers = children_of(child_.pid());
    if (only_workers) {
        for (const auto worker : workers) ::kill(worker, SIGKILL);
    }
    // A master ends by itself when a worker was killed.
    child_.stop(only_workers ? 0 : SIGKILL);
    EXPECT_TRUE(test::eventually([&] { return std::ranges::none_of(workers, alive); }))
        << "a worker outlives its master";
}

std::string HaproxyProcess::log() const {
    std::ifstream file(options_.data_dir / "log");
    return {(std::istreambuf_iterator<char>(file)), {}};
}

test::RawResponse request(std::uint16_t port, const std::string& host, const std::string& target,
                          const std::string& more_headers) {
    auto connection = test::Connection::to(port);
    connection.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + more_headers +
                    "Connection: close\r\n\r\n");
    return connection.receive_response().value_or(test::RawResponse{});
}

}  // namespace loco::gateway
