// The OpenAPI 3.1 document: its paths come from the table of routes, so that they can't differ; its schemas stand here.
#include <boost/json.hpp>

#include "api/router.hpp"

namespace loco::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kSchemas = R"json({
  "Any": {"type": "object"},
  "Text": {"type": "string"},
  "Problem": {"type": "object", "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
      "detail": {"type": "string"}, "code": {"type": "string"}, "hint": {"type": "string"},
      "next_steps": {"type": "array", "items": {"type": "string"}}, "request_id": {"type": "string"}}},
  "Version": {"type": "object", "required": ["name", "version", "api"],
    "properties": {"name": {"type": "string"}, "version": {"type": "string"}, "api": {"type": "string"}}},
  "Me": {"type": "object", "required": ["id", "login", "teams", "scopes"],
    "properties": {"id": {"type": "string"}, "login": {"type": "string"}, "provider": {"type": "string"},
      "email": {"type": "string"}, "scopes": {"type": "array", "items": {"type": "string"}},
      "teams": {"type": "array", "items": {"type": "object", "required": ["slug", "role", "first"],
        "properties": {"slug": {"type": "string"}, "first": {"type": "boolean"},
          "role": {"enum": ["viewer", "developer", "admin", "owner"]}}}}}},
  "Machine": {"type": "object", "required": ["memory", "cpu", "disks", "disk_state", "held", "apps", "warnings"],
    "properties": {
      "memory": {"description": "null until the container engine has told", "oneOf": [{"type": "null"}, {"type": "object",
        "required": ["total_bytes", "reserve_bytes", "for_apps_bytes", "held_bytes", "free_bytes"],
        "properties": {"total_bytes": {"type": "integer"}, "reserve_bytes": {"type": "integer"}, "for_apps_bytes": {"type": "integer"},
          "held_bytes": {"type": "integer"}, "free_bytes": {"type": "integer"}}}]},
      "cpu": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["total_millis", "for_apps_millis", "held_millis", "free_millis"],
        "properties": {"total_millis": {"type": "integer"}, "for_apps_millis": {"type": "integer"}, "held_millis": {"type": "integer"},
          "free_millis": {"type": "integer"}}}]},
      "disks": {"type": "array", "items": {"type": "object",
        "required": ["path", "holds", "state", "total_bytes", "free_bytes", "low_below_bytes", "full_below_bytes", "total_inodes", "free_inodes"],
        "properties": {"path": {"type": "string"}, "holds": {"type": "array", "items": {"type": "string"}},
          "state": {"enum": ["ok", "low", "full"]}, "total_bytes": {"type": "integer"}, "free_bytes": {"type": "integer"},
          "low_below_bytes": {"type": "integer"}, "full_below_bytes": {"type": "integer"},
          "total_inodes": {"type": "integer"}, "free_inodes": {"type": "integer"}}}},
      "disk_state": {"enum": ["ok", "low", "full"]},
      "held": {"type": "object", "description": "bytes on disk by kind: database, logs, registry, containers, …", "additionalProperties": {"type": "integer"}},
      "apps": {"type": "array", "description": "of the caller's teams, the largest first", "items": {"type": "object",
        "required": ["team", "app", "memory_bytes", "cpu_millis"],
        "properties": {"team": {"type": "string"}, "app": {"type": "string"}, "memory_bytes": {"type": "integer"}, "cpu_millis": {"type": "integer"}}}},
      "warnings": {"type": "array", "items": {"type": "object", "required": ["code", "message", "next_steps"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "next_steps": {"type": "array", "items": {"type": "string"}}}}}}},
  "NewApp": {"type": "object", "required": ["name"], "additionalProperties": false,
    "properties": {"name": {"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"}}},
  "App": {"type": "object", "required": ["id", "name", "state", "release", "url", "urls", "created_at"],
    "properties": {"id": {"type": "string"}, "name": {"type": "string"},
      "state": {"enum": ["empty", "live", "degraded", "down", "stopped", "destroying"]},
      "release": {"type": ["string", "null"]}, "url": {"type": ["string", "null"]},
      "urls": {"type": "array", "items": {"type": "string"}}, "created_at": {"type": "string", "format": "date-time"}}},
  "Doctor": {"type": "object", "required": ["version", "url", "base_domain", "registry", "checks"],
    "properties": {"version": {"type": "string"}, "url": {"type": "string", "description": "where the API is reached from elsewhere"},
      "base_domain": {"type": "string"}, "registry": {"type": "string"},
      "checks": {"type": "array", "items": {"type": "object", "required": ["name", "state", "message", "next_steps"],
        "properties": {"name": {"type": "string"}, "state": {"enum": ["ok", "warning", "failed", "not_applicable"]},
          "message": {"type": "string"}, "next_steps": {"type": "array", "items": {"type": "string"}}}}}}},
  "AppList": {"type": "object", "required": ["items", "next_cursor"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/App"}},
      "next_cursor": {"type": ["string", "null"]}}},
  "Instance": {"type": "object", "required": ["id", "process", "index", "state"],
    "properties": {"id": {"type": "string"}, "process": {"type": "string"}, "index": {"type": "integer"},
      "state": {"enum": ["pending", "starting", "healthy", "backoff", "draining", "stopping", "finished"]},
      "release": {"type": ["string", "null"]}, "since": {"type": "string", "format": "date-time"},
      "restarts": {"type": "integer"}, "cpu_millis": {"type": "integer"}, "cpu_max_millis": {"type": "integer"},
      "memory_bytes": {"type": "integer"}, "exit_code": {"type": ["integer", "null"]},
      "oom_killed": {"type": "boolean"}, "last_problem": {"type": "string"},
      "problem_code": {"type": ["string", "null"]}, "next_steps": {"type": "array", "items": {"type": "string"}}}},
  "AppDetail": {"allOf": [{"$ref": "#/components/schemas/App"}, {"type": "object",
    "required": ["processes", "instances", "scale", "env_version", "deployment", "last_deployment"],
    "properties": {"processes": {"type": "object"}, "scale": {"type": "object"}, "env_version": {"type": "integer"},
      "instances": {"type": "array", "items": {"$ref": "#/components/schemas/Instance"}},
      "deployment": {"oneOf": [{"$ref": "#/components/schemas/Deployment"}, {"type": "null"}]},
      "last_deployment": {"oneOf": [{"$ref": "#/components/schemas/Deployment"}, {"type": "null"}]}}}]},
  "Diagnosis": {"type": "object", "required": ["code", "phase", "message", "evidence", "next_steps", "exit_status"],
    "properties": {"code": {"type": "string"}, "phase": {"type": "string"}, "message": {"type": "string"},
      "evidence": {"type": "string"}, "next_steps": {"type": "array", "items": {"type": "string"}},
      "exit_status": {"type": "integer"}}},
  "Deployment": {"type": "object", "required": ["id", "kind", "state", "actor", "created_at", "phases"],
    "properties": {"id": {"type": "string"},
      "kind": {"enum": ["deploy", "redeploy", "rollback", "scale", "env", "restart"]},
      "state": {"enum": ["building", "checking", "releasing", "rolling", "live", "failed", "cancelled", "superseded"]},
      "actor": {"type": "string"}, "created_at": {"type": "string", "format": "date-time"},
      "ended_at": {"type": ["string", "null"]}, "release": {"type": ["string", "null"]},
      "digest": {"type": ["string", "null"]}, "cancel_requested": {"type": "boolean"},
      "phases": {"type": "object", "additionalProperties": {"type": "string"}},
      "diagnosis": {"oneOf": [{"$ref": "#/components/schemas/Diagnosis"}, {"type": "null"}]}}},
  "DeploymentStart": {"type": "object",
    "description": "A Deployment; of kind deploy also what the client needs to build and push. {\"unchanged\": true} for a scale that is so already",
    "properties": {"app_id": {"type": "string"}, "repository": {"type": "string"}, "tag": {"type": "string"}, "registry": {"type": "string"},
      "platform": {"type": "string"}, "live": {"oneOf": [{"$ref": "#/components/schemas/Release"}, {"type": "null"}]},
      "unchanged": {"type": "boolean"}}},
  "DeploymentList": {"type": "object", "required": ["items", "next_cursor"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Deployment"}},
      "next_cursor": {"type": ["string", "null"]}}},
  "NewDeployment": {"type": "object", "required": ["kind"], "additionalProperties": false,
    "properties": {"kind": {"enum": ["deploy", "redeploy", "rollback", "scale", "restart"]},
      "spec": {"$ref": "#/components/schemas/Spec"},
      "release": {"type": "string", "description": "rollback: to which, e.g. v7"},
      "process": {"type": "string"}, "replicas": {"type": "integer", "minimum": 0, "maximum": 10000},
      "cpu_millis": {"type": "integer", "minimum": 1, "maximum": 1000000},
      "memory_bytes": {"type": "integer", "minimum": 1}, "reset": {"type": "boolean"}}},
  "Spec": {"type": "object", "description": "A loco.toml as JSON, see docs/reference/loco-toml.md"},
  "PushToken": {"type": "object", "required": ["token", "expires_at", "registry", "repository"],
    "properties": {"token": {"type": "string"}, "expires_at": {"type": "string", "format": "date-time"},
      "registry": {"type": "string"}, "repository": {"type": "string"}}},
  "BuildResult": {"type": "object", "additionalProperties": false,
    "properties": {"digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, "image_id": {"type": "string"},
      "failure": {"type": "object", "required": ["message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "evidence": {"type": "string"},
          "next_steps": {"type": "array", "items": {"type": "string"}}}}}},
  "DeploymentPlanRequest": {"type": "object", "required": ["spec"], "additionalProperties": false,
    "properties": {"spec": {"type": "object"}}},
  "DeploymentPlan": {"type": "object", "required": ["live", "changes"],
    "properties": {"live": {"type": ["string", "null"]},
      "changes": {"type": "array", "items": {"type": "object", "required": ["key", "from", "to"],
        "properties": {"key": {"type": "string"}, "from": {}, "to": {}}}}}},
  "Manifests": {"type": "object", "required": ["release", "manifests", "fill_in"],
    "properties": {"release": {"type": "string"}, "manifests": {"type": "string"},
      "fill_in": {"type": "array", "items": {"type": "string"}}}},
  "Release": {"type": "object", "required": ["release", "id", "digest", "live", "created_at"],
    "properties": {"release": {"type": "string"}, "id": {"type": "string"}, "digest": {"type": "string"},
      "image_id": {"type": "string"}, "env_version": {"type": "integer"}, "actor": {"type": "string"},
      "created_at": {"type": "string", "format": "date-time"}, "live_at": {"type": ["string", "null"]},
      "live": {"type": "boolean"}, "image_kept": {"type": "boolean"}, "deployment": {"type": "string"}}},
  "ReleaseList": {"type": "object", "required": ["items", "next_cursor"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Release"}},
      "next_cursor": {"type": ["string", "null"]}}},
  "Event": {"type": "object", "required": ["seq", "at", "kind", "message", "actor"],
    "properties": {"seq": {"type": "integer"}, "at": {"type": "string", "format": "date-time"},
      "kind": {"type": "string"}, "message": {"type": "string"}, "actor": {"type": "string"},
      "deployment": {"type": ["string", "null"]}, "data": {"type": ["object", "null"]}}},
  "EventList": {"type": "object", "required": ["items", "next_cursor"],
    "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
      "next_cursor": {"type": ["string", "null"]}}},
  "Env": {"type": "object", "required": ["version", "live_version", "items"],
    "properties": {"version": {"type": "integer"}, "live_version": {"type": ["integer", "null"]},
      "items": {"type": "array", "items": {"type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}}}}}},
  "EnvChange": {"type": "object", "additionalProperties": false,
    "properties": {"set": {"type": "object", "additionalProperties": {"type": "string"}},
      "unset": {"type": "array", "items": {"type": "string"}}, "stage": {"type": "boolean"}}},
  "EnvChanged": {"type": "object", "required": ["version", "deployment"],
    "properties": {"version": {"type": "integer"},
      "deployment": {"oneOf": [{"$ref": "#/components/schemas/Deployment"}, {"type": "null"}]}}},
  "MoveKey": {"type": "object", "required": ["public_key"], "properties": {"public_key": {"type": "string"}}},
  "ExportRequest": {"type": "object", "required": ["public_key"], "additionalProperties": false,
    "properties": {"public_key": {"type": "string", "description": "move-key of the Loco where the app is going"}}},
  "AppExport": {"type": "object", "required": ["registry", "repository", "export"],
    "properties": {"registry": {"type": "string"}, "repository": {"type": "string"},
      "export": {"$ref": "#/components/schemas/ExportedApp"}}},
  "ExportedApp": {"type": "object", "required": ["name", "releases", "scale", "sealed_env"], "additionalProperties": false,
    "properties": {"name": {"type": "string"}, "env_version": {"type": "integer", "minimum": 0},
      "releases": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "object",
        "required": ["number", "digest", "image_id", "env_version", "uid", "gid", "actor", "created_at", "live_at", "spec"]},
        "description": "By number; the last is what is live"},
      "scale": {"type": "object"}, "sealed_env": {"type": "string"}}},
  "Imported": {"type": "object", "required": ["app", "release"],
    "properties": {"app": {"type": "string"}, "release": {"type": "string", "description": "to be deployed now"}}},
  "DomainList": {"type": "object", "required": ["items", "next_cursor"],
    "properties": {"items": {"type": "array", "items": {"type": "object", "required": ["host", "primary", "live", "url"],
      "properties": {"host": {"type": "string"}, "primary": {"type": "boolean"}, "live": {"type": "boolean"},
        "url": {"type": "string"}}}}, "next_cursor": {"type": ["string", "null"]}}},
  "Metrics": {"type": "object", "required": ["http", "instances"],
    "properties": {"http": {"type": ["object", "null"]}, "instances": {"type": ["array", "null"]}}},
  "RegistryToken": {"type": "object", "required": ["token"],
    "properties": {"token": {"type": "string"}, "expires_in": {"type": "integer"}, "issued_at": {"type": "string"}}}
})json";

