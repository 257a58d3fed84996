#include "bin/examinations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "engine/engine.hpp"
#include "os/file.hpp"
#include "platform/layout.hpp"

namespace loco {
namespace {

using api::Finding;
using enum api::Finding::State;

std::string gib(std::int64_t bytes) {
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1LL << 30));
}

// Its own token opens it: else no push and no pull of anybody's would.
Finding look_at_registry(const ExaminationNeeds& needs) {
    const auto url = platform::registry_internal(needs.server).text();
    const std::string again =
        needs.server.runtime == "docker"
            ? "loco up --detach    # on the server's machine: starts it again; its log is " +
                  (platform::Layout(needs.server.data_dir).directories().log / "registry.log")
                      .string()
            : "kubectl -n loco-system get pods    # is the registry's ready?";
    const auto token = needs.tokens.issue("loco", {}, std::chrono::minutes(1));
    if (!token) return api::failed(token.error());
    http::ClientRequest request{.url = url + "/v2/", .timeout = std::chrono::seconds(10)};
    request.headers.set("Authorization", "Bearer " + token->token.reveal());
    const auto answer = needs.http.send(request);
    if (!answer) {
        return {.state = failed,
                .message = "the registry at " + url + " does not answer: " + answer.error().message,
                .next_steps = {again}};
    }
    if (answer->ok()) return {.message = url + " answers, and takes Loco's tokens"};
    if (answer->status == 401) {
        return {.state = failed,
                .message = "the registry at " + url +
                           " does not take Loco's tokens: it was started with another key, or "
                           "its clock differs",
                .next_steps = {"loco down && loco up --detach    # on the server's machine"}};
    }
    return {.state = failed,
            .message = "the registry at " + url + " answered " + std::to_string(answer->status),
            .next_steps = {again}};
}

// Low: less than a tenth is free, but at least 2 GiB and at most 10 GiB; full: 3 %, 512 MiB and 3 GiB.
Finding look_at_disk(const std::filesystem::path& folder) {
    const auto space = os::disk_space(folder);
    if (!space) return api::failed(space.error());
    const auto low = std::clamp<std::int64_t>(space->total / 10, 2LL << 30, 10LL << 30);
    const auto full = std::clamp<std::int64_t>(space->total * 3 / 100, 512LL << 20, 3LL << 30);
    const auto message = gib(space->free) + " of " + gib(space->total) +
                         " are free on the disk of " + folder.string();
    const std::vector<std::string> steps{
        "docker system df; docker builder prune    # what the container engine holds",
        "du -xh --max-depth=2 " + folder.string() + " | sort -h | tail"};
    if (space->free < full) return {.state = failed, .message = message, .next_steps = steps};
    if (space->free < low) return {.state = warning, .message = message, .next_steps = steps};
    return {.message = message};
}

// Where the engine keeps images and containers, where that is on this machine.
Finding look_at_engines_disk(const platform::ServerConfig& server) {
    engine::Engine engine(server.engine_socket);
    // One that hangs is found out within 5 s.
    const bool answers = engine.ping().has_value();
    const auto info = answers ? engine.info() : Result<engine::Info>(engine::Info{});
    std::error_code error;
    if (!info || info->root_dir.empty() || !std::filesystem::is_directory(info->root_dir, error))
        return {.state = not_applicable,
                .message = "the container engine does not tell where it is"};
    return look_at_disk(info->root_dir);
}

std::function<Finding()> clock_watch(const Clock& clock) {
    const auto offset = [&clock] {
        return clock.now().time_since_epoch() - clock.steady().time_since_epoch();
    };
    return [offset, at_start = offset(), &clock]() -> Finding {
        const auto jump = std::chrono::duration_cast<std::chrono::seconds>(offset() - at_start);
        const auto now = to_rfc3339(clock.now());
        if (jump.count() > -3 && jump.count() < 3) return {.message = "it is " + now};
        return {.state = warning,
                .message = "it is " + now + "; the clock was set by " +
                           std::to_string(jump.count()) +
                           " s since loco-api was started, deadlines were moved with it",
                .next_steps = {"timedatectl    # is the clock kept by NTP?"}};
    };
}

}  // namespace

std::vector<api::Examination> examinations(const ExaminationNeeds& needs) {
    std::vector<api::Examination> all{
        {"registry", [needs] { return look_at_registry(needs); }},
        {"disk", [&server = needs.server] { return look_at_disk(server.data_dir); }}};
    if (needs.server.runtime == "docker")
        all.push_back(
            {"engine's disk", [&server = needs.server] { return look_at_engines_disk(server); }});
    all.push_back({"clock", clock_watch(needs.clock)});
    return all;
}

}  // namespace loco
