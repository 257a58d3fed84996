#include "cluster/kubernetes/route_probe.hpp"

#include <optional>
#include <set>

#include "base/log.hpp"

namespace loco::cluster {
namespace {

using kubernetes::member;
using kubernetes::text;

constexpr std::chrono::seconds kGatewayKnownFor{60};
constexpr std::size_t kMaxAnswer = 64U << 10;
constexpr std::string_view kNobody = "nobody.loco.invalid";  // RFC 2606: never a host

bool is_unavailable(int status) { return status == 502 || status == 503; }

}  // namespace

std::string plain_address(const kubernetes::Object& gateway) {
    const auto& addresses = member(member(gateway, "status"), "addresses");
    const auto& listeners = member(member(gateway, "spec"), "listeners");
    if (!addresses.is_array() || addresses.as_array().empty() || !listeners.is_array()) return {};
    auto host = text(addresses.as_array().front(), "value");
    if (host.empty()) return {};
    if (host.find(':') != std::string::npos) host = "[" + host + "]";
    for (const auto& listener : listeners.as_array()) {
        const auto& port = member(listener, "port");
        if (text(listener, "protocol") == "HTTP" && port.is_number())
            return host + ":" + std::to_string(port.to_number<int>());
    }
    return {};
}

RouteProbe::RouteProbe(kubernetes::Client& client, const Clock& clock, RouteProbeOptions options,
                       std::function<void(const AppId&)> changed)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      changed_(std::move(changed)),
      thread_([this] { run(); }) {}

RouteProbe::~RouteProbe() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

bool RouteProbe::leads(const AppId& app, const std::string& host, const std::string& path,
                       Time ready_since) {
    if (clock_.now() - ready_since >= options_.patience) return true;
    const std::lock_guard lock(mutex_);
    auto& asked = asked_[app];
    // Of pods that replaced those that were asked for, too: there was a while without any.
    if (asked.host != host || asked.path != path || asked.ready_since != ready_since) {
        asked = {.host = host, .path = path, .ready_since = ready_since};
        wake_.notify_all();
    }
    return asked.leads;
}

void RouteProbe::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        std::map<AppId, Asked> open;
        std::set<AppId> out_of_time;
        std::erase_if(asked_, [&](const auto& one) {
            if (clock_.now() - one.second.ready_since < options_.patience) return false;
            if (!one.second.leads) out_of_time.insert(one.first);
            return true;
        });
        for (const auto& [app, asked] : asked_) {
            if (!asked.leads) open.emplace(app, asked);
        }
        if (open.empty() && out_of_time.empty()) {
            // What is known is forgotten when its time is over.
            if (asked_.empty()) {
                wake_.wait(lock);
            } else {
                wake_.wait_for(lock, options_.patience);
            }
            continue;
        }
        lock.unlock();
        for (const auto& app : out_of_time) {
            log::info("the gateway was not seen to lead to an app in time; its pods are ready",
                      {{"app", app.str()}});
            changed_(app);
        }
        for (const auto& [app, asked] : open) {
            if (!ask(asked)) continue;
            {
                const std::lock_guard again(mutex_);
                const auto found = asked_.find(app);
                if (found != asked_.end() && found->second.ready_since == asked.ready_since)
                    found->second.leads = true;
            }
            changed_(app);
        }
        lock.lock();
        if (!stopping_) wake_.wait_for(lock, options_.every);
    }
}

void RouteProbe::find_gateway() {
    const auto now = clock_.steady();
    if (gateway_.known_at != SteadyTime{} && now - gateway_.known_at < kGatewayKnownFor) return;
    gateway_ = {.address = {}, .known_at = now};
    const auto gateway =
        client_.get(kubernetes::kGateway, options_.gateway_namespace, options_.gateway_name);
    if (!gateway) {
        log::failure("the Gateway's address cannot be read: its routes are believed",
                     gateway.error());
        return;
    }
    gateway_.address = plain_address(*gateway);
}

bool RouteProbe::ask(const Asked& asked) {
    find_gateway();
    if (gateway_.address.empty()) return true;
    const auto get = [&](std::string_view host) {
        http::ClientRequest request;
        request.url = "http://" + gateway_.address + asked.path;
        request.headers.set("Host", std::string(host));
        request.headers.set("User-Agent", "loco-route-probe");
        request.connect_timeout = options_.timeout;
        request.timeout = options_.timeout;
        request.max_response_bytes = kMaxAnswer;
        return http_.send(request);
    };
    const auto answer = get(asked.host);
    // A long answer is the app's own.
    if (!answer) return answer.error().kind != ErrorKind::interrupted;
    if (is_unavailable(answer->status)) return false;
    if (answer->status != 404) return true;
    const auto nobodys = get(kNobody);
    return !nobodys || nobodys->status != answer->status || nobodys->body != answer->body;
}

}  // namespace loco::cluster
