#include "kubernetes/reflector.hpp"

#include "tests/contract/kubernetes/bed.hpp"

namespace loco::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;
using test::Fault;

// A rule uses what lives in its test: it goes before that, however the test ends.
class Rule {
  public:
    Rule(test::FaultProxy& proxy, test::FaultProxy::Rule rule) : proxy_(proxy) {
        proxy_.set_rule(std::move(rule));
    }
    ~Rule() { proxy_.set_rule({}); }
    Rule(const Rule&) = delete;
    Rule& operator=(const Rule&) = delete;

  private:
    test::FaultProxy& proxy_;
};

bool is_watch(const std::string& line) { return line.find("watch=true") != std::string::npos; }

class ReflectorTest : public KubernetesTest {
  protected:
    // What a reflector of this namespace's ConfigMaps told: "added a", "modified a", …
    struct Told {
        std::mutex mutex;
        std::vector<std::string> changes;
        std::vector<std::string> troubles;

        [[nodiscard]] std::vector<std::string> all() {
            const std::lock_guard lock(mutex);
            return changes;
        }
        [[nodiscard]] bool has(const std::string& change) {
            const auto seen = all();
            return std::ranges::find(seen, change) != seen.end();
        }
    };

    void start(seconds watch_lasts = seconds(300)) {
        if (!asked) asked = through_proxy();
        ReflectorOptions options;
        options.selection = {.namespace_ = space, .labels = "loco-test=" + space};
        options.watch_lasts = watch_lasts;
        options.backoff = {.initial = milliseconds(50), .max = milliseconds(500)};
        ReflectorListener listener;
        listener.on_change = [this](const Change& change) {
            constexpr const char* kWords[] = {"added ", "modified ", "deleted "};
            const std::lock_guard lock(told.mutex);
            told.changes.push_back(kWords[static_cast<int>(change.type)] + name_of(*change.object));
        };
        listener.on_trouble = [this](const Error& error) {
            const std::lock_guard lock(told.mutex);
            told.troubles.push_back(error.message);
        };
        const auto before = proxy->passed();
        reflector = std::make_unique<Reflector>(*asked, streams, clock, random, kConfigMap, options,
                                                listener);
        ASSERT_TRUE(reflector->wait_synced(seconds(10)));
        // List and watch: what a test then cuts or refuses is the next watch, not this one.
        ASSERT_TRUE(eventually([&] { return proxy->passed() >= before + 2; }));
    }
    void TearDown() override {
        reflector.reset();
        if (proxy) proxy->set_rule({});
        KubernetesTest::TearDown();
    }
    void apply(const std::string& name, const std::string& value) {
        const auto applied = client->apply(kConfigMap, config_map(name, value));
        ASSERT_TRUE(applied) << applied.error().message;
    }
    [[nodiscard]] bool shows(const std::string& name, const std::string& value) const {
        const auto object = reflector->find(space, name);
        return object != nullptr && text(member(*object, "data"), "key") == value;
    }

    Told told;
    http::StreamClient streams;
    std::unique_ptr<Client> asked;
    std::unique_ptr<Reflector> reflector;
};

TEST_F(ReflectorTest, the_copy_follows_every_change_by_one_list_and_one_watch) {
    apply("before", "1");
    start();
    EXPECT_TRUE(shows("before", "1"));
    apply("a", "1");
    EXPECT_TRUE(eventually([&] { return shows("a", "1"); }));
    apply("a", "2");
    EXPECT_TRUE(eventually([&] { return shows("a", "2"); }));
    ASSERT_TRUE(client->remove(kConfigMap, space, "a"));
    EXPECT_TRUE(eventually([&] { return told.has("deleted a"); }));
    EXPECT_EQ(told.all(),
              (std::vector<std::string>{"added before", "added a", "modified a", "deleted a"}));
    EXPECT_EQ(reflector->all().size(), 1U);
    EXPECT_EQ(reflector->counts().lists, 1U);
    EXPECT_EQ(reflector->counts().watches, 1U);
    EXPECT_TRUE(
        member(member(*reflector->find(space, "before"), "metadata"), "managedFields").is_null());
}

