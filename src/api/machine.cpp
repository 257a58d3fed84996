// The machine that runs the apps. Anybody signed in sees how much there is and how much is left; names of apps only those of their
// own teams.
#include <algorithm>
#include <boost/json.hpp>

#include "api/handlers.hpp"
#include "api/json.hpp"
#include "usecase/capacity.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

json::object present(const WatchedDisk& watched) {
    const auto& disk = watched.disk;
    json::array holds;
    for (const auto& one : disk.holds) holds.emplace_back(one);
    return {{"path", disk.path},
            {"holds", std::move(holds)},
            {"state", to_string(watched.state)},
            {"total_bytes", disk.total_bytes},
            {"free_bytes", disk.free_bytes},
            {"low_below_bytes", watched.marks.low_bytes},
            {"full_below_bytes", watched.marks.full_bytes},
            {"total_inodes", disk.total_inodes},
            {"free_inodes", disk.free_inodes}};
}

json::object present(const DiskWarning& warning) {
    json::array steps;
    for (const auto& step : warning.next_steps) steps.emplace_back(step);
    return {{"code", warning.code}, {"message", warning.message}, {"next_steps", std::move(steps)}};
}

// What the caller may see of who holds what, the largest first.
json::array own_apps(const Call& call, std::vector<Holding> all) {
    std::map<TeamId, std::string> teams;
    for (const auto& in : call.session->teams) {
        if (identity::may(call.principal(), in.team.id, in.role, identity::Permission::app_read))
            teams[in.team.id] = in.team.slug;
    }
    std::ranges::sort(all, [](const Holding& a, const Holding& b) {
        return std::pair(b.share.memory_bytes, a.app) < std::pair(a.share.memory_bytes, b.app);
    });
    json::array out;
    for (const auto& one : all) {
        const auto team = teams.find(one.team);
        if (team == teams.end()) continue;
        out.push_back(json::object{{"team", team->second},
                                   {"app", one.app},
                                   {"memory_bytes", one.share.memory_bytes},
                                   {"cpu_millis", one.share.cpu_millis}});
    }
    return out;
}

}  // namespace

Result<http::Response> get_machine(Services& services, Call& call) {
    if (!services.sight.machine) {
        return fail(ErrorKind::not_found, "apps run on a cluster here, not on one machine",
                    "see its nodes: kubectl describe nodes", "not_one_machine");
    }
    const auto report = services.sight.machine();
    const auto& facts = report.facts;
    Share held;
    json::array apps;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(auto all, holdings(tx));
        held = {};
        for (const auto& one : all) held += one.share;
        apps = own_apps(call, std::move(all));
        return {};
    }));
    json::value memory = nullptr;
    json::value cpu = nullptr;
    if (facts.size) {
        const auto room = room_of(*facts.size, facts.policy);
        memory = json::object{{"total_bytes", facts.size->memory_bytes},
                              {"reserve_bytes", memory_reserve(*facts.size, facts.policy)},
                              {"for_apps_bytes", room.memory_bytes},
                              {"held_bytes", held.memory_bytes},
                              {"free_bytes", room.memory_bytes - held.memory_bytes}};
        cpu = json::object{{"total_millis", facts.size->cpu_millis},
                           {"for_apps_millis", room.cpu_millis},
                           {"held_millis", held.cpu_millis},
                           {"free_millis", room.cpu_millis - held.cpu_millis}};
    }
    json::array disks;
    json::array warnings;
    for (const auto& one : facts.disks) {
        disks.push_back(present(one));
        if (const auto warning = warning_of(one)) warnings.push_back(present(*warning));
    }
    json::object by_kind;
    for (const auto& [kind, bytes] : report.held) by_kind[kind] = bytes;
    return json_response(200, json::object{{"memory", std::move(memory)},
                                           {"cpu", std::move(cpu)},
                                           {"disks", std::move(disks)},
                                           {"disk_state", to_string(facts.disk_state())},
                                           {"held", std::move(by_kind)},
                                           {"apps", std::move(apps)},
                                           {"warnings", std::move(warnings)}});
}

}  // namespace loco::api
