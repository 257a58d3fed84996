#include "cli/push_token.hpp"

#include <boost/json.hpp>
#include <thread>

#include "cli/terminal.hpp"

namespace loco::cli {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
// Seconds, on a slow disk minutes.
constexpr auto kPushPatience = std::chrono::minutes(6);
constexpr auto kAskAgain = std::chrono::milliseconds(200);

}  // namespace

client::PostOptions once() {
    return {.idempotency_key = client::new_idempotency_key(), .patience = kPatience};
}

Result<boost::json::value> ask_push_token(client::Api& api, const std::string& deployment_path,
                                          const std::function<void(std::string_view)>& waits) {
    const auto give_up_at = std::chrono::steady_clock::now() + kPushPatience;
    while (true) {
        // Without a key, whose answer the server would keep: it repeats a token for half a minute.
        auto token = api.post(deployment_path + "/push-token", boost::json::object(),
                              {.patience = kPatience});
        if (token || token.error().code != "registry_busy" || interrupted() ||
            std::chrono::steady_clock::now() >= give_up_at)
            return token;
        waits("waiting: the registry is being cleaned");
        std::this_thread::sleep_for(kAskAgain);
    }
}

}  // namespace loco::cli
