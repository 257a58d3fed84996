// What changes from one spec to another, key by key, for people.
#pragma once

#include <string>
#include <vector>

#include "domain/app_spec.hpp"

namespace loco::spec {

struct Change {
    std::string key;   // "http.port", "env.LOG_LEVEL", "ports[0].path"
    std::string from;  // as in JSON; empty: it was not there
    std::string to;    // empty: it goes
    bool operator==(const Change&) const = default;
};

// In the schema's order.
[[nodiscard]] std::vector<Change> difference(const AppSpec& from, const AppSpec& to);

}  // namespace loco::spec
