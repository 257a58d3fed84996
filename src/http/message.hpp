// Headers, methods and queries, as the server and the client share them.
#pragma once

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
    void set(std::string name, std::string value);  // replaces all of that name
    [[nodiscard]] std::string_view get(std::string_view name) const;  // the first; empty if none
    [[nodiscard]] bool has(std::string_view name) const;
    [[nodiscard]] auto begin() const { return fields_.begin(); }
    [[nodiscard]] auto end() const { return fields_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

// RFC 3986 percent-encoding of everything but unreserved characters; and back (nothing for malformed text).
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace loco::http
