#include "runtime/docker/image_facts.hpp"

#include <charconv>

#include "base/log.hpp"
#include "runtime/docker/names.hpp"

namespace loco::runtime {
namespace {

constexpr std::size_t kMaxFile = 1U << 20;
constexpr std::size_t kMaxKnown = 4096;

// A file of the image; empty where there is none (or something that is no file, which runc does not read either).
Result<std::string> file_of(engine::Engine& engine, const std::string& container,
                            const std::string& path) {
    auto text = engine.read_file(container, path, kMaxFile);
    if (text) return text;
    switch (text.error().kind) {
        case ErrorKind::not_found:
        case ErrorKind::invalid: return std::string();
        case ErrorKind::too_large:
            return fail(ErrorKind::refused, "the image's " + path + " is larger than 1 MiB",
                        "set a numeric USER and a small " + path, "image_user_unreadable");
        default: return text;
    }
}

}  // namespace

Result<std::optional<ResolvedUser>> ImageReader::resolve(const engine::Image& image) {
    const std::string key = image.id + " " + image.user;
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = known_.find(key); known != known_.end()) return known->second;
    }
    const std::lock_guard one_at_a_time(reading_);
    engine::ContainerSpec spec;
    spec.image = image.id;
    spec.command = {
        "/never-started"};  // an image without a command cannot be made a container of otherwise
    spec.entrypoint = {"/never-started"};
    spec.user = "0";
    spec.network = "none";
    spec.labels = {{std::string(label::kPurpose), "facts"},
                   {std::string(label::kInstanceOf), loco_}};
    const std::string name = "loco-facts-" + tag_of(loco_) + "-" + tag_of(image.id);
    auto made = engine_.create_container(name, spec);
    if (!made && made.error().kind == ErrorKind::conflict) {
        LOCO_TRY(remove_left_overs());
        made = engine_.create_container(name, spec);
    }
    if (!made) return fail(std::move(made).error().while_("look into the image"));
    auto passwd = file_of(engine_, *made, "/etc/passwd");
    auto group = file_of(engine_, *made, "/etc/group");
    auto removed = engine_.remove_container(*made, /*force=*/true);
    if (!removed)
        log::failure("a container that was made to look into an image stays for now",
                     removed.error());
    if (!passwd) return fail(std::move(passwd).error());
    if (!group) return fail(std::move(group).error());
    const auto resolved = resolve_user(image.user, *passwd, *group);
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMaxKnown) known_.clear();
    known_[key] = resolved;
    return resolved;
}

Result<ImageFacts> ImageReader::facts(const engine::Image& image, const std::string& digest) {
    ImageFacts facts;
    facts.image_id = image.id;
    facts.digest = digest;
    facts.platform = image.os + "/" + image.arch;
    if (!image.variant.empty()) facts.platform += "/" + image.variant;
    facts.user = image.user;
    facts.size_bytes = image.size_bytes;
    facts.has_command = !image.command.empty() || !image.entrypoint.empty();
    for (const auto& port : image.exposed_ports) {
        const auto slash = port.find('/');
        if (slash != std::string::npos && port.substr(slash) != "/tcp") continue;
        int number = 0;
        std::from_chars(port.data(), port.data() + port.size(), number);
        if (number > 0) facts.exposed_tcp.push_back(number);
    }
    if (image.user.empty()) {
        facts.uid = 0;
        return facts;
    }
    LOCO_ASSIGN(const auto resolved, resolve(image));
    if (resolved) {
        facts.uid = resolved->uid;
        facts.gid = resolved->gid;
    }
    return facts;
}

Result<> ImageReader::remove_left_overs() {
    LOCO_ASSIGN(const auto containers,
                engine_.list_containers({{std::string(label::kPurpose), "facts"},
                                         {std::string(label::kInstanceOf), loco_}}));
    for (const auto& container : containers) {
        LOCO_TRY(engine_.remove_container(container.id, /*force=*/true));
    }
    return {};
}

}  // namespace loco::runtime
