#include "cli/doctor.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <ctime>
#include <memory>
#include <set>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "build/builder.hpp"
#include "build/push.hpp"
#include "cli/engine_socket.hpp"
#include "cli/json_view.hpp"
#include "client/api.hpp"
#include "crypto/base64.hpp"
#include "engine/engine.hpp"
#include "http/client.hpp"
#include "os/disk.hpp"
#include "os/file.hpp"
#include "platform/layout.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using enum Check::State;
using std::chrono::seconds;

constexpr std::string_view kClient = "client", kServer = "server", kMachine = "machine";
constexpr seconds kQuick{10};
constexpr seconds kServersOwn{60};  // it asks all its parts, each of which may not answer
constexpr long kClockWarning = 60;
constexpr long kClockFailed = 300;  // as long as a push token lives
// Below that much free, builds and files of the client are likely to fail; and below that much they do.
constexpr std::int64_t kDiskLow = 2LL << 30;
constexpr std::int64_t kDiskFull = 256LL << 20;

std::vector<std::string> steps_of(const Error& error) {
    if (!error.next_steps.empty()) return error.next_steps;
    if (error.hint.empty()) return {};
    return {error.hint};
}

bool is_loopback(std::string_view url) {
    const auto host =
        url.substr(url.find("://") == std::string_view::npos ? 0 : url.find("://") + 3);
    return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]") ||
           host.substr(0, host.find_first_of(":/")).ends_with(".localhost");
}

class Examiner {
  public:
    explicit Examiner(const DoctorRequest& request) : request_(request) {}

    std::vector<Check> all() {
        configuration();
        disk();
        engine();
        server();
        machine();
        return std::move(checks_);
    }

  private:
    void note(std::string_view where, std::string name, Check::State state, std::string message,
              std::vector<std::string> steps = {}, ErrorKind kind = ErrorKind::unavailable) {
        checks_.push_back({.where = where,
                           .name = std::move(name),
                           .state = state,
                           .message = std::move(message),
                           .next_steps = std::move(steps),
                           .kind = kind});
    }
    void note_failed(std::string_view where, std::string name, const Error& error) {
        note(where, std::move(name), failed, error.message, steps_of(error), error.kind);
    }
    Result<http::ClientResponse> get(const std::string& url, seconds within = kQuick,
                                     const http::Headers& headers = {}) {
        return http_.send({.url = url, .headers = headers, .timeout = within});
    }
    Result<http::ClientResponse> ask_api(const std::string& path, seconds within = kQuick) {
        http::Headers headers;
        if (!request_.settings.token.reveal().empty())
            headers.set("Authorization", "Bearer " + request_.settings.token.reveal());
        return get(request_.settings.host + "/api/v1" + path, within, headers);
    }

    // client
    void configuration();
    void disk();
    void disk_of(const std::string& name, const fs::path& folder);
    void engine();
    // server
    void server();
    void version(const http::ClientResponse& answer);
    void clock(const http::ClientResponse& answer, std::int64_t took_ms);
    bool token();
    void own_word();
    bool watched_disks();
    // the way of images and of requests
    void registry(const json::value& word);
    void names(const json::value& word);
    void gateway(const json::value& word);
    void skip_server(const std::string& why);
    // machine
    void machine();
    void part(const platform::Layout& layout, const std::string& name, const std::string& shown);
    [[nodiscard]] std::string up() const;

    const DoctorRequest& request_;
    http::Client http_;
    std::vector<Check> checks_;
    bool resolved_ = false;  // the base domain's names lead somewhere
};

// --- client

void Examiner::configuration() {
    if (request_.unreadable) {
        note_failed(kClient, "configuration", *request_.unreadable);
    } else {
        std::error_code error;
        const bool there = fs::exists(request_.config, error);
        note(kClient, "configuration", ok,
             there ? request_.config.string()
                   : "none yet (" + request_.config.string() + "): the defaults hold");
    }
    note(kClient, "version", ok, "loco " + request_.version);
}

void Examiner::disk_of(const std::string& name, const fs::path& folder) {
    const auto space = os::file_system_of(folder);
    if (!space) return note_failed(kClient, name, space.error());
    const auto message =
        fmt::format("{:.1f} GiB are free for {}",
                    static_cast<double>(space->free_bytes) / (1LL << 30), folder.string());
    const std::vector<std::string> steps{"df -h " + folder.string(),
                                         "docker system df; docker builder prune"};
    if (space->free_bytes < kDiskFull) return note(kClient, name, failed, message, steps);
    note(kClient, name, space->free_bytes < kDiskLow ? warning : ok, message,
         space->free_bytes < kDiskLow ? steps : std::vector<std::string>{});
}

