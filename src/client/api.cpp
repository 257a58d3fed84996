#include "client/api.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <thread>

#include "base/log.hpp"
#include "base/random.hpp"
#include "http/sse.hpp"

namespace loco::client {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxLine = 1U << 20;
constexpr auto kReconnectAfter = std::chrono::milliseconds(250);

std::string text_of(const json::object& object, std::string_view name) {
    const auto* found = object.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

ErrorKind kind_of(int status, std::string_view title) {
    for (int k = 0; k <= static_cast<int>(ErrorKind::interrupted); ++k) {
        const auto kind = static_cast<ErrorKind>(k);
        if (traits(kind).name == title) return kind;
    }
    for (int k = 0; k <= static_cast<int>(ErrorKind::interrupted); ++k) {
        const auto kind = static_cast<ErrorKind>(k);
        if (traits(kind).http_status == status) return kind;
    }
    return status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
}

// Waits, but not longer than until it is cancelled.
void pause(std::chrono::milliseconds time, const std::function<bool()>& cancelled) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until && !cancelled()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

Error not_a_loco(std::string message) {
    return Error{.kind = ErrorKind::unavailable,
                 .message = std::move(message),
                 .hint = "is it a Loco server? check --host and LOCO_HOST",
                 .code = "not_a_loco"};
}

// Names the URL of what is no Loco.
Error at(const std::string& url, Error error) {
    if (error.code == "not_a_loco")
        error.message = "what answers at " + url + " is no Loco: " + error.message;
    return error;
}

std::unexpected<Error> interrupted() { return fail(ErrorKind::interrupted, "interrupted"); }

// Repeats `connect` until it says that all is read. Each call of connect that got an answer starts the patience anew.
// connect: true, all is read; false, the connection ended early.
Result<> reconnecting(const std::function<Result<bool>(bool& answered)>& connect,
                      const std::function<bool()>& cancelled, std::chrono::milliseconds patience) {
    auto give_up_at = std::chrono::steady_clock::now() + patience;
    while (true) {
        bool answered = false;
        const auto result = connect(answered);
        if (cancelled()) return interrupted();
        if (result && *result) return {};
        if (answered) give_up_at = std::chrono::steady_clock::now() + patience;
        if (!result) {
            const auto kind = result.error().kind;
            const bool passing = kind == ErrorKind::unavailable ||
                                 kind == ErrorKind::rate_limited || kind == ErrorKind::interrupted;
            if (!passing || std::chrono::steady_clock::now() >= give_up_at)
                return fail(result.error());
        }
        pause(kReconnectAfter, cancelled);
    }
}

}  // namespace

Error to_error(int status, std::string_view body) {
    json::error_code parse_error;
    const auto value = json::parse(body, parse_error);
    if (parse_error || !value.is_object() || text_of(value.as_object(), "detail").empty()) {
        const auto message = "it answered " + std::to_string(status) + " without saying why";
        // Loco's own answers say why; a proxy before it may have trouble of its own.
        if (status >= 500) return Error{.kind = kind_of(status, {}), .message = message};
        return not_a_loco(message);
    }
    const auto& object = value.as_object();
    Error error{.kind = kind_of(status, text_of(object, "title")),
                .message = text_of(object, "detail"),
                .hint = text_of(object, "hint"),
                .code = text_of(object, "code")};
    if (const auto* steps = object.if_contains("next_steps");
        steps != nullptr && steps->is_array()) {
        for (const auto& step : steps->as_array()) {
            if (step.is_string()) error.next_steps.emplace_back(step.as_string());
        }
    }
    error.context.emplace_back("request_id", text_of(object, "request_id"));
    return error;
}

std::string new_idempotency_key() {
    constexpr std::size_t kLength = 26;  // 130 bits
    SystemRandom random;
    return random_word(random, kLength);
}

std::string part(std::string_view text) { return http::percent_encode(text); }

http::ClientRequest Api::request(http::Method method, const std::string& path) const {
    http::ClientRequest request{.method = method, .url = endpoint_.url + "/api/v1" + path};
    if (!endpoint_.token.reveal().empty())
        request.headers.set("Authorization", "Bearer " + endpoint_.token.reveal());
    request.headers.set("Accept", "application/json");
    return request;
}

Error Api::unreachable(Error error) const {
    if (error.kind != ErrorKind::unavailable) return error;
    error.message = "the server at " + endpoint_.url + " can't be reached: " +
                    (error.code == "connection_refused" ? "nothing answers there" : error.message);
    error.hint = "start it with `loco up`, or name another with --host";
    error.code = "server_unreachable";
    return error;
}

Result<json::value> Api::exchange(const http::ClientRequest& request) {
    auto response = http_.send(request);
    log::debug("request", {{"method", http::to_string(request.method)},
                           {"url", request.url},
                           {"status", response ? response->status : 0}});
    if (!response) return fail(unreachable(response.error()));
    if (!response->ok()) return fail(at(endpoint_.url, to_error(response->status, response->body)));
    if (response->body.empty()) return json::value(nullptr);
    json::error_code error;
    auto value = json::parse(response->body, error);
    if (error) return fail(at(endpoint_.url, not_a_loco("its answer is no JSON")));
    return value;
}

Result<json::value> Api::get(const std::string& path) {
    return exchange(request(http::Method::get, path));
}

Result<json::value> Api::post(const std::string& path, const json::value& body,
                              const PostOptions& options) {
    auto message = request(http::Method::post, path);
    message.headers.set("Content-Type", "application/json");
    if (!options.idempotency_key.empty())
        message.headers.set("Idempotency-Key", options.idempotency_key);
    message.timeout = options.timeout;
    message.body = json::serialize(body);
    const auto give_up_at = std::chrono::steady_clock::now() + options.patience;
    while (true) {
        auto answer = exchange(message);
        // A registry that is being cleaned is told of, and may take longer. With a key of our own, a conflict over it
        // is our first attempt, which still runs.
        const bool passing =
            !answer &&
            ((answer.error().kind == ErrorKind::unavailable &&
              answer.error().code != "registry_busy") ||
             (!options.idempotency_key.empty() && answer.error().code == "idempotency_conflict"));
        if (!passing || std::chrono::steady_clock::now() >= give_up_at) return answer;
        pause(kReconnectAfter, [] { return false; });
    }
}

Result<json::value> Api::patch(const std::string& path, const json::value& body) {
    auto message = request(http::Method::patch, path);
    message.headers.set("Content-Type", "application/json");
    message.body = json::serialize(body);
    return exchange(message);
}

Result<json::value> Api::remove(const std::string& path) {
    return exchange(request(http::Method::delete_, path));
}

Result<> Api::post_text(const std::string& path, std::string text) {
    auto message = request(http::Method::post, path);
    message.headers.set("Content-Type", "text/plain; charset=utf-8");
    message.body = std::move(text);
    LOCO_TRY(exchange(message));
    return {};
}

Result<json::array> Api::list(const std::string& path, std::size_t max) {
    json::array all;
    std::string cursor;
    do {
        const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
        LOCO_ASSIGN(const auto page,
                    get(cursor.empty() ? path : path + separator + "cursor=" + part(cursor)));
        const auto* items = page.is_object() ? page.as_object().if_contains("items") : nullptr;
        if (items == nullptr || !items->is_array()) {
            return fail(at(endpoint_.url, not_a_loco("its answer is no list")));
        }
        for (const auto& item : items->as_array()) all.push_back(item);
        cursor = text_of(page.as_object(), "next_cursor");
    } while (!cursor.empty() && all.size() < max);
    return all;
}

Result<> Api::follow_events(const std::string& path,
                            const std::function<bool(const StreamEvent&)>& on_event,
                            const std::function<bool()>& cancelled,
                            std::chrono::milliseconds patience) {
    std::string last_id;
    const auto connect = [&](bool& answered) -> Result<bool> {
        bool done = false;
        http::SseParser parser([&](const http::SseEvent& event) {
            if (!event.id.empty()) last_id = event.id;
            if (done) return;
            json::error_code error;
            auto value = json::parse(event.data, error);
            if (!error)
                done = !on_event({.id = event.id, .event = event.event, .data = std::move(value)});
        });
        auto message = request(http::Method::get, path);
        message.headers.set("Accept", "text/event-stream");
        if (!last_id.empty()) message.headers.set("Last-Event-ID", last_id);
        message.timeout = std::chrono::milliseconds(0);
        message.cancelled = cancelled;
        message.on_data = [&](std::string_view data) {
            answered = true;
            return parser.feed(data).has_value() && !done;
        };
        const auto response = http_.send(message);
        if (done) return true;
        if (!response) return fail(unreachable(response.error()));
        if (!response->ok())
            return fail(at(endpoint_.url, to_error(response->status, response->body)));
        return false;
    };
    return reconnecting(connect, cancelled, patience);
}

Result<> Api::read_lines(const std::string& path, bool follow,
                         const std::function<bool(const json::object&)>& on_line,
                         const std::function<bool()>& cancelled,
                         std::chrono::milliseconds patience) {
    std::int64_t last_seq = 0;
    const auto connect = [&](bool& answered) -> Result<bool> {
        bool done = false;
        std::string rest;
        const auto take_line = [&](std::string_view line) {
            json::error_code error;
            const auto value = json::parse(line, error);
            if (error || !value.is_object()) return;  // a blank line keeps the connection alive
            if (const auto* seq = value.as_object().if_contains("seq");
                seq != nullptr && seq->is_int64()) {
                last_seq = std::max(last_seq, seq->as_int64());
            }
            done = done || !on_line(value.as_object());
        };
        const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
        auto target = path;
        if (last_seq > 0) target += separator + "after=" + std::to_string(last_seq);
        auto message = request(http::Method::get, target);
        message.headers.set("Accept", "application/x-ndjson");
        message.timeout = std::chrono::milliseconds(follow ? 0 : 60'000);
        message.cancelled = cancelled;
        message.on_data = [&](std::string_view data) {
            answered = true;
            rest += data;
            std::size_t begin = 0;
            for (auto end = rest.find('\n'); end != std::string::npos && !done;
                 end = rest.find('\n', begin)) {
                take_line(std::string_view(rest).substr(begin, end - begin));
                begin = end + 1;
            }
            rest.erase(0, begin);
            return !done && rest.size() <= kMaxLine;
        };
        const auto response = http_.send(message);
        if (done) return true;
        if (!response) return fail(unreachable(response.error()));
        if (!response->ok())
            return fail(at(endpoint_.url, to_error(response->status, response->body)));
        return !follow;
    };
    return reconnecting(connect, cancelled, follow ? patience : std::chrono::milliseconds(0));
}

}  // namespace loco::client
