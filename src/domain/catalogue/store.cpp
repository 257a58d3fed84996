#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"database_stuck", unavailable, "A lock of the database was not given back",
                "The disk failed in the middle of a write, and this process can use the file no "
                "more. loco-api ends, and is started again.",
                "if it comes again, look at the disk: journalctl -k"},
    Explanation{"database_older", refused, "The database was written by an older Loco", "",
                "back it up with the loco-api that serves it\n"
                "or bring it up to date first: loco-api migrate"},
    Explanation{"database_busy", unavailable, "The database has more to do than it can", "",
                "try again in a moment; if it lasts, look at the load of its disk"},
    Explanation{"database_full", unavailable, "There is no disk space left for the database",
                "What is written is kept; nothing new is taken. loco-api goes on by itself when "
                "there is room.",
                "free space: DATA/log, images (docker system df)"},
    Explanation{"database_locked", unavailable, "Another program holds the database", "",
                "close it: an sqlite3 shell, a backup, an open transaction (pg_stat_activity)"},
    Explanation{"database_slow", unavailable, "The database took too long", "",
                "see what keeps it busy: pg_stat_activity"},
    Explanation{"database_damaged", unavailable, "The database is damaged", "",
                "stop loco-api and restore the last backup; then look at the disk's health"},
    Explanation{"database_unreachable", unavailable, "The database cannot be read or reached",
                "Its disk, its rights or, for PostgreSQL, the way to it. loco-api goes on by "
                "itself once it can.",
                "see the message: is it up, and may this user write there?"},
    Explanation{"database_forbidden", unavailable, "PostgreSQL refuses Loco's user something", "",
                "make that user the owner: ALTER DATABASE … OWNER TO …"},
    Explanation{"database_read_only", unavailable, "That PostgreSQL only reads", "It is a standby.",
                "name the primary, or all of them: host=a,b"},
    Explanation{"database_gave_up", unavailable, "The database gave a transaction up", "",
                "try again in a moment"},
    Explanation{"database_outcome_unknown", unavailable, "Whether it was written is not known",
                "The connection was lost at the very moment.",
                "look at what is there (loco status) before you try again"},
    Explanation{"database_victim", unavailable, "Another transaction was in the way",
                "loco-api tries again by itself."},
    Explanation{"database_newer", refused, "The database was written by a newer Loco", "",
                "run the newer loco-api, or restore the backup from before the upgrade"},
    Explanation{"database_foreign", refused, "The database was made by another build of Loco", "",
                "run the loco-api that made it"},
    Explanation{"database_too_old", refused, "That PostgreSQL is too old",
                "Loco needs 13 or newer.", "upgrade it, or name another"},
    Explanation{"database_not_utf8", refused, "That database is not kept in UTF-8", "",
                "createdb -T template0 -E UTF8 loco"},
    Explanation{"database_target_invalid", invalid,
                "The name of the PostgreSQL database cannot be read", "",
                "postgres:host=db.example.org dbname=loco user=loco"},
    Explanation{"store_invalid", invalid, "That names no store", "",
                "sqlite, postgres:host=… dbname=…, or file:PATH of a file with one of these"},
    Explanation{"store_with_password", invalid, "The store's name holds a password",
                "The configuration is no secret, and many may read it.",
                "put the name into a file of mode 0600 and write file:PATH, or use PGPASSFILE"},
    Explanation{"no_database", not_found, "There is no database in that folder", "",
                "name the data folder, the one with loco-api.toml"},
    Explanation{"transfer_empty", refused, "There is nothing to move", "",
                "look at what you gave as --from"},
    Explanation{"transfer_target_in_use", refused, "The database to move to has rows already",
                "Nothing was changed.", "name an empty one"},
    Explanation{
        "seal_key_gone", refused, "The key of the sealed values is gone",
        "Without it no variable can be read, so loco-api does not start and silently make another.",
        "put keys/seal.key back from where you keep it\n"
        "it is lost: loco-api new-key, then set each app's secrets again and deploy its folder"},
    Explanation{"key_readable_by_others", forbidden, "Others may read the key of the sealed values",
                "", "chmod 600 FILE; if others did read it, set all secrets anew with a new key"},
    Explanation{"unseal_failed", invalid, "A variable's sealed value is damaged", "",
                "set it anew: loco env set NAME"},
    Explanation{"unseal_wrong_key", invalid, "A variable was sealed with another key", "",
                "put the key file back that belongs to this database, or set the variable anew"},
};

}  // namespace

std::span<const Explanation> explained_store() { return kEntries; }

}  // namespace loco
