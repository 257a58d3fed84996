// The functions of libarchive that Loco calls (base/on_demand.hpp).
#include <archive.h>
#include <archive_entry.h>

#include "base/on_demand.hpp"

namespace {

const loco::OnDemand& library() {
    static const loco::OnDemand kLibrary("libarchive.so.13", "libarchive13");
    return kLibrary;
}

}  // namespace

#define REAL(function) LOCO_FORWARD(library, function)

extern "C" {

archive* archive_read_new() { return REAL(archive_read_new)(); }
int archive_read_support_format_tar(archive* self) {
    return REAL(archive_read_support_format_tar)(self);
}
int archive_read_open_memory(archive* self, const void* data, size_t size) {
    return REAL(archive_read_open_memory)(self, data, size);
}
int archive_read_support_format_raw(archive* self) {
    return REAL(archive_read_support_format_raw)(self);
}
int archive_read_support_format_empty(archive* self) {
    return REAL(archive_read_support_format_empty)(self);
}
int archive_read_append_filter(archive* self, int filter) {
    return REAL(archive_read_append_filter)(self, filter);
}
int archive_read_open(archive* self, void* user, archive_open_callback* open,
                      archive_read_callback* read, archive_close_callback* close) {
    return REAL(archive_read_open)(self, user, open, read, close);
}
int archive_read_next_header(archive* self, archive_entry** entry) {
    return REAL(archive_read_next_header)(self, entry);
}
la_ssize_t archive_read_data(archive* self, void* data, size_t size) {
    return REAL(archive_read_data)(self, data, size);
}
int archive_read_free(archive* self) { return REAL(archive_read_free)(self); }
archive* archive_write_new() { return REAL(archive_write_new)(); }
int archive_write_set_format_gnutar(archive* self) {
    return REAL(archive_write_set_format_gnutar)(self);
}
int archive_write_set_bytes_per_block(archive* self, int bytes) {
    return REAL(archive_write_set_bytes_per_block)(self, bytes);
}
int archive_write_open(archive* self, void* user, archive_open_callback* open,
                       archive_write_callback* write, archive_close_callback* close) {
    return REAL(archive_write_open)(self, user, open, write, close);
}
int archive_write_header(archive* self, archive_entry* entry) {
    return REAL(archive_write_header)(self, entry);
}
la_ssize_t archive_write_data(archive* self, const void* data, size_t size) {
    return REAL(archive_write_data)(self, data, size);
}
int archive_write_close(archive* self) { return REAL(archive_write_close)(self); }
int archive_write_free(archive* self) { return REAL(archive_write_free)(self); }
const char* archive_error_string(archive* self) { return REAL(archive_error_string)(self); }
archive_entry* archive_entry_new() { return REAL(archive_entry_new)(); }
archive_entry* archive_entry_clear(archive_entry* entry) {
    return REAL(archive_entry_clear)(entry);
}
void archive_entry_free(archive_entry* entry) { REAL(archive_entry_free)(entry); }
mode_t archive_entry_filetype(archive_entry* entry) { return REAL(archive_entry_filetype)(entry); }
const char* archive_entry_pathname(archive_entry* entry) {
    return REAL(archive_entry_pathname)(entry);
}
const char* archive_entry_pathname_utf8(archive_entry* entry) {
    return REAL(archive_entry_pathname_utf8)(entry);
}
const char* archive_entry_hardlink(archive_entry* entry) {
    return REAL(archive_entry_hardlink)(entry);
}
const char* archive_entry_symlink(archive_entry* entry) {
    return REAL(archive_entry_symlink)(entry);
}
mode_t archive_entry_perm(archive_entry* entry) { return REAL(archive_entry_perm)(entry); }
la_int64_t archive_entry_uid(archive_entry* entry) { return REAL(archive_entry_uid)(entry); }
la_int64_t archive_entry_gid(archive_entry* entry) { return REAL(archive_entry_gid)(entry); }
la_int64_t archive_entry_size(archive_entry* entry) { return REAL(archive_entry_size)(entry); }
void archive_entry_set_uid(archive_entry* entry, la_int64_t uid) {
    REAL(archive_entry_set_uid)(entry, uid);
}
void archive_entry_set_gid(archive_entry* entry, la_int64_t gid) {
    REAL(archive_entry_set_gid)(entry, gid);
}
void archive_entry_set_symlink(archive_entry* entry, const char* target) {
    REAL(archive_entry_set_symlink)(entry, target);
}
void archive_entry_set_size(archive_entry* entry, la_int64_t size) {
    REAL(archive_entry_set_size)(entry, size);
}
void archive_entry_set_perm(archive_entry* entry, mode_t mode) {
    REAL(archive_entry_set_perm)(entry, mode);
}
void archive_entry_set_pathname(archive_entry* entry, const char* path) {
    REAL(archive_entry_set_pathname)(entry, path);
}
void archive_entry_set_mtime(archive_entry* entry, time_t seconds, long nanoseconds) {
    REAL(archive_entry_set_mtime)(entry, seconds, nanoseconds);
}
void archive_entry_set_filetype(archive_entry* entry, unsigned int type) {
    REAL(archive_entry_set_filetype)(entry, type);
}

}  // extern "C"
