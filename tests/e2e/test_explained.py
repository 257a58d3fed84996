"""Every failure of the client, the build, the push and the check of an image, brought about for real: its code, its exit status, and every word
that the user reads, which is kept in golden/explained. LOCO_ACCEPT=1 rewrites those; a person must find each of them helpful."""
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from support import golden
from support.platform import Done, free_ports
from support.wait import until

pytestmark = pytest.mark.one_machine("the client, the build and the checks are the same for a cluster, and so are their words")

GOLDEN = Path(__file__).resolve().parent / "golden/explained"
BARE = "FROM scratch\nCOPY probe /probe\nUSER 10001\nCMD [\"/probe\"]\n"


class Told:
    """Runs commands that fail and looks at what they say."""

    def __init__(self, loco, case: str):
        self.loco, self.case, self.left_out = loco, case, ""
        self.named: dict[str, object] = {"CONFIG": loco.folder / "config", "DATA": loco.data, "ENGINE": loco.engine.host.removeprefix("unix://")}

    def __call__(self, code: str | None, *words, also: str = "", **options):
        """What the command says is as it is kept, and it names the code. None: it succeeds."""
        explained = self.loco.run("explain", code, "--json").json() if code else {"exit_status": 0}
        done = self.loco.run(*words, expect=explained["exit_status"], **options)
        if code and code not in ("usage", "no_such_code"):   # there is no more to be learnt
            assert f"\n more: loco explain {code}\n" in done.err, str(done)
        shown = [word.name if isinstance(word, Path) else str(word)[:60] for word in words]
        text = f"$ loco {golden.readable(' '.join(shown), self.named)}" + golden.readable((done.err + done.out).replace(self.left_out, ""), self.named) + f"→ {done.status}\n"
        golden.compare(GOLDEN / f"{self.case}{'-' + also if also else ''}.txt", text)
        return done


@pytest.fixture
def told(loco, request, tmp_path):
    one = Told(loco, request.node.name.removeprefix("test_").replace("[", "-").replace("]", ""))
    one.named["FOLDER"] = tmp_path
    return one


def write(folder, dockerfile: str, build: str = ""):
    (folder.path / "Dockerfile").write_text(dockerfile)
    if build:
        toml = folder.path / "loco.toml"
        toml.write_text(toml.read_text() + f"\n[build]\n{build}\n")
    return folder


def cases(by_name: dict[str, str]) -> list:
    return [pytest.param(value, id=name) for name, value in by_name.items()]


# The client, and the way to the server.

def test_a_server_that_is_not_there(told):
    told("server_unreachable", "apps", env={"LOCO_HOST": "http://127.0.0.1:9"})


def test_a_server_that_is_no_loco(told):
    with socket.create_server(("127.0.0.1", 0)) as other:
        def answer():
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope")
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        told("not_a_loco", "apps", env={"LOCO_HOST": f"http://127.0.0.1:{other.getsockname()[1]}"})
        thread.join(10)


def test_somebody_who_is_not_signed_in(told, loco, tmp_path):
    told("not_signed_in", "apps", env={"XDG_CONFIG_HOME": str(tmp_path), "LOCO_HOST": f"http://127.0.0.1:{loco.api}"})


def test_a_token_of_another_loco(told):
    told("token_invalid", "apps", env={"LOCO_TOKEN": "loco_of-another-one"})


def test_a_configuration_that_others_can_read(told, loco, tmp_path):
    shutil.copytree(loco.folder / "config/loco", tmp_path / "loco")
    (tmp_path / "loco/config.toml").chmod(0o644)
    told("config_readable", "apps", env={"XDG_CONFIG_HOME": str(tmp_path)})


def test_a_mistyped_command(told):
    told("usage", "deplyo")


def test_a_code_that_is_not_there(told):
    told("no_such_code", "explain", "build_step_faild")


def test_what_a_code_means(told):
    told(None, "explain", "build_copy_missing")


# loco.toml.

def test_no_loco_toml(told, tmp_path):
    told("no_spec", "deploy", tmp_path)


@pytest.mark.parametrize("more", cases({
    "unit": '[resources]\nmemory = "100m"\n', "unknown-keys": '[http]\nprot = 8080\n[helth]\npath = "/"\n',
    "several": '[http]\nport = 70000\n[deploy]\ntimeout = "30"\nstrategy = "blue"\n', "syntax": '[http\nport = 8080\n',
    "reserved-variable": '[env]\nLOCO_APP = "x"\nPORT = "80"\n', "bounds": '[scale]\nmin = 3\nmax = 1\n'}))
def test_mistakes_in_loco_toml(told, tmp_path, more):
    (tmp_path / "Dockerfile").write_text(BARE)
    (tmp_path / "loco.toml").write_text(f'version = 1\nname = "wrong"\n{more}')
    told("invalid_spec", "deploy", tmp_path)


