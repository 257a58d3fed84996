// Containers: what they are made of, their life, their state, their files and logs.
#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <memory>

#include "engine/engine.hpp"
#include "engine/json.hpp"

namespace loco::engine {
namespace {

constexpr int kMaxLinks = 8;
constexpr auto kWalkTimeout = std::chrono::minutes(5);

std::string_view to_string(MountType type) {
    switch (type) {
        case MountType::bind: return "bind";
        case MountType::volume: return "volume";
        case MountType::tmpfs: return "tmpfs";
    }
    return "";
}

json::object host_config(const ContainerSpec& spec) {
    json::object host;
    const auto number = [&host](const char* key, std::int64_t value) {
        if (value != 0) host[key] = value;
    };
    const auto texts = [&host](const char* key, const std::vector<std::string>& values) {
        if (!values.empty()) host[key] = json::from_texts(values);
    };
    const auto map = [&host](const char* key, const std::map<std::string, std::string>& values) {
        if (!values.empty()) host[key] = json::from_map(values);
    };
    number("Memory", spec.memory_bytes);
    number("MemorySwap", spec.memory_swap_bytes);
    number("MemoryReservation", spec.memory_reservation_bytes);
    number("NanoCpus", spec.nano_cpus);
    number("CpuShares", spec.cpu_shares);
    number("PidsLimit", spec.pids_limit);
    number("ShmSize", spec.shm_bytes);
    number("OomScoreAdj", spec.oom_score_adj);
    texts("CapDrop", spec.cap_drop);
    texts("CapAdd", spec.cap_add);
    texts("SecurityOpt", spec.security_opt);
    texts("Dns", spec.dns);
    texts("ExtraHosts", spec.extra_hosts);
    map("Tmpfs", spec.tmpfs);
    map("Sysctls", spec.sysctls);
    host["ReadonlyRootfs"] = spec.read_only_root;
    host["Init"] = spec.init;
    if (!spec.network.empty()) host["NetworkMode"] = spec.network;
    if (!spec.restart_policy.empty()) {
        host["RestartPolicy"] = json::object{{"Name", spec.restart_policy}};
    }
    if (!spec.log_driver.empty()) {
        host["LogConfig"] =
            json::object{{"Type", spec.log_driver}, {"Config", json::from_map(spec.log_options)}};
    }
    json::array ulimits;
    for (const auto& limit : spec.ulimits) {
        ulimits.emplace_back(
            json::object{{"Name", limit.name}, {"Soft", limit.soft}, {"Hard", limit.hard}});
    }
    if (!ulimits.empty()) host["Ulimits"] = std::move(ulimits);
    json::array mounts;
    for (const auto& mount : spec.mounts) {
        json::object m{{"Type", to_string(mount.type)},
                       {"Target", mount.target},
                       {"ReadOnly", mount.read_only}};
        if (mount.type == MountType::tmpfs) {
            json::object options{{"Mode", mount.tmpfs_mode}};
            if (mount.tmpfs_bytes != 0) options["SizeBytes"] = mount.tmpfs_bytes;
            m["TmpfsOptions"] = std::move(options);
        } else {
            m["Source"] = mount.source;
        }
        mounts.emplace_back(std::move(m));
    }
    if (!mounts.empty()) host["Mounts"] = std::move(mounts);
    return host;
}

json::object endpoint_config(const std::string& address, const std::vector<std::string>& aliases) {
    json::object endpoint;
    if (!address.empty()) endpoint["IPAMConfig"] = json::object{{"IPv4Address", address}};
    if (!aliases.empty()) endpoint["Aliases"] = json::from_texts(aliases);
    return endpoint;
}

std::string create_body(const ContainerSpec& spec) {
    json::object body{{"Image", spec.image}, {"Labels", json::from_map(spec.labels)}};
    if (!spec.command.empty()) body["Cmd"] = json::from_texts(spec.command);
    if (!spec.entrypoint.empty()) body["Entrypoint"] = json::from_texts(spec.entrypoint);
    if (!spec.user.empty()) body["User"] = spec.user;
    if (!spec.working_dir.empty()) body["WorkingDir"] = spec.working_dir;
    if (!spec.hostname.empty()) body["Hostname"] = spec.hostname;
    if (!spec.stop_signal.empty()) body["StopSignal"] = spec.stop_signal;
    json::array env;
    for (const auto& [name, secret] : spec.env) env.emplace_back(name + "=" + secret.reveal());
    body["Env"] = std::move(env);
    body["HostConfig"] = host_config(spec);
    if (!spec.network.empty()) {
        body["NetworkingConfig"] = json::object{
            {"EndpointsConfig",
             json::object{{spec.network, endpoint_config(spec.address, spec.aliases)}}}};
    }
    return boost::json::serialize(body);
}

// Go's zero time, "0001-01-01T00:00:00Z", means never.
std::optional<Time> time_of(const json::value& from, std::string_view name) {
    const std::string text = json::text(from, name);
    if (text.empty() || text.starts_with("0001-")) return {};
    auto time = parse_rfc3339(text);
    if (!time) return {};
    return *time;
}

std::vector<Attachment> attachments(const json::value& settings) {
    std::vector<Attachment> result;
    for (const auto& [name, network] : json::fields(settings, "Networks")) {
        result.push_back(
            {.network = name,
             .network_id = json::text(network, "NetworkID"),
             .address = json::text(network, "IPAddress"),
             .requested_address = json::text(json::member(network, "IPAMConfig"), "IPv4Address")});
    }
    return result;
}

std::string bare_name(std::string name) {
    if (name.starts_with('/')) name.erase(0, 1);
    return name;
}

std::string path_of(const std::string& id) { return "/containers/" + http::percent_encode(id); }

struct File {
    std::string content;
    std::string link;  // not empty: a symbolic link to there
};

// Of all variables only this one: the others may be secrets.
std::string search_path(const std::vector<std::string>& env) {
    constexpr std::string_view kName = "PATH=";
    for (const auto& variable : env) {
        if (variable.starts_with(kName)) return variable.substr(kName.size());
    }
    return {};
}

// Of a tar that may be cut off.
struct Head {
    FileHead file;
    std::string link;
};

Result<Head> head_of(const std::string& tar, const std::string& path, std::size_t bytes) {
    const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(),
                                                                        &archive_read_free);
    archive_read_support_format_tar(reader.get());
    archive_entry* entry = nullptr;
    if (archive_read_open_memory(reader.get(), tar.data(), tar.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
        return fail(ErrorKind::internal, "the engine's archive of " + path + " cannot be read");
    }
    Head out{.file = {.directory = archive_entry_filetype(entry) == AE_IFDIR,
                      .mode = static_cast<unsigned>(archive_entry_perm(entry)) & 07777U,
                      .uid = archive_entry_uid(entry),
                      .gid = archive_entry_gid(entry),
                      .bytes = {}},
             .link = {}};
    if (archive_entry_filetype(entry) == AE_IFLNK) {
        const char* target = archive_entry_symlink(entry);
        out.link = target == nullptr ? "" : target;
    }
    if (archive_entry_filetype(entry) != AE_IFREG) return out;
    const auto size =
        static_cast<std::size_t>(std::max<std::int64_t>(archive_entry_size(entry), 0));
    std::string buffer(std::min(bytes, size), '\0');
    std::size_t have = 0;
    while (have < buffer.size()) {
        const auto read =
            archive_read_data(reader.get(), buffer.data() + have, buffer.size() - have);
        if (read <= 0) break;
        have += static_cast<std::size_t>(read);
    }
    buffer.resize(have);
    out.file.bytes = std::move(buffer);
    return out;
}

// The first entry of the tar that the engine gives for one path.
Result<File> first_of(const std::string& tar, const std::string& path, std::size_t max_bytes) {
    const std::unique_ptr<archive, decltype(&archive_read_free)> reader(archive_read_new(),
                                                                        &archive_read_free);
    archive_read_support_format_tar(reader.get());
    archive_entry* entry = nullptr;
    if (archive_read_open_memory(reader.get(), tar.data(), tar.size()) != ARCHIVE_OK ||
        archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
        return fail(ErrorKind::internal, "the engine's archive of " + path + " cannot be read");
    }
    if (archive_entry_filetype(entry) == AE_IFLNK) {
        const char* target = archive_entry_symlink(entry);
        return File{.content = {}, .link = target == nullptr ? "" : target};
    }
    if (archive_entry_filetype(entry) != AE_IFREG) {
        return fail(ErrorKind::invalid, path + " is no regular file");
    }
    const auto size = archive_entry_size(entry);
    if (size < 0 || static_cast<std::size_t>(size) > max_bytes) {
        return fail(ErrorKind::too_large,
                    path + " has more than " + std::to_string(max_bytes) + " bytes");
    }
    File file{.content = std::string(static_cast<std::size_t>(size), '\0'), .link = {}};
    if (archive_read_data(reader.get(), file.content.data(), file.content.size()) != size) {
        return fail(ErrorKind::internal, "the engine's archive of " + path + " is cut");
    }
    return file;
}

ContainerSummary summary_of(const json::value& item) {
    const auto names = json::texts(item, "Names");
    return {.id = json::text(item, "Id"),
            .name = names.empty() ? "" : bare_name(names.front()),
            .image = json::text(item, "Image"),
            .image_id = json::text(item, "ImageID"),
            .labels = json::text_map(item, "Labels"),
            .state = json::text(item, "State"),
            .created_at = Time(std::chrono::seconds(json::integer(item, "Created"))),
            .networks = attachments(json::member(item, "NetworkSettings"))};
}

}  // namespace

Result<std::string> Engine::create_container(const std::string& name, const ContainerSpec& spec) {
    std::string target = "/containers/create?name=" + http::percent_encode(name);
    if (!spec.platform.empty()) target += "&platform=" + http::percent_encode(spec.platform);
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::post, target, create_body(spec)));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    return json::text(v, "Id");
}

