"""`loco doctor` and `GET /api/v1/doctor`: each trouble for real, what is said of it, and the exit status."""
import datetime
import email.utils
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from support.platform import free_ports
from support.wait import until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")


def checks(server, *words: str, expect: int | None = None, **options) -> dict[str, dict]:
    """What `loco doctor --json` says, by place and name."""
    done = server.loco("doctor", "--json", *words, expect=expect, **options)
    document = done.json()
    assert document["exit_status"] == done.status and document["ok"] == (done.status == 0), str(done)
    failed = [one for one in document["checks"] if one["state"] == "failed"]
    assert bool(failed) == (done.status != 0)
    for one in failed:
        assert one["message"] and one["next_steps"], f"a failure says what is wrong and what mends it: {one}"
    return {f"{one['where']} {one['name']}": one for one in document["checks"]}


class Fake:
    """Something that answers HTTP: what `answer(path)` gives as status, headers and text."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, text = answer(self.path)
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *words):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def no_loco(server) -> list[str]:
    return ["--host", f"http://127.0.0.1:{free_ports(1)[0]}"]


def test_it_works_with_no_server_at_all_and_says_what_starts_one(server):
    found = checks(server, *no_loco(server), expect=8)
    assert found["server address"]["state"] == "failed" and "loco up" in " ".join(found["server address"]["next_steps"])
    assert found["client configuration"]["state"] == "ok"
    for name in ("server version", "server clock", "server token", "client registry", "client names", "client gateway"):
        assert found[name]["state"] == "not_applicable", name
    # A server elsewhere is not started by a command here.
    found = checks(server, "--host", "http://192.0.2.1:1", expect=8, timeout=90)
    assert "loco up" not in " ".join(found["server address"]["next_steps"])


def test_signed_out_it_says_how_to_sign_in(server, own_server):
    alone = own_server()
    alone.start()
    alone.client_config.unlink()
    found = checks(alone, env={"LOCO_HOST": f"http://127.0.0.1:{alone.api}"})
    assert found["server address"]["state"] == "ok" and found["server version"]["state"] == "ok"
    assert found["server token"]["state"] == "failed" and "not signed in" in found["server token"]["message"]
    assert found["client registry"]["state"] == "not_applicable"


def test_a_wrong_token_is_told(server):
    found = checks(server, env={"LOCO_TOKEN": "loco_of-nobody", "DOCKER_HOST": ""})
    assert found["server token"]["state"] == "failed" and "loco up --detach" in found["server token"]["next_steps"][0]
    found = checks(server, "--team", "nobodys")
    assert found["server token"]["state"] == "warning" and "no member of team nobodys" in found["server token"]["message"]


def test_a_configuration_that_others_may_read_or_that_is_malformed_is_told_and_the_rest_looked_at(own_server):
    alone = own_server()
    alone.start()
    alone.client_config.chmod(0o644)
    found = checks(alone, "--host", f"http://127.0.0.1:{alone.api}", expect=3)
    assert found["client configuration"]["state"] == "failed" and found["client configuration"]["next_steps"] == [f"chmod 600 {alone.client_config}"]
    assert found["server address"]["state"] == "ok"
    alone.client_config.chmod(0o600)
    alone.client_config.write_text("host = \n")
    found = checks(alone, expect=2)
    assert re.search(r"config.toml:1:\d+", found["client configuration"]["message"])
    # Other commands refuse as ever.
    assert alone.loco("apps", expect=2).err


def test_the_engine_that_is_not_there_is_told(server):
    found = checks(server)
    engine = found["client engine"]
    assert engine["state"] == "failed" and "docker" in " ".join(engine["next_steps"]).lower(), engine
    assert found["client builder"]["state"] == "not_applicable"


def test_what_the_server_lacks_is_told_by_the_server(server):
    """No engine, no gateway, no registry: the database, the disk and the clock are well."""
    word = server.get("/doctor")
    by_name = {one["name"]: one for one in word["checks"]}
    assert {name for name, one in by_name.items() if one["state"] == "failed"} == {"engine", "gateway", "registry"}, by_name
    assert by_name["database"]["state"] == by_name["clock"]["state"] == "ok" and by_name["disk"]["state"] in ("ok", "warning")
    assert all(one["next_steps"] for one in by_name.values() if one["state"] == "failed"), by_name
    assert word["base_domain"] == "localhost" and word["version"] == server.call("GET", "/version").json()["version"]
    found = checks(server, expect=8)
    for name in ("engine", "gateway", "registry"):
        assert found[f"server {name}"]["message"] == by_name[name]["message"]
    # From here they are looked at as well.
    assert found["client registry"]["state"] == "failed" and "loco up --detach" in found["client registry"]["next_steps"][0]
    assert found["client gateway"]["state"] == "failed"
    assert found["client names"]["state"] in ("ok", "failed")   # whether libnss-myhostname is installed


def test_however_many_ask_the_server_looks_once_and_lets_few_wait(own_server):
    """Its engine takes requests and never answers."""
    alone = own_server()
    alone.people = alone.populate()
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(alone.config["engine_socket"])
    silent.listen(64)
    alone.start()
    answers: list = []
    threads = [threading.Thread(target=lambda: answers.append(alone.call("GET", "/doctor", timeout=90))) for _ in range(20)]
    for thread in threads:
        thread.start()
    # Those that may wait do; the others are told at once, and the API serves on.
    until(lambda: len(answers) == 12, 20)
    assert {one.status for one in answers} == {429} and alone.get("/me")
    for thread in threads:
        thread.join(90)
    good = [one for one in answers if one.status == 200]
    assert len(good) == 8 and len({one.body for one in good}) == 1, "one look for all"
    found = {one["name"]: one for one in good[0].json()["checks"]}
    assert found["engine"]["state"] == "failed" and found["database"]["state"] == "ok"
    silent.close()


def test_a_server_that_is_killed_or_hangs_is_told(own_server):
    alone = own_server()
    alone.start()
    process = alone.process
    process.send_signal(signal.SIGSTOP)
    try:
        found = checks(alone, expect=8)
        assert "can't be reached" in found["server address"]["message"] and "imed out" in found["server address"]["message"], found["server address"]
    finally:
        process.send_signal(signal.SIGCONT)
    alone.stop(signal.SIGKILL)
    found = checks(alone, expect=8)
    assert "can't be reached" in found["server address"]["message"]


def test_another_program_on_the_servers_address_is_told(server):
    for answer in ((200, {}, "<html>it works</html>"), (404, {}, "{}"), (200, {}, '{"name": "other"}'), (500, {}, "")):
        with Fake(lambda path, answer=answer: answer) as fake:
            found = checks(server, "--host", fake.url, expect=8)
            assert "is no Loco" in found["server address"]["message"], found["server address"]


@pytest.mark.parametrize("seconds, state", [(0, "ok"), (30, "ok"), (120, "warning"), (-120, "warning"), (3600, "failed"), (-3600, "failed")])
def test_a_clock_that_differs_from_the_servers_is_told(server, seconds, state):
    def answer(path):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return 200, {"Date": email.utils.format_datetime(now.replace(microsecond=0), usegmt=True)}, '{"name": "loco", "version": "0.0.1"}'

    with Fake(answer) as fake:
        found = checks(server, "--host", fake.url)
    assert found["server clock"]["state"] == state, found["server clock"]
    if state != "ok":
        assert ("behind" if seconds > 0 else "before") in found["server clock"]["message"]
    # And it is of another version than this client.
    assert found["server version"]["state"] == "warning" and "0.0.1" in found["server version"]["message"]


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT and more"])
def test_a_time_that_is_none_is_not_believed(server, date):
    with Fake(lambda path: (200, {"Date": date} if date else {}, '{"name": "loco", "version": "0.0.1"}')) as fake:
        assert checks(server, "--host", fake.url)["server clock"]["state"] == "not_applicable"


def loco_that_says(machine: dict | None = None, **word):
    """A Loco as far as the doctor asks one; `word`: what it says of itself instead of what is well."""
    def answer(path):
        path = path.partition("?")[0]
        texts = {"/api/v1/version": {"name": "loco", "version": "0.1.0"}, "/api/v1/me": {"login": "ada", "teams": [{"slug": "main", "role": "owner"}]},
                 "/api/v1/registry/token": {"token": "x"},
                 "/api/v1/doctor": {"version": "0.1.0", "url": "http://loco.apps.invalid:9", "base_domain": "apps.invalid", "registry": "127.0.0.1:9", "checks": []} | word}
        if machine:
            texts["/api/v1/machine"] = machine
        return (200, {}, json.dumps(texts[path])) if path in texts else (404, {}, "{}")
    return Fake(answer)


def test_what_a_server_that_watches_its_disks_has_found_is_shown(server):
    def disk(state: str) -> dict:
        return {"path": f"/srv/{state}", "state": state, "total_bytes": 100 << 30, "free_bytes": 1 << 30}

    checks_of_doctor = [{"name": "disk", "state": "ok", "message": "not this", "next_steps": []}, {"name": "clock", "state": "ok", "message": "", "next_steps": []}]
    with loco_that_says(base_domain="localhost", checks=checks_of_doctor) as fake:
        assert checks(server, env=signed_in(fake))["server disk"]["message"] == "not this"
    for state, expected in (("ok", "ok"), ("low", "warning"), ("full", "failed")):
        machine = {"disks": [disk(state)], "warnings": [{"next_steps": ["loco destroy OLD"]}]}
        with loco_that_says(base_domain="localhost", checks=checks_of_doctor, machine=machine) as fake:
            found = checks(server, env=signed_in(fake))
        assert found["server disk"]["state"] == expected and f"1.0 of 100.0 GiB are free for /srv/{state}" in found["server disk"]["message"], found["server disk"]
        assert found["server disk"]["next_steps"] == ([] if state == "ok" else ["loco destroy OLD"]) and "server clock" in found


def signed_in(fake: Fake) -> dict:
    return {"LOCO_HOST": fake.url, "LOCO_TOKEN": "loco_any"}


def test_a_name_that_does_not_resolve_is_told(server):
    with loco_that_says() as fake:
        found = checks(server, env=signed_in(fake), timeout=90)
    assert found["client names"]["state"] == "failed" and "*.apps.invalid" in found["client names"]["next_steps"][0], found["client names"]
    assert found["client gateway"]["state"] == "not_applicable"


def test_a_gateway_that_leads_elsewhere_is_told(server):
    with Fake(lambda path: (404, {}, "no such app")) as gateway, loco_that_says(url=gateway.url, base_domain="localhost") as fake:
        found = checks(server, env=signed_in(fake))
    assert found["client gateway"]["state"] == "failed" and "does not lead to this Loco" in found["client gateway"]["message"]
    with loco_that_says(url=f"http://127.0.0.1:{free_ports(1)[0]}", base_domain="localhost") as fake:
        found = checks(server, env=signed_in(fake))
    assert "can't be reached" in found["client gateway"]["message"]


@pytest.mark.parametrize("registry, words", [
    (lambda path, headers=None: (200, {}, "{}"), "is not Loco's registry"),
    (lambda path: (401, {"WWW-Authenticate": 'Bearer realm="http://x/api/v1/registry/token",service="loco-registry"'}, ""), "does not take the token"),
])
def test_a_registry_that_is_another_or_has_another_key_is_told(server, registry, words):
    with Fake(registry) as other, loco_that_says(registry=other.url.removeprefix("http://"), base_domain="localhost") as fake:
        found = checks(server, env=signed_in(fake))
    assert found["client registry"]["state"] == "failed" and words in found["client registry"]["message"], found["client registry"]


def test_what_a_hostile_server_says_moves_no_terminal_and_gets_no_token(server):
    """Its registry names another place where tokens are given: the client's token goes to its own server alone."""
    asked: list[str] = []

    def thief(path):
        asked.append(path)
        return 200, {}, '{"token": "x"}'

    with Fake(thief) as elsewhere, Fake(lambda path: (401, {"WWW-Authenticate": f'Bearer realm="{elsewhere.url}/give",service="s"'}, "")) as registry:
        hostile = {"name": "\x1b[2Jx", "state": "failed", "message": "\x1b]0;owned\x07 and \r more", "next_steps": ["\x1b[31mrm"]}
        with loco_that_says(registry=registry.url.removeprefix("http://"), base_domain="localhost", checks=[hostile, {"name": 7}, 7, None]) as fake:
            done = server.loco("doctor", expect=8, env=signed_in(fake))
    assert "\x1b" not in done.out + done.err and "\x07" not in done.out and "\r" not in done.out
    assert asked == []


