// The one table of loco.toml, version 1. Reading, unknown keys, defaults, JSON and docs/reference/loco-toml.md
// all come from it, so that they cannot differ. To add a key: a member in domain/app_spec.hpp, a line here, a
// case in tests/unit/spec/cases.txt, and LOCO_ACCEPT=1 for the reference.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/app_spec.hpp"

namespace loco::spec {

// What a value is, beyond its TOML type; value.cpp checks each.
enum class Kind : std::uint8_t {
    boolean,
    integer,
    choice,
    cpu,
    memory,
    duration,
    app_name,
    port_name,
    file,          // a file inside the app's folder
    folder,        // a folder inside the app's folder
    stage,         // a build stage
    build_args,    // name = value
    secret_files,  // id = file
    platform,
    image,
    command,
    user,
    url_path,
    health_path,
    hosts,
    env,
    env_names,
};

struct Rule {
    Kind kind = Kind::integer;
    std::int64_t min = 0;  // of an integer, or of a duration in milliseconds; both ends are allowed
    std::int64_t max = 0;
    std::span<const std::string_view> choices = {};  // in the order of the enum's values
};

// Where a value is kept; monostate: nowhere (`version`).
using Slot = std::variant<std::monostate, bool*, int*, std::int64_t*, Millis*, std::string*,
                          std::vector<std::string>*, std::map<std::string, std::string>*, AppType*,
                          Protocol*, Strategy*>;

template <class Owner>
struct Field {
    std::string_view path;  // "resources.memory"; within [[ports]] and [process.NAME] the key alone
    Rule rule;
    Slot (*slot)(Owner&);
    std::string_view doc;                 // sentences for the reference
    std::string_view default_words = {};  // where the default is more than the member's value
    bool required = false;
};

// All keys but those of [[ports]] and [process.NAME], in the reference's order. Their slots want the main port
// to exist: ports[0].
[[nodiscard]] std::span<const Field<AppSpec>> app_fields();
[[nodiscard]] std::span<const Field<PortSpec>> port_fields();
[[nodiscard]] std::span<const Field<ProcessSpec>> process_fields();

struct Section {
    std::string_view path;    // "http", "ports", "process", "" for the top
    std::string_view header;  // "[http]"
    std::string_view doc;
};
[[nodiscard]] std::span<const Section> sections();

// Keys directly below `path` ("" or "http" or "ports" or "process"), for "did you mean".
[[nodiscard]] std::vector<std::string_view> keys_below(std::string_view path);

// A spec with every default, of a service, as the fields' slots want it.
[[nodiscard]] AppSpec default_spec();

}  // namespace loco::spec
