// Tenants reach neither each other nor the machine, but for the gateway's port.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "os/process.hpp"
#include "runtime/docker/names.hpp"
#include "tests/contract/runtime/docker_bed.hpp"

namespace loco::runtime {
namespace {

#define MUST(expression)                                                     \
    do {                                                                     \
        const auto must_result = (expression);                               \
        ASSERT_TRUE(must_result.has_value()) << must_result.error().message; \
    } while (false)

// A web server on every address of the host.
class OpenServer {
  public:
    OpenServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_ANY);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        ::listen(fd_, 16);
        thread_ = std::thread([this] {
            while (!stopping_) {
                pollfd p{fd_, POLLIN, 0};
                if (::poll(&p, 1, 50) <= 0) continue;
                const int client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
                if (client < 0) continue;
                constexpr std::string_view kAnswer =
                    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                ::send(client, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
                char rest[1024];
                ::shutdown(client, SHUT_WR);
                while (::recv(client, rest, sizeof rest, 0) > 0) {
                }
                ::close(client);
            }
        });
    }
    ~OpenServer() {
        stopping_ = true;
        thread_.join();
        ::close(fd_);
    }
    [[nodiscard]] int port() const { return port_; }

  private:
    int fd_;
    int port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

// The machine's own addresses, apart from loopback.
std::vector<std::string> host_addresses() {
    std::vector<std::string> result;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return result;
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
        if ((one->ifa_flags & IFF_LOOPBACK) != 0) continue;
        char text[INET_ADDRSTRLEN] = {};
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text,
                    sizeof text);
        result.emplace_back(text);
    }
    ::freeifaddrs(all);
    return result;
}

std::string rules() {
    auto text = os::output_of({.argv = {"iptables", "-w", "10", "-S"}}, std::chrono::seconds(20));
    return text ? *text : std::string();
}

class DockerIsolation : public testing::Test {
  protected:
    void SetUp() override {
        world_ = DockerWorld::get();
        if (world_ == nullptr) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
        bed_ = std::make_unique<DockerBed>(*world_, nullptr, std::vector{gateway_.port()});
    }
    void start(const ContainerSpec& spec) {
        MUST(bed_->runtime().ensure_network(spec.network));
        MUST(bed_->runtime().ensure_image(spec.image));
        MUST(bed_->runtime().start(spec));
    }
    ContainerSpec web(int team, int host) {
        auto spec = bed_->shell("cd /etc && exec /bin/busybox httpd -f -p 8080", team, host);
        start(spec);
        return spec;
    }
    // From a container of that team: 0 when the URL answers.
    int reach(int team, const std::string& url) {
        return run(team, "/bin/busybox timeout 3 /bin/busybox wget -q -O /dev/null " + url);
    }
    // In a container of that team, not being shop.internal itself.
    int run(int team, const std::string& command) {
        auto spec = bed_->shell(command, team, 200);
        spec.aliases.clear();
        start(spec);
        const int code = bed_->exit_of(spec.instance.id);
        EXPECT_TRUE(bed_->runtime().remove(spec.instance.id));
        return code;
    }

    OpenServer gateway_;
    OpenServer other_;
    DockerWorld* world_ = nullptr;
    std::unique_ptr<DockerBed> bed_;
};

TEST_F(DockerIsolation, a_team_reaches_its_own_apps_by_name_and_nobody_else_s) {
    const auto mine = web(1, 10);
    const auto theirs = web(2, 10);
    EXPECT_TRUE(bed_->eventually(
        [&] { return reach(1, "http://" + mine.instance.address + ":8080/passwd") == 0; }));
    // The static busybox has no resolver for wget, but nslookup has its own.
    EXPECT_EQ(run(1, "/bin/busybox nslookup shop.internal | /bin/busybox grep -q " +
                         mine.instance.address),
              0);
    EXPECT_EQ(run(2, "/bin/busybox nslookup shop.internal | /bin/busybox grep -q " +
                         theirs.instance.address),
              0);
    EXPECT_EQ(reach(2, "http://" + theirs.instance.address + ":8080/passwd"), 0);
    EXPECT_NE(reach(1, "http://" + theirs.instance.address + ":8080/passwd"), 0);
    EXPECT_NE(reach(2, "http://" + mine.instance.address + ":8080/passwd"), 0);
}

