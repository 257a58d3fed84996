// Every error code that somebody can read from Loco, explained in general: what it means, why it happens, what to do next. Pure
// data, one file a section in catalogue/. An error itself says what happened this time and the very next step; what is here
// is what it leaves out, so that no text stands twice. `loco explain` and docs/reference/errors.md show it; scripts/lint codes
// fails where a code of the sources is not here, one here is nowhere in the sources, or their kinds differ.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco {

struct Explanation {
    std::string_view code;   // as in Error::code and Diagnosis::code
    ErrorKind kind;          // exit status and HTTP status come from it (base/error.hpp)
    std::string_view title;  // one line, without a final stop
    std::string_view meaning;
    std::string_view next =
        {};  // what to do, one step a line; empty: nothing but what the title says
};

struct CatalogueSection {
    std::string_view phase;  // where in a deploy it happens: "building"; "any" is anywhere
    std::string_view title;
    std::string_view about;
    std::span<const Explanation> entries;
};

// In the order of a deploy; what only writers of clients and operators of a server see comes last.
[[nodiscard]] std::span<const CatalogueSection> catalogue();

struct Explained {
    const CatalogueSection* section = nullptr;
    const Explanation* entry = nullptr;
};
// Both null for a code that is not in it.
[[nodiscard]] Explained explain(std::string_view code);

[[nodiscard]] std::vector<std::string> next_steps(const Explanation& entry);

// catalogue/*.cpp
[[nodiscard]] std::span<const Explanation> explained_general();
[[nodiscard]] std::span<const Explanation> explained_client();
[[nodiscard]] std::span<const Explanation> explained_spec();
[[nodiscard]] std::span<const Explanation> explained_building();
[[nodiscard]] std::span<const Explanation> explained_pushing();
[[nodiscard]] std::span<const Explanation> explained_checking();
[[nodiscard]] std::span<const Explanation> explained_releasing();
[[nodiscard]] std::span<const Explanation> explained_rolling();
[[nodiscard]] std::span<const Explanation> explained_causes();
[[nodiscard]] std::span<const Explanation> explained_live();
[[nodiscard]] std::span<const Explanation> explained_apps();
[[nodiscard]] std::span<const Explanation> explained_machine();
[[nodiscard]] std::span<const Explanation> explained_backup();
[[nodiscard]] std::span<const Explanation> explained_cluster();
[[nodiscard]] std::span<const Explanation> explained_store();
[[nodiscard]] std::span<const Explanation> explained_api();
[[nodiscard]] std::span<const Explanation> explained_inside();

}  // namespace loco
