// PostgreSQL's error states in Loco's words.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::postgres {

// Codes and context of the errors that are not the database's own trouble: a row whose parent is not there (not_found),
// and the constraint of the unique value that another row has (conflict), e.g. "apps_team_name_key".
inline constexpr std::string_view kNoParent = "no_parent";
inline constexpr std::string_view kColumns = "columns";

// `state` is an SQLSTATE (PostgreSQL's manual, appendix A); `detail` its primary message, which holds no values of rows.
[[nodiscard]] Error of_state(std::string_view state, const std::string& constraint,
                             const std::string& detail, const std::string& database);
// No connection, or none any more.
[[nodiscard]] Error unreachable(const std::string& database, const std::string& detail);

// Whether the database itself is in trouble (away, full, locked), rather than what was asked of it wrong.
[[nodiscard]] bool is_trouble(const Error& error);
// Whether the same work may succeed when it is begun anew at once: a deadlock or a serialization failure made it the
// victim of another's.
[[nodiscard]] bool may_be_repeated(const Error& error);

}  // namespace loco::postgres
