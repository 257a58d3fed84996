"""Figures: taken several times, judged against their goals, printed, kept in figures.json, and shown in README.md."""
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
KEPT = REPO / "bench/figures.json"
README = REPO / "bench/README.md"
BEGIN, END = "<!-- figures, written by bench/run -->", "<!-- end of figures -->"


@dataclass
class Row:
    what: str
    unit: str
    values: list[float] = field(default_factory=list)   # one of each repeat
    goal: str = ""                                      # as goals say it; empty: a floor or a part of another figure
    met: bool | None = None

    def add(self, value: float) -> None:
        self.values.append(round(value, 4))

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def at_most(self, limit: float, goal: str = "") -> "Row":
        """The goal is about the median."""
        self.goal, self.met = goal or f"≤ {limit:g} {self.unit}", self.median <= limit
        return self

    def at_least(self, limit: float) -> "Row":
        self.goal, self.met = f"≥ {limit:,g} {self.unit}", self.median >= limit
        return self


def ratio(what: str, row: Row, floor: Row) -> Row:
    """Of what was measured one after the other in the same repeat."""
    return Row(what, "×", [round(a / b, 3) for a, b in zip(row.values, floor.values)])


@dataclass
class Section:
    goal: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    taken: dict = field(default_factory=dict)


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(row: Row) -> str:
    return {None: "", True: "met", False: "**missed**"}[row.met]


def output_of(*words: str) -> str:
    try:
        return subprocess.run(words, cwd=REPO, capture_output=True, text=True, timeout=20).stdout.strip()
    except OSError:
        return ""


def machine() -> dict:
    cpuinfo, meminfo = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    release = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", meminfo)
    haproxy = re.search(r"version (\S+)", output_of("haproxy", "-v"))
    return {"cpu": f"{os.cpu_count()} × {model[1] if model else platform.machine()}",
            "memory": f"{int(memory[1]) / 2**20:.0f} GiB",
            "system": f"{release[1] if release else 'Linux'}, Linux {platform.release()}",
            "haproxy": haproxy[1] if haproxy else "none",
            "engine": output_of("/usr/bin/docker", "version", "--format", "{{.Server.Version}}"),
            "go": output_of("go", "env", "GOVERSION").removeprefix("go")}


def taken(load_before: float) -> dict:
    commit = output_of("git", "rev-parse", "--short", "HEAD")
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "CMakeLists.txt", "cmake")
    return {"at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit + (" with changes" if changed else ""),
            "load": [round(load_before, 1), round(os.getloadavg()[0], 1)], "machine": machine()}


def table(section: Section) -> list[list[str]]:
    return [[row.what, number(row.least), number(row.median), row.unit, row.goal, verdict(row)] for row in section.rows]


HEAD = ["what", "minimum", "median", "unit", "goal (median)", ""]


def show(section: Section) -> str:
    lines = [HEAD, *([cell.replace("*", "") for cell in line] for line in table(section))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = [f"{section.goal}: {section.title}"]
    for line in lines:
        cells = [cell.rjust(w) if i in (1, 2) else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        text.append("  " + "  ".join(cells).rstrip())
    return "\n".join(text + [f"  {note}" for note in section.notes]) + "\n"


def read() -> dict[str, Section]:
    if not KEPT.exists():
        return {}
    kept = json.loads(KEPT.read_text())
    return {name: Section(**(one | {"rows": [Row(**row) for row in one["rows"]]})) for name, one in kept.items()}


def as_text(section: Section) -> str:
    """JSON with a row a line, so that a difference between two runs can be read."""
    whole = asdict(section)
    rows = ",".join("\n  " + json.dumps(row, ensure_ascii=False) for row in whole.pop("rows"))
    return json.dumps(whole, ensure_ascii=False)[:-1] + f', "rows": [{rows}]}}'


def keep(sections: dict[str, Section]) -> None:
    """Replaces those; what was not measured this time stays, with its own date."""
    every = dict(sorted((read() | sections).items(), key=lambda one: int(one[0].removeprefix("GP"))))
    KEPT.write_text("{" + ",".join(f'\n"{name}": {as_text(section)}' for name, section in every.items()) + "\n}\n")
    lines = [BEGIN]
    for section in every.values():
        t, m = section.taken, section.taken["machine"]
        lines += ["", f"### {section.goal}: {section.title}", "", f"| {' | '.join(HEAD)} |", "| --- | ---: | ---: | --- | --- | --- |"]
        lines += [f"| {' | '.join(cells)} |" for cells in table(section)]
        lines += [""] + section.notes
        lines.append(f"Taken {t['at']} at {t['commit']}, {len(section.rows[0].values)} repeats, load average {t['load'][0]} before and {t['load'][1]} after, on "
                     f"{m['cpu']}, {m['memory']}, {m['system']}, Docker {m['engine']}, HAProxy {m['haproxy']}, Go {m['go']}.")
    text = README.read_text()
    before, rest = text.split(BEGIN)
    README.write_text(before + "\n".join(lines) + "\n" + END + rest.split(END)[1])
