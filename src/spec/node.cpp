#include "spec/node.hpp"

#include <algorithm>
#include <utility>

namespace loco::spec {

const Member* Node::find(std::string_view key) const {
    const auto found = std::ranges::find(members, key, &Member::key);
    return found == members.end() ? nullptr : &*found;
}

Member* Node::find(std::string_view key) {
    return const_cast<Member*>(std::as_const(*this).find(key));
}

std::string_view describe(Node::Kind kind) {
    switch (kind) {
        case Node::Kind::string: return "a string";
        case Node::Kind::integer: return "a whole number";
        case Node::Kind::floating: return "a number with a fraction";
        case Node::Kind::boolean: return "true or false";
        case Node::Kind::array: return "an array";
        case Node::Kind::table: return "a table";
        case Node::Kind::other: break;
    }
    return "a value of another type";
}

const Member* find_path(const Node& table, std::string_view path) {
    const Node* node = &table;
    for (;;) {
        const auto dot = path.find('.');
        const Member* member = node->find(path.substr(0, dot));
        if (member == nullptr || dot == std::string_view::npos) return member;
        node = &member->value;
        path.remove_prefix(dot + 1);
    }
}

namespace {

void mark_as_profile(Member& member) {
    member.from_profile = true;
    for (auto& inner : member.value.members) mark_as_profile(inner);
}

}  // namespace

void overlay(Node& table, const Node& profile) {
    for (const auto& member : profile.members) {
        Member* existing = table.find(member.key);
        if (existing == nullptr) {
            table.members.push_back(member);
            mark_as_profile(table.members.back());
        } else if (existing->value.kind == Node::Kind::table &&
                   member.value.kind == Node::Kind::table) {
            overlay(existing->value, member.value);
        } else {
            *existing = member;
            mark_as_profile(*existing);
        }
    }
}

Node string_node(std::string text) {
    Node node;
    node.kind = Node::Kind::string;
    node.text = std::move(text);
    return node;
}

Node integer_node(std::int64_t value) {
    Node node;
    node.kind = Node::Kind::integer;
    node.integer = value;
    return node;
}

Node boolean_node(bool value) {
    Node node;
    node.kind = Node::Kind::boolean;
    node.integer = value ? 1 : 0;
    return node;
}

}  // namespace loco::spec
