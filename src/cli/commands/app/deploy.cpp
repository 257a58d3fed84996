// deploy: from a folder to a release that serves. The client builds and pushes; the server checks, releases and rolls out.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "build/builder.hpp"
#include "build/push.hpp"
#include "cli/build_view.hpp"
#include "cli/commands/all.hpp"
#include "cli/engine_socket.hpp"
#include "cli/follow.hpp"
#include "cli/json_view.hpp"
#include "cli/log_uploader.hpp"
#include "cli/push_token.hpp"
#include "engine/engine.hpp"
#include "spec/json_value.hpp"
#include "spec/quantity.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

struct Job {
    Invocation& invocation;
    ReadSpec read;
    std::string app_path;
    json::value deployment;  // as POST deployments answered
    std::string path;        // of the deployment
    std::uint64_t max_context = 0;

    [[nodiscard]] client::Api& api() const { return invocation.api(); }
};

// Begins the deployment; the app is created when it is not there.
Result<json::value> begin(Invocation& invocation, const std::string& app_path,
                          const AppSpec& spec) {
    // First without patience: a server that is not there at all is told at once.
    LOCO_TRY(invocation.api().get("/version"));
    const json::value body = json::object{{"kind", "deploy"}, {"spec", spec::to_json_value(spec)}};
    auto begun = invocation.api().post(app_path + "/deployments", body, once());
    if (begun || begun.error().code != "no_such_app") return begun;
    const auto created = invocation.api().post(invocation.team_path() + "/apps",
                                               json::object{{"name", spec.name}}, once());
    // Another client may have been quicker: then it exists, and we go on with it.
    if (!created && created.error().code != "app_exists") return fail(created.error());
    return invocation.api().post(app_path + "/deployments", body, once());
}

std::string join(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
}

// The last lines of the step that failed; which one it was, the error says.
void tell_failure(Invocation& invocation, BuildView& view, const build::BuildFailure& failure) {
    if (invocation.json() || view.streams()) return;
    view.clear();
    const bool colour = invocation.colour_err();
    for (const auto& line : failure.tail) {
        invocation.terminal().err(styled("  | ", Style::dim, colour) + harmless(line, colour) +
                                  "\n");
    }
}

// Tells the server that there will be no image, and why. Its own failure is of no use to the user: the build's is.
void report_failure(const Job& job, const Error& error, const std::string& evidence) {
    json::array steps;
    if (!error.hint.empty()) steps.emplace_back(error.hint);
    for (const auto& step : error.next_steps) steps.emplace_back(step);
    const json::object failure{{"code", error.code_or_kind()},
                               {"message", error.message},
                               {"evidence", evidence},
                               {"next_steps", std::move(steps)}};
    (void)job.api().post(job.path + "/result", json::object{{"failure", failure}}, once());
}

void cancel(const Job& job) { (void)job.api().post(job.path + "/cancel", json::object()); }

Result<build::BuildRequest> build_request(const Job& job) {
    const auto& spec = job.read.spec.build;
    build::BuildRequest request{
        .context = job.read.folder / spec.context,
        .dockerfile = job.read.folder / spec.dockerfile,
        .target = spec.target,
        .platform = spec.platform.empty() ? text_at(job.deployment, "platform") : spec.platform,
        .args = spec.args,
        .max_context_bytes = job.max_context};
    for (const auto& [id, file] : spec.secrets) request.secrets[id] = job.read.folder / file;
    request.tags = {text_at(job.deployment, "registry") + "/" +
                    text_at(job.deployment, "repository") + ":" + text_at(job.deployment, "tag")};
    request.labels = {{"loco.dev/app", job.read.spec.name},
                      {"loco.dev/team", job.invocation.settings().team},
                      {"loco.dev/app-id", text_at(job.deployment, "app_id")}};
    return request;
}