def test_a_key_that_this_runtime_cannot_honour(told, tmp_path):
    (tmp_path / "Dockerfile").write_text(BARE)
    (tmp_path / "loco.toml").write_text('version = 1\nname = "eager"\n[scale]\nmax = 3\ncpu_target = 70\n')
    told("unsupported_spec", "deploy", tmp_path)


def test_a_reserved_name(told):
    told("reserved_name", "create", "registry")


def test_a_name_that_cannot_be(told):
    told("invalid_name", "create", "My_App")


# The build.

def test_no_dockerfile(told, app):
    folder = app("bare")
    (folder.path / "Dockerfile").unlink()
    told("no_dockerfile", "deploy", folder.path)


@pytest.mark.parametrize("dockerfile", cases({
    "unknown": "FROM scratch\nCOPY probe /probe\nCOPPY version /version\n", "continuation": "FROM scratch\nRUN apt-get update &&\n  apt-get install x\n",
    "no-from": "USER 10001\n", "empty": "\n"}))
def test_a_mistake_in_the_dockerfile(told, app, dockerfile):
    told("dockerfile_invalid", "deploy", write(app("mistaken"), dockerfile).path)


def test_a_step_that_fails(told, app):
    dockerfile = 'FROM scratch\nCOPY probe /probe\nENV RELEASE_EXIT=9\nRUN ["/probe", "release"]\nUSER 10001\n'
    told.left_out = "    release command ran\n"   # to stdout, before or after what is on stderr
    told("build_step_failed", "deploy", write(app("stumbling"), dockerfile).path)
    told(None, "status", "-a", "stumbling", also="status")


@pytest.mark.parametrize("image", cases({"nobody-there": "127.0.0.1:9/base:1", "denied": "127.0.0.1:{registry}/base:1"}))
def test_a_base_image_that_cannot_be_had(told, loco, app, image):
    told("build_base_image", "deploy", write(app("baseless"), f"FROM {image.format(registry=loco.registry)}\nCMD [\"/x\"]\n").path)


@pytest.mark.parametrize("source", cases({"ignored": "notes.txt", "outside": "../outside", "not-there": "missing", "secret": ".env"}))
def test_a_file_to_copy_that_is_not_in_the_context(told, app, source):
    folder = write(app("copying"), f"FROM scratch\nCOPY probe /probe\nCOPY {source} /copied\nUSER 10001\n")
    (folder.path / ".dockerignore").write_text("# of the editor\n*.txt\n")
    (folder.path / "notes.txt").write_text("notes\n")
    (folder.path / ".env").write_text("KEY=value\n")
    (folder.path.parent / "outside").write_text("outside\n")
    told("build_copy_missing", "deploy", folder.path)


def test_a_context_that_is_too_large(told, app):
    folder = app("heavy")
    for name, megabytes in (("data/dump.sql", 40), ("node_modules/a/index.js", 20)):
        (folder.path / name).parent.mkdir(parents=True)
        with (folder.path / name).open("wb") as file:
            file.truncate(megabytes << 20)   # sparse: it takes no disk
    told("context_too_large", "deploy", folder.path, "--max-context", "50Mi")


def test_a_stage_that_is_not_there(told, app):
    told("build_no_stage", "deploy", write(app("staged"), "FROM scratch AS run\nCOPY probe /probe\nUSER 10001\nCMD [\"/probe\"]\n", 'target = "runn"').path)


def test_a_step_without_a_shell(told, app):
    told("build_no_shell", "deploy", write(app("shellless"), "FROM scratch\nCOPY probe /probe\nRUN chmod +x /probe\nUSER 10001\n").path)


def test_a_secret_mount_without_a_secret(told, app):
    dockerfile = 'FROM scratch\nCOPY probe /probe\nRUN --mount=type=secret,id=npm,required=true ["/probe", "release"]\nUSER 10001\n'
    told("build_secret_missing", "deploy", write(app("unlocked"), dockerfile).path)


def test_a_cross_platform_build_that_runs_what_this_machine_cannot(told, app):
    """As a base image of another processor has it: the same program, its ELF header naming another machine."""
    folder = write(app("foreign"), 'FROM scratch\nCOPY probe /probe\nRUN ["/probe", "release"]\nUSER 10001\nCMD ["/probe"]\n',
                   f'platform = "{other_platform()}"')
    program = bytearray((folder.path / "probe").read_bytes())
    program[18:20] = (183 if other_platform() == "linux/arm64" else 62).to_bytes(2, "little")
    (folder.path / "probe").write_bytes(program)
    done = told("build_wrong_platform", "deploy", folder.path)
    assert "exec format error" in done.err and 'RUN ["/probe", "release"]' in done.err
    assert told.loco.instances("foreign") == []


