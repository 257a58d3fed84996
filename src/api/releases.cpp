#include <boost/json.hpp>
#include <charconv>

#include "api/handlers.hpp"
#include "api/json.hpp"

namespace loco::api {

Result<http::Response> list_releases(Services& services, Call& call) {
    LOCO_ASSIGN(const int limit, call.limit(50, 500));
    int before = 0;
    if (const auto cursor = call.query("cursor"); !cursor.empty()) {
        const auto [end, error] =
            std::from_chars(cursor.data(), cursor.data() + cursor.size(), before);
        if (error != std::errc{} || end != cursor.data() + cursor.size() || before < 1) {
            return fail(ErrorKind::invalid, "the cursor is none that this list gave", {},
                        "invalid_cursor");
        }
    }
    boost::json::array items;
    std::optional<std::string> next;
    LOCO_TRY(services.context.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto rows, tx.releases(call.app.id, before, limit));
        for (const auto& row : rows) {
            auto item = present(row, call.app);
            const auto by = tx.deployment(row.deployment);
            item["kind"] =
                by ? boost::json::value(to_string(by->kind)) : boost::json::value(nullptr);
            item["state"] =
                by ? boost::json::value(to_string(by->state)) : boost::json::value(nullptr);
            items.push_back(std::move(item));
        }
        if (static_cast<int>(rows.size()) == limit) next = std::to_string(rows.back().number);
        return {};
    }));
    return list_response(std::move(items), std::move(next));
}

}  // namespace loco::api
