#include <array>

#include "api/handlers.hpp"

namespace loco::api {
namespace {

using enum http::Method;
using enum identity::Permission;

#define APP "/api/v1/teams/{team}/apps/{app}"
#define DEPLOYMENT APP "/deployments/{id}"

constexpr std::array kRoutes{
    Route{get, "/api/v1/version", "get_version", nobody_asked, get_version, "The server's version",
          "", "Version"},
    Route{get, "/api/v1/openapi.json", "get_openapi", nobody_asked, get_openapi, "This description",
          "", "Any"},
    Route{get, "/api/v1/me", "get_me", self, get_me, "Who I am, and my teams", "", "Me"},
    Route{get, "/api/v1/doctor", "get_doctor", self, get_doctor,
          "What the server knows of its own health, and what mends it", "", "Doctor"},
    Route{
        get, "/api/v1/machine", "get_machine", self, get_machine,
        "The machine that runs the apps: its memory, CPU and disks, what is free, which of my apps "
        "hold how much; 404 on a cluster",
        "", "Machine"},

    Route{get, "/api/v1/teams/{team}/apps", "list_apps", app_read, list_apps,
          "The team's apps, by name", "", "AppList"},
    Route{post, "/api/v1/teams/{team}/apps", "create_app", app_create, create_app,
          "Create an app without a release; 409 when there is one of that name", "NewApp", "App",
          201, true},
    Route{get, APP, "get_app", app_read, get_app,
          "An app with its processes, instances and what holds it", "", "AppDetail"},
    Route{delete_, APP, "destroy_app", app_destroy, destroy_app,
          "Remove an app and all that belongs to it", "", "App", 202},

    Route{get, APP "/deployments", "list_deployments", app_read, list_deployments,
          "Deployments, newest first", "", "DeploymentList"},
    Route{post, APP "/deployments", "create_deployment", app_deploy, create_deployment,
          "Begin a deploy, redeploy, rollback, scale or restart", "NewDeployment",
          "DeploymentStart", 201, true, app_operate},
    Route{get, DEPLOYMENT, "get_deployment", app_read, get_deployment, "One deployment", "",
          "Deployment"},
    Route{post, DEPLOYMENT "/push-token", "create_push_token", app_deploy, create_push_token,
          "A token to push this deployment's image, for 5 minutes; given once", "", "PushToken",
          201},
    Route{post, DEPLOYMENT "/build-log", "append_build_log", app_deploy, append_build_log,
          "Lines of the build's output (text/plain); renews the client's lease, also when empty",
          "Text", "", 204},
    Route{post, DEPLOYMENT "/result", "report_result", app_deploy, report_result,
          "The pushed image's digest, or why the build failed", "BuildResult", "Deployment", 200,
          true},
    Route{post, DEPLOYMENT "/cancel", "cancel_deployment", app_deploy, cancel_deployment,
          "Ask for it to be cancelled", "", "Deployment", 202, false, app_operate},
    Route{get, DEPLOYMENT "/events", "stream_deployment_events", app_read, stream_deployment_events,
          "Its events as server-sent events until it has ended; resumes with Last-Event-ID", "",
          ""},

    Route{post, APP "/plan", "plan_deployment", app_read, plan_deployment,
          "What a deploy of this specification would change; refused as the deploy would be",
          "DeploymentPlanRequest", "DeploymentPlan"},
    Route{get, APP "/manifests", "get_manifests", app_read, get_manifests,
          "What a release is on Kubernetes, as YAML that needs no Loco; no value that was set with "
          "`loco env` is in it",
          "", "Manifests"},

    Route{get, APP "/releases", "list_releases", app_read, list_releases, "Releases, newest first",
          "", "ReleaseList"},
    Route{get, APP "/events", "list_events", app_read, list_events,
          "What happened; newest page first, oldest first within it", "", "EventList"},
    Route{get, APP "/logs", "get_logs", logs_read, get_logs,
          "Log lines as NDJSON; goes on with follow=true", "", ""},
    Route{get, APP "/env", "get_env", app_read, get_env, "Names of variables, never values", "",
          "Env"},
    Route{patch, APP "/env", "patch_env", env_write, patch_env, "Set and unset variables",
          "EnvChange", "EnvChanged"},
    Route{get, "/api/v1/teams/{team}/move-key", "get_move_key", app_move, get_move_key,
          "For whom another Loco seals an app's variables, so that they can be brought here", "",
          "MoveKey"},
    Route{post, APP "/export", "export_app", app_move, export_app,
          "The app for another Loco: releases, scale, and the variables sealed for that one",
          "ExportRequest", "AppExport"},
    Route{post, APP "/import", "import_app", app_move, import_app,
          "Take what another Loco has exported into an app that has nothing of its own yet",
          "ExportedApp", "Imported"},
    Route{get, APP "/domains", "list_domains", app_read, list_domains,
          "Host names of the app, the one that it was given first", "", "DomainList"},
    Route{get, APP "/metrics", "get_metrics", app_read, get_metrics,
          "HTTP counters and resource usage", "", "Metrics"},

    Route{get, "/api/v1/registry/token", "get_registry_token", nobody_asked, get_registry_token,
          "The distribution token protocol", "", "RegistryToken"},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

}  // namespace loco::api