TEST_F(ReflectorTest, a_cut_watch_goes_on_where_it_was_and_misses_nothing) {
    start();
    for (int round = 0; round < 5; ++round) {
        const auto name = "r" + std::to_string(round);
        const auto watches = reflector->counts().watches;
        // Cut, and kept away while something happens.
        std::atomic<bool> away = true;
        const Rule rule(*proxy, [&](const std::string&) {
            return away ? Fault{.type = Fault::Type::cut_before} : Fault{};
        });
        proxy->cut_all();
        EXPECT_TRUE(eventually([&] { return reflector->counts().watches > watches + 1; }));
        apply(name, "1");
        apply(name, "2");
        away = false;
        EXPECT_TRUE(eventually([&] { return shows(name, "2"); })) << round;
        EXPECT_TRUE(told.has("added " + name));
        EXPECT_TRUE(told.has("modified " + name)) << "each event came, not only the last state";
    }
    EXPECT_EQ(reflector->counts().lists, 1U);
    EXPECT_GT(reflector->counts().troubles, 0U);
}

TEST_F(ReflectorTest, a_watch_that_the_server_ends_is_begun_again_from_its_bookmark) {
    start(seconds(3));
    EXPECT_TRUE(eventually(
        [&] { return reflector->counts().watches >= 3 && reflector->counts().bookmarks >= 1; },
        seconds(30)));
    apply("late", "1");
    EXPECT_TRUE(eventually([&] { return shows("late", "1"); }));
    EXPECT_EQ(reflector->counts().lists, 1U);
    EXPECT_EQ(reflector->counts().troubles, 0U);
}

TEST_F(ReflectorTest,
       a_version_that_the_server_has_forgotten_leads_to_a_list_that_tells_only_what_differs) {
    apply("stays", "1");
    apply("goes", "1");
    apply("changes", "1");
    start();
    std::atomic<bool> away = true;
    std::atomic<int> watches = 0;
    const Rule rule(*proxy, [&](const std::string& line) {
        if (away) return Fault{.type = Fault::Type::cut_before};
        if (!is_watch(line) || watches++ > 0) return Fault{};
        return Fault{.type = Fault::Type::answer, .answer = refusal(410)};
    });
    proxy->cut_all();
    ASSERT_TRUE(client->remove(kConfigMap, space, "goes"));
    apply("changes", "2");
    apply("new", "1");
    {
        const std::lock_guard lock(told.mutex);
        told.changes.clear();
    }
    away = false;
    ASSERT_TRUE(eventually([&] { return reflector->counts().lists == 2; }));
    ASSERT_TRUE(eventually([&] { return told.all().size() >= 3; }));
    auto changes = told.all();
    std::ranges::sort(changes);
    EXPECT_EQ(changes, (std::vector<std::string>{"added new", "deleted goes", "modified changes"}));
    apply("after", "1");
    EXPECT_TRUE(eventually([&] { return shows("after", "1"); }));
    EXPECT_EQ(reflector->counts().lists, 2U);
}

// The server's own 410: of a kind that was made just now it has nothing from before.
TEST_F(ReflectorTest, the_real_servers_word_for_a_forgotten_version_is_understood) {
    const std::string group = space + ".test.loco.dev";
    const std::string version = group + "/v1";
    const Kind definition{"apiextensions.k8s.io/v1", "CustomResourceDefinition",
                          "customresourcedefinitions", false};
    const Kind kind{version, "Probe", "probes"};
    const Object schema{{"openAPIV3Schema", {{"type", "object"}}}};
    const boost::json::array versions{
        {{"name", "v1"}, {"served", true}, {"storage", true}, {"schema", schema}}};
    const auto made =
        client->apply(definition, {{"apiVersion", definition.api_version},
                                   {"kind", definition.name},
                                   {"metadata", {{"name", "probes." + group}}},
                                   {"spec",
                                    {{"group", group},
                                     {"scope", "Namespaced"},
                                     {"names", {{"plural", "probes"}, {"kind", "Probe"}}},
                                     {"versions", versions}}}});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(eventually([&] { return client->list(kind, {}).has_value(); }, seconds(30)));
    asked = through_proxy();
    std::atomic<int> watches = 0;
    const Rule rule(*proxy, [&](const std::string& line) {
        Fault fault;
        if (!is_watch(line) || watches++ > 0) return fault;
        fault.ask = line;
        const auto at = fault.ask.find("resourceVersion=") + 16;
        fault.ask.replace(at, fault.ask.find_first_of("& ", at) - at, "1");
        return fault;
    });
    {
        const Reflector probes(*asked, streams, clock, random, kind);
        EXPECT_TRUE(eventually([&] { return probes.counts().lists == 2; }));
        EXPECT_TRUE(eventually([&] { return probes.counts().watches == 2; }));
        EXPECT_EQ(probes.counts().troubles, 0U);
    }
    EXPECT_TRUE(client->remove(definition, {}, "probes." + group));
}