// Builds; gives the image's id. Every failure has been reported to the server.
Result<std::string> build_image(Job& job, BuildView& view, Result<build::DockerBuilder> builder) {
    if (!builder) {
        report_failure(job, builder.error(), {});
        return fail(builder.error());
    }
    LOCO_ASSIGN(const auto request, build_request(job));
    LogUploader log(
        {.url = job.invocation.settings().host, .token = job.invocation.settings().token},
        job.path);
    const build::BuildHooks hooks{
        .on_context = [&](const auto& summary) { view.context(summary); },
        .on_event = [&](const auto& event) { view.event(event); },
        .on_output = [&](std::string_view text) { log.add(text); },
        .cancelled = [&] { return interrupted() || log.ended().has_value(); }};
    const auto built = builder->build(request, hooks);
    log.finish();
    if (const auto lost = log.not_kept(); lost > 0 && !log.ended()) {
        job.invocation.warn(
            fmt::format("{} bytes of the build log did not reach the server", lost));
    }
    if (built) return built->image_id;
    if (interrupted()) {
        cancel(job);
        return fail(ErrorKind::interrupted,
                    "interrupted; the deployment was cancelled, what served before still serves");
    }
    if (const auto ended = log.ended()) return fail(*ended);
    tell_failure(job.invocation, view, built.error());
    auto evidence = join(built.error().tail);
    if (built.error().line > 0) {
        evidence += fmt::format("{}:{}: {}\n", built.error().dockerfile, built.error().line,
                                built.error().instruction);
    }
    report_failure(job, built.error().error, evidence);
    auto error = built.error().error;
    error.context.emplace_back("evidence", evidence);
    return fail(std::move(error));
}

// An image that exists locally already.
Result<std::string> local_image(const Job& job, engine::Engine& engine) {
    const auto& reference = job.read.spec.build.image;
    auto image = engine.inspect_image(reference);
    if (!image) {
        auto error = image.error();
        if (error.kind == ErrorKind::not_found) {
            error = Error{.kind = ErrorKind::build_failed,
                          .message = "the container engine has no image " + reference,
                          .hint = "build or pull it first: `docker pull " + reference + "`",
                          .code = "no_such_image"};
        }
        report_failure(job, error, {});
        return fail(std::move(error));
    }
    return image->id;
}

// Keeps the lease while something takes long that has no output.
Result<std::string> push_image(Job& job, BuildView& view, engine::Engine& engine,
                               const std::string& image_id) {
    http::Client client;
    std::uint64_t moved = 0;
    const auto push_once = [&]() -> Result<build::PushOutcome> {
        LOCO_ASSIGN(
            const auto token,
            ask_push_token(job.api(), job.path, [&](std::string_view what) { view.status(what); }));
        LogUploader heartbeat(
            {.url = job.invocation.settings().host, .token = job.invocation.settings().token},
            job.path);
        const build::PushHooks hooks{
            .on_progress =
                [&](const engine::TransferProgress& progress) {
                    moved = std::max(moved, static_cast<std::uint64_t>(progress.current));
                    view.status("pushing " + progress.layer + " " + progress.status);
                },
            .cancelled = [&] { return interrupted() || heartbeat.ended().has_value(); }};
        return build::push(engine, client,
                           {.image = image_id,
                            .registry = text_at(token, "registry"),
                            .repository = text_at(token, "repository"),
                            .tag = text_at(job.deployment, "tag"),
                            .token = Secret<>(text_at(token, "token"))},
                           hooks);
    };
    auto pushed = push_once();
    std::uint64_t before = 0;
    // A push that outlasted its token: what has travelled is there, a new token takes it on, as long as it gets on.
    while (!pushed && pushed.error().code == "push_forbidden" && moved > before) {
        before = std::exchange(moved, 0);
        auto again = push_once();
        if (!again && again.error().code == "token_given") break;
        pushed = std::move(again);
    }
    if (!pushed) {
        if (interrupted()) {
            cancel(job);
            return fail(
                ErrorKind::interrupted,
                "interrupted; the deployment was cancelled, what served before still serves");
        }
        report_failure(job, pushed.error(), {});
        return fail(pushed.error());
    }
    view.line(styled("✓", Style::green, job.invocation.colour_err()) +
              fmt::format(" pushed {} of {} layers", pushed->layers - pushed->layers_existing,
                          pushed->layers) +
              styled(fmt::format("  {:.1f} s", pushed->seconds), Style::dim,
                     job.invocation.colour_err()));
    return pushed->digest;
}

