// Where a command reads and writes: injected, so that commands are tested in memory. Results go to out, everything else
// (progress, questions, diagnostics) to err.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::cli {

enum class Style : unsigned char { plain, bold, dim, red, green, yellow, blue, cyan };

class Terminal {
  public:
    virtual ~Terminal() = default;
    virtual void out(std::string_view text) = 0;
    virtual void err(std::string_view text) = 0;
    // All of stdin, at most max bytes.
    [[nodiscard]] virtual Result<std::string> read_input(std::size_t max) = 0;
    // A line typed without being shown. Only when interactive.
    [[nodiscard]] virtual Result<Secret<>> read_secret(std::string_view prompt) = 0;
    [[nodiscard]] virtual Result<std::string> read_line(std::string_view prompt) = 0;

    [[nodiscard]] virtual bool out_is_terminal() const = 0;
    [[nodiscard]] virtual bool err_is_terminal() const = 0;
    [[nodiscard]] virtual bool interactive() const = 0;  // stdin and stderr are terminals
    [[nodiscard]] virtual int width() const = 0;         // columns; 80 where there is no terminal
};

// Text in that style where `colour`, else as it is. Only the 8 base colours, which themes make readable on light and dark.
[[nodiscard]] std::string styled(std::string_view text, Style style, bool colour);

// What came from elsewhere (logs, build output), without what could move the cursor, change the terminal or turn the
// direction of writing: control characters other than tab go, colours (SGR) stay where `colour`.
[[nodiscard]] std::string harmless(std::string_view text, bool colour);

// The same of each line.
[[nodiscard]] std::string harmless_lines(std::string_view text);

// Columns with two spaces between them, as wide as they must be; the last goes on below where `width` ends (0: never).
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows, int width);

// The text on lines of at most `columns` columns, broken at spaces where there are some; those after the first begin with so
// many spaces. Styled text stays as it is.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent);

// The process's own stdin, stdout and stderr.
[[nodiscard]] Terminal& system_terminal();

// True once Ctrl-C (SIGINT) or SIGTERM came. Handlers are installed by the first call.
[[nodiscard]] bool interrupted();

}  // namespace loco::cli
