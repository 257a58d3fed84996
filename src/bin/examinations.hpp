// What loco-api looks at in itself for `loco doctor`, beside its database and the place where apps run.
#pragma once

#include <vector>

#include "api/doctor.hpp"
#include "domain/capacity.hpp"
#include "http/client.hpp"
#include "platform/server_config.hpp"
#include "registry/token_service.hpp"

namespace loco {

// All must outlive what is given.
struct ExaminationNeeds {
    const platform::ServerConfig& server;
    const registry::TokenService& tokens;
    http::Client& http;
    const Clock& clock;
    MachineView machine;  // empty on a cluster, whose nodes have the disks
};
[[nodiscard]] std::vector<api::Examination> examinations(const ExaminationNeeds& needs);

}  // namespace loco