Result<> Engine::start_container(const std::string& id) {
    LOCO_TRY(call(http::Method::post, path_of(id) + "/start"));
    return {};
}

Result<> Engine::kill_container(const std::string& id, const std::string& signal) {
    auto done =
        call(http::Method::post, path_of(id) + "/kill?signal=" + http::percent_encode(signal));
    // conflict: it does not run, which is what a signal is sent for.
    if (!done && done.error().kind != ErrorKind::conflict) return fail(std::move(done).error());
    return {};
}

Result<> Engine::stop_container(const std::string& id, std::chrono::seconds grace) {
    LOCO_ASSIGN(
        http::ClientRequest wanted,
        request(http::Method::post, path_of(id) + "/stop?t=" + std::to_string(grace.count())));
    wanted.timeout = grace + std::chrono::seconds(60);
    LOCO_TRY(send(wanted));
    return {};
}

Result<WaitResult> Engine::wait_container(const std::string& id, std::chrono::milliseconds timeout,
                                          std::function<bool()> cancelled) {
    LOCO_ASSIGN(http::ClientRequest wanted,
                request(http::Method::post, path_of(id) + "/wait?condition=not-running"));
    wanted.timeout = timeout;
    wanted.cancelled = std::move(cancelled);
    LOCO_ASSIGN(const http::ClientResponse response, send(wanted));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    return WaitResult{.exit_code = static_cast<int>(json::integer(v, "StatusCode")),
                      .error = json::text(json::member(v, "Error"), "Message")};
}

