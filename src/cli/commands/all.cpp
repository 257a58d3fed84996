#include "cli/commands/all.hpp"

#include <array>

namespace loco::cli {

// In the order of the help: what a new user needs first.
std::span<const Command> all_commands() {
    static const std::array commands{
        up_command(),           down_command(),          init_command(),
        validate_command(),     create_command(),        deploy_command(),
        redeploy_command(),     restart_command(),       rollback_command(),
        releases_command(),     apps_command(),          status_command(),
        logs_command(),         events_command(),        scale_command(),
        domains_list_command(), domains_check_command(), env_list_command(),
        env_set_command(),      env_unset_command(),     env_import_command(),
        open_command(),         export_command(),        move_command(),
        destroy_command(),      whoami_command(),        explain_command(),
        docs_command(),         doctor_command(),        completion_command(),
    };
    return commands;
}

}  // namespace loco::cli
