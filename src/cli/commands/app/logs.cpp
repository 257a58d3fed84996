// logs: what instances and builds wrote.
#include <re2/re2.h>

#include <boost/json.hpp>
#include <memory>

#include "base/clock.hpp"
#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"
#include "spec/quantity.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

// "10m" ago, or a time.
Result<std::string> since(const std::string& text) {
    if (const auto ago = spec::parse_duration(text)) return to_rfc3339(SystemClock().now() - *ago);
    LOCO_ASSIGN(const auto time, parse_rfc3339(text));
    return to_rfc3339(time);
}

Result<std::string> query_of(Invocation& invocation, const std::string& path) {
    std::string query = path + "/logs?n=";
    LOCO_ASSIGN(const auto n, invocation.number("--lines", 0, 10'000));
    query += std::to_string(n.value_or(100));
    if (invocation.has("--follow")) query += "&follow=true";
    if (const auto release = invocation.option("--release"))
        query += "&release=" + client::part(*release);
    if (const auto process = invocation.option("--process"))
        query += "&process=" + client::part(*process);
    if (const auto text = invocation.option("--since")) {
        const auto time = since(*text);
        if (!time) {
            return fail(ErrorKind::invalid,
                        "--since " + *text + " is neither a duration nor a time",
                        "write it like 10m or 2026-11-23T16:00:00Z", "usage");
        }
        query += "&since=" + client::part(*time);
    }
    if (invocation.has("--previous")) {
        if (invocation.has("--follow") || invocation.has("--build")) {
            return fail(
                ErrorKind::invalid,
                "--previous shows what has ended: it goes with neither --follow nor --build", {},
                "usage");
        }
        query += "&previous=true";
    }
    if (!invocation.has("--build")) return query;
    const auto deployments = invocation.api().get(path + "/deployments?limit=50");
    if (!deployments) return fail(deployments.error());
    for (const auto& deployment : array_at(*deployments, "items")) {
        if (text_at(deployment, "kind") == "deploy")
            return query + "&build=" + client::part(text_at(deployment, "id"));
    }
    return fail(ErrorKind::not_found, "nothing was built for this app yet",
                "deploy it with `loco deploy`", "no_build");
}

// A colour for each instance, so that merged lines can be told apart.
Style style_of(const std::string& instance) {
    constexpr std::array kStyles{Style::cyan, Style::green, Style::yellow, Style::blue};
    std::size_t sum = 0;
    for (const char c : instance) sum = sum * 31 + static_cast<unsigned char>(c);
    return kStyles.at(sum % kStyles.size());
}

Result<> run_logs(Invocation& invocation) {
    std::unique_ptr<re2::RE2> pattern;
    if (const auto text = invocation.option("--grep")) {
        pattern = std::make_unique<re2::RE2>(*text, re2::RE2::Quiet);
        if (!pattern->ok()) {
            return fail(ErrorKind::invalid,
                        "--grep " + *text + " is no regular expression: " + pattern->error(), {},
                        "usage");
        }
    }
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto query, query_of(invocation, path));
    const bool colour = invocation.colour_out();
    const bool build = invocation.has("--build");
    const auto result = invocation.api().read_lines(
        query, invocation.has("--follow"),
        [&](const json::object& line) {
            const json::value value(line);
            const auto text = text_at(value, "text");
            if (pattern && !re2::RE2::PartialMatch(text, *pattern)) return true;
            if (invocation.json()) {
                invocation.print(json::serialize(line) + "\n");
                return true;
            }
            std::string head;
            if (!build) {
                const auto instance = text_at(value, "instance");
                const auto name =
                    text_at(value, "process") + "." +
                    instance.substr(instance.size() - std::min<std::size_t>(4, instance.size()));
                const auto time = text_at(value, "at").substr(0, 23);
                head = styled(time, Style::dim, colour) + " " +
                       styled(name, style_of(instance), colour) + " ";
            }
            invocation.print(head + harmless(text, colour) + "\n");
            return true;
        },
        interrupted);
    // Ctrl-C is how following ends.
    if (!result && result.error().kind == ErrorKind::interrupted && invocation.has("--follow"))
        return {};
    return result;
}

}  // namespace

Command logs_command() {
    return {.name = "logs",
            .summary = "Show what the app wrote",
            .help =
                "The last lines of all instances in the order of time, also of those that are "
                "gone; with --follow each new line "
                "as it comes.\n\n    loco logs -f\n    loco logs -n 500 --since 10m --process "
                "worker\n    loco logs --build",
            .options = {{.name = "--follow", .letter = 'f', .help = "go on with each new line"},
                        {.name = "--lines",
                         .letter = 'n',
                         .value = "N",
                         .help = "so many of the last lines (100)"},
                        {.name = "--since",
                         .value = "T",
                         .help = "only since 10m ago, or since a time"},
                        {.name = "--release", .value = "vN", .help = "of one release"},
                        {.name = "--process", .value = "P", .help = "of one process"},
                        {.name = "--previous",
                         .help = "of the one that crashed or was replaced last, until then"},
                        {.name = "--build", .help = "of the newest build"},
                        {.name = "--grep", .value = "RE", .help = "only lines that match"}},
            .about_an_app = true,
            .run = run_logs};
}

}  // namespace loco::cli
