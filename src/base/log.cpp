#include "base/log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <memory>

#include "base/clock.hpp"

namespace loco::log {
namespace {

struct State {
    std::shared_ptr<spdlog::logger> logger;
    bool json = false;
};

State& state() {
    static State instance{
        std::make_shared<spdlog::logger>("loco", std::make_shared<spdlog::sinks::stderr_sink_mt>()),
        false};
    return instance;
}

thread_local std::vector<std::pair<std::string, std::string>> context_fields;

spdlog::level::level_enum spd(Level level) {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warning: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto u = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (u < 0x20 || u == 0x7f) {
            out += fmt::format("\\u{:04x}", u);
        } else {
            out += c;
        }
    }
    out += '"';
}

// Text lines quote what holds spaces or control characters, so that one line stays one line.
void append_text_value(std::string& out, std::string_view text) {
    const bool plain =
        !text.empty() && text.find_first_of(" \"=\n\r\t\x1b\\") == std::string_view::npos;
    if (plain) {
        out += text;
    } else {
        append_json_string(out, text);
    }
}

std::string render_json(Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
    std::string line =
        fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"msg\":", to_rfc3339(SystemClock().now()),
                    kNames[static_cast<int>(level)]);
    append_json_string(line, message);
    const auto add = [&](std::string_view key, std::string_view value) {
        line += ',';
        append_json_string(line, key);
        line += ':';
        append_json_string(line, value);
    };
    for (const auto& [key, value] : context_fields) add(key, value);
    for (const auto& field : fields) add(field.key, field.value);
    return line + '}';
}

std::string render_text(Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
    std::string line = fmt::format("{} {:<7} ", to_rfc3339(SystemClock().now()).substr(11, 12),
                                   kNames[static_cast<int>(level)]);
    for (const char c : message) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    const auto add = [&](std::string_view key, std::string_view value) {
        line += ' ';
        line += key;
        line += '=';
        append_text_value(line, value);
    };
    for (const auto& field : fields) add(field.key, field.value);
    for (const auto& [key, value] : context_fields) add(key, value);
    return line;
}

}  // namespace

void init(const Options& options) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
        const auto old = umask(0077);
        sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.file, 5 << 20, 3);
        umask(old);
    }
    auto logger = std::make_shared<spdlog::logger>("loco", std::move(sink));
    logger->set_pattern("%v");
    logger->set_level(spd(options.level));
    logger->flush_on(spdlog::level::debug);
    state() = {std::move(logger), options.json};
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
    auto& s = state();
    if (!s.logger->should_log(spd(level))) return;
    s.logger->log(
        spd(level), "{}",
        s.json ? render_json(level, message, fields) : render_text(level, message, fields));
}

void failure(std::string_view what, const Error& error) {
    const auto level = static_cast<Level>(traits(error.kind).level);
    for (const auto& entry : error.context) context_fields.push_back(entry);
    write(level, what, {{"error", error.message}, {"code", error.code_or_kind()}});
    context_fields.resize(context_fields.size() - error.context.size());
}

Context::Context(std::initializer_list<Field> fields) : count_(fields.size()) {
    for (const auto& field : fields) context_fields.emplace_back(field.key, field.value);
}

Context::~Context() { context_fields.resize(context_fields.size() - count_); }

}  // namespace loco::log
