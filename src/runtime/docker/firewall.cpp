#include "runtime/docker/firewall.hpp"

#include <chrono>

#include "os/process.hpp"
#include "ports/runtime.hpp"

namespace loco::runtime {
namespace {

constexpr auto kTrust = std::chrono::seconds(5);
constexpr auto kTimeout = std::chrono::seconds(20);
constexpr std::string_view kHint =
    "Loco starts no container that could reach this machine's other ports: install iptables, and "
    "run "
    "Loco as root or with CAP_NET_ADMIN";

struct Outcome {
    int code = 0;
    std::string said;
};

Result<Outcome> run(std::vector<std::string> argv, const std::string& input = {}) {
    Outcome outcome;
    bool given = false;
    os::RunOptions options;
    options.timeout = kTimeout;
    if (!input.empty()) {
        options.input = [&]() -> Result<std::string> {
            return std::exchange(given, true) ? std::string() : input;
        };
    }
    options.on_stderr = [&](std::string_view bytes) {
        if (outcome.said.size() < 2048) outcome.said += bytes;
    };
    auto exit = os::run({.argv = std::move(argv)}, options);
    if (!exit) {
        Error error = std::move(exit).error();
        return fail(Error{.kind = ErrorKind::unavailable,
                          .message = "the firewall's rules cannot be set: " + error.message,
                          .hint = std::string(kHint),
                          .code = std::string(kFirewallUnavailable)});
    }
    while (!outcome.said.empty() && outcome.said.back() == '\n') outcome.said.pop_back();
    outcome.code = exit->code;
    return outcome;
}

Result<> must(const Outcome& outcome) {
    if (outcome.code == 0) return {};
    return fail(ErrorKind::unavailable,
                "the firewall's rules cannot be set: " +
                    (outcome.said.empty() ? "iptables ended with " + std::to_string(outcome.code)
                                          : outcome.said),
                std::string(kHint), std::string(kFirewallUnavailable));
}

// The rule that sends packets of this Loco's bridges into its chain.
std::vector<std::string> hook(const std::string& operation, const std::string& from,
                              const std::string& bridge_prefix, const std::string& to) {
    std::vector<std::string> argv{"iptables", "-w", "10", operation, from};
    if (operation == "-I") argv.emplace_back("1");
    for (const std::string& word :
         {std::string("-i"), bridge_prefix + "+", std::string("-j"), to}) {
        argv.push_back(word);
    }
    return argv;
}

Result<bool> chain_exists(const std::string& chain) {
    LOCO_ASSIGN(const Outcome seen, run({"iptables", "-w", "10", "-n", "-L", chain, "1"}));
    return seen.code == 0;
}

}  // namespace

Firewall::Firewall(FirewallConfig config, const Clock& clock)
    : config_(std::move(config)), clock_(clock) {}

std::string Firewall::input_chain() const { return "LOCO-INPUT-" + config_.tag; }
std::string Firewall::forward_chain() const { return "LOCO-FORWARD-" + config_.tag; }

void Firewall::doubt() {
    const std::lock_guard lock(mutex_);
    seen_at_.reset();
}

std::string Firewall::rules(const std::vector<std::string>& bridges) const {
    const std::string in = "-A " + input_chain() + " ";
    const std::string through = "-A " + forward_chain() + " ";
    const std::string reject = "-j REJECT --reject-with icmp-port-unreachable\n";
    std::string text =
        "*filter\n:" + input_chain() + " - [0:0]\n:" + forward_chain() + " - [0:0]\n";
    // Answers to what the host itself began: the gateway's requests, health checks.
    text += in + "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    for (const int port : config_.host_ports) {
        text += in + "-p tcp --dport " + std::to_string(port) + " -j ACCEPT\n";
    }
    text += in + reject;
    text += through + "-d 169.254.0.0/16 " + reject;
    for (const auto& bridge : bridges) {
        text += through + "-i " + bridge + " -o " + bridge + " -j RETURN\n";
    }
    text += through + "-o " + config_.bridge_prefix + "+ " + reject;
    return text + "COMMIT\n";
}

Result<> Firewall::ensure(const std::vector<std::string>& bridges) {
    const std::lock_guard lock(mutex_);
    if (seen_at_ && clock_.steady() - *seen_at_ < kTrust && applied_ == bridges) return {};
    LOCO_TRY(apply(bridges));
    applied_ = bridges;
    seen_at_ = clock_.steady();
    return {};
}

Result<> Firewall::apply(const std::vector<std::string>& bridges) {
    LOCO_ASSIGN(const Outcome restored,
                run({"iptables-restore", "-w", "10", "--noflush"}, rules(bridges)));
    LOCO_TRY(must(restored));
    LOCO_ASSIGN(const bool docker_user, chain_exists("DOCKER-USER"));
    const std::vector<std::pair<std::string, std::string>> hooks{
        {"INPUT", input_chain()}, {docker_user ? "DOCKER-USER" : "FORWARD", forward_chain()}};
    for (const auto& [from, to] : hooks) {
        LOCO_ASSIGN(const Outcome seen, run(hook("-C", from, config_.bridge_prefix, to)));
        if (seen.code == 0) continue;
        LOCO_ASSIGN(const Outcome made, run(hook("-I", from, config_.bridge_prefix, to)));
        LOCO_TRY(must(made));
    }
    return {};
}

Result<> Firewall::remove() {
    const std::lock_guard lock(mutex_);
    seen_at_.reset();
    for (const auto& [from, to] :
         std::vector<std::pair<std::string, std::string>>{{"INPUT", input_chain()},
                                                          {"DOCKER-USER", forward_chain()},
                                                          {"FORWARD", forward_chain()}}) {
        // There may be several, where two of this Loco once raced.
        for (int i = 0; i < 8; ++i) {
            LOCO_ASSIGN(const Outcome gone, run(hook("-D", from, config_.bridge_prefix, to)));
            if (gone.code != 0) break;
        }
    }
    for (const auto& chain : {input_chain(), forward_chain()}) {
        LOCO_ASSIGN(const bool there, chain_exists(chain));
        if (!there) continue;
        LOCO_ASSIGN(const Outcome flushed, run({"iptables", "-w", "10", "-F", chain}));
        LOCO_TRY(must(flushed));
        LOCO_ASSIGN(const Outcome gone, run({"iptables", "-w", "10", "-X", chain}));
        LOCO_TRY(must(gone));
    }
    return {};
}

}  // namespace loco::runtime
