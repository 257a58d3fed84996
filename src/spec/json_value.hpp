// spec/json.hpp over values, for those who already have one. Boost.JSON is a heavy header: include this in
// few .cpp files only.
#pragma once

#include <boost/json/value.hpp>

#include "base/error.hpp"
#include "domain/app_spec.hpp"

namespace loco::spec {

[[nodiscard]] boost::json::value to_json_value(const AppSpec& spec);
[[nodiscard]] Result<AppSpec> from_json_value(const boost::json::value& value);

}  // namespace loco::spec
