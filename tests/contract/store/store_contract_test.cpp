// What is kept, and in which order it comes back.
#include <gmock/gmock.h>

#include "tests/contract/store/stores.hpp"

namespace loco::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract, ::testing::ValuesIn(store_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(StoreContract, EveryFieldOfEveryRowComesBack) {
    auto token = sample_token("ci", ann_.id);
    token.team = main_.id;
    const Membership membership{.team = main_.id, .user = ann_.id, .role = Role::owner};
    const EnvVersion env{
        .app = shop_.id, .version = 2, .sealed = {{"KEY", "sealed:\"x\""}}, .created_at = at(20)};
    const auto deployment = sample_deployment("7", shop_);
    const auto release = sample_release(7, shop_);
    const auto instance = sample_instance("1", shop_, "10.1.0.5");
    const Host host{.name = "shop.localhost",
                    .team = main_.id,
                    .app = shop_.id,
                    .primary = true,
                    .reserved_until = {}};
    const Host reserved{.name = "old.localhost",
                        .team = main_.id,
                        .app = {},
                        .primary = false,
                        .reserved_until = at(21)};
    const IdempotencyRecord record{
        .key = "ann:1", .fingerprint = "f", .status = 201, .body = "{}", .created_at = at(22)};
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(token));
        LOCO_TRY(tx.put(membership));
        LOCO_TRY(tx.put(env));
        LOCO_TRY(tx.put(deployment));
        LOCO_TRY(tx.put(release));
        LOCO_TRY(tx.put(instance));
        LOCO_TRY(tx.put(host));
        LOCO_TRY(tx.put(reserved));
        return tx.put(record);
    });
    const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_EQ(tx.user(ann_.id), ann_);
        EXPECT_EQ(tx.user_by_subject("local", "ann"), ann_);
        EXPECT_EQ(tx.team(main_.id), main_);
        EXPECT_EQ(tx.team_by_slug("main"), main_);
        EXPECT_EQ(tx.token_by_hash(token.sha256), token);
        EXPECT_THAT(*tx.tokens(ann_.id), ElementsAre(token));
        EXPECT_THAT(*tx.memberships(ann_.id), ElementsAre(membership));
        EXPECT_THAT(*tx.members(main_.id), ElementsAre(membership));
        EXPECT_EQ(tx.app(shop_.id), shop_);
        EXPECT_EQ(tx.app_by_name(main_.id, "shop"), shop_);
        EXPECT_EQ(tx.env(shop_.id, 2), env);
        EXPECT_EQ(tx.deployment(deployment.id), deployment);
        EXPECT_THAT(*tx.deployments(shop_.id, {}, 10), ElementsAre(deployment));
        EXPECT_EQ(tx.release(release.id), release);
        EXPECT_EQ(tx.release_by_number(shop_.id, 7), release);
        EXPECT_EQ(tx.instance(instance.id), instance);
        EXPECT_THAT(*tx.instances(shop_.id), ElementsAre(instance));
        EXPECT_EQ(tx.host("shop.localhost"), host);
        EXPECT_EQ(tx.host("old.localhost"), reserved);
        EXPECT_EQ(tx.idempotency("ann:1"), record);
        return {};
    });
    EXPECT_TRUE(result);
}

TEST_P(StoreContract, FieldsThatMayBeMissingComeBackMissing) {
    App bare;
    bare.id = app_id("bare");
    bare.team = main_.id;
    bare.name = "bare";
    Deployment deployment;
    deployment.id = deployment_id("1");
    deployment.app = bare.id;
    deployment.team = main_.id;
    Instance instance;
    instance.id = instance_id("1");
    instance.app = bare.id;
    instance.team = main_.id;
    Release release;
    release.id = release_id("1");
    release.app = bare.id;
    Token token;
    token.id = token_id("1");
    token.user = ann_.id;
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(bare));
        LOCO_TRY(tx.put(deployment));
        LOCO_TRY(tx.put(instance));
        LOCO_TRY(tx.put(release));
        return tx.put(token);
    });
    EXPECT_EQ(read<App>([&](auto& tx) { return tx.app(bare.id); }), bare);
    EXPECT_EQ(read<Deployment>([&](auto& tx) { return tx.deployment(deployment.id); }), deployment);
    EXPECT_EQ(read<Instance>([&](auto& tx) { return tx.instance(instance.id); }), instance);
    EXPECT_EQ(read<Release>([&](auto& tx) { return tx.release(release.id); }), release);
    EXPECT_EQ(read<Token>([&](auto& tx) { return tx.token_by_hash(""); }), token);
}

