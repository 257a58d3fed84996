#include "registry/handover.hpp"

#include "base/log.hpp"
#include "os/file.hpp"

namespace loco::registry {
namespace {

constexpr const char* kRequest = "request";
constexpr const char* kRunning = "running";
constexpr const char* kDone = "done";

}  // namespace

std::filesystem::path Handover::file(const char* state) const {
    return folder_ / (std::string("collect.") + state);
}

Result<> Handover::ask() const {
    std::error_code ignored;
    std::filesystem::remove(file(kDone), ignored);
    return os::write_file_atomically(file(kRequest), "", 0600);
}

bool Handover::withdraw() const {
    std::error_code ignored;
    return std::filesystem::remove(file(kRequest), ignored);
}

bool Handover::asked() const {
    std::error_code ignored;
    return std::filesystem::exists(file(kRequest), ignored);
}

bool Handover::under_way() const {
    std::error_code ignored;
    return std::filesystem::exists(file(kRunning), ignored);
}

bool Handover::take_done() const {
    std::error_code ignored;
    return std::filesystem::remove(file(kDone), ignored);
}

bool Handover::take() const {
    std::error_code error;
    std::filesystem::rename(file(kRequest), file(kRunning), error);
    return !error;
}

void Handover::finish(bool collected) const {
    // Told before it is over: whoever sees that it is over looks for what was told.
    if (collected) {
        if (const auto told = os::write_file_atomically(file(kDone), "", 0600); !told)
            log::failure("can't tell that the registry's garbage was collected", told.error());
    }
    abandon();
}

void Handover::abandon() const {
    std::error_code ignored;
    std::filesystem::remove(file(kRunning), ignored);
}

}  // namespace loco::registry
