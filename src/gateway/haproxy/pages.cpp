// Loco's own pages: for a browser as HTML, for everything else as problem+json (RFC 9457).
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "gateway/haproxy/config.hpp"

namespace loco::gateway::haproxy {
namespace {

struct Page {
    std::string_view name;
    int status;
    std::string_view code;
    std::string_view title;
    std::string_view text;
    std::string_view hint;
    int refresh_seconds;  // 0: not by itself
};

constexpr std::array kPages{
    Page{.name = "unknown",
         .status = 404,
         .code = "unknown_host",
         .title = "Nothing is deployed here",
         .text = "No app answers at this address.",
         .hint = "Check the address, or see your apps with: loco apps",
         .refresh_seconds = 0},
    Page{.name = "starting",
         .status = 503,
         .code = "app_starting",
         .title = "This app is starting",
         .text = "It will answer in a moment; this page looks again by itself.",
         .hint = "Follow it with: loco logs -f",
         .refresh_seconds = 2},
    Page{.name = "down",
         .status = 503,
         .code = "app_down",
         .title = "This app is not running",
         .text = "Nothing of it can take a request at the moment.",
         .hint = "Its owner sees why with: loco status",
         .refresh_seconds = 10},
    Page{.name = "refused",
         .status = 503,
         .code = "app_unreachable",
         .title = "This app does not answer",
         .text = "It is there, but took no connection. It may be starting again.",
         .hint = "Its owner sees why with: loco status",
         .refresh_seconds = 5},
    Page{.name = "broken",
         .status = 502,
         .code = "app_broke_off",
         .title = "This app broke off",
         .text = "It took the request and ended the connection without a complete answer.",
         .hint = "Its owner sees why with: loco logs",
         .refresh_seconds = 0},
    Page{.name = "late",
         .status = 504,
         .code = "app_timed_out",
         .title = "This app took too long",
         .text = "It did not answer within its idle timeout.",
         .hint = "Its owner can raise http.idle_timeout in loco.toml",
         .refresh_seconds = 0},
    Page{.name = "loco",
         .status = 503,
         .code = "loco_restarting",
         .title = "Loco is restarting",
         .text = "Its API and dashboard are back in a moment. Apps go on serving.",
         .hint = "If this stays, log/loco-api.log on the server says why",
         .refresh_seconds = 2},
};

// No line breaks: a map's value is the rest of its line.
constexpr std::string_view kHtml =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
    "content=\"width=device-width,initial-scale=1\">{refresh}<title>{title}</title><style>"
    ":root{{color-scheme:light "
    "dark;--bg:#fbfbf9;--fg:#1c1d1f;--dim:#61646b;--line:#e4e4df;--mark:#2f6f4f}}"
    "@media(prefers-color-scheme:dark){{:root{{--bg:#151618;--fg:#ededea;--dim:#9a9da4;--line:#"
    "2c2e32;--mark:#7fc8a0}}}}"
    "body{{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--bg);color:"
    "var(--fg);"
    "font:16px/1.55 system-ui,-apple-system,Segoe UI,Roboto,sans-serif}}"
    "main{{max-width:34rem;padding:2rem}}h1{{font-size:1.6rem;line-height:1.25;margin:.4rem 0 "
    ".8rem;font-weight:600}}"
    "p{{margin:.4rem 0}}.s{{color:var(--mark);font:600 .85rem "
    "ui-monospace,monospace;letter-spacing:.04em}}"
    ".h{{color:var(--dim);margin-top:1.2rem;padding-top:1rem;border-top:1px solid "
    "var(--line);font-size:.92rem}}"
    "</style></head><body><main><p class=\"s\">{status}</p><h1>{title}</h1><p>{text}</p><p "
    "class=\"h\">{hint}</p>"
    "</main></body></html>";

constexpr std::string_view kJson =
    "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{text}\","
    "\"code\":\"{code}\","
    "\"hint\":\"{hint}\",\"next_steps\":[]}}";

}  // namespace

std::string render_pages() {
    std::string text;
    for (const auto& page : kPages) {
        const auto refresh =
            page.refresh_seconds == 0
                ? std::string()
                : fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">", page.refresh_seconds);
        const auto fill = [&](std::string_view form) {
            return fmt::format(fmt::runtime(form), fmt::arg("refresh", refresh),
                               fmt::arg("title", page.title), fmt::arg("text", page.text),
                               fmt::arg("hint", page.hint), fmt::arg("status", page.status),
                               fmt::arg("code", page.code));
        };
        text += fmt::format("html-{} {}\n", page.name, fill(kHtml));
        text += fmt::format("json-{} {}\n", page.name, fill(kJson));
    }
    return text;
}

}  // namespace loco::gateway::haproxy
