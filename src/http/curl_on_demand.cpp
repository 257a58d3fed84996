// The functions of libcurl that Loco calls (base/on_demand.hpp): curl and the 29 libraries that it needs in turn cost 4
// to 5 ms of CPU at a start.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include <cstdarg>

#include "base/on_demand.hpp"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

namespace {

const loco::OnDemand& library() {
    // 4 is the only version of libcurl's binary interface since 2006.
    static const loco::OnDemand kLibrary("libcurl.so.4", "libcurl4");
    return kLibrary;
}

}  // namespace

#define REAL(function) LOCO_FORWARD(library, function)

extern "C" {

CURLcode curl_global_init(long flags) { return REAL(curl_global_init)(flags); }

CURL* curl_easy_init() { return REAL(curl_easy_init)(); }
void curl_easy_cleanup(CURL* easy) { REAL(curl_easy_cleanup)(easy); }
void curl_easy_reset(CURL* easy) { REAL(curl_easy_reset)(easy); }
const char* curl_easy_strerror(CURLcode code) { return REAL(curl_easy_strerror)(code); }

// Every option's argument is a long, a curl_off_t or a pointer: one 64-bit word in the calling conventions of x86-64
// and AArch64 alike, so it is passed on without knowing which.
// (The enums before "..." are of the promoted type, unsigned int, so the warning that they might not be is idle.)
#pragma clang diagnostic ignored "-Wvarargs"
static_assert(sizeof(long) == 8 && sizeof(void*) == 8 && sizeof(curl_off_t) == 8);
CURLcode curl_easy_setopt(CURL* easy, CURLoption option, ...) {
    va_list arguments;
    va_start(arguments, option);
    void* const value = va_arg(arguments, void*);
    va_end(arguments);
    return REAL(curl_easy_setopt)(easy, option, value);
}
CURLcode curl_easy_getinfo(CURL* easy, CURLINFO info, ...) {
    va_list arguments;
    va_start(arguments, info);
    void* const value = va_arg(arguments, void*);
    va_end(arguments);
    return REAL(curl_easy_getinfo)(easy, info, value);
}

CURLM* curl_multi_init() { return REAL(curl_multi_init)(); }
CURLMcode curl_multi_cleanup(CURLM* multi) { return REAL(curl_multi_cleanup)(multi); }
CURLMcode curl_multi_setopt(CURLM* multi, CURLMoption option, ...) {
    va_list arguments;
    va_start(arguments, option);
    void* const value = va_arg(arguments, void*);
    va_end(arguments);
    return REAL(curl_multi_setopt)(multi, option, value);
}
CURLMcode curl_multi_add_handle(CURLM* multi, CURL* easy) {
    return REAL(curl_multi_add_handle)(multi, easy);
}
CURLMcode curl_multi_remove_handle(CURLM* multi, CURL* easy) {
    return REAL(curl_multi_remove_handle)(multi, easy);
}
CURLMsg* curl_multi_info_read(CURLM* multi, int* left) {
    return REAL(curl_multi_info_read)(multi, left);
}
CURLMcode curl_multi_perform(CURLM* multi, int* running) {
    return REAL(curl_multi_perform)(multi, running);
}
CURLMcode curl_multi_poll(CURLM* multi, curl_waitfd* extra, unsigned int count, int timeout_ms,
                          int* ready) {
    return REAL(curl_multi_poll)(multi, extra, count, timeout_ms, ready);
}
CURLMcode curl_multi_wakeup(CURLM* multi) { return REAL(curl_multi_wakeup)(multi); }
CURLMcode curl_multi_assign(CURLM* multi, curl_socket_t socket, void* pointer) {
    return REAL(curl_multi_assign)(multi, socket, pointer);
}
CURLMcode curl_multi_socket_action(CURLM* multi, curl_socket_t socket, int events, int* running) {
    return REAL(curl_multi_socket_action)(multi, socket, events, running);
}

curl_slist* curl_slist_append(curl_slist* list, const char* text) {
    return REAL(curl_slist_append)(list, text);
}
void curl_slist_free_all(curl_slist* list) { REAL(curl_slist_free_all)(list); }

}  // extern "C"