TEST_F(DockerIsolation, of_the_host_only_the_gateway_s_port_is_reached) {
    const auto network = bed_->team(1);
    const auto url = [](const std::string& address, int port) {
        return "http://" + address + ":" + std::to_string(port) + "/";
    };
    EXPECT_EQ(reach(1, url(network.gateway, gateway_.port())), 0);
    EXPECT_NE(reach(1, url(network.gateway, other_.port())), 0);
    for (const auto& address : host_addresses()) {
        EXPECT_NE(reach(1, url(address, other_.port())), 0) << address;
    }
    EXPECT_NE(reach(1, url("127.0.0.1", other_.port())), 0);
    EXPECT_NE(reach(1, "http://169.254.169.254/"), 0);
}

TEST_F(DockerIsolation, rules_that_someone_removed_come_back_and_go_with_the_purge) {
    const std::string chain = "LOCO-INPUT-" + tag_of(world_->loco());
    const auto network = bed_->team(1);
    MUST(bed_->runtime().ensure_network(network));
    EXPECT_NE(rules().find(chain), std::string::npos);
    ASSERT_TRUE(os::output_of({.argv = {"iptables", "-w", "10", "-D", "INPUT", "-i",
                                        bridge_prefix(world_->loco()) + "+", "-j", chain}},
                              std::chrono::seconds(20)));
    EXPECT_EQ(rules().find("-A INPUT -i " + bridge_prefix(world_->loco())), std::string::npos);
    // Another Loco process on the same data: it trusts nothing.
    DockerBed again(*world_, nullptr, {gateway_.port()});
    MUST(again.runtime().ensure_network(network));
    EXPECT_NE(rules().find("-A INPUT -i " + bridge_prefix(world_->loco()) + "+ -j " + chain),
              std::string::npos);
    MUST(again.docker().purge());
    EXPECT_EQ(rules().find(tag_of(world_->loco())), std::string::npos);
    auto images = world_->engine().list_images({});
    MUST(images);
    for (const auto& image : *images) {
        for (const auto& tag : image.tags)
            EXPECT_FALSE(tag.starts_with(world_->registry().host())) << tag;
    }
    auto networks = world_->engine().list_networks({{"loco.dev/instance-of", world_->loco()}});
    MUST(networks);
    EXPECT_TRUE(networks->empty());
}

TEST_F(DockerIsolation, rules_that_someone_removed_come_back_when_containers_are_looked_at) {
    const std::string hook = bridge_prefix(world_->loco()) + "+";
    const std::string chain = "LOCO-INPUT-" + tag_of(world_->loco());
    const auto network = bed_->team(1);
    MUST(bed_->runtime().ensure_network(network));
    ASSERT_TRUE(
        os::output_of({.argv = {"iptables", "-w", "10", "-D", "INPUT", "-i", hook, "-j", chain}},
                      std::chrono::seconds(20)));
    EXPECT_EQ(rules().find("-A INPUT -i " + hook), std::string::npos);
    DockerBed again(*world_, nullptr, {gateway_.port()});
    MUST(again.runtime().list_all());
    EXPECT_NE(rules().find("-A INPUT -i " + hook + " -j " + chain), std::string::npos);
    MUST(again.docker().purge());
}

TEST_F(DockerIsolation, two_locos_on_one_engine_do_not_see_each_other) {
    const auto mine = web(1, 10);
    const SystemClock clock;
    DockerRuntime stranger(world_->engine(), world_->registry(), clock,
                           {.loco = world_->loco() + "-other", .host_ports = {}}, nullptr);
    auto seen = stranger.list_all();
    MUST(seen);
    EXPECT_TRUE(seen->empty());
    MUST(stranger.signal(mine.instance.id, Signal::kill));
    MUST(stranger.remove(mine.instance.id));
    MUST(stranger.remove_network(mine.network.team));
    MUST(stranger.purge());
    auto still = bed_->runtime().list(mine.instance.app);
    MUST(still);
    ASSERT_EQ(still->size(), 1U);
    EXPECT_EQ(still->front().state, ContainerState::running);
    EXPECT_NE(rules().find("LOCO-INPUT-" + tag_of(world_->loco())), std::string::npos);
}

TEST_F(DockerIsolation, a_subnet_that_is_taken_is_told) {
    MUST(bed_->runtime().ensure_network(bed_->team(1)));
    auto same = bed_->team(2);
    same.subnet = bed_->team(1).subnet;
    same.gateway = bed_->team(1).gateway;
    auto made = bed_->runtime().ensure_network(same);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, "subnet_taken") << made.error().message;
    EXPECT_FALSE(made.error().hint.empty());
    auto moved = bed_->team(1);
    moved.subnet = bed_->team(3).subnet;
    moved.gateway = bed_->team(3).gateway;
    auto mismatch = bed_->runtime().ensure_network(moved);
    ASSERT_FALSE(mismatch);
    EXPECT_EQ(mismatch.error().code, "network_mismatch");
}

}  // namespace
}  // namespace loco::runtime
