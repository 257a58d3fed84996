// apps, create, destroy, open, releases, events: an app as a thing.
#include <boost/json.hpp>
#include <chrono>
#include <thread>

#include "base/clock.hpp"
#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"
#include "os/process.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

constexpr auto kRemovedWithin = std::chrono::minutes(2);
constexpr auto kRemovalPoll = std::chrono::milliseconds(100);

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

// "2026-11-23 16:00:05", in UTC as everything that Loco shows.
std::string short_time(const std::string& rfc3339) {
    if (rfc3339.size() < 19) return "-";
    return rfc3339.substr(0, 10) + " " + rfc3339.substr(11, 8);
}

Style style_of_state(const std::string& state) {
    if (state == "live" || state == "healthy") return Style::green;
    if (state == "down" || state == "failed" || state == "backoff") return Style::red;
    if (state == "degraded" || state == "starting" || state == "pending" || state == "destroying")
        return Style::yellow;
    return Style::dim;
}

Result<> run_apps(Invocation& invocation) {
    LOCO_ASSIGN(const auto apps, invocation.api().list(invocation.team_path() + "/apps?limit=200"));
    if (invocation.json()) {
        invocation.print_json(json::object{{"items", apps}});
        return {};
    }
    if (apps.empty()) {
        invocation.note("no apps yet; deploy one with `loco deploy` in a folder with a Dockerfile");
        return {};
    }
    const bool colour = invocation.colour_out();
    std::vector<std::vector<std::string>> rows{{"NAME", "STATE", "RELEASE", "URL"}};
    for (const auto& app : apps) {
        const auto state = text_at(app, "state");
        rows.push_back({text_at(app, "name"), styled(state, style_of_state(state), colour),
                        or_dash(text_at(app, "release")), or_dash(text_at(app, "url"))});
    }
    invocation.print(
        table(rows, invocation.terminal().out_is_terminal() ? invocation.terminal().width() : 0));
    return {};
}

Result<> run_create(Invocation& invocation) {
    const auto argument = invocation.argument("APP");
    LOCO_ASSIGN(const auto name, argument ? Result<std::string>(*argument) : invocation.app_name());
    LOCO_ASSIGN(const auto app, invocation.api().post(invocation.team_path() + "/apps",
                                                      json::object{{"name", name}}));
    if (invocation.json()) {
        invocation.print_json(app);
        return {};
    }
    invocation.note("created " + name + "; set secrets with `loco env set`, then `loco deploy`");
    invocation.print(text_at(app, "url") + "\n");
    return {};
}

// Its instances have their time to end, which loco.toml may set long.
Result<> await_removal(Invocation& invocation, const std::string& path) {
    const auto end = std::chrono::steady_clock::now() + kRemovedWithin;
    while (std::chrono::steady_clock::now() < end) {
        const auto app = invocation.api().get(path);
        if (!app) return app.error().kind == ErrorKind::not_found ? Result<>() : fail(app.error());
        if (interrupted()) return fail(ErrorKind::interrupted, "interrupted; the removal goes on");
        std::this_thread::sleep_for(kRemovalPoll);
    }
    invocation.warn("it is still being removed; see `loco apps`");
    return {};
}

Result<> run_destroy(Invocation& invocation) {
    const auto argument = invocation.argument("APP");
    LOCO_ASSIGN(const auto name, argument ? Result<std::string>(*argument) : invocation.app_name());
    const auto path = invocation.team_path() + "/apps/" + client::part(name);
    LOCO_TRY(invocation.api().get(path));  // that it exists, before the question
    if (!invocation.has("--yes")) {
        LOCO_ASSIGN(const bool sure,
                    invocation.confirm("Remove " + name + " with its releases, variables and logs?",
                                       "--yes"));
        if (!sure) return fail(ErrorKind::interrupted, "nothing was removed");
    }
    LOCO_ASSIGN(const auto app, invocation.api().remove(path));
    if (!invocation.has("--detach")) LOCO_TRY(await_removal(invocation, path));
    if (invocation.json()) {
        invocation.print_json(app);
    } else {
        invocation.note((invocation.has("--detach") ? "removing " : "removed ") + name);
    }
    return {};
}

Result<> run_open(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto app, invocation.api().get(path));
    const auto url = text_at(app, "url");
    if (url.empty())
        return fail(ErrorKind::not_found, "the app has no URL: it is a worker", {}, "no_url");
    if (invocation.json()) {
        invocation.print_json(json::object{{"url", url}});
        return {};
    }
    invocation.print(url + "\n");
    if (!invocation.terminal().interactive()) return {};
    // Without a desktop there is nothing to open it with; the URL was printed.
    const auto opened = os::run({.argv = {"xdg-open", url}}, {.timeout = std::chrono::seconds(5)});
    if (!opened) invocation.note("no browser could be started here; open it yourself");
    return {};
}

