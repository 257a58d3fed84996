#include "http/client.hpp"

#include <mutex>
#include <vector>

#include "http/curl_exchange.hpp"

namespace loco::http {
namespace {

constexpr int kAskMs = 100;
constexpr int kWaitMs = 1000;
constexpr std::size_t kMaxIdleHandles = 32;

struct MultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

// The multi handle keeps the connections; it is there because curl_easy_perform asks for a cancel
// only once a second.
struct Handle {
    std::unique_ptr<CURLM, MultiDeleter> multi;
    Easy easy;
};

CURLcode perform(Handle& handle, const ClientRequest& request, Exchange& exchange) {
    auto* multi = handle.multi.get();
    curl_multi_add_handle(multi, handle.easy.get());
    CURLcode code = CURLE_OK;
    while (true) {
        int running = 0;
        if (curl_multi_perform(multi, &running) != CURLM_OK) {
            code = CURLE_FAILED_INIT;
            break;
        }
        if (running == 0) {
            int left = 0;
            while (const auto* message = curl_multi_info_read(multi, &left)) {
                if (message->msg == CURLMSG_DONE) code = message->data.result;
            }
            break;
        }
        if (request.cancelled && request.cancelled()) {
            exchange.cancel();
            code = CURLE_ABORTED_BY_CALLBACK;
            break;
        }
        curl_multi_poll(multi, nullptr, 0, request.cancelled ? kAskMs : kWaitMs, nullptr);
    }
    curl_multi_remove_handle(multi, handle.easy.get());
    return code;
}

}  // namespace

struct Client::Impl {
    std::mutex mutex;
    std::vector<Handle> idle;  // the last used first, so that few connections stay warm

    Handle take() {
        {
            const std::lock_guard lock(mutex);
            if (!idle.empty()) {
                auto handle = std::move(idle.back());
                idle.pop_back();
                return handle;
            }
        }
        Handle handle;
        handle.multi.reset(curl_multi_init());
        handle.easy.reset(curl_easy_init());
        LOCO_CHECK(handle.multi && handle.easy);
        curl_multi_setopt(handle.multi.get(), CURLMOPT_MAXCONNECTS, 4L);
        return handle;
    }

    void give_back(Handle handle) {
        curl_easy_reset(handle.easy.get());
        const std::lock_guard lock(mutex);
        if (idle.size() < kMaxIdleHandles) idle.push_back(std::move(handle));
    }
};

Client::Client() : impl_(std::make_unique<Impl>()) { init_curl_once(); }
Client::~Client() = default;

Result<ClientResponse> Client::send(const ClientRequest& request) {
    auto handle = impl_->take();
    Exchange exchange(request);
    exchange.on_data = request.on_data;
    Result<ClientResponse> response;
    if (auto prepared = exchange.prepare(handle.easy.get()); !prepared) {
        response = std::unexpected(std::move(prepared).error());
    } else {
        response = exchange.finish(perform(handle, request, exchange));
    }
    impl_->give_back(std::move(handle));
    return response;
}

}  // namespace loco::http
