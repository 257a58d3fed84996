// What containers use.
#include "engine/engine.hpp"
#include "engine/json.hpp"

namespace loco::engine {

Result<ContainerStats> Engine::container_stats(const std::string& id) {
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get, "/containers/" + http::percent_encode(id) +
                                            "/stats?stream=false&one-shot=true"));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    const json::value& memory = json::member(v, "memory_stats");
    const json::value& details = json::member(memory, "stats");
    // File pages that nobody uses are given back when memory is short: they are no use of it. Named
    // differently by cgroup v1 and v2.
    std::int64_t reclaimable = json::integer(details, "total_inactive_file");
    if (reclaimable == 0) reclaimable = json::integer(details, "inactive_file");
    const std::int64_t used = json::integer(memory, "usage");
    ContainerStats stats{
        .at = {},
        .cpu_ns =
            json::integer(json::member(json::member(v, "cpu_stats"), "cpu_usage"), "total_usage"),
        .memory_bytes = used > reclaimable ? used - reclaimable : used,
        .memory_limit_bytes = json::integer(memory, "limit"),
        .processes = json::integer(json::member(v, "pids_stats"), "current")};
    const std::string read = json::text(v, "read");
    if (read.empty() || read.starts_with("0001-")) {
        return fail(ErrorKind::not_found, "the container does not run");
    }
    LOCO_ASSIGN(stats.at, parse_rfc3339(read));
    return stats;
}

}  // namespace loco::engine
