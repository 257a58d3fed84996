// The columns that hold JSON (schema: *_json). What comes out of the database is trusted to be well-formed but checked
// all the same; texts in it may be any bytes.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "domain/model.hpp"

namespace loco::store {

[[nodiscard]] std::string to_json(const std::vector<std::string>& value);
[[nodiscard]] std::string to_json(const std::map<std::string, std::string>& value);
[[nodiscard]] std::string to_json(const std::map<std::string, Time>& value);
[[nodiscard]] std::string to_json(const std::map<std::string, ScaleOverride>& value);
[[nodiscard]] std::string to_json(const Diagnosis& value);
// Empty for none. What an older Loco has written there is its message alone.
[[nodiscard]] std::string to_json(const Problem& value);
[[nodiscard]] std::string to_json(const AppSpec& value);  // spec_json.cpp; empty for AppSpec{}

// internal when it is no such value.
[[nodiscard]] Result<> from_json(std::string_view text, std::vector<std::string>& value);
[[nodiscard]] Result<> from_json(std::string_view text, std::map<std::string, std::string>& value);
[[nodiscard]] Result<> from_json(std::string_view text, std::map<std::string, Time>& value);
[[nodiscard]] Result<> from_json(std::string_view text,
                                 std::map<std::string, ScaleOverride>& value);
[[nodiscard]] Result<> from_json(std::string_view text, Diagnosis& value);
[[nodiscard]] Result<> from_json(std::string_view text, Problem& value);
[[nodiscard]] Result<> from_json(std::string_view text, AppSpec& value);

}  // namespace loco::store
