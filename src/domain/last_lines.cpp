#include "domain/last_lines.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace loco {
namespace {

constexpr std::size_t kMostLines = 40;
constexpr std::size_t kMostOfLine = 1000;
constexpr std::size_t kMostShown = 200;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

bool has(std::string_view text, std::string_view words) {
    return text.find(words) != std::string_view::npos;
}

template <std::size_t N>
bool has_any(std::string_view text, const std::array<std::string_view, N>& list) {
    return std::ranges::any_of(list, [&](std::string_view words) { return has(text, words); });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_host_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
}

std::vector<std::string_view> last_lines(std::string_view tail) {
    std::vector<std::string_view> out;
    while (!tail.empty() && out.size() < kMostLines) {
        if (tail.back() == '\n') tail.remove_suffix(1);
        const auto begin = tail.rfind('\n');
        const auto line = begin == std::string_view::npos ? tail : tail.substr(begin + 1);
        if (line.find_first_not_of(" \t\r") != std::string_view::npos)
            out.push_back(line.substr(0, kMostOfLine));
        tail = begin == std::string_view::npos ? std::string_view() : tail.substr(0, begin + 1);
    }
    return out;
}

// A line, and the same in lower case to look for words in.
struct Line {
    std::string_view text;
    std::string low;
};

// The word that begins at `at`, quotes around it left out.
std::string word_at(std::string_view text, std::size_t at) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '"' || text[at] == '\'')) ++at;
    std::size_t end = at;
    while (end < text.size() && is_host_char(text[end])) ++end;
    while (end > at && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
    return std::string(text.substr(at, end - at));
}

std::string word_after(const Line& line, std::string_view words) {
    const auto at = line.low.find(words);
    return at == std::string::npos ? std::string() : word_at(line.text, at + words.size());
}

struct Found {
    std::size_t at = 0;
    std::string text;
};

// Every "host:port" of a line. A time of day is none: a host has a letter or a dot.
std::vector<Found> addresses_in(std::string_view text) {
    std::vector<Found> out;
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos;
         colon = text.find(':', colon + 1)) {
        std::size_t begin = colon;
        while (begin > 0 && is_host_char(text[begin - 1])) --begin;
        if (begin == colon && begin > 0 && text[begin - 1] == ']') {
            begin = text.rfind('[', begin);
            if (begin == std::string_view::npos) continue;
        }
        std::size_t end = colon + 1;
        while (end < text.size() && is_digit(text[end])) ++end;
        const auto host = text.substr(begin, colon - begin);
        const auto digits = end - colon - 1;
        const bool named =
            std::ranges::any_of(host, [](char c) { return !is_digit(c) && c != '-' && c != '_'; });
        if (!named || digits < 2 || digits > 5) continue;
        out.push_back({begin, std::string(text.substr(begin, end - begin))});
    }
    return out;
}

// What `words` are about: right after them, or else the last before them, or the first of all.
std::string nearest(const std::vector<Found>& all, std::size_t words_at, std::size_t words_end) {
    if (all.empty()) return {};
    for (const auto& one : all) {
        if (one.at >= words_end && one.at <= words_end + 3) return one.text;
    }
    const Found* best = nullptr;
    for (const auto& one : all) {
        if (one.at < words_at) best = &one;
    }
    return best != nullptr ? best->text : all.front().text;
}

std::vector<Found> paths_in(std::string_view text) {
    std::vector<Found> out;
    for (std::size_t at = text.find('/'); at != std::string_view::npos; at = text.find('/', at)) {
        std::size_t end = at;
        while (end < text.size() && (is_host_char(text[end]) || text[end] == '/' ||
                                     text[end] == '@' || text[end] == '+' || text[end] == '~'))
            ++end;
        const bool begins =
            at == 0 || (!is_host_char(text[at - 1]) && text[at - 1] != '/' && text[at - 1] != ':');
        std::string path(text.substr(at, end - at));
        while (path.size() > 1 && path.back() == '.') path.pop_back();
        if (begins && path.size() > 1) out.push_back({at, std::move(path)});
        at = end;
    }
    return out;
}

// After the words where an exception names it ("…: '/data/x'"), else the last before them.
std::string path_for(const Line& line, std::string_view words) {
    const auto at = line.low.find(words);
    const auto all = paths_in(line.text);
    for (const auto& one : all) {
        if (one.at > at) return one.text;
    }
    return all.empty() ? std::string() : all.back().text;
}

