// Structured, contextual logging to stderr: text on a terminal, one JSON object a line elsewhere.
// Fields set by a LogContext apply to every line that its thread logs while it lives.
// Never log a secret: Secret<T> does not convert to a field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace loco::log {

enum class Level : std::uint8_t { debug, info, warning, error };

struct Field {
    std::string_view key;
    std::string value;

    Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    Field(std::string_view k, const char* v) : key(k), value(v) {}
    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
    template <class N>
        requires std::is_arithmetic_v<N>
    Field(std::string_view k, N v) : key(k), value(std::to_string(v)) {}
};

struct Options {
    Level level = Level::info;
    bool json = false;      // false: text
    std::string file = {};  // instead of stderr; rotated at 5 MiB, 3 files, mode 0600
};

// Once at start, before threads. Without it lines go to stderr as text.
void init(const Options& options);

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) {
    write(Level::debug, m, f);
}
inline void info(std::string_view m, std::initializer_list<Field> f = {}) {
    write(Level::info, m, f);
}
inline void warning(std::string_view m, std::initializer_list<Field> f = {}) {
    write(Level::warning, m, f);
}
inline void error(std::string_view m, std::initializer_list<Field> f = {}) {
    write(Level::error, m, f);
}
// At the level of the error's kind, with its code and context.
void failure(std::string_view what, const Error& error);

// Fields of everything that this thread logs in its scope, e.g. {"request_id", …}, {"app", …}.
class Context {
  public:
    Context(std::initializer_list<Field> fields);
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

  private:
    std::size_t count_;
};

}  // namespace loco::log
