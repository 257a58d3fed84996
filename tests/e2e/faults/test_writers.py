"""Apps that write more, longer and stranger lines than anybody should: each line of others is kept, each request answered."""
import os
import re
import signal

import pytest

from support.faults import ROUNDS
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("the engine's logs of one machine")

FLOOD = int(os.environ.get("LOCO_TEST_FLOOD", "150000"))


def texts(loco, app: str, *words: str) -> list[str]:
    return [line["text"] for line in loco.run("logs", "-a", app, "--json", "-n", "10000", *words).lines()]


def test_a_flood_of_lines_harms_no_other_app_and_none_of_its_own_is_doubled(loco, app, ledger):
    for name in ("flooder", "quiet"):
        loco.deploy(app(name).toml(resources='cpu = "100m"\ncpu_max = "1"\nmemory = "48Mi"'))
        ledger.note(name)
    with Load(loco.gateway, "quiet.localhost", posts=2) as load:
        loco.fetch("flooder", f"/flood?lines={FLOOD}&rate=100000")
        for number in range(50):
            assert loco.fetch("quiet", f"/log?text=calm-{number}-end").status == 200
        until(lambda: [one for one in texts(loco, "quiet") if one.startswith("calm-")] == [f"calm-{number}-end" for number in range(50)], 60,
              "every line of the other app is kept, in its order")
        during(load, 100)
        assert loco.run("status", "-a", "flooder").out
        until(lambda: f"flood {FLOOD}" in texts(loco, "flooder", "-n", "5"), 120, "the last line of the flood is kept")
    assert load.failures == {}, dict(load.failures)
    kept = int(counted(loco, "flooder", "flood %"))
    assert kept == int(counted(loco, "flooder", "flood %", "COUNT(DISTINCT text)")), "none is kept twice"
    print(f"{kept} of {FLOOD} lines kept")
    # The engine holds 20 MB of what was not read yet; so many lines are less.
    if FLOOD <= 150_000:
        assert kept == FLOOD


def counted(loco, app: str, like: str, what: str = "COUNT(*)"):
    """Of the lines as they are stored: the API gives 10,000 at most."""
    import contextlib
    import sqlite3
    with contextlib.closing(sqlite3.connect(f"file:{loco.data}/db/loco.db?mode=ro", uri=True)) as database:
        identifier, = database.execute("SELECT id FROM apps WHERE name = ?", (app,)).fetchone()
    total = 0
    for path in sorted((loco.data / "app-logs").glob("*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as day:
            total += day.execute(f"SELECT {what} FROM lines JOIN sources ON sources.id = lines.source WHERE sources.app = ? AND text LIKE ?",
                                 (identifier, like)).fetchone()[0]
    return total


def test_lines_of_a_megabyte_and_bytes_that_are_no_text_are_kept_and_shown(loco, app, ledger):
    loco.deploy(app("strange"))
    ledger.note("strange")
    loco.fetch("strange", "/line?bytes=1048576&byte=120")
    loco.fetch("strange", "/line?bytes=1048577&byte=0")
    loco.fetch("strange", "/hex?bytes=" + bytes(range(256)).replace(b"\n", b"").hex())
    loco.fetch("strange", "/hex?bytes=" + "\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07".encode().hex())
    loco.fetch("strange", "/log?text=after-them")
    until(lambda: "after-them" in texts(loco, "strange"), 30)
    found = texts(loco, "strange")
    assert sum(len(one) for one in found if set(one) == {"x"}) == 1048576, [len(one) for one in found]
    shown = loco.run("logs", "-a", "strange", "-n", "1000").out
    assert "after-them" in shown and "red" in shown
    # A terminal must not be driven by what an app writes.
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f]|\x1b\[2J|\x1b\]", shown), repr(re.search(r".{20}[\x00-\x08\x0b-\x1f].{20}", shown, re.S))


def test_a_line_that_is_followed_comes_once_whoever_dies(loco, app, ledger):
    """`loco logs -f` through deaths of the server and of the daemon: each line once, in order."""
    loco.deploy(app("told-once"))
    ledger.note("told-once")
    process = loco.start("logs", "-f", "-a", "told-once", "--json")
    sent = 0
    for _ in range(max(1, ROUNDS // 2)):
        for part in ("loco-api", "dockerd"):
            # What the daemon has read of a container and has not written yet dies with it.
            until(lambda: not sent or f"once-{sent - 1}-end" in texts(loco, "told-once"), 60, "what was said before is kept")
            old = loco.kill(part)
            for _ in range(30):
                loco.fetch("told-once", f"/log?text=once-{sent}-end")
                sent += 1
            until(lambda: (loco.pid(part) or old) != old, 60)
            for _ in range(30):
                loco.fetch("told-once", f"/log?text=once-{sent}-end")
                sent += 1
    until(lambda: f"once-{sent - 1}-end" in texts(loco, "told-once"), 60, "the last line is kept")
    loco.fetch("told-once", "/log?text=the-end")
    heard: list[str] = []
    for line in process.stdout:
        heard += re.findall(r"once-\d+-end|the-end", line)
        if "the-end" in heard:
            break
    process.send_signal(signal.SIGINT)
    loco.finish(process, timeout=20)
    # Those that were written before it followed are those of before.
    assert heard[:-1] == [f"once-{number}-end" for number in range(sent)], f"{len(heard) - 1} of {sent}"