std::string shown(std::string_view line) {
    const auto begin = line.find_first_not_of(" \t");
    line = begin == std::string_view::npos ? line : line.substr(begin);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.size() <= kMostShown) return std::string(line);
    auto end = kMostShown;
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
    return std::string(line.substr(0, end)) + "…";
}

// --- limits

std::optional<Guess> files(const Line& line, const Facts&) {
    if (!has(line.low, "too many open files") && !has(line.text, "EMFILE")) return std::nullopt;
    return Guess{.code = "file_limit",
                 .why = "it has more files and connections open than it may",
                 .line = {},
                 .next_steps = {"look for files and connections that are opened and never closed",
                                "spread the load: loco scale --replicas N"}};
}

std::optional<Guess> processes(const Line& line, const Facts& facts) {
    constexpr std::array<std::string_view, 8> kSure{"can't start new thread",
                                                    "unable to create new native thread",
                                                    "unable to create native thread",
                                                    "cannot fork",
                                                    "can't fork",
                                                    "pthread_create failed",
                                                    "fork: retry",
                                                    "failed to create new os thread"};
    constexpr std::array<std::string_view, 6> kAbout{"fork",  "thread",  "clone",
                                                     "spawn", "process", "exec"};
    const bool unavailable =
        has(line.low, "resource temporarily unavailable") || has(line.text, "EAGAIN");
    if (!has_any(line.low, kSure) && !(unavailable && has_any(line.low, kAbout)))
        return std::nullopt;
    const auto limit = facts.container.processes_limit;
    return Guess{
        .code = "process_limit",
        .why = "it wanted more processes and threads than it may have" +
               (limit > 0 ? " (" + std::to_string(limit) + ")" : std::string()),
        .line = {},
        .next_steps = {
            "start fewer: look for a setting of workers or threads, and for processes that never "
            "end",
            "spread the load: loco scale --replicas N"}};
}

std::optional<Guess> memory(const Line& line, const Facts& facts) {
    constexpr std::array<std::string_view, 5> kWords{"heap out of memory",
                                                     "java.lang.outofmemoryerror", "memoryerror",
                                                     "std::bad_alloc", "cannot allocate memory"};
    const bool go = has(line.low, "fatal error: runtime: out of memory");
    if (!go && !has_any(line.low, kWords)) return std::nullopt;
    return Guess{.code = "out_of_memory",
                 .why = "it could not get more memory",
                 .line = {},
                 .next_steps = {more_memory(facts),
                                "a runtime with a heap of a fixed size needs that set too: -Xmx, "
                                "--max-old-space-size"}};
}

// --- the file system

std::optional<Guess> read_only(const Line& line, const Facts& facts) {
    const bool code = has(line.text, "EROFS");
    if (!has(line.low, "read-only file system") && !code) return std::nullopt;
    const auto path = path_for(line, code ? "erofs" : "read-only file system");
    const auto what = path.empty() ? std::string("its file system") : path;
    if (facts.writable) {
        return Guess{.code = "read_only_file_system",
                     .why = "it tried to write to " + what + ", which nobody may write to",
                     .line = {},
                     .next_steps = {"write somewhere else: /tmp, or a folder of the image that its "
                                    "user owns"}};
    }
    return Guess{
        .code = "read_only_file_system",
        .why = "it tried to write to " + what + ", and its file system is read-only",
        .line = {},
        .next_steps = {"write to /tmp, the one folder that is writable",
                       "or let it write everywhere: [resources] writable = true in loco.toml"}};
}

std::optional<Guess> no_space(const Line& line, const Facts& facts) {
    const bool code = has(line.text, "ENOSPC");
    if (!has(line.low, "no space left on device") && !code) return std::nullopt;
    const auto path = path_for(line, code ? "enospc" : "no space left on device");
    if (facts.writable && !path.starts_with("/dev/shm")) {
        return Guess{.code = "no_space_left",
                     .why = "there was no space left for " +
                            (path.empty() ? std::string("what it writes") : path),
                     .line = {},
                     .next_steps = {"see what fills the machine's disk: df -h, docker system df",
                                    "write less into the container: what is to last belongs into a "
                                    "database or an object store"}};
    }
    return Guess{
        .code = "tmp_full",
        .why = (path.empty() || !path.starts_with("/dev/shm") ? std::string("/tmp is")
                                                              : std::string("/dev/shm is")) +
               " full",
        .line = {},
        .next_steps = {"write less to it, and remove what is done with: it is kept in memory, and "
                       "as large as a quarter of " +
                           section_of(facts) + " memory (at least 16Mi)",
                       "or let it write to disk: [resources] writable = true in loco.toml"}};
}

