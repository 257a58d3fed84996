"""GP7: an authenticated GET's CPU against Go's net/http; durable writes a second at 64 clients."""
import subprocess

from measure.bench import BINARIES, REPO, Bench, answer_json, cpu_ns, free_ports, key_values, until, web, wrk
from measure.figures import Row, Section, ratio

READ_S, WRITE_S, CLIENTS, APPS = 2, 3, 64, 64
SCRIPT = REPO / "bench/measure/load.lua"


def go_hello(bench: Bench) -> tuple[int, int]:
    """Its process id and port."""
    program = bench.folder / "go_hello"
    subprocess.run(["go", "build", "-o", program, "main.go"], cwd=REPO / "bench/peers/go_hello", check=True)
    (port,) = free_ports(1)
    process = bench.start([program, f"127.0.0.1:{port}"])
    until(lambda: web.fetch(port, "127.0.0.1").status == 200, 10, "the Go program answers")
    return process.pid, port


def measure(bench: Bench) -> Section:
    platform = bench.platform
    team = f"http://127.0.0.1:{platform.api}/api/v1/teams/{platform.team()}/apps"
    environment = {"LOCO_BENCH_TOKEN": platform.token()}
    for n in range(APPS):
        answer_json(platform.call("POST", platform.path("").rstrip("/"), {"name": f"writes-{n}"}), 201)
    go, go_port = go_hello(bench)
    pid = platform.pid("loco-api")
    api = f"http://127.0.0.1:{platform.api}/api/v1"
    reads = {"Go net/http, JSON hello": (go, f"http://127.0.0.1:{go_port}/"), "GET /version (no token)": (pid, f"{api}/version"),
             "GET /me": (pid, f"{api}/me"), "GET an app": (pid, f"{team}/writes-0"), f"GET {APPS} apps": (pid, team)}
    cpu = {name: Row(f"{name}, CPU a request", "µs") for name in reads}
    rate = {name: Row(f"{name}, requests a second", "/s") for name in reads}
    store, http, http_cpu = Row(f"store, durable writes, {CLIENTS} clients", "/s"), Row(f"PATCH env over HTTP, {CLIENTS} clients", "/s"), Row("PATCH env, CPU a request", "µs")
    for _ in range(bench.repeats):
        for name, (process, url) in reads.items():
            before = cpu_ns(process)
            got = wrk(url, SCRIPT, READ_S, connections=8, environment=environment)
            cpu[name].add((cpu_ns(process) - before) / 1e3 / got["requests"])
            rate[name].add(got["per_second"])
        done = subprocess.run([BINARIES / "store_bench", bench.folder, str(CLIENTS), str(WRITE_S)], capture_output=True, text=True, timeout=60, check=True)
        store.add(next(key_values(line) for line in done.stdout.splitlines() if f"write: clients={CLIENTS} " in line)["per_second"])
        before = cpu_ns(pid)
        got = wrk(team, SCRIPT, WRITE_S, connections=CLIENTS, environment=environment | {"LOCO_BENCH_APPS": str(APPS)})
        http.add(got["per_second"])
        http_cpu.add((cpu_ns(pid) - before) / 1e3 / got["requests"])
    floor = cpu["Go net/http, JSON hello"]
    return Section("GP7", "the API's cost", [*cpu.values(), ratio("GET /me against Go", cpu["GET /me"], floor).at_most(1),
                                             ratio("GET an app against Go", cpu["GET an app"], floor).at_most(1), *rate.values(),
                                             store.at_least(5000), http.at_least(5000), http_cpu],
                   [f"wrk with 8 connections for {READ_S} s; CPU is that of the server's threads (schedstat). Writes: `store_bench` calls the store itself; PATCH goes the whole "
                    f"way, sealing the value, {CLIENTS} connections over {APPS} apps; both are on disk when they are answered."])