void Examiner::disk() {
    std::error_code error;
    auto folder = fs::temp_directory_path(error);
    if (error) {
        return note(kClient, "disk", failed,
                    "there is no folder for temporary files: " + error.message(),
                    {"set TMPDIR to a folder that is there"});
    }
    disk_of("disk", folder);
}

void Examiner::engine() {
    const auto socket = find_engine(request_.settings);
    if (!socket) {
        note_failed(kClient, "engine", socket.error());
        return note(kClient, "builder", not_applicable, "not looked at: there is no engine");
    }
    engine::Engine engine(*socket);
    const auto version = engine.version();
    const auto info = version ? engine.info() : Result<engine::Info>(fail(version.error()));
    if (!info) {
        note_failed(kClient, "engine", info.error());
        return note(kClient, "builder", not_applicable,
                    "not looked at: the engine does not answer");
    }
    note(kClient, "engine", ok,
         (version->podman ? "Podman " : "Docker ") + version->version + ", " + version->os + "/" +
             version->arch + ", at " + *socket);
    const auto builder = build::DockerBuilder::find(*socket);
    if (builder)
        note(kClient, "builder", ok, builder->program() + ", with BuildKit");
    else
        note_failed(kClient, "builder", builder.error());
    std::error_code error;
    // An engine elsewhere, or in another mount namespace, has a folder that is none of this machine's.
    if (!info->root_dir.empty() && fs::is_directory(info->root_dir, error))
        disk_of("engine's disk", info->root_dir);
}

// --- server

std::string Examiner::up() const {
    return "loco up --detach" +
           (request_.named ? " --data " + request_.data_dir.string() : std::string());
}

void Examiner::skip_server(const std::string& why) {
    for (const auto* name : {"version", "clock", "token", "health"})
        note(kServer, name, not_applicable, "not looked at: " + why);
    for (const auto* name : {"registry", "names", "gateway"})
        note(kClient, name, not_applicable, "not looked at: " + why);
}

void Examiner::server() {
    const auto& host = request_.settings.host;
    const auto begun = SystemClock().steady();
    const auto answer = get(host + "/api/v1/version");
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(SystemClock().steady() - begun);
    if (!answer) {
        note(kServer, "address", failed, host + " can't be reached: " + answer.error().message,
             is_loopback(host)
                 ? std::vector<std::string>{up() + "    # starts Loco on this machine",
                                            "or name the server: --host URL, or LOCO_HOST"}
                 : std::vector<std::string>{
                       "is the address right? --host URL, LOCO_HOST, or `host` in " +
                           request_.config.string(),
                       "on the server's machine: loco doctor"});
        return skip_server("the server can't be reached");
    }
    boost::system::error_code error;
    const auto body = json::parse(answer->body, error);
    if (!answer->ok() || error || text_at(body, "name") != "loco") {
        note(kServer, "address", failed,
             host + " answers (" + std::to_string(answer->status) + "), and is no Loco",
             {"name the server's address: --host URL, or LOCO_HOST"});
        return skip_server("no Loco answers");
    }
    note(kServer, "address", ok, host + " answers");
    version(*answer);
    clock(*answer, took.count());
    if (!token()) {
        note(kServer, "health", not_applicable, "not looked at: you are not signed in");
        for (const auto* name : {"registry", "names", "gateway"})
            note(kClient, name, not_applicable, "not looked at: you are not signed in");
        return;
    }
    own_word();
}

void Examiner::version(const http::ClientResponse& answer) {
    boost::system::error_code error;
    const auto theirs = text_at(json::parse(answer.body, error), "version");
    if (theirs == request_.version)
        return note(kServer, "version", ok, "loco-api " + theirs + ", as this client");
    note(kServer, "version", warning, "loco-api " + theirs + "; this client is " + request_.version,
         {"use the client of the server's version, or update the server"});
}