// --- what it may not

std::optional<Guess> address_in_use(const Line& line, const Facts&) {
    if (!has(line.low, "address already in use") && !has(line.text, "EADDRINUSE"))
        return std::nullopt;
    return Guess{
        .code = "port_in_use",
        .why = "it tried to listen on a port on which another part of it listens already",
        .line = {},
        .next_steps = {"nothing else shares a container's ports: see what in it is started "
                       "twice"}};
}

std::optional<Guess> privilege(const Line& line, const Facts&) {
    constexpr std::array<std::string_view, 2> kNotOurs{"permission denied for", "(publickey"};
    const bool denied = has(line.low, "permission denied") || has(line.text, "EACCES");
    const bool forbidden = has(line.low, "operation not permitted") || has(line.text, "EPERM");
    if ((!denied && !forbidden) || has_any(line.low, kNotOurs)) return std::nullopt;
    if (has(line.low, "bind") || has(line.low, "listen")) {
        return Guess{
            .code = "privilege_needed",
            .why =
                "it may not listen on the port that it wants; ports below 1024 can "
                "need a privilege that no app gets",
            .line = {},
            .next_steps = {"listen on the port that $PORT names, and have that above 1023: "
                           "[http] port in loco.toml"}};
    }
    const auto path = path_for(
        line,
        denied ? (has(line.low, "permission denied") ? "permission denied" : "eacces")
               : (has(line.low, "operation not permitted") ? "operation not permitted" : "eperm"));
    const bool owner = has(line.low, "chown") || has(line.low, "chmod") ||
                       has(line.low, "setuid") || has(line.low, "setgid") ||
                       has(line.low, "setgroups");
    Guess out{.code = "privilege_needed", .why = {}, .line = {}, .next_steps = {}};
    if (owner) {
        out.why =
            "it tried to change an owner, a mode or its user, for which it lacks the "
            "privilege: it does not run as root";
        out.next_steps = {
            "do that in the Dockerfile, before its USER line: RUN chown …, or COPY --chown=…",
            "leave out what changes the user at the start (gosu, su-exec): it runs as the image's "
            "USER already"};
    } else {
        out.why = "it was denied " +
                  (path.empty() ? std::string("something that it tried") : path) +
                  ": it does not run as root, and has no further privileges";
        out.next_steps = {
            path.empty() ? "see what it tried in its last lines, and do it in the Dockerfile"
                         : "give the file to its user in the Dockerfile: COPY --chown=10001:10001 "
                           "…, or RUN chown, before its USER line",
            "or write to /tmp, which everybody may"};
    }
    return out;
}

// --- what it looked for

std::string host_of(const Line& line) {
    constexpr std::array<std::string_view, 10> kBefore{
        "enotfound ",           "eai_again ",    "host name \"",        "unknownhostexception: ",
        "resolve host: ",       "resolve host ", "could not resolve: ", "no such host: ",
        "cannot resolve host ", "server host "};
    for (const auto words : kBefore) {
        if (auto host = word_after(line, words); !host.empty()) return host;
    }
    // Go: "dial tcp: lookup db on 127.0.0.11:53: no such host"
    if (auto host = word_after(line, "lookup "); !host.empty()) return host;
    if (auto host = word_after(line, "connecting to "); !host.empty()) return host;
    return {};
}

std::optional<Guess> host_not_found(const Line& line, const Facts&) {
    constexpr std::array<std::string_view, 10> kWords{"no such host",
                                                      "name or service not known",
                                                      "name does not resolve",
                                                      "temporary failure in name resolution",
                                                      "could not translate host name",
                                                      "unknownhostexception",
                                                      "could not resolve host",
                                                      "nodename nor servname",
                                                      "no address associated with hostname",
                                                      "unknown mysql server host"};
    const bool code = has(line.text, "ENOTFOUND") || has(line.text, "EAI_AGAIN");
    if (!code && !has_any(line.low, kWords)) return std::nullopt;
    const auto host = host_of(line);
    return Guess{
        .code = "host_not_found",
        .why = (host.empty() ? std::string("a host that it looked for does")
                             : "the host \"" + host + "\", which it looked for, does") +
               " not exist from where it runs",
        .line = {},
        .next_steps = {"check the host's name where the app has it from: loco env list, [env] in "
                       "loco.toml",
                       "another app of your team is reached as NAME.internal"}};
}