Result<> run_releases(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto page, invocation.api().get(path + "/releases?limit=50"));
    if (invocation.json()) {
        invocation.print_json(page);
        return {};
    }
    const auto& items = array_at(page, "items");
    if (items.empty()) {
        invocation.note("no releases yet; deploy with `loco deploy`");
        return {};
    }
    std::vector<std::vector<std::string>> rows{
        {"RELEASE", "STATE", "KIND", "BY", "CREATED", "IMAGE"}};
    for (const auto& item : items) {
        std::string state = bool_at(item, "live") ? "live"
                            : !text_at(item, "live_at").empty()
                                ? (bool_at(item, "image_kept") ? "was live" : "cleaned up")
                                : or_dash(text_at(item, "state"));
        rows.push_back({text_at(item, "release"),
                        styled(state, style_of_state(state), invocation.colour_out()),
                        or_dash(text_at(item, "kind")), text_at(item, "actor"),
                        short_time(text_at(item, "created_at")),
                        text_at(item, "digest").substr(0, 19)});
    }
    invocation.print(
        table(rows, invocation.terminal().out_is_terminal() ? invocation.terminal().width() : 0));
    if (!text_at(page, "next_cursor").empty())
        invocation.note("these are the newest " + std::to_string(items.size()) +
                        "; there are older ones");
    return {};
}

// With its cause's code, for `loco explain`.
std::string told(const json::value& event) {
    const auto code = text_at(at(event, "data"), "code");
    return harmless(text_at(event, "message") + (code.empty() ? "" : " (" + code + ")"), false);
}

Result<> run_events(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto n, invocation.number("--lines", 1, 1000));
    LOCO_ASSIGN(const auto page,
                invocation.api().get(path + "/events?limit=" + std::to_string(n.value_or(50))));
    if (invocation.json()) {
        invocation.print_json(page);
        return {};
    }
    const bool colour = invocation.colour_out();
    std::vector<std::vector<std::string>> rows;
    for (const auto& event : array_at(page, "items")) {
        rows.push_back({styled(short_time(text_at(event, "at")), Style::dim, colour),
                        text_at(event, "kind"), told(event)});
    }
    invocation.print(
        table(rows, invocation.terminal().out_is_terminal() ? invocation.terminal().width() : 0));
    return {};
}

}  // namespace

Command apps_command() {
    return {.name = "apps",
            .summary = "List the team's apps",
            .help =
                "Every app of the team with what it is doing, its live release and where it "
                "answers.\n\n    loco apps\n    "
                "loco apps --json",
            .run = run_apps};
}

Command create_command() {
    return {.name = "create",
            .summary = "Create an app without a release, to set its secrets first",
            .help =
                "`loco deploy` creates the app as well; create it before when it needs secrets or "
                "you want its URL.\n\n    "
                "loco create shop\n    loco env set DATABASE_URL -a shop",
            .arguments = {{.name = "APP", .help = "its name; without it the one in ./loco.toml"}},
            .about_an_app = true,
            .run = run_create};
}

Command destroy_command() {
    return {.name = "destroy",
            .summary = "Remove an app and all that belongs to it",
            .help =
                "Stops its instances and removes its routes, releases, variables and logs. Its "
                "host name stays with the team "
                "for 30 days.\n\n    loco destroy shop --yes",
            .options = {{.name = "--yes", .letter = 'y', .help = "do not ask"},
                        {.name = "--detach", .help = "do not wait until it is gone"}},
            .arguments = {{.name = "APP", .help = "its name; without it the one in ./loco.toml"}},
            .about_an_app = true,
            .run = run_destroy};
}

Command open_command() {
    return {.name = "open",
            .summary = "Open the app in a browser",
            .help = "Prints its URL, and opens it where a browser can be started.\n\n    loco open",
            .about_an_app = true,
            .run = run_open};
}

Command releases_command() {
    return {.name = "releases",
            .summary = "List the app's releases, newest first",
            .help =
                "A release is an image, a specification and an environment; it never changes. What "
                "was live before can be "
                "released again with `loco rollback vN`.\n\n    loco releases",
            .about_an_app = true,
            .run = run_releases};
}

Command events_command() {
    return {.name = "events",
            .summary = "Show what happened to the app",
            .help =
                "The app's history: deployments, crashes, changes of its environment, and who made "
                "them.\n\n    loco events\n "
                "   loco events -n 200",
            .options = {{.name = "--lines",
                         .letter = 'n',
                         .value = "N",
                         .help = "so many of the newest (50)"}},
            .about_an_app = true,
            .run = run_events};
}

}  // namespace loco::cli
