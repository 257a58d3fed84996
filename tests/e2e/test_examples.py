"""The examples, deployed as their READMEs say, on stand-ins of their base images."""
import subprocess

import pytest

from support import web
from support.platform import REPO
from support.wait import until

EXAMPLES = REPO / "examples"


@pytest.fixture
def example(loco):
    deployed = []

    def deploy(name: str):
        deployed.append(name)
        return loco.run("deploy", EXAMPLES / name, timeout=400)

    yield deploy
    for name in deployed:
        loco.run("destroy", "-a", name, "--yes", expect=None)


def test_hello_greets(loco, example):
    subprocess.run([EXAMPLES / "hello/build"], check=True)
    done = example("hello")
    assert f"http://hello.localhost:{loco.gateway}" in done.out
    answer = loco.fetch("hello")
    assert answer.status == 200 and "Hello from Loco" in answer.text and "v1" in answer.text


def test_watch_has_a_page_a_worker_and_a_release_command_that_checks_its_configuration(loco, engine, example):
    engine.base_images("python:3.11-slim")
    example("watch")
    items = {item["name"]: item for item in loco.fetch("watch", "/api/status").json()["items"]}
    assert items["itself"]["up"]
    until(lambda: "itself is DOWN" in loco.run("logs", "-a", "watch", "--process", "worker").out, 20, "the worker's first look")
    assert "configuration is good" in loco.run("logs", "-a", "watch", "--release", "v1").out
    done = loco.run("env", "set", "TARGETS=nonsense", "-a", "watch", expect=7)
    assert "is not NAME=http://HOST" in done.err
    assert loco.fetch("watch", "/api/status").status == 200


def test_chat_passes_messages_on_and_says_goodbye_at_a_redeploy(loco, engine, example):
    engine.base_images("golang:1-bookworm")
    example("chat")
    first, second = (web.WebSocket(loco.gateway, "chat.localhost") for _ in range(2))
    first.send("ann: hello")
    assert first.receive() == second.receive() == "ann: hello"
    third = web.WebSocket(loco.gateway, "chat.localhost")
    assert third.receive() == "ann: hello", "who comes later reads what was said"
    loco.run("restart", "-a", "chat")
    with pytest.raises(web.Closed):
        first.receive()
    again = web.WebSocket(loco.gateway, "chat.localhost")
    again.send("bob: back")
    assert again.receive() == "bob: back"
    for socket in (first, second, third, again):
        socket.close()