std::optional<Guess> refused(const Line& line, const Facts&) {
    const std::string_view words =
        has(line.text, "ECONNREFUSED") ? "econnrefused" : "connection refused";
    const auto at = line.low.find(words);
    if (at == std::string::npos) return std::nullopt;
    auto where = nearest(addresses_in(line.text), at, at + words.size());
    if (where.empty()) {
        // PostgreSQL: connection to server at "db" (10.0.0.2), port 5432 failed
        const auto host = word_after(line, "server at ");
        const auto port = word_after(line, "port ");
        if (!host.empty() && !port.empty()) where = host + ":" + port;
    }
    Guess out{.code = "dependency_refused",
              .why = (where.empty() ? std::string("a server that it needs")
                                    : "the server that it needs at " + where) +
                     " refused the connection",
              .line = {},
              .next_steps = {}};
    const bool itself = where.starts_with("127.") || where.starts_with("localhost:") ||
                        where.starts_with("[::1]") || where.starts_with("0.0.0.0");
    if (itself) {
        out.next_steps = {
            "127.0.0.1 and localhost are the app's own container: name the host that "
            "the server runs on",
            "another app of your team is reached as NAME.internal"};
    } else {
        out.next_steps = {
            "see that the server runs and listens there, not only on its own "
            "127.0.0.1",
            "check the address where the app has it from: loco env list, [env] in "
            "loco.toml"};
    }
    return out;
}

// "DATABASE_URL": of capitals, digits and underscores, and not an error's name (E…).
std::string variable_in(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        if (!is_upper(text[at]) || (at > 0 && is_host_char(text[at - 1]))) {
            ++at;
            continue;
        }
        auto end = at;
        while (end < text.size() &&
               (is_upper(text[end]) || is_digit(text[end]) || text[end] == '_'))
            ++end;
        const auto word = text.substr(at, end - at);
        const bool whole = end == text.size() || !is_host_char(text[end]);
        const bool level = word == "ERROR" || word == "FATAL" || word == "WARNING" ||
                           word == "INFO" || word == "DEBUG" || word == "CRITICAL" ||
                           word == "PANIC" || word == "WARN";
        if (whole && !level && word.size() >= 3 && (has(word, "_") || word.size() >= 4))
            return std::string(word);
        at = end + 1;
    }
    return {};
}

// Only where a line says that something is missing and names it as a variable is named: with an underscore, or as one.
std::optional<Guess> variable_missing(const Line& line, const Facts&) {
    constexpr std::array<std::string_view, 6> kMissing{"not set",    "must be set",  "is required",
                                                       "is missing", "is undefined", "missing"};
    const bool key = has(line.low, "keyerror: ");
    const bool named = key || has(line.low, "environment variable") || has(line.low, "env var");
    if (!key && !has_any(line.low, kMissing) && !(named && has(line.low, "not found")))
        return std::nullopt;
    const auto name = variable_in(line.text);
    if (name.empty() || (!named && name.find('_') == std::string::npos)) return std::nullopt;
    return Guess{.code = "variable_missing",
                 .why = "it misses the variable " + name,
                 .line = {},
                 .next_steps = {"see which it has: loco env list",
                                "set it: loco env set " + name +
                                    "; or, where it is no secret, [env] in loco.toml"}};
}

std::optional<Guess> module_missing(const Line& line, const Facts&) {
    for (const std::string_view words :
         {"no module named ", "cannot find module ", "cannot find package ",
          "could not find or load main class "}) {
        const auto at = line.low.find(words);
        if (at == std::string::npos) continue;
        auto name = line.text.substr(at + words.size());
        while (!name.empty() && (name.front() == '\'' || name.front() == '"'))
            name.remove_prefix(1);
        name = name.substr(0, name.find_first_of("'\" \r"));
        return Guess{.code = "module_missing",
                     .why = "the image lacks a part of it" +
                            (name.empty() ? std::string() : ": " + std::string(name)),
                     .line = {},
                     .next_steps = {"check that the Dockerfile installs what the app needs, and "
                                    "copies all of it",
                                    "see what is left out of the image: loco deploy --dry-run, "
                                    ".dockerignore"}};
    }
    return std::nullopt;
}

using Rule = std::optional<Guess> (*)(const Line&, const Facts&);
constexpr std::array<Rule, 11> kRules{files,    processes,      memory,          read_only,
                                      no_space, address_in_use, privilege,       host_not_found,
                                      refused,  module_missing, variable_missing};

}  // namespace

std::optional<Guess> guess_from(std::string_view tail, const Facts& facts) {
    for (const auto text : last_lines(tail)) {
        const Line line{text, lowered(text)};
        for (const auto rule : kRules) {
            auto guess = rule(line, facts);
            if (!guess) continue;
            guess->line = shown(text);
            return guess;
        }
    }
    return std::nullopt;
}

