// One exchange over libcurl: what Client and StreamClient have in common. Private to this module.
#pragma once

#include <curl/curl.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/client.hpp"

namespace loco::http {

struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;

void init_curl_once();

// Lives at one address, and its request too, from prepare() until curl has let go of the handle.
class Exchange {
  public:
    explicit Exchange(const ClientRequest& request) : request_(request) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    std::function<void(int status)> on_status = {};
    std::function<bool(std::string_view)> on_data = {};  // 2xx bodies; false ends the exchange

    // invalid for a request that cannot be sent: control characters in a header or the URL.
    [[nodiscard]] Result<> prepare(CURL* easy);
    // What the exchange came to, by curl's result.
    [[nodiscard]] Result<ClientResponse> finish(CURLcode code);

    void cancel() { cancelled_ = true; }

  private:
    static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t write_callback(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t read_callback(char* out, std::size_t size, std::size_t count, void* self);
    static int before_request_callback(void* self, char*, char*, int, int);
    bool take_header(std::string_view line);
    bool take_body(std::string_view data);
    bool set_headers(CURL* easy);
    void set_method_and_body(CURL* easy);
    void set_tls(CURL* easy) const;
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool may_be_sent_twice() const;

    struct ListDeleter {
        void operator()(curl_slist* list) const { curl_slist_free_all(list); }
    };

    const ClientRequest& request_;
    ClientResponse response_;
    std::unique_ptr<curl_slist, ListDeleter> header_list_;
    std::array<char, CURL_ERROR_SIZE> error_{};
    std::optional<Error> failure_;  // ours, more telling than curl's code
    std::size_t header_bytes_ = 0;
    std::string pending_;  // of body_source
    std::size_t sent_ = 0;
    int times_sent_ = 0;
    bool status_told_ = false;
    bool cancelled_ = false;
};

}  // namespace loco::http
