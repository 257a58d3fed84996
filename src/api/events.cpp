#include <boost/json.hpp>
#include <charconv>
#include <deque>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "http/sse.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

constexpr int kEventsAtOnce = 100;

Result<std::int64_t> parse_seq(std::string_view text) {
    std::int64_t value = 0;
    if (text.empty()) return value;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
        return fail(ErrorKind::invalid, "the cursor is none that this list gave", {},
                    "invalid_cursor");
    }
    return value;
}

// A deployment's events from the store, then its end. The feed only says when to look again.
class DeploymentEvents final : public http::BodyStream {
  public:
    DeploymentEvents(Services& services, Leave leave, DeploymentId id, std::int64_t after)
        : services_(services), leave_(std::move(leave)), id_(std::move(id)), after_(after) {}

    void set_waker(std::function<void()> waker) override {
        subscription_ = services_.event_feed.follow(id_.str(), std::move(waker));
    }

    Chunk next() override {
        Chunk chunk;
        if (!leave_.holds()) return {.data = {}, .ended = true};
        const auto read = services_.context.store.read([&](const ReadTx& tx) -> Result<> {
            // The deployment first: were it read last, an event between the two reads could be missed at the end.
            LOCO_ASSIGN(const auto deployment, tx.deployment(id_));
            LOCO_ASSIGN(const auto events, tx.events({.deployment = id_}, after_, kEventsAtOnce));
            for (const auto& event : events) {
                chunk.data += http::format_sse({.id = std::to_string(event.seq),
                                                .event = event.kind,
                                                .data = json::serialize(present(event))});
                after_ = event.seq;
            }
            if (static_cast<int>(events.size()) < kEventsAtOnce && is_terminal(deployment.state)) {
                std::optional<int> number;
                if (deployment.release) {
                    if (const auto release = tx.release(*deployment.release))
                        number = release->number;
                }
                chunk.data +=
                    http::format_sse({.id = {},
                                      .event = "end",
                                      .data = json::serialize(present(deployment, number))});
                chunk.ended = true;
            }
            return {};
        });
        if (!read) chunk.ended = true;  // the client comes back with Last-Event-ID
        return chunk;
    }

    std::string keep_alive() const override { return std::string(http::kSseComment); }

  private:
    Services& services_;
    Leave leave_;
    DeploymentId id_;
    std::int64_t after_;
    std::shared_ptr<void> subscription_;
};

}  // namespace

Result<http::Response> list_events(Services& services, Call& call) {
    LOCO_ASSIGN(const int limit, call.limit(100, 1000));
    LOCO_ASSIGN(const auto before, parse_seq(call.query("cursor")));
    json::array items;
    std::optional<std::string> next;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto events, tx.latest_events({.app = call.app.id}, before, limit));
        for (const auto& event : events) items.push_back(present(event));
        if (static_cast<int>(events.size()) == limit) next = std::to_string(events.front().seq);
        return {};
    }));
    return list_response(std::move(items), std::move(next));
}

Result<http::Response> stream_deployment_events(Services& services, Call& call) {
    auto last = call.request.headers.get("Last-Event-ID");
    if (last.empty()) last = call.query("after");
    LOCO_ASSIGN(const auto after, parse_seq(last));
    http::Response response;
    response.headers.set("Content-Type", "text/event-stream");
    response.headers.set("X-Accel-Buffering", "no");
    response.stream = std::make_shared<DeploymentEvents>(
        services, Leave(std::move(call.still_allowed), services.context.clock), call.deployment.id,
        after);
    return response;
}

}  // namespace loco::api