TEST_P(StoreContract, EveryStateAndKindComesBack) {
    for (int i = 0; i < 8; ++i) {
        auto row = sample_deployment(std::to_string(i), shop_);
        row.state = static_cast<DeploymentState>(i);
        row.kind = static_cast<DeploymentKind>(i % 6);
        ASSERT_TRUE(put(row));
        EXPECT_EQ(read<Deployment>([&](auto& tx) { return tx.deployment(row.id); }), row);
    }
    for (int i = 0; i < 7; ++i) {
        auto row = sample_instance(std::to_string(i), shop_, "");
        row.state = static_cast<InstanceState>(i);
        ASSERT_TRUE(put(row));
        EXPECT_EQ(read<Instance>([&](auto& tx) { return tx.instance(row.id); }), row);
    }
    for (int i = 0; i < 4; ++i) {
        const Membership row{.team = main_.id, .user = ann_.id, .role = static_cast<Role>(i)};
        ASSERT_TRUE(put(row));
        EXPECT_THAT(*read<std::vector<Membership>>([&](auto& tx) { return tx.members(main_.id); }),
                    ElementsAre(row));
    }
}

TEST_P(StoreContract, TextIsKeptByteForByte) {
    for (const auto& hostile :
         {std::string("'; DROP TABLE apps; --"), std::string("a\0b", 3), std::string("\xff\xfe"),
          std::string("%_\\"), std::string(100'000, 'x'), std::string("\xf0\x9f\x9a\x82")}) {
        auto user = ann_;
        user.email = hostile;
        ASSERT_TRUE(put(user));
        EXPECT_EQ(read<User>([&](auto& tx) { return tx.user(ann_.id); }), user);
    }
}

TEST_P(StoreContract, WhatIsNotThereIsNotFound) {
    const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_ERROR(tx.user(user_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.user_by_subject("github", "ann"), ErrorKind::not_found);
        EXPECT_ERROR(tx.token_by_hash("x"), ErrorKind::not_found);
        EXPECT_ERROR(tx.team(team_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.team_by_slug("x"), ErrorKind::not_found);
        EXPECT_ERROR(tx.app(app_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.app_by_name(main_.id, "x"), ErrorKind::not_found);
        EXPECT_ERROR(tx.app_by_name(team_id("x"), "shop"), ErrorKind::not_found);
        EXPECT_ERROR(tx.env(shop_.id, 1), ErrorKind::not_found);
        EXPECT_ERROR(tx.deployment(deployment_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.release(release_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.release_by_number(shop_.id, 1), ErrorKind::not_found);
        EXPECT_ERROR(tx.instance(instance_id("x")), ErrorKind::not_found);
        EXPECT_ERROR(tx.host("x"), ErrorKind::not_found);
        EXPECT_ERROR(tx.idempotency("x"), ErrorKind::not_found);
        EXPECT_THAT(*tx.tokens(ann_.id), IsEmpty());
        EXPECT_THAT(*tx.instances(shop_.id), IsEmpty());
        EXPECT_THAT(*tx.hosts(shop_.id), IsEmpty());
        EXPECT_THAT(*tx.open_deployments(shop_.id), IsEmpty());
        EXPECT_THAT(*tx.events({}, 0, 10), IsEmpty());
        EXPECT_THAT(*tx.latest_events({}, 0, 10), IsEmpty());
        return {};
    });
    EXPECT_TRUE(result);
}

TEST_P(StoreContract, AppsAreListedByNamePageByPage) {
    const auto other = sample_team("other", 1);
    ASSERT_TRUE(put(other));
    for (const auto* name : {"b", "a", "c"}) ASSERT_TRUE(put(sample_app(name, main_.id)));
    ASSERT_TRUE(put(sample_app("aa", other.id)));
    const auto names = [&](std::string_view after, int limit) {
        std::vector<std::string> all;
        for (const auto& app :
             *read<std::vector<App>>([&](auto& tx) { return tx.apps(main_.id, after, limit); })) {
            all.push_back(app.name);
        }
        return all;
    };
    EXPECT_THAT(names("", 2), ElementsAre("a", "b"));
    EXPECT_THAT(names("b", 2), ElementsAre("c", "shop"));
    EXPECT_THAT(names("aa", 10), ElementsAre("b", "c", "shop"));
    EXPECT_THAT(names("shop", 10), IsEmpty());
    EXPECT_THAT(names("", 0), IsEmpty());
    EXPECT_THAT(
        *read<std::vector<AppId>>([&](auto& tx) { return tx.all_apps(); }),
        UnorderedElementsAre(app_id("a"), app_id("b"), app_id("c"), app_id("aa"), shop_.id));
}

TEST_P(StoreContract, TeamsAreListedByNumber) {
    ASSERT_TRUE(put(sample_team("ten", 10)));
    ASSERT_TRUE(put(sample_team("two", 2)));
    std::vector<int> numbers;
    for (const auto& team : *read<std::vector<Team>>([&](auto& tx) { return tx.teams(); }))
        numbers.push_back(team.number);
    EXPECT_THAT(numbers, ElementsAre(0, 2, 10));
}

TEST_P(StoreContract, DeploymentsAreListedNewestFirstAndTheOpenOnesOldestFirst) {
    const auto other = sample_app("other", main_.id);
    ASSERT_TRUE(put(other));
    ASSERT_TRUE(put(sample_deployment("5", other)));
    for (const auto& [name, state] :
         {std::pair{"1", DeploymentState::live}, std::pair{"2", DeploymentState::building},
          std::pair{"3", DeploymentState::failed}, std::pair{"4", DeploymentState::rolling}}) {
        auto row = sample_deployment(name, shop_);
        row.state = state;
        ASSERT_TRUE(put(row));
    }
    const auto ids = [](const Result<std::vector<Deployment>>& rows) {
        std::vector<DeploymentId> all;
        for (const auto& row : *rows) all.push_back(row.id);
        return all;
    };
    const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_THAT(ids(tx.deployments(shop_.id, {}, 3)),
                    ElementsAre(deployment_id("4"), deployment_id("3"), deployment_id("2")));
        EXPECT_THAT(ids(tx.deployments(shop_.id, deployment_id("2"), 3)),
                    ElementsAre(deployment_id("1")));
        EXPECT_THAT(ids(tx.open_deployments(shop_.id)),
                    ElementsAre(deployment_id("2"), deployment_id("4")));
        return {};
    });
    EXPECT_TRUE(result);
    auto ended = sample_deployment("2", shop_);
    ended.state = DeploymentState::superseded;
    ASSERT_TRUE(put(ended));
    EXPECT_THAT(
        ids(read<std::vector<Deployment>>([&](auto& tx) { return tx.open_deployments(shop_.id); })),
        ElementsAre(deployment_id("4")));
}

TEST_P(StoreContract, ReleasesAreListedNewestFirstByNumber) {
    for (const int number : {9, 10, 2}) ASSERT_TRUE(put(sample_release(number, shop_)));
    const auto numbers = [&](int before, int limit) {
        std::vector<int> all;
        for (const auto& row : *read<std::vector<Release>>(
                 [&](auto& tx) { return tx.releases(shop_.id, before, limit); })) {
            all.push_back(row.number);
        }
        return all;
    };
    EXPECT_THAT(numbers(0, 10), ElementsAre(10, 9, 2));
    EXPECT_THAT(numbers(0, 2), ElementsAre(10, 9));
    EXPECT_THAT(numbers(9, 10), ElementsAre(2));
}

TEST_P(StoreContract, HostsAreListedThePrimaryFirst) {
    for (const auto& [name, primary] :
         {std::pair{"b", false}, std::pair{"z", true}, std::pair{"a", false}}) {
        ASSERT_TRUE(put(Host{.name = name,
                             .team = main_.id,
                             .app = shop_.id,
                             .primary = primary,
                             .reserved_until = {}}));
    }
    std::vector<std::string> names;
    for (const auto& row : *read<std::vector<Host>>([&](auto& tx) { return tx.hosts(shop_.id); }))
        names.push_back(row.name);
    EXPECT_THAT(names, ElementsAre("z", "a", "b"));
}

TEST_P(StoreContract, TakenAddressesAreThoseOfTheTeamsInstances) {
    const auto other = sample_team("other", 1);
    ASSERT_TRUE(put(other));
    const auto theirs = sample_app("theirs", other.id);
    ASSERT_TRUE(put(theirs));
    ASSERT_TRUE(put(sample_instance("1", shop_, "10.1.0.5")));
    ASSERT_TRUE(put(sample_instance("2", shop_, "10.1.0.6")));
    ASSERT_TRUE(put(sample_instance("3", shop_, "")));
    ASSERT_TRUE(put(sample_instance("4", theirs, "10.1.0.5")));
    const auto taken = [&] {
        return *read<std::vector<std::string>>([&](auto& tx) { return tx.addresses(main_.id); });
    };
    EXPECT_THAT(taken(), UnorderedElementsAre("10.1.0.5", "10.1.0.6"));
    write([&](WriteTx& tx) { return tx.remove_instance(instance_id("1")); });
    EXPECT_THAT(taken(), UnorderedElementsAre("10.1.0.6"));
    EXPECT_EQ(read<std::vector<Instance>>([&](auto& tx) { return tx.all_instances(); })->size(),
              3U);
}

TEST_P(StoreContract, EventsAreFilteredAndPagedInTheirOrder) {
    const auto other = sample_app("other", main_.id);
    ASSERT_TRUE(put(other));
    auto none = sample_event(shop_, "of the team");
    none.app.reset();
    none.deployment.reset();
    std::vector<std::int64_t> seqs;
    write([&](WriteTx& tx) -> Result<> {
        for (const auto& event :
             {sample_event(shop_, "1"), sample_event(other, "2"), sample_event(shop_, "3"), none}) {
            LOCO_ASSIGN(const auto seq, tx.append(event));
            seqs.push_back(seq);
        }
        return {};
    });
    EXPECT_THAT(seqs, ElementsAre(1, 2, 3, 4));
    const auto messages = [](const Result<std::vector<Event>>& rows) {
        std::vector<std::string> all;
        for (const auto& row : *rows) all.push_back(row.message);
        return all;
    };
    const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_THAT(messages(tx.events({}, 0, 10)), ElementsAre("1", "2", "3", "of the team"));
        EXPECT_THAT(messages(tx.events({}, 1, 2)), ElementsAre("2", "3"));
        EXPECT_THAT(messages(tx.events({.app = shop_.id}, 0, 10)), ElementsAre("1", "3"));
        EXPECT_THAT(messages(tx.events({.app = shop_.id}, 1, 10)), ElementsAre("3"));
        EXPECT_THAT(messages(tx.events({.team = main_.id}, 2, 10)),
                    ElementsAre("3", "of the team"));
        EXPECT_THAT(messages(tx.events({.team = team_id("x")}, 0, 10)), IsEmpty());
        EXPECT_THAT(messages(tx.events({.app = other.id, .deployment = deployment_id("7")}, 0, 10)),
                    ElementsAre("2"));
        EXPECT_THAT(messages(tx.latest_events({}, 0, 2)), ElementsAre("3", "of the team"));
        EXPECT_THAT(messages(tx.latest_events({.app = shop_.id}, 0, 1)), ElementsAre("3"));
        EXPECT_THAT(messages(tx.latest_events({.app = shop_.id}, 3, 10)), ElementsAre("1"));
        EXPECT_THAT(messages(tx.latest_events({}, 99, 1)), ElementsAre("of the team"));
        auto expected = none;
        expected.seq = 4;
        EXPECT_EQ(tx.events({}, 3, 1)->at(0), expected);
        return {};
    });
    EXPECT_TRUE(result);
}

TEST_P(StoreContract, RemovingAnAppTakesWhatIsItsAndLeavesTheEvents) {
    const auto other = sample_app("other", main_.id);
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(other));
        LOCO_TRY(tx.put(sample_release(1, other)));
        LOCO_TRY(tx.put(sample_deployment("other", other)));
        LOCO_TRY(tx.put(sample_release(7, shop_)));
        LOCO_TRY(tx.put(sample_deployment("7", shop_)));
        LOCO_TRY(
            tx.put(EnvVersion{.app = shop_.id, .version = 1, .sealed = {}, .created_at = at(0)}));
        LOCO_TRY(tx.append(sample_event(shop_, "gone")));
        return tx.remove_app(shop_.id);
    });
    const auto result = store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_ERROR(tx.app(shop_.id), ErrorKind::not_found);
        EXPECT_ERROR(tx.app_by_name(main_.id, "shop"), ErrorKind::not_found);
        EXPECT_ERROR(tx.release_by_number(shop_.id, 7), ErrorKind::not_found);
        EXPECT_ERROR(tx.deployment(deployment_id("7")), ErrorKind::not_found);
        EXPECT_ERROR(tx.env(shop_.id, 1), ErrorKind::not_found);
        EXPECT_EQ(tx.events({.app = shop_.id}, 0, 10)->size(), 1U);
        EXPECT_TRUE(tx.release_by_number(other.id, 1));
        EXPECT_TRUE(tx.deployment(deployment_id("other")));
        return {};
    });
    EXPECT_TRUE(result);
    EXPECT_TRUE(put(shop_));
}

