#include "bin/backup.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "backup/backup.hpp"
#include "bin/store.hpp"
#include "platform/layout.hpp"
#include "platform/up.hpp"

namespace loco {
namespace {

volatile std::sig_atomic_t stopped = 0;

// Ctrl-C and SIGTERM leave nothing behind.
void heed_signals() {
    struct sigaction action{};
    action.sa_handler = [](int) { stopped = 1; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

std::string size_text(std::int64_t bytes) {
    const auto mib = static_cast<double>(bytes) / (1 << 20);
    return mib < 1024 ? fmt::format("{:.1f} MiB", mib) : fmt::format("{:.1f} GiB", mib / 1024);
}

std::string counted(std::int64_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void tell_left_out(const std::vector<backup::LeftOut>& left_out) {
    for (const auto& one : left_out) {
        std::fprintf(stderr, "warning: without the image of %s v%d%s: %s\n", one.app.c_str(),
                     one.release, one.live ? ", which is live" : "", one.why.c_str());
    }
}

}  // namespace

Result<> back_up(const platform::ServerConfig& config, const BackupWords& words) {
    static const SystemClock clock;
    heed_signals();
    LOCO_ASSIGN(auto rows, rows_of(config));
    LOCO_ASSIGN(const auto taken, backup::take({.config = config,
                                                .rows = std::move(rows),
                                                .file = words.file,
                                                .images = !words.no_images,
                                                .force = words.force,
                                                .version = LOCO_VERSION,
                                                .cancelled = [] { return stopped != 0; }},
                                               clock));
    std::printf("wrote %s, %s: %s with %s%s, as they were at %s\n", words.file.c_str(),
                size_text(taken.bytes).c_str(), counted(taken.apps, "app").c_str(),
                counted(taken.releases, "release").c_str(),
                words.no_images
                    ? ", no images"
                    : (" and " + counted(static_cast<std::int64_t>(taken.images), "image")).c_str(),
                taken.at.c_str());
    tell_left_out(taken.left_out);
    if (taken.seal_key) {
        std::printf(
            "not in it: the key of the apps' secrets. Keep a copy of %s apart from the backup: "
            "either alone reveals no secret, both are needed to restore\n",
            taken.seal_key->c_str());
    } else {
        std::fprintf(stderr,
                     "warning: there is no key of the apps' secrets on this machine; without it "
                     "what was sealed can't be opened after a restore\n");
    }
    if (words.no_images)
        std::puts("not in it: images. On another machine every app must be deployed anew");
    return {};
}

Result<> restore(const RestoreWords& words) {
    static const SystemClock clock;
    SystemRandom random;
    backup::RestoreOptions options{.file = words.file,
                                   .config_file = words.config_file,
                                   .force = words.force,
                                   .rows_of = rows_of};
    if (!words.seal_key.empty()) options.seal_key = words.seal_key;
    if (!words.subnets.empty()) options.subnets = words.subnets;
    LOCO_ASSIGN(const auto done, backup::restore(options, clock, random));
    const platform::Layout layout(done.data_dir);
    std::printf("restored %s from %s, taken at %s by loco-api %s: %s with %s\n",
                layout.data().c_str(), words.file.c_str(), done.taken_at.c_str(),
                done.version.c_str(), counted(done.apps, "app").c_str(),
                counted(static_cast<std::int64_t>(done.images), "image").c_str());
    tell_left_out(done.left_out);
    if (!done.images_in_it)
        std::puts(
            "it was taken without images: an app comes back where the container engine still "
            "has its own, else deploy it anew");
    if (done.put_aside)
        std::printf("what was there before is in %s; remove it when you no longer need it\n",
                    layout.before_restore().c_str());
    if (done.beside_the_original)
        std::puts(
            "the Loco that it was taken of is on this machine: this one got a name and "
            "networks of its own. Give it addresses of its own, too: loco up --listen … "
            "--gateway-listen … --registry-listen …");
    if (done.needs_key) {
        std::printf(
            "still missing: the key of the apps' secrets. Before you start it, put your "
            "copy to %s, with mode 0600\n",
            layout.seal_key().c_str());
    }
    std::printf("next: loco up --detach%s\n", layout.data() == platform::default_data_dir()
                                                  ? ""
                                                  : (" --data " + layout.data().string()).c_str());
    return {};
}

}  // namespace loco
