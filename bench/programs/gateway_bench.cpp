// How soon a change of routes is live, and what that many routes take of memory: HaproxyGateway before an HAProxy of its own.
// gateway_bench [APPS [HOSTS [CHANGES]]]: each app has one port and HOSTS hosts, so that there are APPS * HOSTS routes.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "bench/programs/measure.hpp"
#include "gateway/haproxy/config.hpp"
#include "gateway/haproxy/gateway.hpp"
#include "os/file.hpp"
#include "tests/support/child.hpp"
#include "tests/support/socket.hpp"
#include "tests/support/upstream.hpp"

namespace loco {
namespace {

void need(bool good, const std::string& what) {
    if (good) return;
    std::fprintf(stderr, "gateway_bench: %s\n", what.c_str());
    std::exit(1);
}

void need(const Result<>& result, const std::string& what) {
    need(result.has_value(), result ? "" : what + ": " + result.error().message);
}

// Its proportional share of memory, in KiB.
long pss_of(pid_t pid) {
    std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
    long kib = 0;
    for (std::string word; rollup >> word;) {
        if (word == "Pss:") rollup >> kib;
    }
    return kib;
}

// And of its children.
long tree_pss_of(pid_t pid) {
    long total = pss_of(pid);
    std::ifstream children("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) +
                           "/children");
    for (pid_t child = 0; children >> child;) total += tree_pss_of(child);
    return total;
}

class Bench {
  public:
    Bench(int apps, int hosts) : hosts_(hosts), port_(test::free_port()) {
        options_.data_dir = folder_.path();
        options_.listen = {"127.0.0.1:" + std::to_string(port_)};
        options_.api_address = "127.0.0.1:" + std::to_string(test::free_port());
        options_.slots = std::max(32, apps + 1);
        need(gateway::haproxy::prepare(options_), "prepare");
        haproxy_ = test::Child(gateway::haproxy::argv(options_), folder_.path() + "/log");
        need(test::eventually([&] {
                 return connect().open() &&
                        std::filesystem::exists(gateway::haproxy::stats_socket(options_));
             }),
             "HAProxy did not start");
        const long own = pss_of(::getpid());
        auto opened = gateway::HaproxyGateway::open(options_);
        need(opened.has_value(), "open");
        gateway_ = std::move(*opened);
        for (int n = 0; n < apps; ++n) routes_.push_back(routes(n));
        need(gateway_->sync(routes_), "sync");
        std::printf("memory: routes=%d slots=%d haproxy_kib=%ld adapter_kib=%ld\n", apps * hosts,
                    options_.slots, tree_pss_of(haproxy_.pid()),
                    std::max(0L, pss_of(::getpid()) - own));
    }

    // A rollout's switch: a new instance beside the old one, which drains. Live: the next request reaches the new one.
    void switch_instances(int changes) {
        measure("switch", changes, [&](AppRoutes& app) {
            const auto& next = current_ == &first_ ? second_ : first_;
            auto& endpoints = app.ports[0].endpoints;
            endpoints[0].draining = true;
            endpoints.push_back(endpoint(next));
            const double ms = live(app, app.hosts[0], next.name());
            endpoints.erase(endpoints.begin());
            need(gateway_->apply(app), "cut off");
            return ms;
        });
    }

    // A host more, as a new domain or a first release: live when it answers.
    void add_hosts(int changes) {
        measure("host", changes, [&](AppRoutes& app) {
            app.hosts.push_back("new-" + app.hosts[0]);
            const double ms = live(app, app.hosts.back(), current_->name());
            app.hosts.pop_back();
            need(gateway_->apply(app), "take the host away");
            return ms;
        });
    }

    // The disk's part: a switch writes one small file that is on disk before HAProxy is told, a host more two.
    void write_files(int changes) {
        std::vector<double> times;
        for (int n = 0; n < changes; ++n) {
            const bench::Stopwatch watch;
            need(os::write_file_atomically(folder_.path() + "/file", std::string(600, 'x')),
                 "write a file");
            times.push_back(1e3 * watch.seconds());
        }
        report("file", std::move(times));
    }

  private:
    [[nodiscard]] test::Connection connect() const { return test::Connection::to(port_); }

    Endpoint endpoint(const test::Upstream& upstream) {
        return {.instance = InstanceId::make(clock_, random_),
                .address = "127.0.0.1",
                .port = upstream.port()};
    }

    AppRoutes routes(int number) {
        AppRoutes app{.app = AppId::make(clock_, random_), .hosts = {}, .ports = {}};
        for (int host = 0; host < hosts_; ++host) {
            app.hosts.push_back("h" + std::to_string(host) + ".app-" + std::to_string(number) +
                                ".localhost");
        }
        app.ports.push_back({.name = "http", .endpoints = {endpoint(first_)}});
        return app;
    }

    // Milliseconds from the call until a request was answered by that upstream. The next request must be: a gateway that
    // says so too early ends the run.
    double live(const AppRoutes& app, const std::string& host, const std::string& upstream) {
        const bench::Stopwatch watch;
        need(gateway_->apply(app), "apply");
        need(client_.open() || (client_ = connect()).open(), "HAProxy takes no connection");
        client_.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
        const auto answer = client_.receive_response();
        const double ms = 1e3 * watch.seconds();
        need(answer && answer->status == 200, "no answer for " + host);
        need(answer->header("x-instance") == upstream, "the old instance answered after apply()");
        return ms;
    }

    template <class Change>
    void measure(const char* what, int changes, Change change) {
        std::vector<double> times;
        for (int n = 0; n < changes; ++n) {
            // All apps begin at the first upstream; which one an app is at, its endpoint's port
            // says.
            auto& app = routes_[static_cast<std::size_t>(n) * 37 % routes_.size()];
            current_ = app.ports[0].endpoints[0].port == first_.port() ? &first_ : &second_;
            times.push_back(change(app));
        }
        report(what, std::move(times));
    }

    void report(const char* what, std::vector<double> times) const {
        std::ranges::sort(times);
        const auto at = [&](double part) {
            return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
        };
        std::printf("%s: routes=%zu changes=%zu p50_ms=%.2f p99_ms=%.2f max_ms=%.2f reloads=%llu\n",
                    what, routes_.size() * static_cast<std::size_t>(hosts_), times.size(), at(0.5),
                    at(0.99), times.back(), static_cast<unsigned long long>(gateway_->reloads()));
    }

    int hosts_;
    bench::Folder folder_{"/tmp"};
    std::uint16_t port_;
    gateway::haproxy::Options options_;
    SystemClock clock_;
    SystemRandom random_;
    test::Upstream first_{"first"};
    test::Upstream second_{"second"};
    const test::Upstream* current_ = &first_;
    test::Child haproxy_;
    std::unique_ptr<gateway::HaproxyGateway> gateway_;
    std::vector<AppRoutes> routes_;
    test::Connection client_;
};

}  // namespace
}  // namespace loco

int main(int argc, char** argv) {
    const int apps = argc > 1 ? std::atoi(argv[1]) : 1000;
    const int hosts = argc > 2 ? std::atoi(argv[2]) : 10;
    const int changes = argc > 3 ? std::atoi(argv[3]) : 300;
    if (apps < 1 || apps > 9'000 || hosts < 1 || hosts > 250 || changes < 1) {
        std::fprintf(stderr, "gateway_bench [APPS [HOSTS [CHANGES]]]\n");
        return 2;
    }
    loco::Bench bench(apps, hosts);
    bench.write_files(changes);
    bench.switch_instances(changes);
    bench.add_hosts(changes);
}
