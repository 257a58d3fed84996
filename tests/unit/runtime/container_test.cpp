#include "runtime/docker/container.hpp"

#include <gtest/gtest.h>

#include "runtime/docker/names.hpp"

namespace loco::runtime {
namespace {

ContainerSpec wanted() {
    ContainerSpec spec;
    spec.instance.id = InstanceId("inst_01");
    spec.instance.app = AppId("app_01");
    spec.instance.team = TeamId("team_01");
    spec.instance.set = DeploymentId("dep_01");
    spec.instance.process = "web";
    spec.instance.attempt = 3;
    spec.instance.address = "10.208.4.7";
    spec.instance.cpu_millis = 250;
    spec.instance.cpu_max_millis = 1500;
    spec.instance.memory_bytes = 256LL << 20;
    spec.app_name = "shop";
    spec.release_name = "v7";
    spec.network.team_slug = "acme";
    spec.uid = 1000;
    spec.gid = 1001;
    spec.env.emplace("KEY", Secret<>("s3cret"));
    spec.aliases = {"shop.internal"};
    return spec;
}

TEST(DockerContainer, is_confined) {
    const auto out = to_engine(wanted(), {.loco = "here"}, "image", "net");
    EXPECT_EQ(out.user, "1000:1001");
    EXPECT_EQ(out.cap_drop, std::vector<std::string>{"ALL"});
    EXPECT_TRUE(out.cap_add.empty());
    EXPECT_EQ(out.security_opt, std::vector<std::string>{"no-new-privileges:true"});
    EXPECT_TRUE(out.init);
    EXPECT_EQ(out.memory_bytes, 256LL << 20);
    EXPECT_EQ(out.memory_swap_bytes, out.memory_bytes);
    EXPECT_EQ(out.nano_cpus, 1'500'000'000);
    EXPECT_EQ(out.cpu_shares, 256);
    EXPECT_EQ(out.pids_limit, 512);
    EXPECT_EQ(out.restart_policy, "no");
    EXPECT_EQ(out.log_options.at("max-size"), "10m");
    EXPECT_TRUE(out.mounts.empty());
}

TEST(DockerContainer, carries_the_labels_by_which_it_is_found_and_no_secret_in_them) {
    const auto out = to_engine(wanted(), {.loco = "here"}, "image", "net");
    EXPECT_EQ(out.labels.at("loco.dev/app"), "shop");
    EXPECT_EQ(out.labels.at("loco.dev/team"), "acme");
    EXPECT_EQ(out.labels.at("loco.dev/app-id"), "app_01");
    EXPECT_EQ(out.labels.at("loco.dev/release"), "v7");
    EXPECT_EQ(out.labels.at("loco.dev/process"), "web");
    EXPECT_EQ(out.labels.at("loco.dev/instance"), "inst_01");
    EXPECT_EQ(out.labels.at("loco.dev/attempt"), "3");
    EXPECT_EQ(out.labels.at("loco.dev/instance-of"), "here");
    for (const auto& [name, value] : out.labels)
        EXPECT_EQ(value.find("s3cret"), std::string::npos) << name;
    const auto source = log_source("c1", out.labels);
    EXPECT_EQ(source.set, DeploymentId("dep_01"));
    EXPECT_EQ(source.release, 7);
}

TEST(DockerContainer, with_a_read_only_root_has_a_tmp_that_fits_its_memory) {
    auto spec = wanted();
    EXPECT_FALSE(to_engine(spec, {}, "image", "net").read_only_root);
    EXPECT_TRUE(to_engine(spec, {}, "image", "net").tmpfs.empty());
    spec.writable = false;
    EXPECT_TRUE(to_engine(spec, {}, "image", "net").read_only_root);
    EXPECT_EQ(to_engine(spec, {}, "image", "net").tmpfs.at("/tmp"),
              "rw,exec,nosuid,nodev,mode=1777,size=64m");
    spec.instance.memory_bytes = 32LL << 20;
    EXPECT_EQ(to_engine(spec, {}, "image", "net").tmpfs.at("/tmp"),
              "rw,exec,nosuid,nodev,mode=1777,size=16m");
}

TEST(DockerContainer, a_killed_child_is_no_death_for_memory) {
    ObservedContainer seen;
    fill_in(seen, {.status = "exited", .oom_killed = true, .exit_code = 0, .error = {}});
    EXPECT_FALSE(seen.oom_killed);
    fill_in(seen, {.status = "exited", .oom_killed = true, .exit_code = 137, .error = {}});
    EXPECT_TRUE(seen.oom_killed);
    fill_in(seen, {.status = "exited", .oom_killed = false, .exit_code = 137, .error = {}});
    EXPECT_FALSE(seen.oom_killed);
}

TEST(DockerContainer, what_only_the_owner_can_mend_is_refused) {
    const auto kind = [](std::string words) {
        return start_failure({.kind = ErrorKind::internal, .message = std::move(words)}).kind;
    };
    const std::string oci =
        "failed to create shim task: OCI runtime create failed: runc create failed: "
        "unable to start container process: exec: ";
    EXPECT_EQ(kind(oci + "\"/app\": stat /app: no such file or directory: unknown"),
              ErrorKind::refused);
    EXPECT_EQ(kind(oci + "\"app\": executable file not found in $PATH: unknown"),
              ErrorKind::refused);
    EXPECT_EQ(kind(oci + "\"/app\": permission denied: unknown"), ErrorKind::refused);
    EXPECT_EQ(kind(oci + "exec format error"), ErrorKind::refused);
    EXPECT_EQ(kind("Address already in use"), ErrorKind::conflict);
    EXPECT_EQ(kind("OCI runtime create failed: cannot set memory.limit_in_bytes"),
              ErrorKind::internal);
    EXPECT_EQ(kind("open /var/lib/docker/x: no such file or directory"), ErrorKind::internal);
}

TEST(DockerNames, interfaces_are_short_and_told_apart_by_their_loco) {
    const auto bridge = bridge_name("one", TeamId("team_01jd2m9f8w7n6k5h4g3f2d1c0b"));
    EXPECT_EQ(bridge.size(), 15U);
    EXPECT_TRUE(bridge.starts_with(bridge_prefix("one")));
    EXPECT_NE(bridge_prefix("one"), bridge_prefix("two"));
    EXPECT_NE(bridge_name("one", TeamId("team_a")), bridge_name("one", TeamId("team_b")));
    EXPECT_EQ(container_name(InstanceId("inst_01"), 2), "loco-inst_01-2");
}

}  // namespace
}  // namespace loco::runtime
