// Every command; each is one line in all.cpp.
#pragma once

#include "cli/command.hpp"

namespace loco::cli {

// about/
Command completion_command();
Command docs_command();
Command explain_command();
Command init_command();
Command validate_command();
Command whoami_command();
// app/
Command apps_command();
Command create_command();
Command deploy_command();
Command destroy_command();
Command events_command();
Command export_command();
Command logs_command();
Command move_command();
Command open_command();
Command redeploy_command();
Command releases_command();
Command restart_command();
Command rollback_command();
Command scale_command();
Command status_command();
// domains/
Command domains_check_command();
Command domains_list_command();
// env/
Command env_import_command();
Command env_list_command();
Command env_set_command();
Command env_unset_command();
// platform/
Command doctor_command();
Command down_command();
Command up_command();

}  // namespace loco::cli
