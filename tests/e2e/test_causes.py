"""Why an app does not run, for real: each cause is produced, and what its user reads is compared with a text that a person has read and found
helpful (golden/causes/NAME.txt). LOCO_ACCEPT=1 rewrites those: read the difference before you keep it."""
import os
from pathlib import Path

import pytest

from support import golden
from support.causes import CAUSES, NAMED, folder_of, produced
from support.wait import until

GOLDEN = Path(__file__).resolve().parent / "golden/causes"


def compare(name: str, text: str) -> None:
    golden.compare(GOLDEN / f"{name}.txt", golden.readable(text, NAMED))


def diagnosis_of(loco, app: str) -> str:
    """As `loco status` has it, with the evidence."""
    told = loco.status(app)["last_deployment"]["diagnosis"]
    text = f"{told['code']} ({told['phase']}, exit status {told['exit_status']})\n{told['message']}\n"
    text += "".join(f"  | {line}\n" for line in told["evidence"].splitlines())
    return text + "".join(f"  → {step}\n" for step in told["next_steps"])


@pytest.fixture(scope="module")
def told(loco, tmp_path_factory):
    """name → what is read of that cause, once it was produced."""
    where = tmp_path_factory.mktemp("causes")

    def produce(name: str):
        return loco.deploy(folder_of(where, name, CAUSES[name]), expect=None), diagnosis_of(loco, name)

    with produced(os.environ.get("LOCO_CAUSES", "").split() or CAUSES, produce) as results:
        yield results


@pytest.mark.one_machine("tells of sockets and files, which a cluster's pods do not show")
@pytest.mark.parametrize("name", CAUSES)
def test_each_cause_is_told_with_what_to_do(loco, told, name):
    done, text = told(name)
    assert done.status == 7, str(done)
    compare(name, text)
    message = text.splitlines()[1]
    assert message in done.err, str(done)
    assert [line for line in text.splitlines() if line.startswith("  → ")], text
    assert len(loco.instances(name)) == 0 or until(lambda: loco.instances(name) == [], 30, "nothing of it is left")


def events(loco, app: str, code: str) -> list[dict]:
    return [event for event in loco.events(app) if (event["data"] or {}).get("code") == code]


def status_text(loco, app: str) -> str:
    return loco.run("status", "-a", app).out


def test_what_is_killed_for_memory_while_it_serves_is_in_events_and_status(loco, app):
    loco.deploy(app("greedy"))
    loco.fetch("greedy", "/memory?mb=200")
    told = until(lambda: events(loco, "greedy", "oom_killed"), 15, "it is told")
    compare("live-oom-killed", told[0]["message"] + "\n")
    text = until(lambda: (text := status_text(loco, "greedy")) and "killed for memory" in text and text, 10, "status says so")
    assert "oom_killed" in text and "loco scale --memory 96Mi" in text, text


def test_a_crash_and_a_crash_loop_are_told_as_such(loco, app):
    loco.deploy(app("stumbler").toml('[env]\nCRASH_AFTER_MS = "1500"\nCRASH_EXIT = "3"'))
    until(lambda: events(loco, "stumbler", "crashed"), 15, "a crash is told")
    loop = until(lambda: events(loco, "stumbler", "crash_loop"), 40, "a loop is told")
    crashes = [event["message"] for event in loco.events("stumbler") if event["kind"] == "instance.crashed"]
    compare("live-crash", min(crashes, key=len) + "\n")
    assert "time in a row" in loop[0]["message"]
    text = status_text(loco, "stumbler")
    assert "exited with 3" in text and "loco logs --previous" in text, text


def test_one_that_hangs_while_it_serves_is_told_and_replaced(loco, app):
    loco.deploy(app("frozen").toml(health='path = "/healthz"\ntimeout = "1s"').image("2"))
    # Checks do not count in the grace after a start (5 s here).
    assert loco.fetch("frozen", "/hang").status == 200
    told = until(lambda: events(loco, "frozen", "hangs"), 30, "it is told")
    compare("live-hangs", told[0]["message"] + "\n")
    until(lambda: loco.fetch("frozen", timeout=2).status == 200, 30, "another serves")


def test_one_that_ignores_sigterm_is_told_once(loco, app):
    folder = app("stubborn").toml('[env]\nIGNORE_TERM = "1"', deploy="")
    (folder.path / "loco.toml").write_text((folder.path / "loco.toml").read_text().replace('stop_timeout = "5s"', 'stop_timeout = "2s"'))
    loco.deploy(folder)
    loco.run("restart", "-a", "stubborn")
    told = until(lambda: events(loco, "stubborn", "ignored_sigterm"), 20, "it is told")
    loco.settled("stubborn", 1)
    assert len(events(loco, "stubborn", "ignored_sigterm")) == 1
    compare("live-ignored-sigterm", told[0]["message"] + "\n")


def test_a_healthy_app_is_never_accused(loco, app):
    loco.deploy(app("innocent"))
    loco.fetch("innocent", "/err?text=connection-refused-Permission-denied")
    loco.run("restart", "-a", "innocent")
    loco.settled("innocent", 1)
    accused = [event for event in loco.events("innocent") if (event["data"] or {}).get("code")]
    assert accused == []
    instance = loco.status("innocent")["instances"][0]
    assert instance["last_problem"] == "" and instance["problem_code"] is None and instance["next_steps"] == []