void Examiner::clock(const http::ClientResponse& answer, std::int64_t took_ms) {
    const auto difference =
        clock_difference(answer.headers.get("Date"), to_unix_ms(SystemClock().now()), took_ms);
    if (!difference)
        return note(kServer, "clock", not_applicable, "the server's answer has no time");
    const auto apart = std::abs(*difference);
    if (apart < kClockWarning) return note(kServer, "clock", ok, "as this machine's");
    note(kServer, "clock", apart < kClockFailed ? warning : failed,
         "this machine's clock is " + std::to_string(apart) + " s " +
             (*difference > 0 ? "before" : "behind") + " the server's",
         {"timedatectl    # here and on the server: is the clock kept by NTP?"});
}

bool Examiner::token() {
    const std::string sign_in = is_loopback(request_.settings.host)
                                    ? up() + "    # signs you in"
                                    : "ask an owner for a token, and put it into LOCO_TOKEN";
    if (request_.settings.token.reveal().empty()) {
        note(kServer, "token", failed, "you are not signed in", {sign_in},
             ErrorKind::unauthenticated);
        return false;
    }
    const auto answer = ask_api("/me");
    if (!answer || !answer->ok()) {
        auto error = answer ? client::to_error(answer->status, answer->body) : answer.error();
        const bool refused = error.kind == ErrorKind::unauthenticated;
        note(kServer, "token", failed, error.message,
             refused ? std::vector<std::string>{sign_in} : steps_of(error), error.kind);
        return false;
    }
    boost::system::error_code error;
    const auto me = json::parse(answer->body, error);
    const auto& team = request_.settings.team;
    for (const auto& one : array_at(me, "teams")) {
        if (text_at(one, "slug") != team) continue;
        note(kServer, "token", ok,
             text_at(me, "login") + ", " + text_at(one, "role") + " of team " + team);
        return true;
    }
    note(kServer, "token", warning, text_at(me, "login") + " is no member of team " + team,
         {"name one of yours: --team T, or LOCO_TEAM; `loco whoami` lists them"});
    return true;
}

Check::State state_of(const std::string& word) {
    if (word == "ok") return ok;
    if (word == "warning") return warning;
    return word == "not_applicable" ? not_applicable : failed;
}

// Where the server watches its disks, what it has found: by its bounds it warns and refuses deploys.
bool Examiner::watched_disks() {
    const auto answer = ask_api("/machine");
    if (!answer || !answer->ok()) return false;
    boost::system::error_code error;
    const auto machine = json::parse(answer->body, error);
    if (error || array_at(machine, "disks").empty()) return false;
    std::vector<std::string> steps;
    for (const auto& warning : array_at(machine, "warnings")) {
        for (const auto& step : array_at(warning, "next_steps"))
            if (step.is_string()) steps.emplace_back(step.as_string());
    }
    for (const auto& one : array_at(machine, "disks")) {
        const auto word = text_at(one, "state");
        const auto state = word == "ok" ? ok : word == "low" ? warning : failed;
        const auto gib = [&](std::string_view key) {
            return static_cast<double>(int_at(one, key)) / (1LL << 30);
        };
        note(kServer, "disk", state,
             fmt::format("{:.1f} of {:.1f} GiB are free for {}{}", gib("free_bytes"),
                         gib("total_bytes"), text_at(one, "path"),
                         state == failed ? ": nothing new is deployed" : ""),
             state == ok ? std::vector<std::string>{} : steps);
    }
    return true;
}

// What the server says of its parts.
void Examiner::own_word() {
    const auto answer = ask_api("/doctor", kServersOwn);
    boost::system::error_code error;
    json::value word;
    if (answer && answer->ok()) word = json::parse(answer->body, error);
    if (!answer || !answer->ok() || error || !word.is_object()) {
        if (answer && answer->status == 404) {
            note(kServer, "health", not_applicable, "this server is too old to tell");
        } else {
            note_failed(kServer, "health",
                        !answer         ? answer.error()
                        : !answer->ok() ? client::to_error(answer->status, answer->body)
                                        : Error{.message = "the server's answer is no JSON"});
        }
        for (const auto* name : {"registry", "names", "gateway"})
            note(kClient, name, not_applicable,
                 "not looked at: the server does not say where it is");
        return;
    }
    const bool watched = watched_disks();
    for (const auto& one : array_at(word, "checks")) {
        if (watched && text_at(one, "name").ends_with("disk")) continue;  // it said so already
        std::vector<std::string> steps;
        for (const auto& step : array_at(one, "next_steps"))
            if (step.is_string()) steps.emplace_back(step.as_string());
        note(kServer, text_at(one, "name"), state_of(text_at(one, "state")),
             text_at(one, "message"), std::move(steps));
    }
    registry(word);
    names(word);
    gateway(word);
}