std::optional<ExecFailure> exec_failure_in(std::string_view words) {
    // "[FATAL tini (7)] exec /x failed: No such file or directory", "exec /x: exec format error",
    // "exec: "/x": stat /x: no such file or directory", "exec: "x": executable file not found in $PATH"
    const auto lines = last_lines(words);
    for (const auto text : lines) {
        const Line line{text, lowered(text)};
        const bool by_init = has(line.low, "] exec ") && has(line.low, " failed: ");
        const bool by_runtime = has(line.low, "exec: \"") || line.low.starts_with("exec ") ||
                                has(line.low, " exec /") || has(line.low, "exec user process");
        if (!by_init && !by_runtime) continue;
        ExecFailure out;
        out.by_init = by_init;
        if (has(line.low, "exec format error")) {
            out.why = ExecFailure::Why::format;
        } else if (has(line.low, "is a directory")) {
            out.why = ExecFailure::Why::folder;
        } else if (has(line.low, "permission denied")) {
            out.why = ExecFailure::Why::not_allowed;
        } else if (has(line.low, "no such file or directory") ||
                   has(line.low, "executable file not found")) {
            out.why = ExecFailure::Why::not_found;
        } else {
            continue;
        }
        for (const std::string_view lead : {"] exec ", "exec: \"", "exec "}) {
            const auto at = line.low.find(lead);
            if (at == std::string::npos) continue;
            auto rest = line.text.substr(at + lead.size());
            const bool quoted = lead.ends_with('"');
            const auto end =
                quoted ? rest.find('"') : std::min(rest.find(" failed: "), rest.find(": "));
            out.path = std::string(rest.substr(0, end));
            break;
        }
        return out;
    }
    return std::nullopt;
}

std::optional<std::string> missing_library_in(std::string_view tail) {
    for (const auto text : last_lines(tail)) {
        const Line line{text, lowered(text)};
        // glibc's words, and musl's.
        if (auto name = word_after(line, "error while loading shared libraries: "); !name.empty())
            return name;
        if (auto name = word_after(line, "error loading shared library "); !name.empty())
            return name;
        if (has(line.low, "version `") && has(line.low, "not found (required by")) {
            const auto at = line.low.find("version `") + 9;
            return std::string(line.text.substr(at, line.text.find('\'', at) - at));
        }
    }
    return std::nullopt;
}

std::optional<int> told_port_in(std::string_view tail) {
    for (const auto text : last_lines(tail)) {
        const Line line{text, lowered(text)};
        if (!has(line.low, "listen") && !has(line.low, "running on") &&
            !has(line.low, "started server on"))
            continue;
        for (const std::string_view lead : {"port ", "port: ", "port=", "listening on "}) {
            const auto at = line.low.rfind(lead);
            if (at == std::string::npos) continue;
            int port = 0;
            const auto* begin = line.text.data() + at + lead.size();
            const auto* end = line.text.data() + line.text.size();
            const auto read = std::from_chars(begin, end, port);
            const bool whole = read.ptr == end || (*read.ptr != '.' && *read.ptr != ':');
            if (read.ec == std::errc() && whole && port > 0 && port < 65536) return port;
        }
        const auto colon = line.text.rfind(':');
        if (colon == std::string_view::npos) continue;
        int port = 0;
        const auto* begin = line.text.data() + colon + 1;
        const auto* end = line.text.data() + line.text.size();
        if (std::from_chars(begin, end, port).ec == std::errc() && port >= 80 && port < 65536)
            return port;
    }
    return std::nullopt;
}

std::string section_of(const Facts& facts) {
    return facts.main ? "[resources]" : "[process." + facts.process + "]";
}

std::string more_memory(const Facts& facts) {
    constexpr std::int64_t kMi = 1 << 20;
    const auto now = facts.memory_bytes / kMi;
    if (now <= 0) return "give it more memory: " + section_of(facts) + " memory in loco.toml";
    const auto twice = "\"" + std::to_string(now * 2) + "Mi\"";
    return "give it more: " + section_of(facts) + " memory = " + twice + " in loco.toml (now \"" +
           std::to_string(now) + "Mi\")" +
           (facts.moment == Moment::serving
                ? ", or at once: loco scale " +
                      (facts.main ? std::string() : "--process " + facts.process + " ") +
                      "--memory " + std::to_string(now * 2) + "Mi"
                : "");
}

}  // namespace loco