struct QueryParameter {
    std::string_view operation;
    std::string_view name;
    std::string_view type;
    std::string_view description;
};

constexpr QueryParameter kQuery[] = {
    {"get_manifests", "release", "string", "such as v7; without it the live one"},
    {"get_manifests", "namespace", "string", "a DNS label; without it the app's name"},
    {"get_manifests", "gateway", "string", "NAMESPACE/NAME (loco-system/loco)"},
    {"get_manifests", "registry", "string", "HOST[:PORT] where the nodes find the image"},
    {"get_logs", "follow", "boolean", "go on with each new line"},
    {"get_logs", "n", "integer", "at most so many of the last lines (100)"},
    {"get_logs", "since", "string", "RFC 3339"},
    {"get_logs", "after", "integer", "only lines with a greater seq"},
    {"get_logs", "process", "string", "of one process"},
    {"get_logs", "instance", "string", "of one instance"},
    {"get_logs", "release", "string", "of one release, e.g. v7"},
    {"get_logs", "previous", "boolean", "of the instance that ended last by itself, up to its end"},
    {"get_logs", "build", "string", "the build log of that deployment instead"},
    {"stream_deployment_events", "after", "integer", "as Last-Event-ID"},
    {"get_registry_token", "service", "string", ""},
    {"get_registry_token", "scope", "string", ""},
};