def other_platform() -> str:
    return "linux/amd64" if os.uname().machine == "aarch64" else "linux/arm64"


def test_no_docker_command(told, app, loco):
    """In a mount namespace of its own, where /usr/bin/docker may not be executed."""
    folder = app("toolless")
    told.loco = InOtherWorld(loco, ["/usr/bin/docker"])
    told("builder_unavailable", "deploy", folder.path, env={"PATH": "/nowhere"})


class InOtherWorld:
    """The same command line where some programs are hidden."""

    def __init__(self, loco, hidden: list[str]):
        self.loco, self.hidden = loco, hidden

    def run(self, *words, expect=None, env=None, **options):
        mounts = " && ".join(f"mount --bind /dev/null {one}" for one in self.hidden)
        argv = ["/usr/bin/unshare", "--mount", "/bin/bash", "-c", f'PATH=/usr/sbin:/usr/bin:/sbin:/bin; {mounts} && PATH="$1" && shift && exec "$@"', "bash",
                (env or {}).get("PATH", "/usr/bin"), self.loco.binaries / "loco", *map(str, words)]
        ended = subprocess.run(argv, env=self.loco.environment, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=self.loco.folder)
        done = Done([str(word) for word in words], ended.returncode, ended.stdout, ended.stderr)
        assert expect is None or done.status == expect, str(done)
        return done


