"""What must hold on one machine once a fault has passed, whatever it was: asked of the API, the rows, the engine and the gateway."""
import contextlib
import json
import socket
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from support.wait import until

OPEN = ("building", "checking", "releasing", "rolling")


class Ledger:
    """What was acknowledged. note() after each success; hold() says whether all of it is there, and nothing else."""

    def __init__(self, loco):
        self.loco = loco
        self.acknowledged: dict[str, set[str]] = {}
        self.containers: dict[str, int] = {}

    def note(self, app: str, containers: int = 1) -> None:
        """The releases that the app has now have been told to somebody."""
        self.acknowledged.setdefault(app, set()).update(one["release"] for one in self._releases(app))
        self.containers[app] = containers

    def forget(self, app: str) -> None:
        """Its destruction was acknowledged."""
        self.acknowledged.pop(app, None)
        self.containers.pop(app, None)

    def _releases(self, app: str) -> list[dict]:
        """All of them, page after page."""
        path, cursor, found = f"{self.loco.path(app)}/releases", "", []
        while True:
            answer = self.loco.call("GET", f"{path}?{cursor}limit=100")
            assert answer.status == 200, answer.text
            page = answer.json()
            found += page["items"]
            if not page.get("next_cursor"):
                return found
            cursor = f"cursor={quote(page['next_cursor'])}&"

    def hold(self, what: str = "", within: float = 60) -> None:
        until(self._hold, within, f"the invariants hold {what}".strip(), every=0.2)

    def _hold(self) -> bool:
        loco = self.loco
        self._rows()
        for app, releases in self.acknowledged.items():
            found = self._releases(app)
            now = {one["release"] for one in found}
            assert releases <= now, f"{app}: acknowledged and lost: {releases - now}"
            live = [one["release"] for one in found if one["live"]]
            assert len(live) == 1, f"{app}: {len(live)} releases are live"
            for _ in range(3):
                served = loco.release(app)
                assert served == live[0], f"{app}: {served} serves, {live[0]} is live"
            # What came meanwhile has been seen, and stays from here on.
            releases |= now
        return True

    def _rows(self) -> None:
        """The rows, and that engine and gateway have exactly what they say."""
        loco = self.loco
        # A copy: a reader that holds the database open would be one more thing that can go wrong.
        with tempfile.TemporaryDirectory() as folder, contextlib.closing(sqlite3.connect(f"file:{loco.data}/db/loco.db?mode=ro", uri=True)) as database, \
                contextlib.closing(sqlite3.connect(Path(folder) / "copy")) as copy:
            database.backup(copy)
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
            unfinished = copy.execute(f"SELECT id, state FROM deployments WHERE state IN {OPEN}").fetchall()
            assert not unfinished, f"deployments that have not ended: {unfinished}"
            locked = copy.execute("SELECT name FROM apps WHERE lock IS NOT NULL AND lock != '' OR previous_set IS NOT NULL AND previous_set != '' OR destroying").fetchall()
            assert not locked, f"apps that are locked, half switched or half destroyed: {locked}"
            for identifier, diagnosis in copy.execute("SELECT id, diagnosis_json FROM deployments WHERE state = 'failed'"):
                told = json.loads(diagnosis or "{}")
                assert told.get("code") and told.get("next_steps"), f"{identifier} failed without saying why or what next: {diagnosis}"
            rows = copy.execute("SELECT apps.name, instances.id, instances.address, instances.state, instances.instance_set = apps.live_set "
                                "FROM instances JOIN apps ON apps.id = instances.app").fetchall()
            names = {name for name, in copy.execute("SELECT name FROM apps")}
        for app, wanted in self.containers.items():
            assert app in names, f"{app} is gone"
            of_it = [row for row in rows if row[0] == app]
            assert len(of_it) == wanted and all(state == "healthy" and live for *_, state, live in of_it), f"{app} should have {wanted} healthy: {of_it}"
        self._engine({identifier: address for _, identifier, address, *_ in rows})
        self._gateway({address for _, _, address, state, _ in rows if state == "healthy"})

    def _engine(self, addresses: dict[str, str]) -> None:
        engine = self.loco.engine
        found = {}
        for container in engine.containers("label=loco.dev/instance-of"):
            about = engine.inspect(container)
            labels = about["Config"]["Labels"]
            assert "loco.dev/instance" in labels, f"left behind: {container} {labels}"
            assert labels["loco.dev/instance"] not in found, f"two containers of {labels['loco.dev/instance']}"
            assert about["State"]["Running"], f"{container} of {labels['loco.dev/app']} does not run"
            found[labels["loco.dev/instance"]] = next(iter(about["NetworkSettings"]["Networks"].values()))["IPAddress"]
        assert found == addresses, f"containers {found}, rows {addresses}"
        networks = engine.docker("network", "ls", "-q", "--filter", "label=loco.dev/instance-of").split()
        assert len(networks) <= 1, f"networks of one team: {networks}"

    def _gateway(self, addresses: set[str]) -> None:
        listed = {line.split()[4] for line in ask_haproxy(self.loco, "show servers state").splitlines()
                  if len(line.split()) > 5 and line.split()[1].startswith("s0")}
        assert listed == addresses, f"the gateway lists {listed}, healthy are {addresses}"


def ask_haproxy(loco, command: str) -> str:
    path = next(one for one in (loco.data / "run/haproxy.sock", loco.data / "gateway/haproxy.sock") if one.exists())
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as session:
        session.settimeout(5)
        session.connect(str(path))
        session.sendall(command.encode() + b"\n")
        session.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := session.recv(65536):
            answer += piece
    return answer.decode()


def told(done) -> None:
    """A command that failed said what, with an exit status of the contract, and what to do."""
    assert done.status in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130), str(done)
    if done.status:
        assert done.err.strip(), f"failed without a word: {done}"
        assert done.status != 1, f"an unexpected error is a bug: {done}"
