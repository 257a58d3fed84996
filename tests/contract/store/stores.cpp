#include "tests/contract/store/stores.hpp"

#include <cstdlib>
#include <filesystem>

#include "store/memory/memory_store.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "tests/support/postgres_server.hpp"

namespace loco::store {

namespace {

// In place of a cipher: bound to the app and the name all the same.
EnvSeal turned_around() {
    return {.seal = [](const AppId& app, const std::string& name,
                       const std::string& value) -> Result<std::string> {
                return app.str() + name + ":" + std::string(value.rbegin(), value.rend());
            },
            .open = [](const AppId& app, const std::string& name,
                       const std::string& sealed) -> Result<std::string> {
                const auto bound = app.str() + name + ":";
                if (!sealed.starts_with(bound)) return fail(ErrorKind::invalid, "another's value");
                return std::string(sealed.rbegin(),
                                   sealed.rend() - static_cast<std::ptrdiff_t>(bound.size()));
            }};
}

// The store, and its folder that goes after it.
struct InFolder {
    std::filesystem::path folder;
    std::unique_ptr<Store> store;

    InFolder() {
        std::string name = ::testing::TempDir() + "loco-store-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        auto opened =
            SqliteStore::open({.folder = folder, .env_seal = turned_around()}, SystemClock());
        EXPECT_TRUE(opened) << opened.error().message;
        if (opened) store = *std::move(opened);
    }
    ~InFolder() {
        store.reset();
        std::filesystem::remove_all(folder);
    }
    InFolder(const InFolder&) = delete;
    InFolder& operator=(const InFolder&) = delete;
};

std::shared_ptr<Store> make_sqlite() {
    const auto owner = std::make_shared<InFolder>();
    return {owner, owner->store.get()};
}

// The store, and its database that goes after it.
struct InPostgres {
    test::TestDatabase database;
    std::unique_ptr<Store> store;
};

std::shared_ptr<Store> make_postgres() {
    const auto owner = std::make_shared<InPostgres>();
    auto opened = PostgresStore::open(
        {.target = owner->database.target(), .env_seal = turned_around()}, SystemClock());
    EXPECT_TRUE(opened) << opened.error().message;
    if (!opened) return nullptr;
    owner->store = *std::move(opened);
    return {owner, owner->store.get()};
}

}  // namespace

std::vector<StoreKind> store_kinds() {
    return {{"memory", [] { return std::make_shared<MemoryStore>(); }},
            {"sqlite", make_sqlite},
            {"postgres", make_postgres}};
}

User sample_user(std::string_view name) {
    const std::string text(name);
    return {.id = user_id(name),
            .provider = "local",
            .subject = text,
            .login = text,
            .email = text + "@example.org",
            .created_at = at(1)};
}

Team sample_team(std::string_view slug, int number) {
    return {.id = team_id(slug), .slug = std::string(slug), .number = number, .created_at = at(2)};
}

Token sample_token(std::string_view name, const UserId& user) {
    return {.id = token_id(name),
            .user = user,
            .name = std::string(name),
            .sha256 = "hash of " + std::string(name),
            .scopes = {"apps.read", "apps.deploy"},
            .team = std::nullopt,
            .created_at = at(3),
            .expires_at = at(4),
            .last_used_at = at(5),
            .revoked = true};
}

AppSpec sample_spec() {
    AppSpec spec;
    spec.name = "shop";
    spec.build = {.dockerfile = "docker/Dockerfile",
                  .context = "app",
                  .target = "final",
                  .args = {{"A", "1"}},
                  .secrets = {{"npm", "npmrc"}},
                  .platform = "linux/arm64",
                  .image = "shop:1"};
    spec.deploy = {.command = {"/app", "--port", "8080"},
                   .user = "1000:1000",
                   .strategy = Strategy::recreate,
                   .release_command = {"/app", "migrate"},
                   .timeout = Millis(61'000),
                   .stop_timeout = Millis(1'500)};
    spec.ports = {{.name = "http",
                   .port = 8081,
                   .path = "/shop",
                   .strip_path = true,
                   .protocol = Protocol::h2c,
                   .idle_timeout = Millis(5'000)},
                  {.name = "admin", .port = 9090, .path = ""}};
    spec.domains = {"shop.example.org"};
    spec.processes = {{"mailer",
                       {.command = {"/app", "mail"},
                        .replicas = 3,
                        .cpu_millis = 100,
                        .cpu_max_millis = 200,
                        .memory_bytes = 64LL << 20}}};
    spec.health = {.path = "/up",
                   .interval = Millis(100),
                   .timeout = Millis(200),
                   .failures = 5,
                   .grace = Millis(300)};
    spec.resources = {
        .cpu_millis = 1, .cpu_max_millis = 2, .memory_bytes = 5LL << 30, .writable = false};
    spec.scale = {.min = 2, .max = 2, .cpu_target = 0, .idle_after = Millis(0)};
    spec.env = {{"GREETING", "h\xc3\xa9llo \"w\xc3\xb6rld\"\n"}};
    spec.required_secrets = {"KEY"};
    spec.log_retention = Millis(86'400'000);
    return spec;
}

App sample_app(std::string_view name, const TeamId& team) {
    App app;
    app.id = app_id(name);
    app.team = team;
    app.name = std::string(name);
    app.created_at = at(6);
    app.next_release = 8;
    app.env_version = 2;
    app.live_release = release_id("7");
    app.live_set = deployment_id("7");
    app.previous_set = deployment_id("6");
    app.previous_release = release_id("6");
    app.lock = deployment_id("8");
    app.scale = {{"web", {.replicas = 3, .cpu_millis = std::nullopt, .memory_bytes = 1LL << 40}},
                 {"mailer", {}}};
    app.destroying = true;
    return app;
}

Deployment sample_deployment(std::string_view name, const App& app) {
    Deployment row;
    row.id = deployment_id(name);
    row.app = app.id;
    row.team = app.team;
    row.kind = DeploymentKind::rollback;
    row.state = DeploymentState::rolling;
    row.actor = "ann";
    row.created_at = at(7);
    row.ended_at = at(8);
    row.lease_until = at(9);
    row.deadline = at(10);
    row.phases = {{"building", at(11)}, {"checking", at(12)}};
    row.spec = sample_spec();
    row.repository = "shop-x1";
    row.tag = "t1";
    row.digest = "sha256:aa";
    row.image_id = "sha256:bb";
    row.env_version = 2;
    row.release = release_id("7");
    row.set = row.id;
    row.rollback_to = 5;
    row.previous_scale = {{"web", {.replicas = 1}}};
    row.cancel_requested = true;
    row.push_token_given = true;
    row.diagnosis = Diagnosis{.code = "exited_at_start",
                              .phase = "rolling",
                              .message = "it exited",
                              .evidence = "line 1\nline 2 \"quoted\" \xff",
                              .next_steps = {"loco logs"},
                              .kind = 8};
    return row;
}

Release sample_release(int number, const App& app) {
    Release row;
    row.id = release_id(app.name + std::to_string(number));
    row.app = app.id;
    row.number = number;
    row.repository = "shop-x1";
    row.digest = "sha256:cc";
    row.image_id = "sha256:dd";
    row.spec = sample_spec();
    row.env_version = 2;
    row.uid = 4'000'000'000;
    row.gid = 1001;
    row.deployment = deployment_id("7");
    row.actor = "ann";
    row.created_at = at(13);
    row.live_at = at(14);
    row.image_kept = false;
    return row;
}

Instance sample_instance(std::string_view name, const App& app, std::string_view address) {
    Instance row;
    row.id = instance_id(name);
    row.app = app.id;
    row.team = app.team;
    row.release = release_id("7");
    row.set = deployment_id("7");
    row.process = "web";
    row.index = 2;
    row.one_shot = true;
    row.state = InstanceState::draining;
    row.host = "local";
    row.address = std::string(address);
    row.cpu_millis = 250;
    row.cpu_max_millis = 1000;
    row.memory_bytes = 3LL << 32;
    row.attempt = 4;
    row.restarts = 5;
    row.created_at = at(15);
    row.state_since = at(16);
    row.restart_at = at(17);
    row.deadline = at(18);
    row.exit_code = 137;
    row.oom_killed = true;
    row.last_problem = {.code = "oom_killed",
                        .message = "was killed \"for\" memory",
                        .next_steps = {"give it more", "or not"}};
    return row;
}

Event sample_event(const App& app, std::string_view message) {
    return {.seq = 0,
            .team = app.team,
            .app = app.id,
            .deployment = deployment_id("7"),
            .actor = "loco",
            .kind = "deployment.rolling",
            .message = std::string(message),
            .data = R"({"n":1})",
            .at = at(19)};
}

void StoreContract::SetUp() {
    store_ = GetParam().make();
    ASSERT_NE(store_, nullptr);
    write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(ann_));
        LOCO_TRY(tx.put(main_));
        return tx.put(shop_);
    });
}

void StoreContract::write(const Store::WriteFn& work) {
    const auto result = store_->write(work);
    ASSERT_TRUE(result) << result.error().message;
}

}  // namespace loco::store
