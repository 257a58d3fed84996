#include "kubernetes/client.hpp"

#include <boost/json/serialize.hpp>
#include <condition_variable>
#include <mutex>

#include "http/message.hpp"

namespace loco::kubernetes {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskEvery{100};
constexpr int kListAttempts = 3;
// Of a Secret that was applied only this comes back.
constexpr const char* kMetadataOnly =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

class Query {
  public:
    explicit Query(std::string path) : text_(std::move(path)) {}
    Query& add(std::string_view name, std::string_view value) {
        if (value.empty()) return *this;
        text_ += text_.find('?') == std::string::npos ? '?' : '&';
        text_.append(name).append("=").append(http::percent_encode(value));
        return *this;
    }
    Query& add(const Selection& selection) {
        return add("labelSelector", selection.labels).add("fieldSelector", selection.fields);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    std::string text_;
};

std::string what(const Kind& kind, std::string_view namespace_, std::string_view name) {
    std::string text(kind.name);
    return text.append(" ").append(key_of(kind.namespaced ? namespace_ : "", name));
}

// False when it was cancelled meanwhile.
bool wait(milliseconds time, const Client::Cancelled& cancelled) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
        if (cancelled && cancelled()) return false;
        never.wait_until(lock, std::min(end, std::chrono::steady_clock::now() + kAskEvery));
    }
    return true;
}

}  // namespace

Client::Client(Config config, const Clock& clock, Random& random, ClientOptions options)
    : credentials_(std::move(config), clock),
      clock_(clock),
      random_(random),
      options_(std::move(options)) {}

Result<http::ClientRequest> Client::request(http::Method method,
                                            const std::string& path_and_query) {
    LOCO_ASSIGN(auto credential, credentials_.current());
    http::ClientRequest request;
    request.method = method;
    request.url = config().server + path_and_query;
    request.tls = credential.tls;
    request.connect_timeout = options_.connect_timeout;
    request.timeout = options_.timeout;
    request.max_response_bytes = options_.max_response_bytes;
    request.headers.set("Accept", "application/json");
    request.headers.set("User-Agent", options_.field_manager);
    if (!credential.bearer.reveal().empty()) {
        request.headers.set("Authorization", "Bearer " + credential.bearer.reveal());
    }
    return request;
}

Result<Object> Client::call(const Call& call, http::Method method,
                            const std::string& path_and_query, std::string body,
                            const http::Headers& headers, const Cancelled& cancelled) {
    Backoff backoff(options_.backoff, random_);
    const auto deadline = clock_.steady() + options_.deadline;
    bool signed_in_anew = false;
    const auto doing = std::string(call.verb) + " " + call.what;
    while (true) {
        auto request = this->request(method, path_and_query);
        if (!request) return fail(std::move(request).error().while_(doing));
        for (const auto& [name, value] : headers) request->headers.set(name, value);
        request->body = body;
        request->cancelled = cancelled;
        auto response = http_.send(*request);
        if (response && response->ok()) {
            auto object = parse_object(response->body);
            if (!object) return fail(std::move(object).error().while_(doing));
            return object;
        }
        Error error =
            response ? failure_of(call, *response) : std::move(response).error().while_(doing);
        bool again = response ? is_passing(error)
                              : error.kind == ErrorKind::unavailable && error.code != "tls_failed";
        if (response && response->status == 401 && !signed_in_anew) {
            credentials_.refused();  // a token may have just ended
            signed_in_anew = again = true;
        }
        auto pause = backoff.next();
        if (response) pause = std::max(pause, retry_after(*response).value_or(milliseconds(0)));
        if (!again || clock_.steady() + pause >= deadline) {
            if (!response && error.hint.empty()) {
                error.hint = "see that the API server at " + config().server +
                             " can be reached from here (" + config().origin + ")";
            }
            return fail(std::move(error));
        }
        if (!wait(pause, cancelled)) return fail(ErrorKind::interrupted, doing + ": stopped");
    }
}

Result<Object> Client::get(const Kind& kind, std::string_view namespace_, std::string_view name) {
    return call({.verb = "get", .kind = &kind, .what = what(kind, namespace_, name)},
                http::Method::get, path_of(kind, namespace_, name));
}

Result<Object> Client::get_path(const std::string& path) {
    return call({.verb = "get", .what = path.substr(0, path.find('?'))}, http::Method::get, path);
}

Result<ObjectList> Client::list(const Kind& kind, const Selection& selection,
                                const Cancelled& cancelled) {
    for (int attempt = 1;; ++attempt) {
        auto listed = list_pages(kind, selection, cancelled);
        if (listed || listed.error().code != "expired" || attempt == kListAttempts) return listed;
    }
}

