// What writes promise: alone, whole or not at all, and told to the listener.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/contract/store/stores.hpp"

namespace loco::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreContract, AWriteSeesWhatItWrote) {
    write([&](WriteTx& tx) -> Result<> {
        auto app = *tx.app(shop_.id);
        app.next_release = 99;
        LOCO_TRY(tx.put(app));
        EXPECT_EQ(tx.app(shop_.id)->next_release, 99);
        LOCO_TRY(tx.remove_app(shop_.id));
        EXPECT_ERROR(tx.app(shop_.id), ErrorKind::not_found);
        return tx.put(app);
    });
    EXPECT_EQ(read<App>([&](auto& tx) { return tx.app(shop_.id); })->next_release, 99);
}

TEST_P(StoreContract, AWriteThatFailsLeavesNothing) {
    const auto before = read<App>([&](auto& tx) { return tx.app(shop_.id); });
    ASSERT_TRUE(put(sample_instance("1", shop_, "10.1.0.5")));
    const auto result = store_->write([&](WriteTx& tx) -> Result<> {
        auto app = shop_;
        app.name = "renamed";
        app.lock.reset();
        LOCO_TRY(tx.put(app));
        app.name = "renamed again";
        LOCO_TRY(tx.put(app));
        LOCO_TRY(tx.put(sample_deployment("7", shop_)));
        LOCO_TRY(tx.remove_instance(instance_id("1")));
        LOCO_TRY(tx.append(sample_event(shop_, "lost")));
        return fail(ErrorKind::refused, "changed my mind", "", "my_code");
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused);
    EXPECT_EQ(result.error().code, "my_code");
    const auto check = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_EQ(tx.app(shop_.id), *before);
        EXPECT_EQ(tx.app_by_name(main_.id, "shop"), *before);
        EXPECT_ERROR(tx.app_by_name(main_.id, "renamed"), ErrorKind::not_found);
        EXPECT_THAT(*tx.deployments(shop_.id, {}, 10), IsEmpty());
        EXPECT_TRUE(tx.instance(instance_id("1")));
        EXPECT_THAT(*tx.addresses(main_.id), ElementsAre("10.1.0.5"));
        EXPECT_THAT(*tx.events({}, 0, 10), IsEmpty());
        return {};
    });
    EXPECT_TRUE(check);
}

TEST_P(StoreContract, AWriteThatThrowsLeavesNothingAndTheStoreGoesOn) {
    struct Crash {};
    EXPECT_THROW((void)store_->write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(sample_team("lost", 1)));
        throw Crash();
    }),
                 Crash);
    EXPECT_ERROR(read<Team>([&](auto& tx) { return tx.team_by_slug("lost"); }),
                 ErrorKind::not_found);
    EXPECT_TRUE(put(sample_team("kept", 1)));
}

TEST_P(StoreContract, AReadersErrorIsHandedOn) {
    EXPECT_ERROR(
        store_->read([](const ReadTx&) -> Result<> { return fail(ErrorKind::forbidden, "no"); }),
        ErrorKind::forbidden);
}

TEST_P(StoreContract, WhatMustBeUniqueIsRefusedTwice) {
    const auto other = sample_team("other", 1);
    ASSERT_TRUE(put(other));
    const auto in_other = sample_app("shop2", other.id);
    ASSERT_TRUE(put(in_other));

    auto user = sample_user("bob");
    user.subject = "ann";
    EXPECT_ERROR(put(user), ErrorKind::conflict);

    auto team = sample_team("third", 2);
    team.slug = "other";
    EXPECT_ERROR(put(team), ErrorKind::conflict);
    team = sample_team("third", 1);
    EXPECT_ERROR(put(team), ErrorKind::conflict);

    auto app = sample_app("again", main_.id);
    app.name = "shop";
    EXPECT_ERROR(put(app), ErrorKind::conflict);
    app.team = other.id;
    EXPECT_TRUE(put(app));

    ASSERT_TRUE(put(sample_release(7, shop_)));
    auto release = sample_release(7, shop_);
    release.id = release_id("another");
    EXPECT_ERROR(put(release), ErrorKind::conflict);
    EXPECT_TRUE(put(sample_release(7, in_other)));

    ASSERT_TRUE(put(sample_instance("1", shop_, "10.1.0.5")));
    EXPECT_ERROR(put(sample_instance("2", shop_, "10.1.0.5")), ErrorKind::conflict);
    EXPECT_TRUE(put(sample_instance("3", in_other, "10.1.0.5")));
    EXPECT_TRUE(put(sample_instance("4", shop_, "")));
    EXPECT_TRUE(put(sample_instance("5", shop_, "")));

    ASSERT_TRUE(put(sample_token("1", ann_.id)));
    auto token = sample_token("2", ann_.id);
    token.sha256 = sample_token("1", ann_.id).sha256;
    EXPECT_ERROR(put(token), ErrorKind::conflict);
}