Result<Container> Engine::inspect_container(const std::string& id) {
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get, path_of(id) + "/json"));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    const json::value& config = json::member(v, "Config");
    const json::value& state = json::member(v, "State");
    return Container{.id = json::text(v, "Id"),
                     .name = bare_name(json::text(v, "Name")),
                     .image = json::text(config, "Image"),
                     .image_id = json::text(v, "Image"),
                     .user = json::text(config, "User"),
                     .labels = json::text_map(config, "Labels"),
                     .state = {.status = json::text(state, "Status"),
                               .running = json::boolean(state, "Running"),
                               .oom_killed = json::boolean(state, "OOMKilled"),
                               .pid = static_cast<int>(json::integer(state, "Pid")),
                               .exit_code = static_cast<int>(json::integer(state, "ExitCode")),
                               .error = json::text(state, "Error"),
                               .started_at = time_of(state, "StartedAt"),
                               .finished_at = time_of(state, "FinishedAt")},
                     .program = json::text(v, "Path"),
                     .search_path = search_path(json::texts(config, "Env")),
                     .working_dir = json::text(config, "WorkingDir"),
                     .pids_limit = json::integer(json::member(v, "HostConfig"), "PidsLimit"),
                     .restart_count = static_cast<int>(json::integer(v, "RestartCount")),
                     .created_at = time_of(v, "Created"),
                     .networks = attachments(json::member(v, "NetworkSettings"))};
}

