#include "http/response_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace loco::http {
namespace {

std::string_view reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "";
    }
}

bool is_framing(std::string_view name) {
    // By length first: this runs for every header of every answer.
    switch (name.size()) {
        case 4: return equal_ignoring_case(name, "Date");
        case 10:
            return equal_ignoring_case(name, "Connection") ||
                   equal_ignoring_case(name, "Keep-Alive");
        case 14: return equal_ignoring_case(name, "Content-Length");
        case 17: return equal_ignoring_case(name, "Transfer-Encoding");
        default: return false;
    }
}

bool breaks_lines(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    out.append(digits.data(), end);
}

}  // namespace

std::string make_head(const Response& response, const Framing& framing, std::string_view date) {
    std::string head;
    head.reserve(512);
    head += "HTTP/1.1 ";
    append_number(head, response.status);
    head += ' ';
    head += reason_of(response.status);
    head += "\r\nDate: ";
    head += date;
    for (const auto& [name, value] : response.headers) {
        if (is_framing(name)) continue;
        head += "\r\n";
        head += name;
        head += ": ";
        head += value;
    }
    if (framing.length) {
        head += "\r\nContent-Length: ";
        append_number(head, *framing.length);
    }
    if (framing.chunked) head += "\r\nTransfer-Encoding: chunked";
    if (framing.close) {
        head += "\r\nConnection: close";
    } else if (framing.say_keep_alive) {
        head += "\r\nConnection: keep-alive";
    }
    head += "\r\n\r\n";
    return head;
}

bool is_sendable(const Response& response) {
    if (response.status < 200 || response.status > 999) return false;
    return std::ranges::none_of(response.headers, [](const auto& header) {
        const auto& [name, value] = header;
        return name.empty() || breaks_lines(name) || breaks_lines(value) ||
               name.find_first_of(": \t") != std::string::npos;
    });
}

std::string http_date(std::int64_t unix_seconds) {
    constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t time = unix_seconds;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    std::array<char, 64> text{};
    // Not strftime: its words follow the locale.
    const int n = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                                kMonths.at(static_cast<std::size_t>(utc.tm_mon)),
                                utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    return {text.data(), static_cast<std::size_t>(n)};
}

Response plain_problem(int status, std::string_view code, std::string_view detail) {
    // All of it comes from this module's own literals: nothing to escape.
    Response response{.status = status};
    response.headers.add("Content-Type", "application/problem+json");
    response.body = R"({"type":"about:blank","title":")" + std::string(reason_of(status)) +
                    R"(","status":)" + std::to_string(status) + R"(,"detail":")" +
                    std::string(detail) + R"(","code":")" + std::string(code) + "\"}";
    return response;
}

std::string chunk_line(std::size_t size) {
    std::string line;
    append_number(line, size, 16);
    line += "\r\n";
    return line;
}

}  // namespace loco::http