// --- from here to where images and requests go

// "realm" of: Bearer realm="http://…",service="loco-registry"
std::string parameter(std::string_view challenge, std::string_view name) {
    const auto begin = challenge.find(std::string(name) + "=\"");
    if (begin == std::string_view::npos) return {};
    const auto from = begin + name.size() + 2;
    return std::string(challenge.substr(from, challenge.find('"', from) - from));
}

// As an engine does it that pushes: asks, is told where tokens are given, gets one, and is let in.
void Examiner::registry(const json::value& word) {
    const auto host = text_at(word, "registry");
    const auto url = build::registry_url(host);
    const auto refused = [&](const std::string& message, const std::string& step) {
        note(kClient, "registry", failed, message, {step});
    };
    const auto asked = get(url + "/v2/");
    if (!asked) {
        const bool local = is_loopback(host) && !is_loopback(request_.settings.host);
        return refused(url + " can't be reached from here: " + asked.error().message,
                       local ? "deploy from the server's machine: the registry listens there only"
                       : is_loopback(host)
                           ? up() + "    # starts it again"
                           : "is a firewall between this machine and " + host + "?");
    }
    const auto challenge = std::string(asked->headers.get("WWW-Authenticate"));
    const auto realm = parameter(challenge, "realm");
    if (asked->status != 401 || realm.empty()) {
        return refused(url + " answers (" + std::to_string(asked->status) +
                           "), and is not Loco's registry: it asks for no token",
                       "does another program listen on " + host + "?");
    }
    http::Headers basic;
    basic.set("Authorization",
              "Basic " + crypto::base64("loco:" + request_.settings.token.reveal()));
    // The realm is the registry's word: the token goes to the server that it is for, and to nobody else.
    const auto path = realm.find("/api/v1/");
    const auto from = request_.settings.host +
                      (path == std::string::npos ? "/api/v1/registry/token" : realm.substr(path)) +
                      "?service=" + http::percent_encode(parameter(challenge, "service"));
    const auto given = get(from, kQuick, basic);
    if (!given || !given->ok()) {
        return refused("the server gives no token for the registry: " +
                           (given ? client::to_error(given->status, given->body).message
                                  : given.error().message),
                       "loco whoami    # is your own token good?");
    }
    boost::system::error_code error;
    const auto token = text_at(json::parse(given->body, error), "token");
    http::Headers bearer;
    bearer.set("Authorization", "Bearer " + token);
    const auto let_in = get(url + "/v2/", kQuick, bearer);
    if (!let_in || !let_in->ok()) {
        return refused(
            "the registry does not take the token that the server gives (" +
                (let_in ? std::to_string(let_in->status) : let_in.error().message) + ")",
            "loco down && loco up --detach    # on the server's machine: it learns the key anew");
    }
    note(kClient, "registry", ok, url + " answers, and takes the server's tokens");
}

std::set<std::string> addresses_of(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::set<std::string> out;
    for (const auto* one = found; one != nullptr; one = one->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                          NI_NUMERICHOST) == 0)
            out.insert(text);
    }
    return out;
}

// Any name below the base domain must lead to the gateway; one that nobody has asked for shows that they all do.
void Examiner::names(const json::value& word) {
    constexpr std::size_t kLength = 8;
    SystemRandom random;
    const auto domain = text_at(word, "base_domain");
    const auto name = "doctor-" + random_word(random, kLength) + "." + domain;
    const auto found = addresses_of(name);
    resolved_ = !found.empty();
    if (!resolved_) {
        return note(kClient, "names", failed, "*." + domain + " has no address here",
                    domain == "localhost" || domain.ends_with(".localhost")
                        ? std::vector<std::string>{"sudo apt-get install libnss-myhostname    # "
                                                   "browsers and curl do without"}
                        : std::vector<std::string>{"a DNS record *." + domain +
                                                   " that points to the gateway's machine"});
    }
    std::string list;
    for (const auto& one : found) list += (list.empty() ? "" : ", ") + one;
    note(kClient, "names", ok, "*." + domain + " is " + list);
}