TEST_P(StoreContract, AnAppWithInstancesOrHostsIsNotRemoved) {
    const auto remove = [&] {
        return store_->write([&](WriteTx& tx) { return tx.remove_app(shop_.id); });
    };
    ASSERT_TRUE(put(sample_instance("1", shop_, "10.1.0.5")));
    EXPECT_ERROR(remove(), ErrorKind::conflict);
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.remove_instance(instance_id("1")));
        return tx.put(Host{
            .name = "h", .team = main_.id, .app = shop_.id, .primary = true, .reserved_until = {}});
    });
    EXPECT_ERROR(remove(), ErrorKind::conflict);
    ASSERT_TRUE(put(
        Host{.name = "h", .team = main_.id, .app = {}, .primary = false, .reserved_until = at(1)}));
    EXPECT_TRUE(remove());
    EXPECT_TRUE(read<Host>([&](auto& tx) { return tx.host("h"); }));
}

TEST_P(StoreContract, RemovingWhatIsNotThereIsFine) {
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.remove_app(app_id("x")));
        LOCO_TRY(tx.remove_instance(instance_id("x")));
        LOCO_TRY(tx.remove_host("x"));
        LOCO_TRY(tx.remove_membership(team_id("x"), user_id("x")));
        return tx.remove_idempotency_before(at(0));
    });
}

