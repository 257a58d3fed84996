// One question to an instance: GET over HTTP/1.1 (or HTTP/2 without TLS), or only a connection. What came of it is said
// in words that the app's owner understands. Internal to this folder.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ports/health.hpp"

namespace loco::runtime {

class Probe {
  public:
    // `connect_timeout` keeps a lost packet from costing the kernel's second before it sends again.
    Probe(const HealthTarget& target, std::chrono::milliseconds connect_timeout);
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    [[nodiscard]] CURL* easy() const { return easy_.get(); }
    // Headers have come whose status decides; the body may go on for a while.
    [[nodiscard]] bool decided() const { return decided_; }
    // What was seen. `code` is how curl ended, or CURLE_OK when decided() and the rest is not waited for.
    [[nodiscard]] HealthCheck result(CURLcode code) const;

  private:
    struct Cleanup {
        void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };
    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
    void take_header(std::string_view line);
    [[nodiscard]] bool connects_only() const;
    [[nodiscard]] std::string path() const;
    [[nodiscard]] std::string port() const { return "port " + std::to_string(target_.port); }
    [[nodiscard]] HealthCheck failure(CURLcode code) const;
    [[nodiscard]] HealthCheck in_tls() const;
    [[nodiscard]] bool leads_to_itself() const;

    HealthTarget target_;
    // Curl reads the list for as long as the handle lives.
    std::unique_ptr<curl_slist, Cleanup> headers_;
    std::unique_ptr<CURL, Cleanup> easy_;
    int status_ = 0;
    std::string location_;  // of a redirect
    bool sets_cookie_ = false;
    bool decided_ = false;
    std::size_t received_ = 0;
    std::string beginning_;  // of the body
};

// "2s", "1.5s", "250ms"
[[nodiscard]] std::string in_words(std::chrono::milliseconds duration);

}  // namespace loco::runtime