// Tells the server what was built. An image that the app has already need not travel.
Result<json::value> report_image(Job& job, BuildView& view, engine::Engine& engine,
                                 const std::string& image_id) {
    const auto& live = at(job.deployment, "live");
    if (live.is_object() && text_at(live, "image_id") == image_id) {
        auto answer =
            job.api().post(job.path + "/result", json::object{{"image_id", image_id}}, once());
        if (answer || answer.error().code != "unknown_image") return answer;
    }
    LOCO_ASSIGN(const auto digest, push_image(job, view, engine, image_id));
    return job.api().post(job.path + "/result",
                          json::object{{"digest", digest}, {"image_id", image_id}}, once());
}

Result<> conclude(Job& job, const json::value& answer) {
    if (text_at(answer, "state") == "live") {
        LOCO_ASSIGN(const auto app, job.api().get(job.app_path));
        if (job.invocation.json()) {
            auto document = answer.as_object();
            document["unchanged"] = true;
            document["app"] = at(app, "name");
            document["url"] = at(app, "url");
            job.invocation.print_json(document);
            return {};
        }
        job.invocation.note(styled("nothing changed: already live as " + text_at(answer, "release"),
                                   Style::bold, job.invocation.colour_err()));
        if (const auto url = text_at(app, "url"); !url.empty()) job.invocation.print(url + "\n");
        return {};
    }
    return finish(job.invocation, job.app_path, job.deployment, "deployed");
}

// "http.port: 8080 → 3000"
std::string change_line(const json::value& change) {
    const auto side = [&](std::string_view name) {
        const auto& value = at(change, name);
        return value.is_null() ? std::string("nothing") : harmless(json::serialize(value), false);
    };
    return "  " + harmless(text_at(change, "key"), false) + ": " + side("from") + " → " +
           side("to") + "\n";
}

std::string changes_text(const json::value& plan) {
    const auto live = text_at(plan, "live");
    if (live.empty()) return {};
    const auto& changes = array_at(plan, "changes");
    if (changes.empty()) return "loco.toml says what it said in " + live + "\n";
    std::string text = "changes of " + live + "'s loco.toml:\n";
    for (const auto& change : changes) text += change_line(change);
    return text;
}

// What would happen, without doing any of it.
Result<> dry_run(Invocation& invocation, const ReadSpec& read, const std::string& app_path,
                 std::uint64_t max_context) {
    const auto app = invocation.api().get(app_path);
    if (!app && app.error().code != "no_such_app") return fail(app.error());
    const auto& spec = read.spec;
    json::object plan{{"app", spec.name},
                      {"creates_app", !app.has_value()},
                      {"live", app ? at(*app, "release") : json::value(nullptr)},
                      {"spec", spec::to_json_value(spec)}};
    if (app) {
        // Refused as the deploy itself would be.
        LOCO_ASSIGN(
            const auto checked,
            invocation.api().post(app_path + "/plan", json::object{{"spec", plan["spec"]}}));
        plan["changes"] = at(checked, "changes");
    }
    if (spec.build.image.empty()) {
        LOCO_ASSIGN(const auto context,
                    build::Context::scan({.context = read.folder / spec.build.context,
                                          .dockerfile = read.folder / spec.build.dockerfile,
                                          .max_bytes = max_context}));
        json::array files;
        for (const auto& path : context.paths()) files.emplace_back(path);
        plan["context"] = json::object{{"files", context.summary().files},
                                       {"bytes", context.summary().bytes},
                                       {"paths", std::move(files)}};
    }
    if (invocation.json()) {
        invocation.print_json(plan);
        return {};
    }
    std::string text =
        app ? "deploys " + spec.name + " (live: " +
                  (text_at(*app, "release").empty() ? "nothing" : text_at(*app, "release")) + ")\n"
            : "creates the app " + spec.name + " and deploys it\n";
    if (spec.build.image.empty()) {
        text +=
            fmt::format("builds {} with {} files, {}\n", spec.build.dockerfile,
                        int_at(plan["context"], "files"),
                        megabytes(static_cast<std::uint64_t>(int_at(plan["context"], "bytes"))));
        for (const auto& path : array_at(plan["context"], "paths"))
            text += "  " + harmless(std::string(path.as_string()), false) + "\n";
    } else {
        text += "takes the image " + spec.build.image + "\n";
    }
    invocation.print(text + changes_text(plan));
    return {};
}

