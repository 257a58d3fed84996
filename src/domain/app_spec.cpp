#include "domain/app_spec.hpp"

namespace loco {

std::string_view main_process(const AppSpec& spec) {
    return spec.type == AppType::worker ? "worker" : "web";
}

}  // namespace loco
