"""From a folder to a release, and on to the next: every kind of deployment on the real engine, gateway and registry."""
import json
import re

import pytest

from support.wait import holds_for, until


def test_a_first_deploy_ends_with_a_url_that_answers(loco, app):
    done = loco.deploy(app("first"))
    assert f"http://first.localhost:{loco.gateway}" in done.out
    answer = loco.fetch("first", "/some/path")
    assert answer.status == 200
    assert answer.json() == answer.json() | {"version": "1", "release": "v1", "process": "web", "path": "/some/path"}
    status = loco.status("first")
    assert "first.localhost" in json.dumps(status) and "v1" in json.dumps(status)


def test_a_deploy_of_nothing_new_is_already_live_and_starts_nothing(loco, app):
    folder = app("same")
    loco.deploy(folder)
    before = loco.instances("same")
    done = loco.deploy(folder)
    assert "already live as v1" in done.out + done.err
    assert loco.instances("same") == before
    assert [one["release"] for one in loco.releases("same")] == ["v1"]


def test_a_new_version_replaces_the_old_and_leaves_no_container_of_it(loco, app):
    folder = app("next")
    loco.deploy(folder)
    loco.deploy(folder.image("2"))
    answer = loco.fetch("next").json()
    assert (answer["version"], answer["release"]) == ("2", "v2")
    assert [(one["release"], one["live"]) for one in loco.releases("next")] == [("v2", True), ("v1", False)]
    loco.settled("next", 1)


def test_rollback_makes_a_new_release_from_the_one_live_before(loco, app):
    folder = app("back")
    for version in "123":
        loco.deploy(folder.image(version))
    loco.run("rollback", "-a", "back")
    assert loco.fetch("back").json() == loco.fetch("back").json() | {"version": "2", "release": "v4"}
    loco.run("rollback", "v3", "-a", "back")
    assert loco.fetch("back").json() == loco.fetch("back").json() | {"version": "3", "release": "v5"}
    assert loco.run("rollback", "v99", "-a", "back", expect=4).err
    loco.settled("back", 1)
    # The image of v1 is no longer among the last ones.
    until(lambda: not next(one for one in loco.releases("back") if one["release"] == "v1")["image_kept"], 30)
    assert "cleaned up" in loco.run("rollback", "v1", "-a", "back", expect=6).err


def test_a_rollback_with_nothing_to_go_back_to_says_so(loco, app):
    loco.deploy(app("alone"))
    done = loco.run("rollback", "-a", "alone", expect=None)
    assert done.status in (4, 9) and done.err.strip(), str(done)
    assert loco.release("alone") == "v1"


def test_redeploy_and_restart_bring_up_new_instances_of_the_same_image(loco, app):
    loco.deploy(app("again"))
    first = loco.fetch("again").json()
    loco.run("restart", "-a", "again")
    second = loco.fetch("again").json()
    assert second["instance"] != first["instance"] and second["release"] == "v1"
    loco.run("redeploy", "-a", "again")
    third = loco.fetch("again").json()
    assert third["instance"] != second["instance"] and third["version"] == "1" and third["release"] == "v2"
    loco.settled("again", 1)


def test_an_image_that_exists_locally_is_deployed_as_it_is(loco, app, tmp_path):
    folder = app("ready")
    loco.engine.docker("build", "-q", "-t", "loco-test-ready:1", str(folder.path))
    try:
        (folder.path / "Dockerfile").unlink()
        loco.deploy(folder, "--image", "loco-test-ready:1")
        assert loco.release("ready") == "v1"
    finally:
        loco.engine.docker("rmi", "-f", "loco-test-ready:1")


def test_a_worker_has_no_route_and_its_logs_arrive(loco, app):
    folder = app("miner").toml(type="worker", deploy='command = ["/probe", "work"]')
    loco.deploy(folder)
    until(lambda: "tick 3" in loco.run("logs", "-a", "miner").out, 15, "the worker's ticks")
    assert loco.fetch("miner").status in (404, 503)
    assert len(loco.instances("miner", running_only=True)) == 1


