#include "cli/errors_page.hpp"

#include "domain/catalogue.hpp"

namespace loco::cli {
namespace {

constexpr std::string_view kIntroduction = R"(# Error codes

Every failure that Loco tells has a code. `loco` names it in the last line of an error, with `--json` it is `error.code`; in an answer of the
API it is `code`, in `loco status --json` `diagnosis.code`. An error itself says what happened this time, shows its evidence and names the very
next step; here is what its code means in general. `loco explain CODE` shows the same in a terminal, without a network.

The exit status and the status in HTTP come from the kind of a failure; [When it fails](../guides/troubleshooting.md) has them, and where to
look for more. DATA is the server's data folder, `/var/lib/loco` if `loco up` ran as root.

)";

std::string anchor_of(std::string_view title) {
    std::string anchor;
    for (const char c : title) {
        if (c >= 'A' && c <= 'Z') {
            anchor += static_cast<char>(c - 'A' + 'a');
        } else if (c == ' ') {
            anchor += '-';
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
            anchor += c;
        }
    }
    return anchor;
}

// What looks like an HTML tag would be one.
std::string prose(std::string_view text) {
    std::string result;
    bool code = false;
    for (const char c : text) {
        if (c == '`') code = !code;
        if (!code && (c == '<' || c == '*')) result += '\\';
        result += c;
    }
    return result;
}

void add(std::string& out, const Explanation& entry) {
    const auto& kind = traits(entry.kind);
    out += "\n### " + std::string(entry.code) + "\n\n**" + prose(entry.title) + ".** Exit status " +
           std::to_string(kind.exit_status) + ", HTTP " + std::to_string(kind.http_status) + ".";
    if (!entry.meaning.empty()) out += "\n" + prose(entry.meaning);
    out += "\n";
    const auto steps = next_steps(entry);
    if (!steps.empty()) out += "\n";
    for (const auto& step : steps) out += "- " + prose(step) + "\n";
}

}  // namespace

std::string errors_markdown() {
    std::string out(kIntroduction);
    out += "| where | codes |\n| --- | --- |\n";
    for (const auto& section : catalogue()) {
        out += "| [" + std::string(section.title) + "](#" + anchor_of(section.title) + ") |";
        for (const auto& entry : section.entries) {
            out += " [`" + std::string(entry.code) + "`](#" + std::string(entry.code) + ")";
        }
        out += " |\n";
    }
    for (const auto& section : catalogue()) {
        out += "\n## " + std::string(section.title) + "\n\n" + std::string(section.about) + "\n";
        for (const auto& entry : section.entries) add(out, entry);
    }
    return out;
}

}  // namespace loco::cli
