// The handlers of all routes, by noun: one source file each.
#pragma once

#include "api/router.hpp"

namespace loco::api {

// self.cpp
Result<http::Response> get_version(Services&, Call&);
Result<http::Response> get_openapi(Services&, Call&);
Result<http::Response> get_me(Services&, Call&);

// doctor.cpp
Result<http::Response> get_doctor(Services&, Call&);

// apps.cpp
Result<http::Response> list_apps(Services&, Call&);
Result<http::Response> create_app(Services&, Call&);
Result<http::Response> get_app(Services&, Call&);
Result<http::Response> destroy_app(Services&, Call&);

// deployments.cpp
Result<http::Response> list_deployments(Services&, Call&);
Result<http::Response> create_deployment(Services&, Call&);
Result<http::Response> get_deployment(Services&, Call&);
Result<http::Response> create_push_token(Services&, Call&);
Result<http::Response> append_build_log(Services&, Call&);
Result<http::Response> report_result(Services&, Call&);
Result<http::Response> cancel_deployment(Services&, Call&);

// domains.cpp
Result<http::Response> list_domains(Services&, Call&);

// releases.cpp
Result<http::Response> list_releases(Services&, Call&);

// manifests.cpp
Result<http::Response> get_manifests(Services&, Call&);
Result<http::Response> plan_deployment(Services&, Call&);

// events.cpp
Result<http::Response> list_events(Services&, Call&);
Result<http::Response> stream_deployment_events(Services&, Call&);

// logs.cpp
Result<http::Response> get_logs(Services&, Call&);

// env.cpp
Result<http::Response> get_env(Services&, Call&);
Result<http::Response> patch_env(Services&, Call&);

// move.cpp
Result<http::Response> get_move_key(Services&, Call&);
Result<http::Response> export_app(Services&, Call&);
Result<http::Response> import_app(Services&, Call&);

// machine.cpp
Result<http::Response> get_machine(Services&, Call&);

// metrics.cpp
Result<http::Response> get_metrics(Services&, Call&);

// registry.cpp
Result<http::Response> get_registry_token(Services&, Call&);

}  // namespace loco::api
