// Reading the API's answers without a check at every step: what is missing or of another type is empty.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace loco::cli {

[[nodiscard]] std::string text_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] std::int64_t int_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] bool bool_at(const boost::json::value& value, std::string_view key);
[[nodiscard]] const boost::json::value& at(const boost::json::value& value,
                                           std::string_view key);  // null if missing
[[nodiscard]] const boost::json::array& array_at(const boost::json::value& value,
                                                 std::string_view key);
[[nodiscard]] const boost::json::object& object_at(const boost::json::value& value,
                                                   std::string_view key);

}  // namespace loco::cli
