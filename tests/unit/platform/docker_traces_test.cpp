#include "platform/docker_traces.hpp"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace loco::platform {
namespace {

std::vector<std::string> calls(std::string_view saved) {
    std::vector<std::string> lines;
    for (const auto& call : removal_of_docker_rules("filter", saved))
        lines.push_back(fmt::format("{}", fmt::join(call, " ")));
    return lines;
}

TEST(DockerTraces, RulesGoBeforeTheChainsThatTheyLeadTo) {
    EXPECT_EQ(calls("*filter\n:INPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n"
                    "-A FORWARD -j DOCKER-USER\n"
                    "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n"
                    "-A DOCKER-USER -j RETURN\nCOMMIT\n"),
              (std::vector<std::string>{"-w -t filter -D FORWARD -j DOCKER-USER",
                                        "-w -t filter -D FORWARD -i docker0 ! -o docker0 -j ACCEPT",
                                        "-w -t filter -D DOCKER-USER -j RETURN",
                                        "-w -t filter -X DOCKER", "-w -t filter -X DOCKER-USER"}));
}

TEST(DockerTraces, RulesOfOthersStay) {
    EXPECT_EQ(calls("-A INPUT -p tcp -m comment --comment \"not of DOCKER\" -j DROP\n"
                    "-A INPUT -i eth0 -j LOG --log-prefix DOCKERISH\n"
                    ":UNDOCKER - [0:0]\n-A UNDOCKER -j DROP\n"),
              std::vector<std::string>{});
}

TEST(DockerTraces, AUserChainThatIsUsedStaysWithTheJumpToIt) {
    EXPECT_EQ(
        calls(":DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n"
              "-A FORWARD -j DOCKER\n-A DOCKER-USER -s 192.0.2.1/32 -j DROP\n"
              "-A DOCKER-USER -j RETURN\n"),
        (std::vector<std::string>{"-w -t filter -D FORWARD -j DOCKER", "-w -t filter -X DOCKER"}));
}

}  // namespace
}  // namespace loco::platform