@needs_root
def test_a_disk_without_room_is_told_here_and_of_the_server(own_server, tmp_path):
    for place in ("client", "server"):
        (tmp_path / place).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", tmp_path / place], check=True)
    try:
        alone = own_server(data_dir=str(tmp_path / "server/data"))
        alone.data = tmp_path / "server/data"
        alone.data.mkdir(mode=0o700)
        (alone.data / "bootstrap.json").write_text((alone.folder / "data/bootstrap.json").read_text())
        alone.start()
        found = checks(alone, env={"TMPDIR": str(tmp_path / "client")}, expect=8)
        assert found["client disk"]["state"] == "failed" and str(tmp_path / "client") in found["client disk"]["message"]
        assert found["server disk"]["state"] == "failed" and str(alone.data) in found["server disk"]["message"]
        alone.end()
    finally:
        for place in ("client", "server"):
            subprocess.run(["umount", "-l", tmp_path / place], check=True)


def test_the_machines_own_parts_are_looked_at_where_its_data_folder_is(own_server, tmp_path):
    alone = own_server()
    alone.start()
    (alone.data / "loco-api.toml").write_text(alone.config_file.read_text())
    found = checks(alone, "--data", str(alone.data), expect=8)
    assert found["machine data folder"]["state"] == "ok"
    # This server was not started by `loco up`: no part has a pid file.
    for name in ("supervisor", "gateway", "registry"):
        assert found[f"machine {name}"]["state"] == "failed" and f"loco up --detach --data {alone.data}" in found[f"machine {name}"]["next_steps"][0]
    assert found["machine readiness"]["state"] == "failed" and "engine" in found["machine readiness"]["message"]
    alone.end()
    assert "does not answer" in checks(alone, "--data", str(alone.data))["machine readiness"]["message"]
    (alone.data / "restore.json").write_text("{}")
    assert "restore" in checks(alone, "--data", str(alone.data))["machine data folder"]["message"]
    assert checks(alone, "--data", str(tmp_path / "none"))["machine data folder"]["state"] == "failed"
    (alone.data / "restore.json").unlink()
    (alone.data / "loco-api.toml").write_text("nonsense = 1\n")
    assert "nonsense" in checks(alone, "--data", str(alone.data))["machine data folder"]["message"]


def test_it_is_calm_to_read(server):
    done = server.loco("doctor", expect=8)
    lines = done.out.splitlines()
    assert lines[0] == "here" and "the server" in lines and "\x1b" not in done.out
    starts = {re.match(r"  [✓!✗-] (\S.*?  +)\S", line).end() for line in lines if line.startswith("  ") and "→" not in line}
    assert len(starts) == 1, "the messages are in one column"
    assert re.search(r"\d+ checks of \d+ failed", done.err)


def test_all_is_well_on_a_whole_platform_and_what_breaks_is_named(loco):
    document = loco.run("doctor", "--data", loco.data, "--json", expect=None).json()
    # What this machine has is not the platform's fault: its own disks and resolver.
    its_own = {"disk", "engine's disk", "names"}
    assert [one for one in document["checks"] if one["state"] not in ("ok", "not_applicable") and one["name"] not in its_own] == []
    assert {f"{one['where']} {one['name']}" for one in document["checks"]} >= {
        "client engine", "client builder", "client registry", "client gateway", "server token", "server registry", "server engine", "server gateway",
        "server database", "machine supervisor", "machine readiness"}
