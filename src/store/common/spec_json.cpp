// AppSpec as it is kept with deployments and releases. Not the format of the API (spec/json.hpp), which applies all rules
// of loco.toml when it is read: what was released once must be readable for good, whatever the rules are by then.
// A key that is missing has its default; one that is unknown is passed over.
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/pfr/tuple_size.hpp>

#include "store/common/json_columns.hpp"

namespace loco {

BOOST_DESCRIBE_ENUM(AppType, service, worker, static_site)
BOOST_DESCRIBE_ENUM(Protocol, http, h2c)
BOOST_DESCRIBE_ENUM(Strategy, rolling, recreate)
BOOST_DESCRIBE_STRUCT(BuildSpec, (), (dockerfile, context, target, args, secrets, platform, image))
BOOST_DESCRIBE_STRUCT(DeploySpec, (),
                      (command, user, strategy, release_command, timeout, stop_timeout))
BOOST_DESCRIBE_STRUCT(PortSpec, (), (name, port, path, strip_path, protocol, idle_timeout))
BOOST_DESCRIBE_STRUCT(HealthSpec, (), (path, interval, timeout, failures, grace))
BOOST_DESCRIBE_STRUCT(Resources, (), (cpu_millis, cpu_max_millis, memory_bytes, writable))
BOOST_DESCRIBE_STRUCT(ScaleSpec, (), (min, max, cpu_target, idle_after))
BOOST_DESCRIBE_STRUCT(ProcessSpec, (),
                      (command, replicas, cpu_millis, cpu_max_millis, memory_bytes))
BOOST_DESCRIBE_STRUCT(AppSpec, (),
                      (name, type, build, deploy, ports, domains, processes, health, resources,
                       scale, env, required_secrets, log_retention))

namespace store {
namespace {

namespace json = boost::json;
namespace describe = boost::describe;

template <class T>
using Members = describe::describe_members<T, describe::mod_public>;

json::value encode(const std::string& value) { return json::value(value); }
json::value encode(bool value) { return value; }
json::value encode(Millis value) { return value.count(); }

template <class T>
json::value encode(const T& value);

template <class T>
json::value encode(const std::vector<T>& values) {
    json::array array;
    for (const auto& value : values) array.push_back(encode(value));
    return array;
}

template <class T>
json::value encode(const std::map<std::string, T>& values) {
    json::object object;
    for (const auto& [key, value] : values) object[key] = encode(value);
    return object;
}

template <class T>
json::value encode(const T& value) {
    if constexpr (std::is_integral_v<T>) {
        return static_cast<std::int64_t>(value);
    } else if constexpr (std::is_enum_v<T>) {
        return json::value(describe::enum_to_string(value, ""));
    } else {
        static_assert(
            boost::mp11::mp_size<Members<T>>::value == boost::pfr::tuple_size_v<T>,
            "a member is missing in its BOOST_DESCRIBE_STRUCT above: it would not be kept");
        json::object object;
        boost::mp11::mp_for_each<Members<T>>(
            [&](auto member) { object[member.name] = encode(value.*member.pointer); });
        return object;
    }
}

// These throw what json::value does when it holds another type.
void decode(const json::value& from, std::string& to) { to = std::string_view(from.as_string()); }
void decode(const json::value& from, bool& to) { to = from.as_bool(); }
void decode(const json::value& from, Millis& to) { to = Millis(from.to_number<std::int64_t>()); }

template <class T>
void decode(const json::value& from, T& to);

template <class T>
void decode(const json::value& from, std::vector<T>& to) {
    to.clear();
    for (const auto& item : from.as_array()) decode(item, to.emplace_back());
}

template <class T>
void decode(const json::value& from, std::map<std::string, T>& to) {
    to.clear();
    for (const auto& [key, item] : from.as_object()) decode(item, to[std::string(key)]);
}

template <class T>
void decode(const json::value& from, T& to) {
    if constexpr (std::is_integral_v<T>) {
        to = from.to_number<T>();
    } else if constexpr (std::is_enum_v<T>) {
        const std::string name(from.as_string());
        if (!describe::enum_from_string(name.c_str(), to)) throw std::invalid_argument(name);
    } else {
        const auto& object = from.as_object();
        boost::mp11::mp_for_each<Members<T>>([&](auto member) {
            if (const auto* found = object.if_contains(member.name))
                decode(*found, to.*member.pointer);
        });
    }
}

}  // namespace

std::string to_json(const AppSpec& value) {
    return value == AppSpec{} ? "" : json::serialize(encode(value));
}

Result<> from_json(std::string_view text, AppSpec& value) {
    value = {};
    if (text.empty()) return {};
    try {
        json::parse_options options;
        options.allow_invalid_utf8 = true;
        json::monotonic_resource memory;
        decode(json::parse(json::string_view(text.data(), text.size()), &memory, options), value);
    } catch (const std::exception&) {
        return fail(ErrorKind::internal, "the database holds a spec that Loco can't read");
    }
    return {};
}

}  // namespace store
}  // namespace loco
