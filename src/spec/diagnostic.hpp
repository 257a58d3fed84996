// What is wrong with a loco.toml, told like a compiler does: where, what, what was expected, what to write.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::spec {

// Lines and columns count from 1; columns and lengths are Unicode code points. line is 0 where there is no
// text to point at (a spec that came as JSON): then `key` says where.
struct Diagnostic {
    std::string file;
    int line = 0;
    int column = 0;
    int length = 0;           // of what is underlined; 0 or 1: a single caret
    std::string source_line;  // the whole line, without its end
    std::string key;          // "resources.memory"; empty where there is no key (a syntax error)
    std::string message;
    std::string expected;  // what is allowed there; may be empty
    std::string
        suggestion;   // a value or key to write instead, as it would be written; may be empty
    std::string fix;  // what to do, as a sentence; may be empty
    bool unsupported = false;  // valid, but not honoured by this version
    bool missing = false;      // valid, but what it names is not there

    bool operator==(const Diagnostic&) const = default;
};

// Several lines, each ending with a newline:
//
//   loco.toml:12:10: error: "100m" is 0.1 bytes
//      12 | memory = "100m"
//         |          ^^^^^^
//         = expected: bytes as a Kubernetes quantity such as …
//         = help: did you mean "100Mi"?
//
// Control characters of the source are never shown as such; long lines are cut around what is underlined.
[[nodiscard]] std::string render(const Diagnostic& diagnostic, bool color);
// Without what steers a terminal: control characters and broken UTF-8 become U+FFFD, a tab a space.
[[nodiscard]] std::string printable(std::string_view text);
// One line: "loco.toml:12:10: "100m" is 0.1 bytes (did you mean "100Mi"?)".
[[nodiscard]] std::string summary(const Diagnostic& diagnostic);

// All as one Error of kind invalid: the message counts them (or is the only one's), and next_steps has one summary each, at
// most 20. Its code is "invalid_spec"; "unsupported_spec" when all are, and "no_dockerfile" or "no_context" when that is all
// that is wrong. `diagnostics` must not be empty.
[[nodiscard]] Error to_error(std::span<const Diagnostic> diagnostics);

}  // namespace loco::spec