def test_further_processes_run_beside_the_service_from_the_same_image(loco, app):
    folder = app("pair").toml('[process.mailer]\ncommand = ["/probe", "work"]\ncpu = "50m"\nmemory = "32Mi"\nreplicas = 2')
    loco.deploy(folder)
    assert loco.release("pair") == "v1"
    loco.settled("pair", 3)
    until(lambda: "tick" in loco.run("logs", "-a", "pair", "--process", "mailer").out, 15)
    assert "listening" not in loco.run("logs", "-a", "pair", "--process", "mailer").out
    folder.toml()
    loco.deploy(folder)
    loco.settled("pair", 1)


def test_a_release_command_runs_once_before_traffic_moves(loco, app):
    folder = app("ritual")
    loco.deploy(folder)
    loco.deploy(folder.image("2").toml(deploy='release_command = ["/probe", "release"]'))
    assert loco.release("ritual") == "v2"
    logs = loco.run("logs", "-a", "ritual", "--release", "v2").out
    assert logs.count("release command ran") == 1
    loco.settled("ritual", 1)


def test_a_failing_release_command_keeps_the_old_release(loco, app):
    folder = app("vow")
    loco.deploy(folder)
    done = loco.deploy(folder.image("2").toml('[env]\nRELEASE_EXIT = "9"', deploy='release_command = ["/probe", "release"]'), expect=7)
    assert "release command fails as configured" in done.err and "9" in done.err
    assert loco.release("vow") == "v1"
    loco.settled("vow", 1)


def test_failing_health_keeps_the_old_release_and_names_what_was_answered(loco, app):
    folder = app("ill")
    loco.deploy(folder)
    done = loco.deploy(folder.image("2").toml('[env]\nHEALTH = "503"', timeout="6s"), expect=7)
    assert "/healthz" in done.err and "503" in done.err
    assert loco.release("ill") == "v1"
    loco.settled("ill", 1)
    # The failed release keeps its number.
    loco.deploy(folder.image("3").toml())
    assert loco.release("ill") == "v3"


def test_a_program_that_ends_at_its_start_is_told_with_exit_status_and_last_lines(loco, app):
    folder = app("brief")
    loco.deploy(folder)
    done = loco.deploy(folder.image("2").toml('[env]\nCRASH_AFTER_MS = "1"\nCRASH_EXIT = "42"\nHEALTH = "503"'), expect=7, timeout=60)
    assert "42" in done.err and "crashing as configured" in done.err
    assert loco.release("brief") == "v1"


def test_a_program_that_does_not_listen_is_told_which_port_was_asked(loco, app):
    folder = app("deaf").toml(deploy='command = ["/probe", "work"]', timeout="6s")
    done = loco.deploy(folder, expect=7)
    assert "8080" in done.err, str(done)


def test_a_crashed_instance_is_restarted_and_reported(loco, app):
    loco.deploy(app("phoenix"))
    before = loco.fetch("phoenix").json()
    assert loco.fetch("phoenix", "/crash?code=7").status in (502, 503)
    # A gateway may send it requests before it has heard that it is not ready yet, so that it comes and goes once more.
    until(lambda: (back := loco.fetch("phoenix")).status == 200 and back.json()["release"] == before["release"], 20, "it is back")
    assert any("7" in event["message"] for event in loco.events("phoenix") if "instance" in event["kind"])
    until(lambda: loco.fetch("phoenix", "/log?text=line-of-the-next").status == 200, 20)
    until(lambda: "line-of-the-next" in loco.run("logs", "-a", "phoenix").out, 10)
    ended = loco.run("logs", "--previous", "-a", "phoenix").out
    assert "listening" in ended and "line-of-the-next" not in ended, ended


def test_a_failed_build_names_the_failing_instruction(loco, app):
    folder = app("broken")
    (folder.path / "Dockerfile").write_text("FROM scratch\nCOPY probe /probe\nCOPY missing /missing\nUSER 10001\n")
    done = loco.deploy(folder, expect=5)
    assert "COPY missing" in done.err and re.search(r"\b3\b", done.err), str(done)
    assert loco.instances("broken") == []


