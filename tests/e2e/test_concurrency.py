"""Several clients at once, clients that go away, and deployments that are called off."""
import signal

import pytest

from support.wait import holds_for, until


def deployments(loco, app: str) -> list[dict]:
    return loco.call("GET", f"{loco.path(app)}/deployments").json()["items"]


def rolling(loco, app: str) -> dict:
    """Waits until the newest deployment of the app is on its way, past its build."""
    return until(lambda: [one for one in deployments(loco, app)[:1] if one["state"] in ("releasing", "rolling")], 40, "it rolls")[0]


def test_of_two_deploys_of_one_app_at_once_none_is_lost_silently(loco, app):
    folder = app("contested")
    loco.deploy(folder)
    other = app("contested-too")
    processes = []
    for number, one in enumerate((folder, other)):
        one.name = "contested"
        one.image(f"{number + 2}").toml('[env]\nSTART_DELAY_MS = "1500"')
        processes.append(loco.start("deploy", one.path))
    done = [loco.finish(process, ["deploy"]) for process in processes]
    assert {one.status for one in done} <= {0, 9} and 0 in {one.status for one in done}, "\n".join(map(str, done))
    for one in done:
        if one.status == 9:   # the holder is shown
            assert "deploy" in one.err and one.err.strip()
    assert loco.fetch("contested").json()["version"] in ("2", "3")
    loco.settled("contested", 1)
    assert loco.run("restart", "-a", "contested").status == 0, "the lock is free again"


def test_ten_apps_deploy_at_once(loco, app):
    folders = [app(f"ten-{number}") for number in range(10)]
    processes = [(folder, loco.start("deploy", folder.path)) for folder in folders]
    for folder, process in processes:
        done = loco.finish(process, ["deploy"], timeout=240)
        assert done.status == 0, str(done)
        assert loco.release(folder.name) == "v1"
    assert len({loco.instances(folder.name)[0] for folder in folders}) == 10


def test_a_cancelled_deployment_ends_as_such_and_leaves_the_old_release(loco, app):
    folder = app("recalled")
    loco.deploy(folder)
    process = loco.start("deploy", folder.image("2").toml('[env]\nHEALTH = "503"').path)
    deployment = rolling(loco, "recalled")
    answer = loco.call("POST", f"{loco.path('recalled')}/deployments/{deployment['id']}/cancel")
    assert answer.status in (200, 202, 204), answer.text
    done = loco.finish(process, timeout=40)
    assert done.status not in (0, 1) and "cancel" in done.err.lower(), str(done)
    assert deployments(loco, "recalled")[0]["state"] == "cancelled"
    assert loco.release("recalled") == "v1"
    loco.settled("recalled", 1)


def test_an_interrupted_client_says_how_to_follow_and_the_server_stays_consistent(loco, app):
    folder = app("hasty")
    loco.deploy(folder)
    process = loco.start("deploy", folder.image("2").toml('[env]\nSTART_DELAY_MS = "2500"').path)
    rolling(loco, "hasty")
    process.send_signal(signal.SIGINT)
    done = loco.finish(process, timeout=15)
    assert done.status == 130 and "loco " in done.err, str(done)
    until(lambda: deployments(loco, "hasty")[0]["state"] in ("live", "cancelled"), 40)
    loco.settled("hasty", 1)
    loco.run("restart", "-a", "hasty")


def test_a_deploy_whose_client_is_killed_goes_on(loco, app):
    folder = app("orphan")
    loco.deploy(folder)
    process = loco.start("deploy", folder.image("2").toml('[env]\nSTART_DELAY_MS = "2000"').path)
    rolling(loco, "orphan")
    process.kill()
    process.communicate()
    until(lambda: loco.release("orphan") == "v2", 40)
    loco.settled("orphan", 1)


def test_a_client_killed_while_it_builds_holds_nobody_up(loco, app):
    folder = app("halfway")
    process = loco.start("deploy", folder.path)
    until(lambda: deployments(loco, "halfway"), 20, "its deployment is there")
    process.kill()
    process.communicate()
    done = loco.deploy(folder.image("2"))
    assert loco.fetch("halfway").json()["version"] == "2", str(done)


def test_a_program_that_ignores_sigterm_is_killed_after_stop_timeout(loco, app):
    folder = app("stubborn").toml('[env]\nIGNORE_TERM = "1"')
    loco.deploy(folder)
    loco.deploy(folder.image("2"))
    assert loco.fetch("stubborn").json()["version"] == "2"
    loco.settled("stubborn", 1)


@pytest.mark.one_machine("addresses are the cluster's to give")
def test_an_address_is_given_again_only_after_its_holder_is_gone(loco, app):
    folder = app("drained").toml('[env]\nDRAIN_MS = "3000"')
    loco.deploy(folder)

    def addresses(state: str) -> list[str]:
        ids = loco.engine.containers("label=loco.dev/app=drained", f"status={state}")
        found = []
        for one in ids:
            try:
                networks = loco.engine.inspect(one)["NetworkSettings"]["Networks"]
            except AssertionError:
                continue  # it was removed between the two questions
            found += [network["IPAMConfig"]["IPv4Address"] for network in networks.values()]
        return found

    for version in "2345":
        loco.deploy(folder.image(version))
        held = addresses("running")
        assert len(held) == len(set(held))
        assert loco.fetch("drained").json()["version"] == version
    holds_for(lambda: loco.fetch("drained").json()["version"] == "5", 4, "nobody else answers for it while the old ones end")
    loco.settled("drained", 1)
