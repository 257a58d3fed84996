"""GP8: the control plane's memory, idle and with 1,000 apps and 10,000 routes."""
from measure import routes
from measure.bench import Bench, Platform, answer_json, tree_pss_mib, until
from measure.figures import Row, Section

APPS = 1000
PARTS = {"loco-api": "loco-api", "haproxy": "HAProxy (gateway)", "supervisor": "supervisor (`loco up`)", "registry": "registry (distribution, Go)"}


def add_readings(platform: Platform, rows: dict[str, Row]) -> float:
    """MiB of the control plane: API and gateway."""
    total = 0.0
    for part, row in rows.items():
        pid = platform.pid(part)
        assert pid, f"{part} does not run"
        mib = tree_pss_mib(pid)
        row.add(mib)
        total += mib if part in ("loco-api", "haproxy") else 0
    return total


def measure(bench: Bench) -> Section:
    idle, full = ({part: Row(f"{name}, {state}", "MiB") for part, name in PARTS.items()} for state in ("idle", f"{APPS:,} apps"))
    idle_sum, full_sum = Row("API + gateway, idle", "MiB"), Row(f"API with {APPS:,} apps + gateway with 10,000 routes", "MiB")
    gateway, adapter = Row("HAProxy, 10,000 routes over 1,000 slots", "MiB"), Row("their share in loco-api (the adapter's tables)", "MiB")
    for _ in range(bench.repeats):
        platform = Platform(bench.engine)   # a new one each time: memory that was once used is not given back
        try:
            platform.up()
            until(lambda: platform.call("GET", "/me").status == 200, 20, "the API answers")
            idle_sum.add(add_readings(platform, idle))
            apps = platform.path("").rstrip("/")
            for n in range(APPS):
                answer_json(platform.call("POST", apps, {"name": f"app-{n}"}), 201)
            assert len(answer_json(platform.call("GET", f"{apps}?limit=100"))["items"]) == 100
            add_readings(platform, full)
        finally:
            platform.remove()
        memory = routes.take(*routes.SIZES["10,000 routes"])["memory"]
        gateway.add(memory["haproxy_kib"] / 1024)
        adapter.add(memory["adapter_kib"] / 1024)
        full_sum.add(full["loco-api"].values[-1] + gateway.values[-1] + adapter.values[-1])
    return Section("GP8", "the control plane's memory", [*idle.values(), idle_sum.at_most(32), *full.values(), gateway, adapter, full_sum.at_most(96)],
                   [f"PSS. A new Loco each repeat. The {APPS:,} apps are made by the API and have no release, so no routes: the routes are measured with an HAProxy and an adapter "
                    "of their own (gateway_bench), and added. There is no dashboard yet. The registry and the supervisor are no part of the goal."])
