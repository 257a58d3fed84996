// A numbered SQL file of store/schema, built into the binary.
#pragma once

#include <string_view>

namespace loco::store {

struct Migration {
    int number;  // from 1, without gaps
    std::string_view name;
    std::string_view sql;
};

}  // namespace loco::store