TEST_P(StoreContract, MembershipsAndHostsGoWhenRemoved) {
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(Membership{.team = main_.id, .user = ann_.id, .role = Role::admin}));
        LOCO_TRY(tx.put(Host{
            .name = "h", .team = main_.id, .app = {}, .primary = false, .reserved_until = {}}));
        LOCO_TRY(tx.remove_membership(main_.id, ann_.id));
        return tx.remove_host("h");
    });
    EXPECT_THAT(*read<std::vector<Membership>>([&](auto& tx) { return tx.members(main_.id); }),
                IsEmpty());
    EXPECT_ERROR(read<Host>([&](auto& tx) { return tx.host("h"); }), ErrorKind::not_found);
}

TEST_P(StoreContract, OfAnAppsEventsOnlyTheNewestStayAndNumbersAreNotGivenAgain) {
    const auto event = [&](const App& app, const std::string& kind) {
        return Event{.team = main_.id,
                     .app = app.id,
                     .deployment = {},
                     .actor = "ann",
                     .kind = kind,
                     .message = "m",
                     .data = "",
                     .at = at(1)};
    };
    App other = shop_;
    other.id = app_id("other");
    other.name = "other";
    std::int64_t last = 0;
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(other));
        LOCO_TRY(tx.append(event(other, "kept")));
        for (int i = 0; i < 5; ++i) {
            LOCO_ASSIGN(last, tx.append(event(shop_, std::to_string(i))));
        }
        return {};
    });
    const auto kinds = [&](const App& app) {
        std::vector<std::string> all;
        const auto rows =
            *read<std::vector<Event>>([&](auto& tx) { return tx.events({.app = app.id}, 0, 100); });
        for (const auto& row : rows) all.push_back(row.kind);
        return all;
    };
    write([&](WriteTx& tx) { return tx.trim_events(shop_.id, 5); });
    EXPECT_EQ(kinds(shop_).size(), 5U);
    write([&](WriteTx& tx) { return tx.trim_events(shop_.id, 2); });
    EXPECT_EQ(kinds(shop_), (std::vector<std::string>{"3", "4"}));
    EXPECT_EQ(kinds(other), std::vector<std::string>{"kept"});
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.trim_events(shop_.id, 0));
        LOCO_ASSIGN(const auto next, tx.append(event(shop_, "next")));
        EXPECT_GT(next, last);
        return tx.trim_events(app_id("x"), 1);
    });
    EXPECT_EQ(kinds(shop_), std::vector<std::string>{"next"});
    const auto failed = store_->write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.trim_events(shop_.id, 0));
        return fail(ErrorKind::conflict, "taken back");
    });
    EXPECT_FALSE(failed);
    EXPECT_EQ(kinds(shop_), std::vector<std::string>{"next"});
}

TEST_P(StoreContract, OldIdempotencyKeysGoAndNewOnesStay) {
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(put(IdempotencyRecord{.key = std::to_string(i),
                                          .fingerprint = "f",
                                          .status = 0,
                                          .body = "",
                                          .created_at = at(i)}));
    }
    write([&](WriteTx& tx) { return tx.remove_idempotency_before(at(2)); });
    EXPECT_ERROR(read<IdempotencyRecord>([&](auto& tx) { return tx.idempotency("1"); }),
                 ErrorKind::not_found);
    EXPECT_TRUE(read<IdempotencyRecord>([&](auto& tx) { return tx.idempotency("2"); }));
    EXPECT_TRUE(read<IdempotencyRecord>([&](auto& tx) { return tx.idempotency("3"); }));
}

}  // namespace
}  // namespace loco::store
