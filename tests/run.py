"""Builds and runs the parts of the test suite and sums them up; scripts/test calls it once the packages are there.

Every part yields a list of cases out of JUnit XML (GoogleTest's and pytest's), so that what is counted is single cases.
"""
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from support import cluster as clusters
from support import engine as engines
from support import netns

REPO = Path(__file__).resolve().parent.parent
# Bounds for one part, so that a hang is a failure that names itself.
PART_TIMEOUT_S = 3600


@dataclass
class Outcome:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)   # "name: reason"
    note: str = ""

    def add(self, other: "Outcome") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def jobs() -> int:
    return int(subprocess.run(["bash", "-c", "source scripts/lib.sh; build_jobs"], cwd=REPO, check=True,
                              capture_output=True, text=True).stdout)


def reports_dir(part: str) -> Path:
    folder = REPO / "build/test-results" / part
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(argv: list, **options) -> int:
    """Runs it with its output shown, and is back within PART_TIMEOUT_S."""
    try:
        return subprocess.run([str(word) for word in argv], cwd=REPO, timeout=PART_TIMEOUT_S, **options).returncode
    except subprocess.TimeoutExpired:
        print(f"gave up after {PART_TIMEOUT_S} s: {' '.join(map(str, argv))}", flush=True)
        return 124


def read_junit(path: Path) -> Outcome:
    outcome = Outcome()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".lstrip(".")
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.append(name)
        elif skipped is not None:
            reason = (skipped.get("message") or skipped.text or "").strip()
            # GoogleTest's message begins with FILE:LINE on a line of its own.
            reason = re.sub(r"^\S+:\d+\s*\n", "", reason)
            reason = " ".join(reason.split())
            outcome.skipped.append(f"{name}: {reason or 'without a reason'}")
            if not reason:
                outcome.failed.append(f"{name} (skips without a reason)")
        elif case.get("status") == "notrun":
            outcome.skipped.append(f"{name}: disabled in its source")
        else:
            outcome.passed += 1
    return outcome


engine: engines.Engine | None = None


def need_engine() -> None:
    """One engine for all parts: the one there is, else a daemon of our own until the end. Without any, tests say so."""
    global engine
    if engine is None:
        try:
            engine = engines.bring_up()
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print(f"    no container engine: {error}", flush=True)
            return
        os.environ["DOCKER_HOST"] = engine.host
        if engine.own:
            os.environ["LOCO_TEST_OWN_ENGINE"] = str(engine.own)


cluster: clusters.Cluster | None = None


def need_cluster() -> None:
    """One cluster for the part: LOCO_TEST_KUBECONFIG's, else one of our own. Without any, tests say why."""
    global cluster
    if cluster is None:
        try:
            cluster = clusters.bring_up()
        except clusters.NotHere as reason:
            os.environ["LOCO_TEST_NO_CLUSTER"] = str(reason)
            return
        os.environ["LOCO_TEST_KUBECONFIG"] = str(cluster.kubeconfig)
        if cluster.own:
            os.environ["LOCO_TEST_OWN_CLUSTER"] = str(cluster.own)


def kubernetes() -> Outcome:
    outcome = gtest("kubernetes", "kubernetes")
    outcome.add(pytest("kubernetes", folder="kubernetes"))
    return outcome


def e2e_cluster() -> Outcome:
    """The same scenarios as on one machine; those without a counterpart say why."""
    if reason := os.environ.get("LOCO_TEST_NO_CLUSTER"):
        return Outcome(skipped=[f"e2e-cluster: {reason}"])
    return pytest("e2e-cluster", folder="e2e", variables={"LOCO_TEST_PLACE": "cluster"})


built: dict[tuple, bool] = {}


def build(preset: str, *targets: str) -> bool:
    key = (preset, *targets)
    if key not in built:
        log = REPO / "build" / f"{preset}.log"
        log.parent.mkdir(exist_ok=True)
        steps = [["cmake", "--preset", preset],
                 ["cmake", "--build", "--preset", preset, "-j", str(jobs()), *(["--target", *targets] if targets else [])]]
        with log.open("w") as output:
            built[key] = all(run(step, stdout=output, stderr=subprocess.STDOUT) == 0 for step in steps)
        if not built[key]:
            lines = log.read_text(errors="replace").splitlines()
            first = next((at for at, line in enumerate(lines) if "FAILED:" in line or "CMake Error" in line or "error:" in line),
                         max(0, len(lines) - 40))
            print("\n".join(lines[first:first + 60]), f"\nbuild of {preset} failed; all of it: {log}", flush=True)
    return built[key]


