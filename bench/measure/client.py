"""GP6: `loco --version` ≤ 5 ms, `loco apps` ≤ 15 ms."""
import statistics

from measure.bench import BINARIES, Bench, spawn_ms
from measure.figures import Row, Section

TIMES = 40


def measure(bench: Bench) -> Section:
    platform = bench.platform
    loco = str(BINARIES / "loco")
    programs = {"loco --version": [loco, "--version"], "loco apps": [loco, "apps"], "/bin/true": ["/bin/true"],
                "docker --version": ["/usr/bin/docker", "--version"]}
    rows = {name: Row(f"`{name}`", "ms") for name in programs}
    cpu = {name: Row(f"`{name}`, CPU", "ms") for name in programs}
    for argv in programs.values():   # once, so that the files are in memory
        spawn_ms(argv, platform.environment)
    for _ in range(bench.repeats):
        took = {name: [] for name in programs}
        for _ in range(TIMES):
            for name, argv in programs.items():
                took[name].append(spawn_ms(argv, platform.environment))
        for name, times in took.items():
            rows[name].add(statistics.median(wall for wall, _ in times))
            cpu[name].add(statistics.median(used for _, used in times))
    rows["loco --version"].at_most(5)
    rows["loco apps"].at_most(15)
    return Section("GP6", "the client's speed", [*rows.values(), *cpu.values()],
                   [f"Median of {TIMES} starts a repeat, from posix_spawn to the end of the program; `/bin/true` is the floor, `docker` a client in Go."])