TEST_P(StoreContract, ARowMayBePutAgainWithItsOwnUniqueValues) {
    EXPECT_TRUE(put(ann_));
    EXPECT_TRUE(put(main_));
    EXPECT_TRUE(put(shop_));
}

TEST_P(StoreContract, AHostIsTakenOverOnlyOnceItIsFree) {
    const auto other = sample_team("other", 1);
    ASSERT_TRUE(put(other));
    const auto theirs = sample_app("theirs", other.id);
    ASSERT_TRUE(put(theirs));
    const Host ours{
        .name = "h", .team = main_.id, .app = shop_.id, .primary = true, .reserved_until = {}};
    const Host taken_over{
        .name = "h", .team = other.id, .app = theirs.id, .primary = true, .reserved_until = {}};
    const Host freed_by_them{
        .name = "h", .team = other.id, .app = {}, .primary = false, .reserved_until = at(1)};
    const Host freed{
        .name = "h", .team = main_.id, .app = {}, .primary = false, .reserved_until = at(1)};
    ASSERT_TRUE(put(ours));
    EXPECT_TRUE(put(ours));
    EXPECT_ERROR(put(taken_over), ErrorKind::conflict);
    EXPECT_ERROR(put(freed_by_them), ErrorKind::conflict);
    EXPECT_TRUE(put(freed));
    EXPECT_TRUE(put(taken_over));
    EXPECT_EQ(read<Host>([&](auto& tx) { return tx.host("h"); }), taken_over);
}

TEST_P(StoreContract, ARowWithoutWhatItBelongsToIsNotKept) {
    const auto nowhere = sample_app("nowhere", main_.id);
    EXPECT_ERROR(put(sample_app("x", team_id("x"))), ErrorKind::not_found);
    EXPECT_ERROR(put(sample_token("x", user_id("x"))), ErrorKind::not_found);
    EXPECT_ERROR(put(Membership{.team = team_id("x"), .user = ann_.id, .role = Role::admin}),
                 ErrorKind::not_found);
    EXPECT_ERROR(put(Membership{.team = main_.id, .user = user_id("x"), .role = Role::admin}),
                 ErrorKind::not_found);
    EXPECT_ERROR(
        put(EnvVersion{.app = nowhere.id, .version = 1, .sealed = {}, .created_at = at(0)}),
        ErrorKind::not_found);
    EXPECT_ERROR(put(sample_deployment("1", nowhere)), ErrorKind::not_found);
    EXPECT_ERROR(put(sample_release(1, nowhere)), ErrorKind::not_found);
    EXPECT_ERROR(put(sample_instance("1", nowhere, "")), ErrorKind::not_found);
    EXPECT_ERROR(put(Host{.name = "h",
                          .team = main_.id,
                          .app = nowhere.id,
                          .primary = true,
                          .reserved_until = {}}),
                 ErrorKind::not_found);
    EXPECT_ERROR(
        put(Host{
            .name = "h", .team = team_id("x"), .app = {}, .primary = true, .reserved_until = {}}),
        ErrorKind::not_found);
}

