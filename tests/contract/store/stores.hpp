// The stores that the contract is checked against, and rows to check it with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "ports/store.hpp"

namespace loco::store {

struct StoreKind {
    std::string name;
    // With its files, if it has any, in a folder of its own that goes with it.
    std::function<std::shared_ptr<Store>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const StoreKind& kind) {
    return out << kind.name;
}

[[nodiscard]] std::vector<StoreKind> store_kinds();

// "app_" and 26 characters that end in `text`, so that ids sort as the texts do.
template <class Id>
[[nodiscard]] Id id_of(std::string_view prefix, std::string_view text) {
    return Id(std::string(prefix) + std::string(26 - text.size(), '0') + std::string(text));
}
[[nodiscard]] inline UserId user_id(std::string_view text) { return id_of<UserId>("usr_", text); }
[[nodiscard]] inline TeamId team_id(std::string_view text) { return id_of<TeamId>("team_", text); }
[[nodiscard]] inline AppId app_id(std::string_view text) { return id_of<AppId>("app_", text); }
[[nodiscard]] inline DeploymentId deployment_id(std::string_view text) {
    return id_of<DeploymentId>("dep_", text);
}
[[nodiscard]] inline ReleaseId release_id(std::string_view text) {
    return id_of<ReleaseId>("rel_", text);
}
[[nodiscard]] inline InstanceId instance_id(std::string_view text) {
    return id_of<InstanceId>("ins_", text);
}
[[nodiscard]] inline TokenId token_id(std::string_view text) {
    return id_of<TokenId>("tok_", text);
}

[[nodiscard]] inline Time at(std::int64_t nanoseconds) {
    return Time(Duration(1'795'000'000'123'456'789 + nanoseconds));
}

// Rows with every field set, to see that all of them are kept.
[[nodiscard]] User sample_user(std::string_view name);
[[nodiscard]] Team sample_team(std::string_view slug, int number);
[[nodiscard]] Token sample_token(std::string_view name, const UserId& user);
[[nodiscard]] AppSpec sample_spec();
[[nodiscard]] App sample_app(std::string_view name, const TeamId& team);
[[nodiscard]] Deployment sample_deployment(std::string_view name, const App& app);
[[nodiscard]] Release sample_release(int number, const App& app);
[[nodiscard]] Instance sample_instance(std::string_view name, const App& app,
                                       std::string_view address);
[[nodiscard]] Event sample_event(const App& app, std::string_view message);

// A store with team "main", user "ann" and app "shop".
class StoreContract : public ::testing::TestWithParam<StoreKind> {
  protected:
    void SetUp() override;

    // Expects them to succeed.
    void write(const Store::WriteFn& work);
    template <class T>
    [[nodiscard]] Result<T> read(std::function<Result<T>(const ReadTx&)> work) {
        Result<T> answer = fail(ErrorKind::internal, "work was not called");
        const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
            answer = work(tx);
            return {};
        });
        EXPECT_TRUE(result) << result.error().message;
        return answer;
    }
    template <class Row>
    [[nodiscard]] Result<> put(const Row& row) {
        return store_->write([&](WriteTx& tx) { return tx.put(row); });
    }

    std::shared_ptr<Store> store_;
    User ann_ = sample_user("ann");
    Team main_ = sample_team("main", 0);
    App shop_ = sample_app("shop", main_.id);
};

#define EXPECT_ERROR(result, expected)                                                        \
    do {                                                                                      \
        const auto& checked = (result);                                                       \
        EXPECT_FALSE(checked);                                                                \
        if (!checked) EXPECT_EQ(checked.error().kind, (expected)) << checked.error().message; \
    } while (false)

}  // namespace loco::store
