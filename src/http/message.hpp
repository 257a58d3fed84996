// Headers, methods and queries, as the server and the client share them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loco::http {

enum class Method : unsigned char { get, head, post, put, patch, delete_ };

[[nodiscard]] std::string_view to_string(Method method);

// In the order of the wire; names compare without regard to case (RFC 9110 section 5.1).
class Headers {
  public:
    void add(std::string name, std::string value);
    void set(std::string name, std::string value);                    // replaces all of that name
    [[nodiscard]] std::string_view get(std::string_view name) const;  // the first; empty if none
    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] auto begin() const { return fields_.begin(); }
    [[nodiscard]] auto end() const { return fields_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// RFC 3986 percent-encoding of everything but unreserved characters; and back (nothing for
// malformed text).
[[nodiscard]] std::string percent_encode(std::string_view text);
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

// "a=1&b=x+y" decoded: + is a space, the first of a name counts. Nothing for malformed text.
[[nodiscard]] std::optional<std::map<std::string, std::string>> parse_query(std::string_view text);

// The path of a request's target, decoded segment by segment. Nothing for what must not be served:
// malformed percent-encoding, a target not beginning with "/", "." and ".." segments (encoded ones
// too), an encoded "/", controls.
[[nodiscard]] std::optional<std::string> parse_path(std::string_view text);

// Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates.
[[nodiscard]] bool is_utf8(std::string_view text);

// No case, ASCII only.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace loco::http
