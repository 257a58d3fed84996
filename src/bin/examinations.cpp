#include "bin/examinations.hpp"

#include "platform/layout.hpp"

namespace loco {
namespace {

using api::Finding;
using enum api::Finding::State;

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

// What the watch of the disks has measured, by the marks at which it warns and refuses.
Finding look_at_disks(const MachineView& machine) {
    Finding finding;
    for (const auto& watched : machine().disks) {
        const auto& disk = watched.disk;
        const auto trouble = warning_of(watched);
        if (!finding.message.empty()) finding.message += "; ";
        finding.message += trouble
                               ? trouble->message
                               : size_text(disk.free_bytes) + " of " + size_text(disk.total_bytes) +
                                     " are free on the disk of " + disk.path;
        if (!trouble) continue;
        if (watched.state == DiskState::full || finding.state != failed)
            finding.state = watched.state == DiskState::full ? failed : warning;
        finding.next_steps.insert(finding.next_steps.end(), trouble->next_steps.begin(),
                                  trouble->next_steps.end());
    }
    if (finding.message.empty())
        return {.state = not_applicable, .message = "its disks were not measured yet"};
    return finding;
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
    std::vector<api::Examination> all{{"registry", [needs] { return look_at_registry(needs); }}};
    if (needs.machine)
        all.push_back({"disk", [machine = needs.machine] { return look_at_disks(machine); }});
    all.push_back({"clock", clock_watch(needs.clock)});
    return all;
}

}  // namespace loco