def gtest(part: str, labels: str, preset: str = "dev") -> Outcome:
    """The ctest programs with these labels. A program that ends without its report (a crash, a time-out) is one failure."""
    if not build(preset):
        return Outcome(failed=[f"{part}: the build of preset {preset}"])
    folder = reports_dir(part)
    ctest = folder / "ctest.xml"
    environment = dict(os.environ, GTEST_OUTPUT=f"xml:{folder}/gtest/", GTEST_BRIEF="1",
                       ASAN_OPTIONS="detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS="print_stacktrace=1")
    log = folder / "log"
    with log.open("w") as output:
        status = run(["ctest", "--test-dir", f"build/{preset}", "-L", f"^({labels})$", "-j", str(os.cpu_count() or 1),
                      "--output-on-failure", "--no-tests=ignore", "--output-junit", ctest], env=environment,
                     stdout=output, stderr=subprocess.STDOUT)
    outcome = Outcome()
    programs = list(ElementTree.parse(ctest).getroot().iter("testcase")) if ctest.exists() else []
    for program in programs:
        name = program.get("name", "")
        crashed = program.get("status") == "fail"
        report = folder / "gtest" / f"{name}.xml"
        if report.exists():
            cases = read_junit(report)
            outcome.add(cases)
            if crashed and not cases.failed:
                outcome.failed.append(f"{name} (ended badly after its cases)")
        elif crashed:
            outcome.failed.append(f"{name} (ended without a report)")
        else:
            outcome.passed += 1
    if status and not outcome.failed:
        outcome.failed.append(f"{part}: ctest ended with {status}")
    if outcome.failed:
        print(log.read_text(errors="replace")[-20000:], flush=True)
    elif not programs:
        outcome.note = "no tests yet"
    return outcome


def pytest(part: str, folder: str | None = None, preset: str | None = None, variables: dict | None = None) -> Outcome:
    """The tests in tests/FOLDER (PART's own), against the programs of the preset (dev's, or those in LOCO_TEST_BIN)."""
    path = REPO / "tests" / (folder or part)
    if not list(path.glob("test_*.py")):
        return Outcome(note="no tests yet")
    if not build(preset or "dev"):
        return Outcome(failed=[f"{part}: the build of preset {preset or 'dev'}"])
    report = reports_dir(part if not folder else f"{part}-{folder}") / "pytest.xml"
    environment = os.environ | (variables or {}) | ({"LOCO_TEST_BIN": str(REPO / "build" / preset / "bin")} if preset else {})
    status = run(["/usr/bin/python3", "-m", "pytest", path, "-p", "no:cacheprovider", "--tb=short", "-rfE", "--durations=10",
                  f"--junitxml={report}", *pytest_arguments], env=environment)
    if not report.exists():
        return Outcome(failed=[f"{part}: pytest ended with {status} and without a report"])
    outcome = read_junit(report)
    if status not in (0, 1, 5) and not outcome.failed:
        outcome.failed.append(f"{part}: pytest ended with {status}")
    return outcome


def lint() -> Outcome:
    outcome = Outcome()
    for check in ("includes", "format", "banned", "links", "codes", "python"):
        if run([REPO / "scripts/lint", check]) == 0:
            outcome.passed += 1
        else:
            outcome.failed.append(f"lint.{check}")
    return outcome


# For each target; more on request.
FUZZ_SECONDS = int(os.environ.get("LOCO_TEST_FUZZ_SECONDS", "10"))


def fuzz() -> Outcome:
    """Each target for a while, from the corpus that is kept. One that finds something leaves the input in its folder of results."""
    if not build("fuzz", "fuzz_targets"):
        return Outcome(failed=["fuzz: the build of preset fuzz"])
    folder = reports_dir("fuzz")

    def one(program: Path) -> tuple[str, int]:
        name, found = program.name, folder / program.name
        found.mkdir()
        corpus = REPO / "tests/fuzz/corpus" / name.removesuffix("_fuzz")
        with (folder / f"{name}.log").open("w") as output:
            return name, run([program, f"-max_total_time={FUZZ_SECONDS}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048",
                              f"-artifact_prefix={folder}/", "-print_final_stats=1", found, *([corpus] if corpus.is_dir() else [])],
                             stdout=output, stderr=subprocess.STDOUT)

    outcome = Outcome()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, status in pool.map(one, sorted((REPO / "build/fuzz/bin").glob("*_fuzz"))):
            log = (folder / f"{name}.log").read_text(errors="replace")
            runs = re.search(r"stat::number_of_executed_units: (\d+)", log)
            print(f"    {name}: {runs[1] if runs else '?'} inputs", flush=True)
            if status == 0 and runs:
                outcome.passed += 1
            else:
                outcome.failed.append(f"fuzz.{name}: {folder}/{name}.log")
                print(log[-4000:], flush=True)
    return outcome


def web() -> Outcome:
    if not (REPO / "tests/web").is_dir():
        return Outcome(note="no tests yet")
    return pytest("web")


def asan_ubsan() -> Outcome:
    outcome = gtest("asan-ubsan", "unit|contract", preset="asan-ubsan")
    outcome.add(pytest("asan-ubsan", folder="functional", preset="asan-ubsan"))
    return outcome


class Aside:
    """A part that runs beside others, in a process and a network namespace of its own, there with its own engine and cluster. Its output is kept until
    it has ended."""

    def __init__(self, part: str):
        self.part = part
        self.log = REPO / "build/test-results" / f"{part}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.outcome, theirs = multiprocessing.Pipe(duplex=False)
        sys.stdout.flush()
        self.process = multiprocessing.get_context("fork").Process(target=self._run, args=(theirs,))
        self.process.start()
        theirs.close()
        print(f"    {part} runs beside what follows; its output is shown when it has ended: {self.log}", flush=True)

    def _run(self, answer) -> None:
        global engine
        with self.log.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        # What is made once and needs a network is made where there is one.
        if self.part in NEED_CLUSTER:
            clusters.find_peers()
        else:
            engines.find_base_images(engine)
        engine = None
        for name in ("DOCKER_HOST", "LOCO_TEST_OWN_ENGINE"):
            os.environ.pop(name, None)
        try:
            netns.unshare()
            answer.send(run_part(self.part))
        finally:
            take_down()
            sys.stdout.flush()

    def end(self) -> Outcome:
        try:
            outcome = self.outcome.recv()
        except EOFError:
            outcome = Outcome(failed=[f"{self.part}: its process ended without a result"])
        self.process.join()
        print(self.log.read_text(errors="replace"), end="", flush=True)
        return outcome


NEED_ENGINE = {"contract", "functional", "e2e", "kubernetes", "e2e-cluster", "asan-ubsan"}
NEED_CLUSTER = {"kubernetes", "e2e-cluster"}
# They wait more than they compute: beside others they take no time of the whole.
ASIDE = {"e2e", "kubernetes"}
# Only where they are named: with a first build of the cluster's parts all would take longer than CI has.
BY_NAME = {"e2e-cluster"}
PARTS = {
    "lint": lint,
    "unit": lambda: gtest("unit", "unit"),
    "contract": lambda: gtest("contract", "contract"),
    "simulation": lambda: gtest("simulation", "simulation"),
    "functional": lambda: pytest("functional"),
    "e2e": lambda: pytest("e2e"),
    "kubernetes": kubernetes,
    "e2e-cluster": e2e_cluster,
    "fuzz": fuzz,
    "web": web,
    "asan-ubsan": asan_ubsan,
}
pytest_arguments: list[str] = []


def main() -> int:
    words = sys.argv[1:]
    if "--" in words:
        pytest_arguments.extend(words[words.index("--") + 1:])
        words = words[:words.index("--")]
    if unknown := [word for word in words if word not in PARTS]:
        print(f"scripts/test: no part {unknown[0]}; there are: {' '.join(PARTS)}", file=sys.stderr)
        return 2
    try:
        return run_parts(words or [one for one in PARTS if one not in BY_NAME])
    finally:
        take_down()


def take_down() -> None:
    if cluster:
        clusters.take_down(cluster)
    if engine:
        engines.take_down(engine)


def may_run_aside(part: str) -> bool:
    """Not where an engine or a cluster is given: there is one of it, and it is not in a namespace of ours."""
    if part not in ASIDE or os.geteuid() != 0 or "LOCO_TEST_KUBECONFIG" in os.environ:
        return False
    need_engine()
    return engine is not None and engine.own is not None


def run_part(part: str) -> Outcome:
    began = time.monotonic()
    try:
        if part in NEED_ENGINE:
            need_engine()
        if part in NEED_CLUSTER:
            need_cluster()
        outcome = PARTS[part]()
    except (AssertionError, OSError, subprocess.SubprocessError, ElementTree.ParseError) as error:
        outcome = Outcome(failed=[f"{part}: {error}"])
    for reason in outcome.skipped:
        print(f"    skipped {reason}")
    for name in outcome.failed:
        print(f"    failed  {name}")
    print(f"    {part}: {outcome.note or f'{outcome.passed} passed, {len(outcome.failed)} failed, {len(outcome.skipped)} skipped'}"
          f" in {time.monotonic() - began:.1f} s", flush=True)
    return outcome


def run_parts(parts: list[str]) -> int:
    total, aside = Outcome(), []
    for part in parts:
        print(f"==> {part}", flush=True)
        if part != parts[-1] and may_run_aside(part) and build("dev"):
            aside.append(Aside(part))
        else:
            total.add(run_part(part))
    for one in aside:
        print(f"==> {one.part}", flush=True)
        total.add(one.end())
    print(f"{total.passed} passed, {len(total.failed)} failed, {len(total.skipped)} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