@pytest.mark.one_machine("reads the container's files through the engine; packing is the client's, the same for both")
def test_ignored_files_and_secrets_stay_out_of_the_image(loco, app):
    folder = app("packed")
    (folder.path / ".env").write_text("SECRET=canary-in-env-file\n")
    (folder.path / "id_rsa").write_text("canary key\n")
    (folder.path / "kept.txt").write_text("kept\n")
    (folder.path / "dropped.txt").write_text("dropped\n")
    (folder.path / ".dockerignore").write_text("*.txt\n!kept.txt\n")
    folder.image("1", dockerfile="FROM scratch\nCOPY . /all/\nUSER 10001\nCMD [\"/all/probe\"]\n")
    loco.deploy(folder)
    names = loco.engine.files(loco.engine.of_app("packed")[0])
    assert "all/kept.txt" in names and "all/probe" in names
    assert not {"all/dropped.txt", "all/.env", "all/id_rsa"} & set(names), names


def test_profiles_are_apps_of_their_own(loco, app):
    folder = app("shop").toml('[profile.staging]\nname = "shop-staging"\n[profile.staging.env]\nVERSION = "staging"')
    loco.deploy(folder)
    loco.deploy(folder, "--profile", "staging")
    assert loco.fetch("shop").json()["version"] == "1"
    assert loco.fetch("shop-staging").json()["version"] == "staging"
    loco.run("destroy", "-a", "shop-staging", "--yes")


def test_destroy_removes_all_of_an_app_and_asks_first(loco, app):
    folder = app("gone")
    loco.deploy(folder)
    assert "--yes" in loco.run("destroy", "-a", "gone", expect=2).err
    assert loco.release("gone") == "v1"
    loco.run("destroy", "-a", "gone", "--yes")
    assert loco.instances("gone") == []
    assert loco.fetch("gone").status == 404
    loco.run("status", "-a", "gone", expect=4)
    loco.deploy(folder)
    assert loco.release("gone") == "v1"


def test_a_dry_run_changes_nothing(loco, app):
    done = loco.deploy(app("maybe"), "--dry-run")
    assert done.out.strip()
    loco.run("status", "-a", "maybe", expect=4)
    assert loco.instances("maybe") == []


def test_a_detached_deploy_goes_on_by_itself(loco, app):
    loco.deploy(app("later"), "--detach")
    until(lambda: loco.release("later") == "v1", 30)


@pytest.mark.one_machine("looks at the container; of a pod, tests/kubernetes does")
def test_containers_are_confined(loco, app):
    loco.deploy(app("cell").toml(resources='cpu = "100m"\nmemory = "48Mi"\nwritable = false'))
    one = loco.engine.inspect(loco.engine.of_app("cell")[0])
    host = one["HostConfig"]
    assert one["Config"]["User"].split(":")[0] == "10001"
    assert host["ReadonlyRootfs"] and not host["Privileged"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    assert any("no-new-privileges" in option for option in host["SecurityOpt"])
    assert host["Memory"] == host["MemorySwap"] == 48 << 20 and 0 < host["PidsLimit"] <= 4096 and host["Init"]
    assert loco.fetch("cell", "/write?path=/tmp/x").text == "written"
    assert loco.fetch("cell", "/write?path=/x").text != "written"
    labels = one["Config"]["Labels"]
    assert labels["loco.dev/app"] == "cell" and labels["loco.dev/release"] == "v1" and labels["loco.dev/process"] == "web"
    assert {"loco.dev/team", "loco.dev/app-id", "loco.dev/instance"} <= set(labels)


def test_the_app_finds_what_it_is_told_in_its_environment(loco, app):
    loco.deploy(app("told").toml('[env]\nLEVEL = "info"'))
    for name, value in {"PORT": "8080", "LOCO_APP": "told", "LOCO_RELEASE": "v1", "LOCO_PROCESS": "web", "LEVEL": "info"}.items():
        assert loco.fetch("told", f"/env/{name}").text == value
    assert loco.fetch("told", "/env/LOCO_URL").text == f"http://told.localhost:{loco.gateway}"
    assert loco.fetch("told", "/env/LOCO_TEAM").text and loco.fetch("told", "/env/LOCO_INSTANCE").text


def test_a_slow_start_is_waited_for_and_not_served_before(loco, app):
    folder = app("slowly")
    loco.deploy(folder)
    process = loco.start("deploy", folder.image("2").toml('[env]\nSTART_DELAY_MS = "3000"').path)
    holds_for(lambda: loco.fetch("slowly").status == 200, 2.5, "the old release serves while the new one starts")
    done = loco.finish(process)
    assert done.status == 0, str(done)
    assert loco.release("slowly") == "v2"