Result<ObjectList> Client::list_pages(const Kind& kind, const Selection& selection,
                                      const Cancelled& cancelled) {
    const Call listing{.verb = "list", .kind = &kind, .what = std::string(kind.plural)};
    ObjectList all;
    std::string next;
    do {
        Query query(path_of(kind, selection.namespace_));
        query.add(selection).add("limit", std::to_string(options_.page_size)).add("continue", next);
        LOCO_ASSIGN(auto page, call(listing, http::Method::get, query.text(), {}, {}, cancelled));
        const auto& metadata = member(page, "metadata");
        next = text(metadata, "continue");
        all.resource_version = text(metadata, "resourceVersion");
        auto* fields = page.if_object();
        auto* items = fields != nullptr && fields->contains("items")
                          ? fields->at("items").if_array()
                          : nullptr;
        if (items == nullptr || all.resource_version.empty()) {
            return fail(ErrorKind::unavailable, "list " + listing.what + ": the answer is no list");
        }
        if (all.items.size() + items->size() > options_.max_objects) {
            return fail(ErrorKind::too_large, "list " + listing.what + ": more than " +
                                                  std::to_string(options_.max_objects) +
                                                  " objects");
        }
        for (auto& item : *items) {
            if (auto* object = item.if_object()) {
                (*object)["apiVersion"] = kind.api_version;
                (*object)["kind"] = kind.name;
                all.items.push_back(std::move(item));
            }
        }
    } while (!next.empty());
    return all;
}

Result<Object> Client::apply(const Kind& kind, const Object& object, ApplyOptions options) {
    const auto name = name_of(object);
    const auto namespace_ = namespace_of(object);
    const Call applying{.verb = "apply", .kind = &kind, .what = what(kind, namespace_, name)};
    if (name.empty() || kind.namespaced == namespace_.empty() ||
        text(object, "kind") != kind.name || text(object, "apiVersion") != kind.api_version) {
        return fail(
            ErrorKind::internal,
            "apply " + applying.what + ": the object does not name itself, or is of another kind");
    }
    Query query(path_of(kind, namespace_, name));
    query
        .add("fieldManager",
             options.field_manager.empty() ? options_.field_manager : options.field_manager)
        .add("fieldValidation", "Strict");
    if (options.force) query.add("force", "true");
    if (options.dry_run) query.add("dryRun", "All");
    http::Headers headers;
    headers.set("Content-Type", "application/apply-patch+yaml");  // which JSON is, too
    if (kind == kSecret) headers.set("Accept", kMetadataOnly);
    return call(applying, http::Method::patch, query.text(), boost::json::serialize(object),
                headers);
}

Result<> Client::remove(const Kind& kind, std::string_view namespace_, std::string_view name,
                        const RemoveOptions& options) {
    using Dependents = RemoveOptions::Dependents;
    boost::json::object body{{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
    body["propagationPolicy"] = options.dependents == Dependents::foreground ? "Foreground"
                                : options.dependents == Dependents::orphan   ? "Orphan"
                                                                             : "Background";
    if (options.grace) body["gracePeriodSeconds"] = options.grace->count();
    if (!options.only_uid.empty()) body["preconditions"] = {{"uid", options.only_uid}};
    if (options.dry_run) body["dryRun"] = boost::json::array{"All"};
    http::Headers headers;
    headers.set("Content-Type", "application/json");
    if (kind == kSecret) headers.set("Accept", kMetadataOnly);
    auto answer = call({.verb = "delete", .kind = &kind, .what = what(kind, namespace_, name)},
                       http::Method::delete_, path_of(kind, namespace_, name),
                       boost::json::serialize(body), headers);
    if (!answer && answer.error().kind != ErrorKind::not_found) {
        return fail(std::move(answer).error());
    }
    return {};
}

Result<http::ClientRequest> Client::stream_request(const std::string& path_and_query) {
    LOCO_ASSIGN(auto stream, request(http::Method::get, path_and_query));
    stream.timeout = milliseconds(0);
    stream.keep_alive_probes = true;
    stream.max_response_bytes = 1U << 20;  // of a refusal: the stream itself has no bound
    return stream;
}

Result<http::ClientRequest> Client::watch_request(const Kind& kind, const Selection& selection,
                                                  std::string_view resource_version,
                                                  std::chrono::seconds lasts) {
    Query query(path_of(kind, selection.namespace_));
    query.add("watch", "true").add("allowWatchBookmarks", "true").add(selection);
    query.add("resourceVersion", resource_version)
        .add("timeoutSeconds", std::to_string(lasts.count()));
    LOCO_ASSIGN(auto watch, stream_request(query.text()));
    // The server ends it; this is for one that no longer answers at all.
    watch.timeout = lasts + std::chrono::seconds(30);
    return watch;
}

}  // namespace loco::kubernetes
