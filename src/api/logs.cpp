#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <charconv>

#include "api/handlers.hpp"
#include "api/json.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

constexpr int kLinesAtOnce = 500;

std::string to_ndjson(const LogLine& line) {
    static constexpr std::string_view kStreams[] = {"stdout", "stderr", "build"};
    return json::serialize(json::object{
               {"seq", line.seq},
               {"at", to_rfc3339_nano(line.at)},
               {"instance", line.instance},
               {"process", line.process},
               {"release",
                line.release > 0 ? json::value(release_name(line.release)) : json::value(nullptr)},
               {"stream", kStreams[static_cast<std::size_t>(line.stream)]},
               {"text", to_utf8(line.text)},
           }) +
           "\n";
}

// The lines that were asked for, then each that comes, until the app is gone.
class FollowedLogs final : public http::BodyStream {
  public:
    FollowedLogs(Services& services, Leave leave, LogFilter filter, std::string first,
                 std::int64_t after)
        : services_(services),
          leave_(std::move(leave)),
          filter_(std::move(filter)),
          first_(std::move(first)),
          after_(after) {}

    void set_waker(std::function<void()> waker) override {
        lines_ = services_.log_feed.follow(filter_.app.str(), waker);
        // Its removal is one.
        events_ = services_.event_feed.follow(filter_.app.str(),
                                              [happened = happened_, wake = std::move(waker)] {
                                                  *happened = true;
                                                  wake();
                                              });
    }

    Chunk next() override {
        if (!first_.empty()) return {.data = std::exchange(first_, {})};
        Chunk chunk;
        if (!leave_.holds()) return {.data = {}, .ended = true};
        const auto lines = services_.logs.after(filter_, after_, kLinesAtOnce);
        if (!lines) return {.data = {}, .ended = true};
        for (const auto& line : *lines) {
            chunk.data += to_ndjson(line);
            after_ = std::max(after_, line.seq);
        }
        if (lines->empty() && happened_->exchange(false)) chunk.ended = is_gone();
        return chunk;
    }

    // A blank line is no JSON document; readers of NDJSON pass over it.
    std::string keep_alive() const override { return "\n"; }

  private:
    bool is_gone() {
        const auto read = services_.context.store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_TRY(tx.app(filter_.app));
            return {};
        });
        return !read && read.error().kind == ErrorKind::not_found;
    }

    Services& services_;
    Leave leave_;
    // Something became of the app since it was last looked whether it is there.
    std::shared_ptr<std::atomic<bool>> happened_ = std::make_shared<std::atomic<bool>>(true);
    LogFilter filter_;
    std::string first_;
    std::int64_t after_;
    std::shared_ptr<void> lines_;
    std::shared_ptr<void> events_;
};

template <class Number>
Result<Number> parse_number(std::string_view text, std::string_view what) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
        return fail(ErrorKind::invalid, std::string(what) + " must be a whole number", {},
                    "invalid_query");
    }
    return value;
}

Result<LogFilter> read_filter(const Call& call) {
    LogFilter filter{.app = call.app.id};
    if (const auto process = call.query("process"); !process.empty())
        filter.process = std::string(process);
    if (const auto instance = call.query("instance"); !instance.empty())
        filter.instance = std::string(instance);
    if (const auto build = call.query("build"); !build.empty()) {
        LOCO_ASSIGN(filter.build, DeploymentId::parse(build));
    }
    if (auto release = call.query("release"); !release.empty()) {
        if (release.starts_with('v')) release.remove_prefix(1);
        LOCO_ASSIGN(filter.release, parse_number<int>(release, "release"));
    }
    if (const auto since = call.query("since"); !since.empty()) {
        LOCO_ASSIGN(filter.since, parse_rfc3339(since));
    }
    return filter;
}

bool is_true(std::string_view text) { return text == "true" || text == "1"; }

// The instance that an event tells of; empty when it is none of an end.
std::string instance_that_ended(const Event& event, const std::optional<std::string>& process) {
    static constexpr std::array<std::string_view, 3> kEnds{"instance.crashed", "instance.restarted",
                                                           "instance.replaced"};
    if (std::ranges::find(kEnds, event.kind) == kEnds.end()) return {};
    if (process && !event.message.starts_with(*process + ".")) return {};
    boost::system::error_code broken;
    const auto data = json::parse(event.data, broken);
    const auto* object = broken ? nullptr : data.if_object();
    const auto* id = object == nullptr ? nullptr : object->if_contains("instance");
    return id != nullptr && id->is_string() ? std::string(id->get_string()) : std::string();
}

// What the instance that ended last by itself had written by then.
Result<> only_previous(Services& services, const Call& call, LogFilter& filter) {
    if (filter.build || is_true(call.query("follow"))) {
        return fail(ErrorKind::invalid,
                    "previous says what has ended: there is nothing to follow, and no build", {},
                    "invalid_query");
    }
    constexpr int kEventsToLook = 1000;
    std::vector<Event> events;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(events, tx.latest_events({.app = call.app.id}, 0, kEventsToLook));
        return {};
    }));
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        auto instance = instance_that_ended(*event, filter.process);
        if (instance.empty()) continue;
        filter.instance = std::move(instance);
        filter.until = event->at;
        return {};
    }
    return fail(ErrorKind::not_found,
                "no instance of " + call.app.name + " has crashed or was replaced lately",
                "`loco logs` shows what all have written, also those that are gone",
                "nothing_ended");
}

}  // namespace

Result<http::Response> get_logs(Services& services, Call& call) {
    LOCO_ASSIGN(auto filter, read_filter(call));
    if (is_true(call.query("previous"))) LOCO_TRY(only_previous(services, call, filter));
    int n = 100;
    if (const auto text = call.query("n"); !text.empty()) {
        LOCO_ASSIGN(n, parse_number<int>(text, "n"));
        n = std::min(n, 10'000);
    }
    const bool follow = is_true(call.query("follow"));
    std::vector<LogLine> lines;
    std::int64_t after = 0;
    if (const auto text = call.query("after"); !text.empty()) {
        LOCO_ASSIGN(after, parse_number<std::int64_t>(text, "after"));
        LOCO_ASSIGN(lines, services.logs.after(filter, after, n));
    } else {
        LOCO_ASSIGN(lines, services.logs.last(filter, std::max(n, 1)));
    }
    std::string text;
    for (const auto& line : lines) {
        if (n > 0) text += to_ndjson(line);
        after = std::max(after, line.seq);
    }
    http::Response response;
    response.headers.set("Content-Type", "application/x-ndjson");
    if (follow) {
        response.stream = std::make_shared<FollowedLogs>(
            services, Leave(std::move(call.still_allowed), services.context.clock),
            std::move(filter), std::move(text), after);
    } else {
        response.body = std::move(text);
    }
    return response;
}

}  // namespace loco::api
