// A backup of an instance, taken while it serves, and an instance made of one (docs/adr/0030-one-file-is-a-backup.md).
//
// In the file: every row, the configuration, and the images that releases may be started from. Not in it: the key that sealed
// the values of `loco env` and `[env]` (so the file alone reveals none), the registry's key (a new one is made), log lines.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "platform/server_config.hpp"
#include "store/transfer/transfer.hpp"

namespace loco::backup {

// An image that is not in the backup, and why.
struct LeftOut {
    std::string app;
    int release = 0;
    bool live = false;
    std::string why;
};

struct TakeOptions {
    platform::ServerConfig config;
    store::TransferEnd rows;     // of that configuration
    std::filesystem::path file;  // to be written
    bool images = true;
    bool force = false;   // replaces a file that is there
    std::string version;  // of this loco-api
    std::function<bool()> cancelled = [] { return false; };
};

struct Taken {
    std::string at;  // RFC 3339: every write that was acknowledged before is in it
    std::int64_t bytes = 0;
    std::int64_t apps = 0;
    std::int64_t releases = 0;
    std::size_t images = 0;
    std::vector<LeftOut> left_out = {};
    std::optional<std::filesystem::path> seal_key = {};  // where the key is that must be kept apart
};

// conflict when there is such a file (backup_exists) or another backup writes it (backup_under_way); unavailable (no_space,
// database_…); refused (restore_unfinished) of a folder that a restore has not finished. Leaves nothing but a whole file.
[[nodiscard]] Result<Taken> take(const TakeOptions& options, const Clock& clock);

struct RestoreOptions {
    std::filesystem::path file;
    // Where there is none it is made of the backup's, with its folder as the data folder.
    std::filesystem::path config_file;
    std::optional<std::filesystem::path> seal_key = {};  // a copy of the key that sealed the values
    std::optional<std::string> subnets = {};             // instead of the configuration's
    bool force = false;  // puts aside what is in the data folder: DATA/before-restore
    // Where the rows of a configuration belong.
    std::function<Result<store::TransferEnd>(const platform::ServerConfig&)> rows_of;
};

struct Restored {
    std::filesystem::path data_dir;
    std::string taken_at;
    std::string version;  // of the loco-api that took it
    std::int64_t apps = 0;
    std::size_t images = 0;
    std::vector<LeftOut> left_out = {};
    bool images_in_it = true;
    bool has_key = false;
    bool needs_key = false;            // something in it was sealed, and the key is not there yet
    bool beside_the_original = false;  // it got a name and networks of its own
    bool put_aside = false;
};

// Verifies all of the file first. Killed in the middle it is begun anew by calling it again: until it is through, no loco-api
// and no `loco up` runs on the folder (restore_unfinished). invalid (backup_foreign, backup_damaged, rows_damaged), refused
// (backup_newer, database_newer, restore_not_empty, seal_key_wrong), conflict while Loco runs there (restore_while_up),
// unavailable (no_space).
[[nodiscard]] Result<Restored> restore(const RestoreOptions& options, const Clock& clock,
                                       Random& random);

}  // namespace loco::backup
