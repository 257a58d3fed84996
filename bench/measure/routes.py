"""GP3: a route change is live ≤ 5 ms p99 with 10,000 routes."""
import subprocess

from measure.bench import BINARIES, Bench, key_values
from measure.figures import Row, Section

SIZES = {"10 routes": (10, 1), "10,000 routes": (1000, 10)}
CHANGES = 200
KINDS = {"file": "one small file put on disk, nothing else", "switch": "a rollout's switch", "host": "a host more"}


def take(apps: int, hosts: int) -> dict[str, dict[str, float]]:
    done = subprocess.run([BINARIES / "gateway_bench", str(apps), str(hosts), str(CHANGES)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {line.split(":")[0]: key_values(line) for line in done.stdout.splitlines()}


def measure(bench: Bench) -> Section:
    rows = {}
    for _ in range(bench.repeats):
        for size, (apps, hosts) in SIZES.items():
            got = take(apps, hosts)
            for kind, what in KINDS.items():
                assert got[kind]["reloads"] == 0, "HAProxy was reloaded"
                for part in ("p50", "p99"):
                    key = (size, kind, part)
                    rows.setdefault(key, Row(f"{what}, {size}, {part}", "ms")).add(got[kind][f"{part}_ms"])
    for (_, kind, part), row in rows.items():
        if part == "p99" and kind != "file":
            row.at_most(5)
    return Section("GP3", "a route change is live", list(rows.values()),
                   [f"{CHANGES} changes a repeat (gateway_bench): from the call of the gateway's adapter, files on disk included, to the end of the "
                    "first request that follows it; that one must be answered by the new instance. A switch puts one file on disk (its data is synced before its name is changed), a host more puts two."])
