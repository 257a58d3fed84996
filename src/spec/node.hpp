// A document as the schema reads it: what TOML and JSON have in common, with the place of everything.
// Internal to spec/, as is everything that includes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace loco::spec {

// A place in the text, counted from 1 in code points; line 0: none.
struct Mark {
    int line = 0;
    int column = 0;
    int length = 0;
};

struct Member;

struct Node {
    enum class Kind : std::uint8_t { string, integer, floating, boolean, other, array, table };

    Kind kind = Kind::table;
    std::string text;  // of a string; of `other` and `floating`, what it is or how it is written
    std::int64_t integer = 0;     // of an integer; 0 or 1 of a boolean
    std::vector<Node> items;      // of an array
    std::vector<Member> members;  // of a table, in the text's order
    Mark mark;

    [[nodiscard]] const Member* find(std::string_view key) const;
    [[nodiscard]] Member* find(std::string_view key);
};

struct Member {
    std::string key;
    Mark mark;  // of the key
    Node value;
    bool from_profile = false;
};

// "a string", "a whole number", "an array", …
[[nodiscard]] std::string_view describe(Node::Kind kind);

// The member at "http.port", or nullptr.
[[nodiscard]] const Member* find_path(const Node& table, std::string_view path);

// Lays a profile over a table: tables are merged key by key, everything else is replaced.
void overlay(Node& table, const Node& profile);

[[nodiscard]] Node string_node(std::string text);
[[nodiscard]] Node integer_node(std::int64_t value);
[[nodiscard]] Node boolean_node(bool value);

}  // namespace loco::spec
