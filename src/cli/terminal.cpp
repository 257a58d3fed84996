#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <iostream>

#include "base/steering.hpp"

namespace loco::cli {
namespace {

constexpr std::array<std::string_view, 8> kCodes{"", "1", "2", "31", "32", "33", "34", "36"};

std::atomic<bool> signalled = false;
extern "C" void on_signal(int) { signalled = true; }

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a closed pipe: whoever reads has had enough
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

// Echo off while it lives.
class NoEcho {
  public:
    NoEcho() {
        ok_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (!ok_) return;
        auto now = before_;
        now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &now);
    }
    ~NoEcho() {
        if (ok_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

  private:
    termios before_{};
    bool ok_ = false;
};

class SystemTerminal final : public Terminal {
  public:
    void out(std::string_view text) override { write_all(STDOUT_FILENO, text); }
    void err(std::string_view text) override { write_all(STDERR_FILENO, text); }

    Result<std::string> read_input(std::size_t max) override {
        std::string all;
        std::array<char, 8192> buffer{};
        while (true) {
            const auto n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (n < 0 && errno == EINTR && !signalled) continue;
            if (n < 0) return fail_errno(errno, "read standard input");
            if (n == 0) return all;
            all.append(buffer.data(), static_cast<std::size_t>(n));
            if (all.size() > max) {
                return fail(ErrorKind::too_large,
                            "standard input is larger than " + std::to_string(max) + " bytes");
            }
        }
    }

    Result<Secret<>> read_secret(std::string_view prompt) override {
        const NoEcho quiet;
        auto line = read_line(prompt);
        err("\n");
        if (!line) return fail(line.error());
        return Secret<>(std::move(*line));
    }

    Result<std::string> read_line(std::string_view prompt) override {
        err(prompt);
        std::string line;
        if (!std::getline(std::cin, line)) return fail(ErrorKind::interrupted, "nothing was typed");
        return line;
    }

    bool out_is_terminal() const override { return ::isatty(STDOUT_FILENO) != 0; }
    bool err_is_terminal() const override { return ::isatty(STDERR_FILENO) != 0; }
    bool interactive() const override { return ::isatty(STDIN_FILENO) != 0 && err_is_terminal(); }
    int width() const override {
        winsize size{};
        for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
            if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
        }
        return 80;
    }
};

// Columns that the text takes: code points, which is right for all but wide and combining ones.
std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    bool escape = false;
    for (const char c : text) {
        if (c == '\x1b') escape = true;
        if (!escape && (static_cast<unsigned char>(c) & 0xC0) != 0x80) ++count;
        if (escape && c == 'm') escape = false;
    }
    return count;
}

}  // namespace

std::string styled(std::string_view text, Style style, bool colour) {
    if (!colour || style == Style::plain) return std::string(text);
    return "\x1b[" + std::string(kCodes.at(static_cast<std::size_t>(style))) + "m" +
           std::string(text) + "\x1b[0m";
}

std::string harmless(std::string_view text, bool colour) {
    std::string result;
    bool coloured = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
            // A control sequence (ECMA-48 section 5.4): parameters, then one final byte.
            auto end = i + 2;
            while (end < text.size() && (text[end] < 0x40 || text[end] > 0x7e)) ++end;
            if (colour && end < text.size() && text[end] == 'm') {
                result += text.substr(i, end - i + 1);
                coloured = true;
            }
            i = end;
            continue;
        }
        if (c == '\x1b' && i + 1 < text.size() && std::string_view("]PX^_").contains(text[i + 1])) {
            // A control string (section 5.6), e.g. a window's title: up to BEL or ESC \.
            auto end = i + 2;
            while (end < text.size() && text[end] != '\a' && text[end] != '\x1b') ++end;
            if (end + 1 < text.size() && text[end] == '\x1b' && text[end + 1] == '\\') ++end;
            i = end;
            continue;
        }
        if (const auto bytes = steering(text.substr(i)); bytes > 0) {
            i += bytes - 1;
            continue;
        }
        if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) result += c;
    }
    return coloured ? result + "\x1b[0m" : result;
}

std::string wrapped(std::string_view text, std::size_t max, std::size_t indent) {
    if (columns(text) <= max || text.contains('\x1b')) return std::string(text);
    std::string result;
    while (columns(text) > max) {
        std::size_t end = 0;
        for (std::size_t count = 0; end < text.size(); ++end) {
            if ((static_cast<unsigned char>(text[end]) & 0xC0) != 0x80 && ++count > max) break;
        }
        const auto space = text.rfind(' ', end);
        const bool at_space = space != std::string_view::npos && space > 0;
        result +=
            std::string(text.substr(0, at_space ? space : end)) + "\n" + std::string(indent, ' ');
        text.remove_prefix(at_space ? space + 1 : end);
    }
    return result + std::string(text);
}

std::string harmless_lines(std::string_view text) {
    std::string safe;
    while (true) {
        const auto end = text.find('\n');
        safe += harmless(text.substr(0, end), false);
        if (end == std::string_view::npos) return safe;
        safe += '\n';
        text.remove_prefix(end + 1);
    }
}

std::string table(const std::vector<std::vector<std::string>>& rows, int width) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], columns(row[i]));
    }
    std::string text;
    for (const auto& row : rows) {
        std::size_t used = 0;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool last = i + 1 == row.size();
            if (last) {
                const auto columns_left = static_cast<std::size_t>(width) -
                                          std::min(used, static_cast<std::size_t>(width));
                text += width > 0 ? wrapped(row[i], std::max<std::size_t>(20, columns_left), used)
                                  : row[i];
            } else {
                text += row[i] + std::string(widths[i] - columns(row[i]) + 2, ' ');
                used += widths[i] + 2;
            }
        }
        while (text.ends_with(' ')) text.pop_back();
        text += '\n';
    }
    return text;
}

Terminal& system_terminal() {
    static SystemTerminal instance;
    return instance;
}

bool interrupted() {
    static const bool installed = [] {
        struct sigaction action{};
        action.sa_handler = on_signal;
        action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends at once
        ::sigaction(SIGINT, &action, nullptr);
        ::sigaction(SIGTERM, &action, nullptr);
        return true;
    }();
    (void)installed;
    return signalled;
}

}  // namespace loco::cli
