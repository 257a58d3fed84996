#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"backup_exists", conflict, "There is a file of that name", "",
                "name another, or replace it with --force"},
    Explanation{"backup_under_way", conflict, "Another process writes that backup", "",
                "wait for it, or name another file"},
    Explanation{"backup_foreign", invalid, "The file is no backup", "",
                "name a file that loco-api backup has written"},
    Explanation{"backup_damaged", invalid, "The backup is damaged or cut off",
                "A part of it is not what its list says. Nothing was changed.",
                "use another backup"},
    Explanation{"backup_newer", refused, "The backup was written by a newer Loco", "",
                "restore it with that version"},
    Explanation{"rows_damaged", invalid, "The rows in the backup are damaged", "",
                "use another backup"},
    Explanation{"restore_while_up", conflict, "A server uses that folder",
                "Restoring under it would spoil both.", "loco down first"},
    Explanation{"restore_not_empty", refused, "The folder to restore into is not empty", "",
                "name a configuration with another data_dir\n"
                "or --force: what is there is put aside"},
    Explanation{"restore_unfinished", refused, "A restore was begun there and not finished",
                "A server does not start on half of a backup.", "run the same restore again"},
    Explanation{"seal_key_wrong", refused, "The key does not belong to the backup",
                "Sealed values could not be opened with it.",
                "put the seal.key that was kept with this backup into its place\n"
                "without it: loco-api new-key, and set the apps' secrets anew"},
    Explanation{"no_space", unavailable, "There is no room for the file", "Nothing of it was left.",
                "make room, or name a file on another disk"},
};

}  // namespace

std::span<const Explanation> explained_backup() { return kEntries; }

}  // namespace loco