def test_no_container_engine(told, app, tmp_path):
    told("engine_unavailable", "deploy", app("engineless").path, env={"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})


def test_a_container_engine_elsewhere(told, app):
    told("docker_host_unsupported", "deploy", app("remote").path, env={"DOCKER_HOST": "tcp://192.0.2.7:2375"})


def test_an_image_that_the_engine_does_not_have(told, app):
    told("no_such_image", "deploy", app("prebuilt").path, "--image", "ghcr.example/acme/shop:1.2")


# The push.

@pytest.fixture
def unsupervised(loco):
    """The supervisor sleeps: what is killed stays away until it wakes."""
    pid = int((loco.data / "run/up.lock").read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        until(lambda: loco.pid("registry") and answers(loco.registry), 60, "the registry is back")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_registry_that_is_away_during_the_push(told, app, loco, unsupervised):
    loco.kill("registry")
    until(lambda: not answers(loco.registry), 10, "the registry is gone")
    told("registry_unreachable", "deploy", app("pushing").path, timeout=300)


def test_a_push_that_the_registry_does_not_allow(told, app, loco):
    """As after a change of the server's key, when the registry still trusts another: it refuses every token."""
    certificate = loco.data / "registry/keys/token-cert.pem"
    kept = certificate.read_bytes()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=another", "-days", "2",
                    "-keyout", "/dev/null", "-out", certificate], check=True, capture_output=True)
    try:
        restart_registry(loco)
        told("push_forbidden", "deploy", app("denied").path, timeout=300)
    finally:
        certificate.write_bytes(kept)
        restart_registry(loco)


def restart_registry(loco) -> None:
    before = loco.kill("registry")
    until(lambda: loco.pid("registry") not in (None, before) and answers(loco.registry), 60, "the registry is back")


# The check of the image.

def test_an_image_that_runs_as_root(told, app):
    told("image_runs_as_root", "deploy", write(app("mighty"), BARE.replace("USER 10001\n", "")).path)
    told(None, "status", "-a", "mighty", also="status")


def test_an_image_whose_user_is_unknown(told, app):
    folder = write(app("nameless"), BARE.replace("USER 10001", "COPY passwd /etc/passwd\nUSER nobody-here"))
    (folder.path / "passwd").write_text("root:x:0:0::/:/\n")
    told("image_user_unknown", "deploy", folder.path)


def test_an_image_without_a_command(told, app):
    told("no_command", "deploy", write(app("idle"), "FROM scratch\nCOPY probe /probe\nUSER 10001\n").path)


def test_an_image_for_another_kind_of_machine(told, app):
    told("wrong_platform", "deploy", write(app("abroad"), BARE, f'platform = "{other_platform()}"').path)


@pytest.fixture
def small_images(loco):
    """A server that takes images of 8 MiB."""
    config = loco.data / "loco-api.toml"
    kept = config.read_text()
    config.write_text(kept.replace("max_image_size = '8Gi'", "max_image_size = '8Mi'"))
    assert config.read_text() != kept
    try:
        restart_server(loco)
        yield
    finally:
        config.write_text(kept)
        restart_server(loco)


def restart_server(loco) -> None:
    before = loco.kill("loco-api")
    until(lambda: loco.pid("loco-api") not in (None, before) and loco.run("whoami", expect=None).status == 0, 60, "the server is back")


def test_an_image_that_is_too_large(told, app, small_images):
    folder = write(app("vast"), BARE.replace("COPY probe /probe", "COPY probe ballast /"))
    (folder.path / "ballast").write_bytes(os.urandom(12 << 20))   # does not compress
    told("image_too_large", "deploy", folder.path)


def test_a_required_secret_that_is_not_set(told, app):
    told("secret_unset", "deploy", app("locked").toml('[secrets]\nrequired = ["API_KEY", "DATABASE_URL"]').path)


# Apps, releases, variables, host names.

def test_an_app_that_is_not_there(told):
    told("no_such_app", "status", "-a", "nowhere")


def test_an_app_that_is_there_already(told, loco, app):
    app("double")
    loco.run("create", "double")
    told("app_exists", "create", "double")


def test_an_app_without_a_release(told, loco, app):
    app("empty")
    loco.run("create", "empty")
    told("nothing_live", "rollback", "-a", "empty")
    told("no_build", "logs", "--build", "-a", "empty", also="logs")


def test_what_a_rollback_cannot_go_back_to(told, loco, app):
    folder = app("back")
    loco.deploy(folder)
    told("no_previous_release", "rollback", "-a", "back", also="nothing")
    told("no_such_release", "rollback", "v9", "-a", "back", also="not-there")
    told("is_live", "rollback", "v1", "-a", "back", also="live")
    loco.deploy(folder.toml('[env]\nCRASH_AFTER_MS = "1"\nHEALTH = "503"', timeout="20s"), expect=7)
    told("never_live", "rollback", "v2", "-a", "back", also="never")


def test_a_deploy_of_nothing_new(told, loco, app):
    folder = app("same")
    loco.deploy(folder)
    assert "already live as v1" in told(None, "deploy", folder.path).err


def test_another_deployment_that_holds_the_app(told, loco, app):
    folder = app("busy")
    loco.deploy(folder)
    process = loco.start("deploy", folder.image("2").toml('[env]\nSTART_DELAY_MS = "6000"').path)
    until(lambda: loco.status("busy")["deployment"] and loco.status("busy")["deployment"]["state"] == "rolling", 30, "it rolls")
    told("deploy_in_progress", "restart", "-a", "busy")
    assert loco.finish(process).status == 0


def test_host_names_that_are_taken_or_locos(told, loco, app):
    loco.deploy(app("owner").toml(http='port = 8080\ndomains = ["shop.example.org"]'))
    told("host_taken", "deploy", app("taker").toml(http='port = 8080\ndomains = ["shop.example.org"]').path, also="taken")
    told("host_under_base_domain", "deploy", app("under").toml(http='port = 8080\ndomains = ["other.localhost"]').path, also="base-domain")


def test_a_port_that_is_taken(told, loco, tmp_path):
    ports = free_ports(3)
    told("port_taken", "up", "--data", tmp_path / "second", "--listen", f"127.0.0.1:{loco.api}", "--ops-listen", f"127.0.0.1:{ports[0]}",
         "--gateway-listen", f"127.0.0.1:{ports[1]}", "--registry-listen", f"127.0.0.1:{ports[2]}", "--docker-host", loco.engine.host, timeout=60)


def test_variables_that_cannot_be(told, loco, app, tmp_path):
    app("varied")
    loco.run("create", "varied")
    told("reserved_env_name", "env", "set", "PORT", "-a", "varied", stdin="80\n", also="reserved")
    told("invalid_env_name", "env", "set", "1ST-KEY", "-a", "varied", stdin="x\n", also="name")
    told("env_too_large", "env", "set", "BLOB", "-a", "varied", stdin="x" * 70_000, also="large")
    (tmp_path / "vars").write_text("A=1\nB 2\n")
    told("invalid_env_file", "env", "import", tmp_path / "vars", "-a", "varied", also="file")


def test_more_than_can_be_scaled(told, loco, app):
    loco.deploy(app("growing"))
    told("invalid_scale", "scale", "--replicas", "1000", "-a", "growing", also="replicas")
    told("no_such_process", "scale", "--process", "mailer", "--replicas", "2", "-a", "growing", also="process")
    told("nothing_ended", "logs", "--previous", "-a", "growing", also="logs")


def test_every_text_that_is_kept_is_that_of_a_test(request):
    """A case that is gone takes its text along."""
    chosen = {item.path.name for item in request.session.items if item.path.name == Path(__file__).name}
    items = [item for item in request.session.items if item.path == Path(__file__)]
    if request.config.getoption("keyword") or not chosen:
        pytest.skip("only a part of the tests was chosen to run")
    names = {item.name.removeprefix("test_").replace("[", "-").replace("]", "") for item in items}
    kept = {path.stem for path in GOLDEN.glob("*.txt")}
    assert {one for one in kept if not any(one == name or one.startswith(name + "-") for name in names)} == set()