Result<std::uint64_t> max_context_of(const Invocation& invocation) {
    const auto text = invocation.option("--max-context");
    if (!text) return build::kMaxContext;
    const auto bytes = spec::parse_memory(*text);
    if (!bytes) return fail(spec::to_error("--max-context", bytes.error()));
    return static_cast<std::uint64_t>(*bytes);
}

Result<> run_deploy(Invocation& invocation) {
    if (const auto builder = invocation.option("--builder"); builder && *builder != "docker") {
        return fail(ErrorKind::invalid,
                    "the builder " + *builder + " is not supported by this version",
                    "leave --builder out", "usage");
    }
    const auto where =
        invocation.option("--config").value_or(invocation.argument("DIR").value_or("."));
    const auto image = invocation.option("--image");
    LOCO_ASSIGN(auto read, invocation.read_spec(where, /*builds=*/!image));
    if (image) read.spec.build.image = *image;
    if (const auto& named = invocation.parsed().app; named && *named != read.spec.name) {
        return fail(ErrorKind::invalid,
                    "loco.toml is of the app " + read.spec.name + ", not of " + *named,
                    "leave -a out, or change name in loco.toml", "usage");
    }
    const auto app_path = invocation.team_path() + "/apps/" + client::part(read.spec.name);
    LOCO_ASSIGN(const auto max_context, max_context_of(invocation));
    if (invocation.has("--dry-run")) return dry_run(invocation, read, app_path, max_context);

    (void)interrupted();  // from here on Ctrl-C is ours to handle
    const auto socket = find_engine(invocation.settings());
    // Looked for while the server is asked: Docker's client takes longer to say its version than the server to answer.
    std::future<Result<build::DockerBuilder>> builder;
    if (socket && read.spec.build.image.empty())
        builder = std::async(std::launch::async, build::DockerBuilder::find, *socket);
    LOCO_ASSIGN(auto deployment, begin(invocation, app_path, read.spec));
    const auto path = app_path + "/deployments/" + text_at(deployment, "id");
    Job job{.invocation = invocation,
            .read = std::move(read),
            .app_path = app_path,
            .deployment = std::move(deployment),
            .path = path,
            .max_context = max_context};
    json::value answer;
    {
        BuildView view(invocation);
        if (!socket) {
            report_failure(job, socket.error(), {});
            return fail(socket.error());
        }
        engine::Engine engine(*socket);
        LOCO_ASSIGN(const auto image_id, builder.valid() ? build_image(job, view, builder.get())
                                                         : local_image(job, engine));
        LOCO_ASSIGN(answer, report_image(job, view, engine, image_id));
    }
    return conclude(job, answer);
}

}  // namespace

Command deploy_command() {
    return {.name = "deploy",
            .summary = "Build the folder's image and release it without interruption",
            .help =
                "Reads loco.toml, builds the Dockerfile with the local container engine, pushes "
                "what changed, and waits until "
                "the new release serves. What served before serves on until then, and stays if "
                "anything fails. Nothing "
                "changed: nothing is done. Ctrl-C cancels it.\n\n    loco deploy\n    loco deploy "
                "examples/hello\n    loco deploy "
                "--image ghcr.io/acme/shop:1.2\n    loco deploy --dry-run",
            .options =
                {{.name = "--config", .letter = 'c', .value = "FILE", .help = "another loco.toml"},
                 {.name = "--image",
                  .value = "REF",
                  .help = "release this local image instead of building"},
                 {.name = "--builder", .value = "B", .help = "docker"},
                 {.name = "--max-context",
                  .value = "SIZE",
                  .help = "how large the folder that is built may be; 8Gi"},
                 {.name = "--dry-run", .help = "only say what would be done, and what changes"},
                 {.name = "--detach", .help = "do not wait until it serves"}},
            .arguments = {{.name = "DIR", .help = "the app's folder; without it this one"}},
            .about_an_app = true,
            .run = run_deploy};
}

}  // namespace loco::cli
