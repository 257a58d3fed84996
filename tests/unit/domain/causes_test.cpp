// Runs causes.txt: what was observed, and what its user reads. LOCO_ACCEPT=1 rewrites the answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "domain/diagnosis.hpp"
#include "domain/last_lines.hpp"

namespace loco {
namespace {

const std::string kPath = std::string(LOCO_SOURCE_DIR) + "/tests/unit/domain/causes.txt";

struct Case {
    std::string name;
    std::vector<std::string> input;
    std::string expected;
};

struct Table {
    std::string preamble;
    std::vector<Case> cases;
};

Table read_table() {
    Table table;
    std::ifstream file(kPath);
    std::string line;
    enum class Part : std::uint8_t { preamble, input, expected } part = Part::preamble;
    while (std::getline(file, line)) {
        if (line.starts_with("=== ")) {
            table.cases.push_back({.name = line.substr(4), .input = {}, .expected = {}});
            part = Part::input;
        } else if (part == Part::preamble) {
            table.preamble += line + "\n";
        } else if (line == "---") {
            part = Part::expected;
        } else if (part == Part::input) {
            table.cases.back().input.push_back(line);
        } else if (!line.empty()) {
            table.cases.back().expected += line + "\n";
        }
    }
    return table;
}

int number(const std::string& text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

template <class T>
T one_of(const std::map<std::string, T>& names, const std::string& word) {
    const auto found = names.find(word);
    EXPECT_NE(found, names.end()) << "no such word: " << word;
    return found == names.end() ? T{} : found->second;
}

// "tcp 0.0.0.0:3000, udp 0.0.0.0:53, unix /run/app.sock"; "nothing"
std::vector<Listener> listeners(std::string text) {
    std::vector<Listener> out;
    if (text == "nothing") return out;
    text += ", ";
    for (auto end = text.find(", "); end != std::string::npos; end = text.find(", ")) {
        const auto one = text.substr(0, end);
        text.erase(0, end + 2);
        const auto kind = one.substr(0, one.find(' '));
        const auto where = one.substr(one.find(' ') + 1);
        if (kind == "unix") {
            out.push_back({.kind = Listener::Kind::unix_socket, .address = where, .port = 0});
            continue;
        }
        const auto colon = where.rfind(':');
        out.push_back({.kind = kind == "udp" ? Listener::Kind::udp : Listener::Kind::tcp,
                       .address = where.substr(0, colon),
                       .port = number(where.substr(colon + 1))});
    }
    return out;
}

// "script /run.sh /bin/bash\r missing", "binary /app - arm64", "missing /app", "binary /app not-executable"
ProgramFacts program(const std::string& text) {
    using enum ProgramFacts::File;
    std::istringstream words(text);
    std::string word;
    ProgramFacts out;
    words >> word;
    out.file = one_of<ProgramFacts::File>({{"missing", missing},
                                           {"folder", folder},
                                           {"script", script},
                                           {"binary", binary},
                                           {"other", other}},
                                          word);
    words >> out.path;
    out.runs_on = "amd64";
    while (words >> word) {
        if (word == "missing") {
            out.interpreter_missing = true;
        } else if (word == "not-executable") {
            out.executable = false;
        } else if (word.starts_with('/')) {
            out.interpreter = word;
            if (out.interpreter.ends_with("\\r")) {
                out.interpreter.resize(out.interpreter.size() - 2);
                out.interpreter += '\r';
            }
        } else {
            out.machine = word;
        }
    }
    return out;
}

Facts facts_of(const std::vector<std::string>& lines) {
    Facts facts;
    facts.name = "web.0";
    facts.process = "web";
    facts.release = "v2";
    facts.memory_bytes = 256LL << 20;
    facts.port = 8080;
    facts.timeout = Millis(30'000);
    for (const auto& line : lines) {
        if (line.starts_with("| ") || line == "|") {
            facts.tail += line.substr(std::min<std::size_t>(line.size(), 2)) + "\n";
            continue;
        }
        const auto colon = line.find(": ");
        const auto key = line.substr(0, colon);
        const auto value = colon == std::string::npos ? std::string() : line.substr(colon + 2);
        if (key == "moment") {
            facts.moment = one_of<Moment>({{"starting", Moment::starting},
                                           {"releasing", Moment::releasing},
                                           {"late", Moment::late},
                                           {"serving", Moment::serving}},
                                          value);
        } else if (key == "words") {
            facts.check.words = value;
        } else if (key == "ran for") {
            facts.ran_for = Millis(number(value) * 1000);
        } else if (key == "on a cluster") {
            facts.on_cluster = true;
        } else if (key == "exit") {
            facts.ended = true;
            facts.end.exit_code = number(value);
        } else if (key == "gone") {
            facts.ended = true;
        } else if (key == "refused") {
            facts.ended = true;
            facts.end.runtime_error = value;
        } else if (key == "waits for") {
            facts.end.runtime_error = value;
        } else if (key == "oom") {
            facts.end.oom_killed = value.empty();
            facts.end.oom_within = true;
        } else if (key == "process") {
            facts.process = value;
            facts.name = value + ".0";
            facts.main = false;
            facts.port = 0;
        } else if (key == "port") {
            facts.port = number(value);
        } else if (key == "path") {
            facts.health.path = value;
        } else if (key == "memory") {
            facts.memory_bytes = static_cast<std::int64_t>(number(value)) << 20;
        } else if (key == "read-only") {
            facts.writable = false;
        } else if (key == "crashes") {
            facts.crashes = number(value);
        } else if (key == "alike") {
            facts.alike.push_back(value);
        } else if (key == "listens") {
            facts.container.listeners = listeners(value);
        } else if (key == "program") {
            facts.container.program = program(value);
        } else if (key == "processes") {
            facts.container.processes_at_limit = true;
            facts.container.processes_limit = number(value);
        } else if (key == "tmp full") {
            facts.container.tmp_full = true;
        } else if (key == "saw") {
            using enum HealthCheck::Saw;
            const auto word = value.substr(0, value.find(' '));
            facts.check.saw = one_of<HealthCheck::Saw>({{"nothing", nothing},
                                                        {"refused", refused},
                                                        {"unreachable", unreachable},
                                                        {"no_answer", no_answer},
                                                        {"closed", closed},
                                                        {"tls", tls},
                                                        {"not_http", not_http},
                                                        {"not_http2", not_http2},
                                                        {"status", status},
                                                        {"circle", circle}},
                                                       word);
            if (value.size() > word.size())
                facts.check.status = number(value.substr(word.size() + 1));
            facts.check.words = "(what the check saw)";
        } else if (key == "trouble") {
            using enum PodTrouble;
            const auto word = value.substr(0, value.find(' '));
            facts.on_cluster = true;
            facts.trouble = one_of<PodTrouble>({{"unschedulable", unschedulable},
                                                {"image_pull", image_pull},
                                                {"config", config},
                                                {"evicted", evicted},
                                                {"node_lost", node_lost},
                                                {"limited", limited},
                                                {"not_made", not_made},
                                                {"not_started", not_started},
                                                {"deadline", deadline}},
                                               word);
            facts.ended = facts.trouble == image_pull || facts.trouble == config;
            if (value.size() > word.size()) facts.trouble_words = value.substr(word.size() + 1);
        } else {
            ADD_FAILURE() << "no such fact: " << line;
        }
    }
    return facts;
}

// What its user reads, but for its last lines, which stand above.
std::string answer(const Facts& facts) {
    const auto diagnosis = diagnose(facts);
    std::string out = diagnosis.code + " (" + diagnosis.phase + ")\n" + diagnosis.message + "\n";
    auto tail = facts.tail;
    while (tail.ends_with('\n')) tail.pop_back();
    auto evidence = diagnosis.evidence;
    EXPECT_TRUE(evidence.ends_with(tail));
    evidence.resize(evidence.size() - tail.size());
    std::istringstream lines(evidence);
    for (std::string line; std::getline(lines, line);) out += "| " + line + "\n";
    for (const auto& step : diagnosis.next_steps) out += "→ " + step + "\n";
    return out;
}

TEST(Causes, facts_become_words) {
    auto table = read_table();
    ASSERT_GT(table.cases.size(), 60U);
    const bool accept = std::getenv("LOCO_ACCEPT") != nullptr;
    for (auto& test : table.cases) {
        const auto told = answer(facts_of(test.input));
        if (!accept) EXPECT_EQ(told, test.expected) << test.name;
        test.expected = told;
    }
    if (!accept) return;
    std::ofstream file(kPath);
    file << table.preamble;
    for (const auto& test : table.cases) {
        file << "=== " << test.name << "\n";
        for (const auto& line : test.input) file << line << "\n";
        file << "---\n" << test.expected << "\n";
    }
}

TEST(Causes, each_has_a_code_a_message_and_something_to_do) {
    for (const auto& test : read_table().cases) {
        const auto diagnosis = diagnose(facts_of(test.input));
        EXPECT_FALSE(diagnosis.code.empty()) << test.name;
        EXPECT_FALSE(diagnosis.next_steps.empty()) << test.name;
        EXPECT_NE(diagnosis.kind, 0) << test.name;
        EXPECT_EQ(diagnosis.message.find('\n'), std::string::npos) << test.name;
    }
}

// What apps that are well write, too: nothing is concluded from it.
TEST(Causes, ordinary_lines_accuse_nobody) {
    for (const auto* line : {
             "Listening on 0.0.0.0:8080",
             "2026/11/28 10:11:12 main.go:42: connected to db:5432",
             "GET /favicon.ico 404 0.1 ms",
             "GET /admin 403 not permitted",
             "INFO  missing translations for de",
             "Missing HTTP header, using the default",
             "warning: option FOO_BAR is deprecated",
             "user alice: access denied",
             "lookup table loaded with 4096 rows",
             "thread pool started with 8 threads",
             "process 12 spawned",
             "memory: 31 MiB of 256 MiB in use",
             "retrying in 5s",
             "FATAL: permission denied for table users",
             "KeyError handler installed",
             "read-only mode is off",
             "disk: 10 GiB left on device",
             "no module to load",
             "host db resolved to 10.0.0.2",
         }) {
        const auto guess = guess_from(line, {});
        EXPECT_FALSE(guess) << line << " → " << guess->code;
    }
}

TEST(Causes, the_last_line_that_says_something_is_believed) {
    const auto guess = guess_from(
        "KeyError: 'OLD_ONE'\nstarting\nconnect ECONNREFUSED 10.0.0.2:5432\n    at "
        "net.js:1148:16\n",
        {});
    ASSERT_TRUE(guess);
    EXPECT_EQ(guess->code, "dependency_refused");
    EXPECT_EQ(guess->line, "connect ECONNREFUSED 10.0.0.2:5432");
}

TEST(Causes, any_bytes_are_read_without_harm) {
    using namespace std::string_literals;
    const auto noise = "\xff\xfe[[:::]\0 exec : / /: ]:99 lookup env: KeyError: ECONNREFUSED\r\n"s;
    for (std::size_t from = 0; from < noise.size(); ++from) {
        for (std::size_t size = 0; size <= noise.size() - from; ++size) {
            Facts facts;
            facts.ended = true;
            facts.end.exit_code = 127;
            facts.tail = noise.substr(from, size);
            facts.end.runtime_error = facts.tail;
            EXPECT_FALSE(diagnose(facts).code.empty());
        }
    }
}

}  // namespace
}  // namespace loco
