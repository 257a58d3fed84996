"""GET /machine: what the machine has and what is left of it; and what a server without room says."""
from support import web
from support.wait import until

MI = 1 << 20


def test_anybody_signed_in_sees_the_machine_and_its_disks(server):
    for name in ("owner", "viewer", "nobodys_member", "no_scopes"):
        seen = server.get("/machine", token=None, authorization=server.people[name].authorization)
        # Of the engine, which is not there, nobody knows; of the disks, the server does.
        assert seen["memory"] is None and seen["cpu"] is None
        disk = seen["disks"][0]
        assert disk["path"] == str(server.data) and "database" in disk["holds"] and disk["total_bytes"] > disk["free_bytes"] > 0
        assert disk["low_below_bytes"] > disk["full_below_bytes"] > 0
        assert seen["disk_state"] == disk["state"] and (seen["warnings"] == []) == (disk["state"] == "ok")
    until(lambda: server.get("/machine")["held"].get("database", 0) > 0, 30, "what is held was measured")
    assert {"database", "app_logs", "registry", "logs"} <= set(server.get("/machine")["held"])


def test_names_of_apps_are_for_their_teams(server):
    live = server.app("machine-main")
    server.make_live(live)
    until(lambda: any(one["app"] == "machine-main" for one in server.get("/machine")["apps"]), 60, "its instances have rows")
    for name, sees in (("owner", True), ("viewer", True), ("limited_to_this_team", True), ("only_app:read", True), ("nobodys_member", False),
                       ("other_teams_owner", False), ("limited_to_other_team", False), ("no_scopes", False), ("only_env:write", False)):
        apps = server.get("/machine", token=None, authorization=server.people[name].authorization)["apps"]
        assert ("machine-main" in [one["app"] for one in apps]) == sees, name
        assert sees or apps == [], name
    held, = [one for one in server.get("/machine")["apps"] if one["app"] == "machine-main"]
    assert held == {"team": "main", "app": "machine-main", "memory_bytes": 256 * MI, "cpu_millis": 250}
    server.delete(live)


def test_a_full_disk_refuses_a_deploy_before_it_begins_and_says_so_in_status(own_server):
    server = own_server()
    server.start()
    path = server.app("shop")
    server.make_live(path)
    spec = server.spec(path)
    server.end()
    server.config_file.write_text(server.config_file.read_text() + 'disk_low = "1Ti"\ndisk_full = "1000Gi"\n')
    server.start()
    refused = server.post(f"{path}/deployments", {"kind": "deploy", "spec": spec}, expect=422)
    assert refused["code"] == "disk_full" and refused["hint"] and refused["next_steps"]
    assert f"the disk of {server.data}" in refused["detail"] and "what runs goes on" in refused["detail"], refused
    assert server.post(f"{path}/plan", {"spec": spec}, expect=422)["code"] == "disk_full"
    assert server.get(f"{path}/deployments")["items"][0]["state"] == "live", "nothing was begun"
    server.post(f"{path}/deployments", {"kind": "rollback"})
    text = server.loco("status", "-a", "shop").out
    assert "is full: " in text and "loco doctor" in text, text
    warning, = server.loco("status", "-a", "shop", "--json").json()["warnings"]
    assert warning["code"] == "disk_full"
    until(lambda: "machine.disk_full" in [one["kind"] for one in server.get(f"{path}/events")["items"]], 20)
    assert "loco_disk_state 2" in web.fetch(server.ops, "127.0.0.1", "/metrics").text
