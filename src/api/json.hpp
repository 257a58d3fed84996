// How the API writes and reads JSON: presenters of what Loco keeps, and a reader of request bodies that reports every
// wrong field by name. Only api/ and its tests include it.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"
#include "http/server.hpp"
#include "usecase/context.hpp"

namespace loco::api {

[[nodiscard]] http::Response json_response(int status, const boost::json::value& body);
// {"items": […], "next_cursor": …}
[[nodiscard]] http::Response list_response(boost::json::array items,
                                           std::optional<std::string> next_cursor);

[[nodiscard]] boost::json::value time_or_null(const std::optional<Time>& time);
[[nodiscard]] boost::json::object present(const Diagnosis& diagnosis);
[[nodiscard]] boost::json::object present(const Deployment& deployment,
                                          std::optional<int> release_number);
[[nodiscard]] boost::json::object present(const Release& release, const App& app);
[[nodiscard]] boost::json::object present(const Instance& instance,
                                          std::optional<int> release_number);
[[nodiscard]] boost::json::object present(const Event& event);
[[nodiscard]] boost::json::object present(const std::map<std::string, ScaleOverride>& scale);

// "sha256:" and 64 hex digits.
[[nodiscard]] bool is_digest(std::string_view text);

// Text that is valid UTF-8: bytes that are none become U+FFFD.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

// The fields of a request body. Every getter notes what is wrong; done() gives all of it as one error, also fields that
// were not asked for.
class Body {
  public:
    // invalid when it is no JSON object, or nested too deeply.
    [[nodiscard]] static Result<Body> parse(const http::Request& request);

    [[nodiscard]] std::string string(std::string_view name, std::size_t max = 1024);  // required
    [[nodiscard]] std::optional<std::string> optional_string(std::string_view name,
                                                             std::size_t max = 1024);
    [[nodiscard]] std::optional<std::int64_t> optional_int(std::string_view name, std::int64_t min,
                                                           std::int64_t max);
    [[nodiscard]] bool boolean(std::string_view name, bool standard);
    [[nodiscard]] std::vector<std::string> strings(std::string_view name, std::size_t max_items);
    // The value itself; null when it is not there.
    [[nodiscard]] const boost::json::value* value(std::string_view name);
    void wrong(std::string what);
    [[nodiscard]] Result<> done();

  private:
    explicit Body(boost::json::object object) : object_(std::move(object)) {}
    [[nodiscard]] const boost::json::value* take(std::string_view name);

    boost::json::object object_;
    std::vector<std::string> asked_;
    std::vector<std::string> wrong_;
};

}  // namespace loco::api