TEST_P(StoreContract, AConflictInTheMiddleOfAWriteLeavesTheRestOfIt) {
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(sample_team("kept", 1)));
        auto again = sample_app("again", main_.id);
        again.name = "shop";
        EXPECT_ERROR(tx.put(again), ErrorKind::conflict);
        return tx.put(sample_team("kept too", 2));
    });
    EXPECT_EQ(read<std::vector<Team>>([](auto& tx) { return tx.teams(); })->size(), 3U);
    EXPECT_ERROR(read<App>([](auto& tx) { return tx.app(app_id("again")); }), ErrorKind::not_found);
}

TEST_P(StoreContract, TheListenerGetsTheEventsOfWhatWasKeptAndCanReadThem) {
    std::vector<Event> heard;
    std::vector<Event> read_back;
    auto store = GetParam().make();
    store->on_events([&](const std::vector<Event>& events) {
        heard.insert(heard.end(), events.begin(), events.end());
        const auto result = store->read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(read_back, tx.events({}, 0, 100));
            return {};
        });
        EXPECT_TRUE(result);
    });
    const auto append = [&](std::string_view message, bool keep) {
        return store->write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.append(sample_event(shop_, message)));
            if (!keep) return fail(ErrorKind::refused, "no");
            return {};
        });
    };
    EXPECT_TRUE(append("1", true));
    EXPECT_FALSE(append("lost", false));
    EXPECT_TRUE(append("2", true));
    ASSERT_EQ(heard.size(), 2U);
    EXPECT_EQ(heard[0].message, "1");
    EXPECT_EQ(heard[1].message, "2");
    EXPECT_GT(heard[1].seq, heard[0].seq);
    EXPECT_EQ(read_back, heard);
}

TEST_P(StoreContract, ManyWritersAtOnceLoseNothing) {
    constexpr int kThreads = 16;
    constexpr int kWrites = 50;
    std::atomic<int> kept = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kWrites; ++i) {
                    const bool keep = (i + t) % 5 != 0;
                    const auto result = store_->write([&](WriteTx& tx) -> Result<> {
                        LOCO_ASSIGN(auto app, tx.app(shop_.id));
                        ++app.next_release;
                        LOCO_TRY(tx.put(app));
                        LOCO_TRY(tx.append(sample_event(shop_, "e")));
                        if (!keep) return fail(ErrorKind::refused, "no");
                        return {};
                    });
                    EXPECT_EQ(result.has_value(), keep);
                    if (result) ++kept;
                }
            });
        }
    }
    EXPECT_EQ(kept, kThreads * kWrites * 4 / 5);
    EXPECT_EQ(read<App>([&](auto& tx) { return tx.app(shop_.id); })->next_release,
              shop_.next_release + kept);
    const auto events =
        *read<std::vector<Event>>([](auto& tx) { return tx.events({}, 0, 10'000); });
    EXPECT_EQ(std::ssize(events), kept);
}

TEST_P(StoreContract, TheVersionIsAnotherAfterEveryWriteAndStaysWhileOnlyReading) {
    const auto before = store_->version();
    if (!before) return;  // other servers write to this database: only asking it tells
    EXPECT_TRUE(read<User>([&](const ReadTx& tx) { return tx.user(ann_.id); }));
    EXPECT_EQ(store_->version(), before);
    auto ann = ann_;
    ann.email = "ann@example.org";
    EXPECT_TRUE(put(ann));
    const auto after = store_->version();
    EXPECT_NE(after, before);
    EXPECT_EQ(store_->version(), after);
}

TEST_P(StoreContract, AReadIsOfOneMoment) {
    std::atomic<bool> stop = false;
    std::jthread writer([&] {
        for (int i = 1; !stop; ++i) {
            (void)store_->write([&](WriteTx& tx) -> Result<> {
                auto app = shop_;
                app.next_release = i;
                auto user = ann_;
                user.email = std::to_string(i);
                LOCO_TRY(tx.put(app));
                return tx.put(user);
            });
        }
    });
    for (int i = 0; i < 300; ++i) {
        const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto app, tx.app(shop_.id));
            LOCO_ASSIGN(const auto user, tx.user(ann_.id));
            if (user.email != ann_.email) EXPECT_EQ(std::to_string(app.next_release), user.email);
            return {};
        });
        EXPECT_TRUE(result);
    }
    stop = true;
}

}  // namespace
}  // namespace loco::store