Result<std::vector<ContainerSummary>> Engine::list_containers(const Labels& labels) {
    const std::string filters = boost::json::serialize(json::label_filter(labels));
    LOCO_ASSIGN(const http::ClientResponse response,
                call(http::Method::get,
                     "/containers/json?all=true&filters=" + http::percent_encode(filters)));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    std::vector<ContainerSummary> result;
    for (const auto& item : json::list(v)) result.push_back(summary_of(item));
    return result;
}

Result<std::vector<std::pair<ContainerSummary, std::int64_t>>> Engine::container_sizes(
    const Labels& labels) {
    const std::string filters = boost::json::serialize(json::label_filter(labels));
    LOCO_ASSIGN(http::ClientRequest wanted,
                request(http::Method::get, "/containers/json?all=true&size=true&filters=" +
                                               http::percent_encode(filters)));
    wanted.timeout = kWalkTimeout;
    LOCO_ASSIGN(const http::ClientResponse response, send(wanted));
    LOCO_ASSIGN(const json::value v, json::parse(response.body));
    std::vector<std::pair<ContainerSummary, std::int64_t>> result;
    for (const auto& item : json::list(v))
        result.emplace_back(summary_of(item), json::integer(item, "SizeRw"));
    return result;
}

Result<> Engine::remove_container(const std::string& id, bool force) {
    auto done =
        call(http::Method::delete_, path_of(id) + "?v=true&force=" + (force ? "true" : "false"));
    if (!done && done.error().kind != ErrorKind::not_found) return fail(std::move(done).error());
    return {};
}

Result<std::string> Engine::read_file(const std::string& id, const std::string& path,
                                      std::size_t max_bytes) {
    std::string at = path;
    for (int hop = 0; hop < kMaxLinks; ++hop) {
        LOCO_ASSIGN(
            http::ClientRequest wanted,
            request(http::Method::get, path_of(id) + "/archive?path=" + http::percent_encode(at)));
        wanted.max_response_bytes = max_bytes + (64U << 10);  // and the tar around it
        auto response = send(wanted);
        if (!response) {
            Error error = std::move(response).error();
            // Docker finds some loops by itself, and calls them its own failure (500).
            if (error.message.find("too many links") != std::string::npos) {
                error.kind = ErrorKind::invalid;
            }
            return fail(std::move(error).while_("read " + path));
        }
        LOCO_ASSIGN(File file, first_of(response->body, path, max_bytes));
        if (file.link.empty()) return std::move(file.content);
        // The engine resolves what is before the last part inside the container's own root.
        at = (std::filesystem::path(at).parent_path() / file.link).string();
    }
    return fail(ErrorKind::invalid,
                path + " is a chain of more than " + std::to_string(kMaxLinks) + " links");
}

Result<FileHead> Engine::read_head(const std::string& id, const std::string& path,
                                   std::size_t bytes) {
    const std::size_t enough = bytes + (16U << 10);  // and the headers before it
    std::string at = path;
    for (int hop = 0; hop < kMaxLinks; ++hop) {
        LOCO_ASSIGN(
            http::ClientRequest wanted,
            request(http::Method::get, path_of(id) + "/archive?path=" + http::percent_encode(at)));
        std::string tar;
        wanted.on_data = [&](std::string_view part) {
            tar += part;
            return tar.size() < enough;
        };
        if (auto response = send(wanted); !response && tar.size() < enough) {
            return fail(std::move(response).error().while_("read " + path));
        }
        LOCO_ASSIGN(Head head, head_of(tar, path, bytes));
        if (head.link.empty()) return std::move(head.file);
        at = (std::filesystem::path(at).parent_path() / head.link).string();
    }
    return fail(ErrorKind::invalid,
                path + " is a chain of more than " + std::to_string(kMaxLinks) + " links");
}

Result<http::ClientRequest> Engine::logs_request(const std::string& id, const LogsQuery& query) {
    const auto flag = [](bool on) { return on ? std::string("1") : std::string("0"); };
    std::string target =
        path_of(id) + "/logs?follow=" + flag(query.follow) + "&stdout=" + flag(query.out) +
        "&stderr=" + flag(query.err) + "&timestamps=" + flag(query.timestamps) +
        "&tail=" + (query.tail < 0 ? std::string("all") : std::to_string(query.tail));
    if (query.since) target += "&since=" + to_seconds(*query.since);
    LOCO_ASSIGN(http::ClientRequest wanted, request(http::Method::get, target));
    wanted.timeout = std::chrono::milliseconds(0);
    return wanted;
}

}  // namespace loco::engine