void Examiner::gateway(const json::value& word) {
    const auto url = text_at(word, "url");
    if (!resolved_ && url.find(text_at(word, "base_domain")) != std::string::npos &&
        !is_loopback(url)) {
        return note(kClient, "gateway", not_applicable, "not looked at: its name has no address");
    }
    const auto answer = get(url + "/api/v1/version");
    if (!answer) {
        return note(kClient, "gateway", failed,
                    url + " can't be reached from here: " + answer.error().message,
                    {is_loopback(request_.settings.host)
                         ? up() + "    # starts it again"
                         : "on the server's machine: loco doctor; else a firewall is between"});
    }
    boost::system::error_code error;
    const auto body = json::parse(answer->body, error);
    if (!answer->ok() || error || text_at(body, "name") != "loco") {
        return note(
            kClient, "gateway", failed,
            url + " answers (" + std::to_string(answer->status) +
                "), but does not lead to this Loco",
            {"does another program listen there, or does the name lead to another machine?"});
    }
    note(kClient, "gateway", ok, url + " answers, and knows Loco's host");
}

// --- the machine that the server is on, when this is it

void Examiner::part(const platform::Layout& layout, const std::string& name,
                    const std::string& shown) {
    const auto process = platform::running(layout.directories(), name);
    if (process)
        return note(kMachine, shown, ok, "runs as process " + std::to_string(process->pid));
    note(kMachine, shown, failed, "does not run",
         {up() + (name == "supervisor" ? "    # starts what is missing" : "    # starts it again"),
          "its log: " + (layout.directories().log / (name + ".log")).string()});
}

void Examiner::machine() {
    const platform::Layout layout(request_.data_dir);
    const auto there = os::exists(layout.server_config());
    if (!there) {
        if (request_.named || is_loopback(request_.settings.host))
            note(kMachine, "data folder", not_applicable, there.error().message,
                 {"sudo loco doctor    # looks at the parts, too"});
        return;
    }
    if (!*there) {
        if (request_.named)
            note(kMachine, "data folder", failed, "there is no Loco in " + layout.data().string(),
                 {"name its data folder: --data DIR"}, ErrorKind::not_found);
        return;
    }
    const auto config = platform::read_server_config(layout.server_config());
    if (!config) return note_failed(kMachine, "data folder", config.error());
    if (!request_.named && request_.settings.host != "http://" + config->listen) return;
    if (const auto whole = layout.check_whole(); !whole)
        return note_failed(kMachine, "data folder", whole.error());
    note(kMachine, "data folder", ok, layout.data().string());
    part(layout, "supervisor", "supervisor");
    part(layout, "loco-api", "loco-api");
    part(layout, "haproxy", "gateway");
    part(layout, "registry", "registry");
    if (config->engine_is_ours) part(layout, "dockerd", "engine");
    const auto ready = get("http://" + config->ops_listen + "/readyz", kServersOwn);
    if (!ready) {
        return note(
            kMachine, "readiness", failed,
            "http://" + config->ops_listen + "/readyz does not answer: " + ready.error().message,
            {up(), "its log: " + (layout.directories().log / "loco-api.log").string()});
    }
    if (ready->ok()) return note(kMachine, "readiness", ok, "loco-api is ready");
    boost::system::error_code error;
    std::string away;
    const auto body = json::parse(ready->body, error);
    for (const auto& [name, state] : object_at(body, "parts")) {
        if (!state.is_string() || state.as_string() == "ok") continue;
        away += (away.empty() ? "" : ", ") + std::string(name);
    }
    note(kMachine, "readiness", failed, "loco-api is not ready for want of: " + away,
         {"what is said of it above"});
}

}  // namespace

std::string_view to_string(Check::State state) {
    switch (state) {
        case ok: return "ok";
        case warning: return "warning";
        case failed: return "failed";
        case not_applicable: return "not_applicable";
    }
    return "failed";
}

std::optional<long> clock_difference(std::string_view date, std::int64_t now_ms,
                                     std::int64_t took_ms) {
    // "Sun, 06 Nov 1994 08:49:37 GMT"
    std::tm parts{};
    const std::string text(date);
    const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    const auto theirs = static_cast<std::int64_t>(::timegm(&parts)) * 1000;
    // It was written some time within the exchange.
    return static_cast<long>((now_ms - took_ms / 2 - theirs) / 1000);
}

std::vector<Check> examine(const DoctorRequest& request) { return Examiner(request).all(); }

}  // namespace loco::cli