json::object schema_ref(std::string_view name) {
    return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

json::array parameters(const Route& route) {
    json::array result;
    for (auto path = route.path; path.find('{') != std::string_view::npos;) {
        const auto begin = path.find('{') + 1;
        const auto end = path.find('}');
        result.push_back(json::object{{"name", path.substr(begin, end - begin)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", {{"type", "string"}}}});
        path.remove_prefix(end + 1);
    }
    const auto query = [&](std::string_view name, std::string_view type,
                           std::string_view description) {
        result.push_back(json::object{{"name", name},
                                      {"in", "query"},
                                      {"description", description},
                                      {"schema", {{"type", type}}}});
    };
    if (route.response_schema.ends_with("List")) {
        query("limit", "integer", "how many at most");
        query("cursor", "string", "next_cursor of the answer before");
    }
    for (const auto& row : kQuery) {
        if (row.operation == route.operation) query(row.name, row.type, row.description);
    }
    if (route.idempotency) {
        result.push_back(json::object{
            {"name", "Idempotency-Key"}, {"in", "header"}, {"schema", {{"type", "string"}}}});
    }
    return result;
}

json::object operation(const Route& route) {
    json::object success{{"description", "done"}};
    if (!route.response_schema.empty()) {
        success["content"] = {
            {"application/json", {{"schema", schema_ref(route.response_schema)}}}};
    }
    json::object result{
        {"operationId", route.operation},
        {"summary", route.summary},
        {"parameters", parameters(route)},
        {"responses",
         {{std::to_string(route.success), std::move(success)},
          {"default",
           {{"description", "RFC 9457 problem"},
            {"content", {{"application/problem+json", {{"schema", schema_ref("Problem")}}}}}}}}},
    };
    if (!route.request_schema.empty()) {
        const auto* type = route.request_schema == "Text" ? "text/plain" : "application/json";
        result["requestBody"] = {
            {"content", {{type, {{"schema", schema_ref(route.request_schema)}}}}}};
    }
    if (route.permission != identity::Permission::nobody_asked) {
        result["security"] = json::array{json::object{{"bearer", json::array()}}};
        result["x-loco-scope"] = identity::row_of(route.permission).scope;
        if (route.or_permission)
            result["x-loco-or-scope"] = identity::row_of(*route.or_permission).scope;
        result["x-loco-least-role"] = to_string(identity::row_of(route.permission).least_role);
    }
    return result;
}

std::string method_key(http::Method method) {
    auto name = std::string(http::to_string(method));
    for (auto& c : name) c = static_cast<char>(c | 0x20);
    return name;
}

}  // namespace

std::string openapi(std::string_view version) {
    json::object paths;
    for (const auto& route : routes()) {
        auto& path = paths[route.path];
        if (!path.is_object()) path = json::object();
        path.as_object()[method_key(route.method)] = operation(route);
    }
    return json::serialize(json::object{
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "Loco"},
          {"version", version},
          {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
        {"paths", std::move(paths)},
        {"components",
         {{"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}},
          {"schemas", json::parse(kSchemas)}}},
    });
}

}  // namespace loco::api
