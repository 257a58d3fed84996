// The first owner. An instance is never open: `loco up` makes a token and hands its hash to the server in a file
// that only root reads; the server makes of it an owner of the first team.
#pragma once

#include <string>

#include "usecase/context.hpp"

namespace loco {

struct Bootstrap {
    std::string login;
    std::string token_sha256;  // lower-case hex
    std::string team = "main";
    // Whose token it is, beside the login: the file that the client keeps it in. A client has one token; a new one
    // takes the place of the one before.
    std::string client = {};
    std::string made_by = "loco up";  // the token's name begins with it
};

// Makes what is missing of user, team 0, membership and token; may be repeated.
[[nodiscard]] Result<> bootstrap(Context& context, const Bootstrap& request);

}  // namespace loco
