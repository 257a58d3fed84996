#include "spec/build_spec.hpp"
#include "spec/value.hpp"

namespace loco::spec {
namespace {

void put(Node& document, std::string_view path, Node value) {
    const auto dot = path.find('.');
    const auto key = path.substr(0, dot);
    if (dot == std::string_view::npos) {
        document.members.push_back(Member{std::string(key), {}, std::move(value), false});
        return;
    }
    if (document.find(key) == nullptr)
        document.members.push_back(Member{std::string(key), {}, Node{}, false});
    put(document.find(key)->value, path.substr(dot + 1), std::move(value));
}

template <class Owner>
Node flat_document(std::span<const Field<Owner>> fields, Owner owner) {
    Node table;
    for (const auto& field : fields)
        put(table, field.path, write_value(field.rule, field.slot(owner)));
    return table;
}

}  // namespace

Node to_document(const AppSpec& original) {
    AppSpec spec = original;
    const bool routed = !spec.ports.empty();
    if (!routed) spec.ports.emplace_back();
    Node document;
    for (const auto& field : app_fields()) {
        const bool of_port = field.path.starts_with("http.") || field.path.starts_with("health.");
        if (of_port && !routed) continue;
        put(document, field.path, write_value(field.rule, field.slot(spec)));
    }
    Node ports;
    ports.kind = Node::Kind::array;
    for (std::size_t i = 1; i < spec.ports.size(); ++i) {
        Node port = flat_document(port_fields(), spec.ports[i]);
        // Internal: it has no path.
        if (spec.ports[i].path.empty()) {
            std::erase_if(port.members, [](const Member& member) {
                return member.key == "path" || member.key == "strip_path" ||
                       member.key == "idle_timeout";
            });
        }
        ports.items.push_back(std::move(port));
    }
    if (routed) put(document, "ports", std::move(ports));
    Node processes;
    for (const auto& [name, process] : spec.processes) {
        processes.members.push_back(
            Member{name, {}, flat_document(process_fields(), process), false});
    }
    put(document, "process", std::move(processes));
    return document;
}

}  // namespace loco::spec