TEST_F(ReflectorTest, an_object_made_again_while_nobody_watched_is_told_as_deleted_and_added) {
    apply("a", "1");
    start();
    std::atomic<bool> away = true;
    const Rule rule(*proxy, [&](const std::string& line) {
        if (away) return Fault{.type = Fault::Type::cut_before};
        return is_watch(line) && reflector->counts().lists == 1
                   ? Fault{.type = Fault::Type::answer, .answer = refusal(410)}
                   : Fault{};
    });
    proxy->cut_all();
    ASSERT_TRUE(client->remove(kConfigMap, space, "a"));
    apply("a", "2");
    away = false;
    EXPECT_TRUE(eventually([&] { return shows("a", "2"); }));
    EXPECT_TRUE(eventually([&] { return told.all().size() == 3; }));
    EXPECT_EQ(told.all(), (std::vector<std::string>{"added a", "deleted a", "added a"}));
}

TEST_F(ReflectorTest, refusals_of_a_watch_are_told_and_waited_out_without_a_new_list) {
    start();
    std::vector<Fault> faults{
        {.type = Fault::Type::answer, .answer = refusal(429, "Retry-After: 1\r\n")},
        {.type = Fault::Type::answer, .answer = refusal(500)},
        {.type = Fault::Type::answer,
         .answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                   R"({"type":"ERROR","object":{"kind":"Status","code":500,"message":"injected"}})"
                   "\n"},
        {.type = Fault::Type::cut_after},
    };
    std::size_t next = 0;
    const Rule rule(*proxy, [&](const std::string&) {
        return next < faults.size() ? faults[next++] : Fault{};
    });
    proxy->cut_all();
    apply("a", "1");
    EXPECT_TRUE(eventually([&] { return shows("a", "1"); }, seconds(20)));
    EXPECT_EQ(reflector->counts().lists, 1U);
    EXPECT_GE(reflector->counts().troubles, 4U);
}

TEST_F(ReflectorTest, what_is_no_event_leads_to_a_new_list) {
    start();
    std::atomic<int> watches = 0;
    const Rule rule(*proxy, [&](const std::string& line) {
        if (!is_watch(line) || watches++ > 0) return Fault{};
        return Fault{
            .type = Fault::Type::answer,
            .answer =
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"type\":\"ADDED\",\"object\":{}}\n"};
    });
    proxy->cut_all();
    EXPECT_TRUE(eventually([&] { return reflector->counts().lists == 2; }));
    apply("a", "1");
    EXPECT_TRUE(eventually([&] { return shows("a", "1"); }));
}

TEST_F(ReflectorTest, it_ends_at_once_whatever_it_is_at) {
    asked = through_proxy();
    const auto began = clock.steady();
    for (int i = 0; i < 20; ++i) {
        const Rule rule(*proxy, [](const std::string&) {
            return Fault{.type = Fault::Type::answer, .answer = refusal(503)};
        });
        const Reflector listing(*asked, streams, clock, random, kConfigMap);
        EXPECT_FALSE(listing.synced());
    }
    for (int i = 0; i < 20; ++i) {
        const Reflector watching(*asked, streams, clock, random, kConfigMap);
        EXPECT_TRUE(watching.wait_synced(seconds(10)));
    }
    EXPECT_LT(clock.steady() - began, seconds(15));
}

}  // namespace
}  // namespace loco::kubernetes
