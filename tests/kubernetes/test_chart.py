"""Loco's Helm chart installed on a cluster: what it runs, through upgrades and losses, and what the server in it may and may not do."""
import json
import random
import subprocess
import threading

import pytest

from support import chart, probe, web
from support.chart import ACCOUNT, API_HOST, NAMESPACE
from support.cluster import BUSYBOX, GATEWAY_PORT, REPO
from support.load import Load, during
from support.wait import holds_for, until

LABEL = "loco.dev/instance-of"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
OURS = {LABEL: "loco", "loco.dev/routes": "allowed", **RESTRICTED}


@pytest.fixture(scope="module")
def installed(cluster, engine, tmp_path_factory):
    if not cluster.own:
        pytest.skip("the chart's images, volumes and Gateway are there on a cluster of our own only")
    one = chart.Installed(cluster)
    try:
        one.docker_host = engine.host
        one.prepare()
        one.said = one.follow_the_readme(tmp_path_factory.mktemp("clone"))
        yield one
    except BaseException:
        for words in (("get", "pods,events", "-o", "wide"), ("logs", "deploy/loco-api", "--tail=30"), ("logs", "loco-postgres-0", "--tail=30")):
            print(one.kubectl(*words, check=False).stdout)
        raise
    finally:
        one.remove()


@pytest.fixture
def namespace(cluster):
    """namespace({labels}): one that goes after the test."""
    made = []

    def make(labels: dict) -> str:
        made.append(cluster.new_namespace(labels))
        until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", made[-1], check=False).returncode == 0, 20)
        return made[-1]

    yield make
    for one in made:
        cluster.remove_namespace(one)


# --- What runs

HELLO = f"hello.{chart.BASE_DOMAIN}"


def test_the_readme_followed_word_for_word_ends_with_the_example_behind_the_gateway(installed):
    assert f"http://{HELLO}:{GATEWAY_PORT}" in installed.said.out, str(installed.said)
    # This cluster's Gateway says that it is at "localhost", where a pod finds itself: nothing waits for it.
    until(lambda: web.fetch(GATEWAY_PORT, HELLO).status == 200, 20, "the app answers")


def test_two_replicas_serve_and_the_charts_own_test_passes(installed):
    status = installed.cluster.json("-n", NAMESPACE, "get", "deployment", "loco-api")["status"]
    assert status["readyReplicas"] == 2
    installed.helm("test", "loco", "--timeout", "60s")


def test_the_server_runs_confined_and_its_image_has_no_shell(installed):
    [pod, *_] = installed.cluster.json("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=loco-api")["items"]
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    refused = installed.kubectl("exec", pod["metadata"]["name"], "--", "sh", "-c", "true", check=False)
    assert refused.returncode != 0 and "not found" in refused.stderr, refused.stderr


def test_the_first_owner_comes_in_through_the_gateway_with_the_token_that_was_printed(installed):
    assert installed.loco("--json", "whoami").json()["login"] == "you"
    assert installed.token not in installed.kubectl("logs", "deploy/loco-api", "--all-pods=true").stdout


def test_without_a_token_nothing_is_told(installed):
    assert web.fetch(GATEWAY_PORT, API_HOST, "/api/v1/me").status == 401
    assert web.fetch(chart.REGISTRY_PORT, f"127.0.0.1:{chart.REGISTRY_PORT}", "/v2/").status == 401
    assert web.fetch(GATEWAY_PORT, API_HOST, "/metrics").status == 404, "metrics are on a listener of their own"


def secrets(installed) -> dict:
    return {one["metadata"]["name"]: one["data"] for one in installed.cluster.json("-n", NAMESPACE, "get", "secrets", "-l",
                                                                                  "app.kubernetes.io/name=loco")["items"]}


class Asking(Load):
    """GETs of the API without a pause, on connections that are kept."""

    def _post(self) -> None:
        while not self._stop.is_set():
            try:
                answer = web.fetch(GATEWAY_PORT, API_HOST, "/api/v1/version", timeout=15)
                self._count(None if answer.status == 200 else f"status {answer.status}")
            except OSError as error:
                self._count(f"{type(error).__name__}: {error}")
            self._stop.wait(self.pause)


def test_an_upgrade_loses_no_request_of_the_api_and_keeps_every_key(installed):
    before = secrets(installed)
    assert {"loco-keys", "loco-store", "loco-registry"} <= set(before)
    with Asking(GATEWAY_PORT, API_HOST, posts=3, pause=0.01) as load:
        installed.upgrade("--set", "logLevel=debug", "--set-string", "podAnnotations.upgraded=yes")
    assert load.failures == {} and load.requests > 100, (load.failures, load.requests)
    assert secrets(installed) == before
    assert installed.loco("--json", "whoami").json()["login"] == "you"


def test_a_replica_that_is_told_to_go_takes_no_request_with_it(installed):
    with Asking(GATEWAY_PORT, API_HOST, posts=3, pause=0.01) as load:
        installed.kubectl("delete", "pod", random.choice(installed.replicas())["metadata"]["name"], "--wait=true", "--timeout=60s")
        installed.kubectl("rollout", "status", "deployment/loco-api", "--timeout=60s")
    assert load.failures == {} and load.requests > 100, (load.failures, load.requests)


# --- What it may do

def may(cluster, asked: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Those of (verb, group/resource, namespace) that it may; "" is everywhere."""
    def review(verb: str, what: str, where: str) -> dict:
        group, resource = what.split("/", 1) if "." in what else ("", what)
        resource, _, sub = resource.partition("/")
        return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": ACCOUNT, "groups": ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"],
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": sub, "namespace": where}}}
    text = cluster.kubectl("create", "-o", "json", "-f", "-", stdin="\n---\n".join(json.dumps(review(*one)) for one in asked)).stdout
    answers, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        one, end = decoder.raw_decode(text)
        answers += one["items"] if one["kind"] == "List" else [one]
        text = text[end:]
    assert len(answers) == len(asked)
    return [one for one, answer in zip(asked, answers) if answer["status"]["allowed"]]


def test_it_cannot_read_or_take(installed):
    """Secrets it writes, where the admission policy lets it, and never reads."""
    assert may(installed.cluster, [("patch", "secrets", ""), ("list", "pods", "")]), "reviews are answered"
    asked = []
    for resource in ("secrets", "serviceaccounts/token", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers",
                     "rbac.authorization.k8s.io/clusterroles", "rbac.authorization.k8s.io/roles",
                     "rbac.authorization.k8s.io/clusterrolebindings", "rbac.authorization.k8s.io/rolebindings", "persistentvolumes",
                     "admissionregistration.k8s.io/validatingadmissionpolicies", "apiextensions.k8s.io/customresourcedefinitions",
                     "certificates.k8s.io/certificatesigningrequests", "configmaps"):
        verbs = ["get", "list", "watch"]
        if resource != "secrets":
            verbs += ["create", "update", "patch", "delete", "deletecollection"]
        if "role" in resource:
            verbs += ["escalate", "bind"]
        asked += [(verb, resource, where) for verb in verbs for where in ("", NAMESPACE, "kube-system")]
    # Nor be anybody else, start pods itself, change nodes.
    asked += [(verb, resource, "") for verb, resource in (("impersonate", "users"), ("impersonate", "groups"), ("impersonate", "serviceaccounts"),
                                                         ("create", "pods"), ("patch", "pods"), ("update", "nodes"), ("patch", "nodes"))]
    # Of Gateways the one that is its own.
    asked += [(verb, "gateway.networking.k8s.io/gateways", where) for verb in ("get", "list", "watch", "create", "patch", "delete")
              for where in ("", NAMESPACE, "kube-system")]
    assert may(installed.cluster, asked) == []


def as_loco(cluster, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess:
    return cluster.kubectl(*words, "--as", ACCOUNT, "--as-group", "system:serviceaccounts", "--as-group",
                           f"system:serviceaccounts:{NAMESPACE}", "--as-group", "system:authenticated", stdin=stdin, check=False)


def apply_as_loco(cluster, one: dict) -> subprocess.CompletedProcess:
    return as_loco(cluster, "apply", "--server-side", "--field-manager=loco", "-f", "-", stdin=json.dumps(one))


def a_namespace(name: str, labels: dict) -> dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def a_service(where: str, name: str = "web") -> dict:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": where},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}


def a_secret(where: str, **more) -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made-by-loco", "namespace": where}, **more}


def test_it_writes_in_namespaces_with_its_label_and_in_no_other(installed, namespace):
    cluster = installed.cluster
    ours, others = namespace(OURS), namespace({})
    anothers = namespace({**OURS, LABEL: "another"})
    for one in (a_service(ours), a_secret(ours, stringData={"A": "1"})):
        done = apply_as_loco(cluster, one)
        assert done.returncode == 0, done.stderr
    for where in (others, anothers, NAMESPACE, "kube-system", "default"):
        for one in (a_service(where), a_secret(where, stringData={"A": "1"})):
            refused = apply_as_loco(cluster, one)
            assert refused.returncode != 0 and LABEL in refused.stderr, f"{where}: {refused.stdout}{refused.stderr}"
    cluster.apply(a_service(others))
    refused = as_loco(cluster, "delete", "service", "web", "-n", others)
    assert refused.returncode != 0 and LABEL in refused.stderr, refused.stderr
    assert as_loco(cluster, "delete", "service", "web", "-n", ours).returncode == 0


def test_it_makes_changes_and_removes_only_namespaces_of_its_own(installed, namespace):
    cluster = installed.cluster
    for labels in ({}, {LABEL: "another", **RESTRICTED}, {LABEL: "loco"}, {LABEL: "loco", "pod-security.kubernetes.io/enforce": "privileged"}):
        refused = apply_as_loco(cluster, a_namespace("loco-test-unlabelled", labels))
        assert refused.returncode != 0 and "loco-api may make only" in refused.stderr, f"{labels}: {refused.stdout}{refused.stderr}"
    others = namespace({})
    for where in (others, "kube-system", NAMESPACE):
        taken = apply_as_loco(cluster, a_namespace(where, OURS))
        assert taken.returncode != 0 and "may change or remove only" in taken.stderr, f"{where}: {taken.stdout}{taken.stderr}"
        gone = as_loco(cluster, "delete", "namespace", where, "--wait=false")
        assert gone.returncode != 0, f"{where} was removed"
    mine = "loco-test-made-by-loco"
    assert apply_as_loco(cluster, a_namespace(mine, OURS)).returncode == 0
    loosened = apply_as_loco(cluster, a_namespace(mine, {**OURS, "pod-security.kubernetes.io/enforce": "privileged"}))
    assert loosened.returncode != 0 and "may make only" in loosened.stderr, loosened.stderr
    assert as_loco(cluster, "delete", "namespace", mine, "--wait=false").returncode == 0


def test_it_makes_no_token_of_a_service_account(installed, namespace):
    where = namespace(OURS)
    refused = apply_as_loco(installed.cluster, {**a_secret(where, type="kubernetes.io/service-account-token"), "metadata": {
        "name": "token", "namespace": where, "annotations": {"kubernetes.io/service-account.name": "default"}}})
    assert refused.returncode != 0 and "makes no tokens" in refused.stderr, refused.stderr


@pytest.mark.parametrize("more", [{"externalIPs": ["192.0.2.1"]}, {"type": "NodePort"}, {"type": "ExternalName", "externalName": "example.org"}])
def test_it_opens_no_service_to_the_outside(installed, namespace, more):
    one = a_service(namespace(OURS))
    one["spec"] |= more
    refused = apply_as_loco(installed.cluster, one)
    assert refused.returncode != 0 and "only Services inside of the cluster" in refused.stderr, refused.stderr


def test_the_answer_to_an_empty_apply_shows_a_secret_which_is_why_only_its_own_namespaces_are_open_to_it(installed, namespace):
    """Known, and said in SECURITY.md: who may patch a Secret is answered with it."""
    cluster = installed.cluster
    ours, others = namespace(OURS), namespace({})
    for where in (ours, others):
        cluster.apply(a_secret(where, stringData={"A": "canary"}))
    words = ("apply", "--server-side", "--field-manager=loco", "-o", "json", "-f", "-")
    seen = as_loco(cluster, *words, stdin=json.dumps(a_secret(ours)))
    assert seen.returncode == 0 and "data" in seen.stdout
    refused = as_loco(cluster, *words, stdin=json.dumps(a_secret(others)))
    assert refused.returncode != 0 and "data" not in refused.stdout, refused.stdout


# --- Routes

def a_route(where: str, name: str, *hosts: str) -> dict:
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": where},
            "spec": {"parentRefs": [{"name": "loco", "namespace": NAMESPACE}], **({"hostnames": list(hosts)} if hosts else {}),
                     "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/busybox"}}],
                                "backendRefs": [{"name": "web", "port": 80}]}]}}


def test_no_route_of_an_app_takes_the_apis_name_or_every_name(installed, namespace):
    ours = namespace(OURS)
    for hosts in ((API_HOST,), (f"*.{chart.BASE_DOMAIN}",), (), (f"{ours}.{chart.BASE_DOMAIN}", API_HOST)):
        refused = installed.cluster.apply(a_route(ours, "grab", *hosts), check=False)
        assert refused.returncode != 0 and "a route to apps names its hosts" in refused.stderr, f"{hosts}: {refused.stdout}{refused.stderr}"


def test_a_route_attaches_to_the_gateway_from_a_namespace_with_the_label_only(installed, namespace):
    cluster = installed.cluster
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"}}
    for labels, expected in ((OURS, 200), (RESTRICTED, 404)):
        where = namespace(labels)
        cluster.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": where, "labels": {"app": "web"}}, "spec": {
                "terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "web", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/bin"],
                    "securityContext": security, "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]}},
            a_service(where))
        cluster.apply(a_route(where, "web", f"{where}.{chart.BASE_DOMAIN}"))
        if expected == 404:
            cluster.apply(a_route(where, "grab", API_HOST), a_route(where, "all"))
        cluster.kubectl("wait", "--for=condition=ready", "--timeout=60s", "pod/web", "-n", where)

        def status(host):
            return web.fetch(GATEWAY_PORT, host, "/busybox").status
        if expected == 200:
            until(lambda: status(f"{where}.{chart.BASE_DOMAIN}") == 200, 30, "the route answers")
        else:
            holds_for(lambda: status(f"{where}.{chart.BASE_DOMAIN}") == 404, 3, "a route of another namespace is not attached")
            holds_for(lambda: status(API_HOST) == 404, 1, "nor one under the API's name")


# --- Apps

@pytest.fixture
def app(installed, tmp_path):
    """app("name"): a folder to deploy; what was deployed from it is destroyed after the test."""
    made = []

    def make(name: str) -> probe.Folder:
        made.append(probe.Folder(tmp_path / name, name))
        return made[-1]

    yield make
    for folder in made:
        installed.loco("destroy", "-a", folder.name, "--yes", expect=None)


class Deploy(threading.Thread):
    """`loco deploy`, once, while a test does other things; it has got as far as the release command when the block begins."""

    def __init__(self, installed, folder: probe.Folder, version: str, seconds: int):
        super().__init__()
        self.installed, self.folder = installed, folder
        folder.image(version).toml(deploy='release_command = ["/probe", "release"]', timeout="3m",
                                   more=f'[scale]\nmin = 2\nmax = 2\n[env]\nRELEASE_MS = "{seconds * 1000}"\n')

    def run(self) -> None:
        self.done = self.installed.loco("deploy", cwd=self.folder.path, expect=None)

    def __enter__(self) -> "Deploy":
        self.start()
        until(lambda: self.commands() or not self.is_alive(), 60,
              "the release command runs")
        assert self.is_alive(), str(self.done)
        return self

    def commands(self) -> list[dict]:
        jobs = self.installed.cluster.json("get", "jobs", "-A", "-l", f"loco.dev/app={self.folder.name}")["items"]
        return [one for one in jobs if one["status"].get("active")]

    def __exit__(self, *_) -> None:
        self.join(200)
        assert not self.is_alive()

    def went_well(self) -> bool:
        """Each step was told once, whichever replica told it."""
        steps = [line.rsplit("  ", 1)[0] for line in self.done.err.splitlines() if line.startswith(("•", "✓"))]
        return self.done.status == 0 and bool(steps) and len(steps) == len(set(steps))


def serving(installed, folder: probe.Folder) -> Load:
    """A load on an app of two pods, which answers."""
    folder.toml(more="[scale]\nmin = 2\nmax = 2")
    installed.loco("deploy", cwd=folder.path)
    until(lambda: web.fetch(GATEWAY_PORT, f"{folder.name}.{chart.BASE_DOMAIN}", "/healthz").status == 200, 20, "the app answers")
    return Load(GATEWAY_PORT, f"{folder.name}.{chart.BASE_DOMAIN}", posts=3)


def restarts(installed) -> dict:
    return {one["metadata"]["name"]: [state["restartCount"] for state in one["status"]["containerStatuses"]] for one in installed.replicas()}


def test_a_deploy_ends_well_though_the_leader_is_killed_and_then_the_other_is_deleted(installed, app):
    folder = app("steady")
    with serving(installed, folder) as load:
        with Deploy(installed, folder, "2", seconds=15) as deploy:
            first = until(installed.leader, 30, "a leader")
            [other] = [one["metadata"]["name"] for one in installed.replicas() if one["metadata"]["name"] != first]
            installed.kubectl("delete", "pod", first, "--grace-period=0", "--force")
            installed.kubectl("rollout", "status", "deployment/loco-api", "--timeout=60s")
            until(lambda: installed.leader() != first, 30, "another leads")
            installed.kubectl("delete", "pod", other, "--wait=false")
            installed.kubectl("wait", "--for=delete", f"pod/{other}", "--timeout=60s")
        assert deploy.went_well(), str(deploy.done)
        during(load, 100)
    assert load.failures == {} and load.requests > 500, (load.failures, load.requests)
    assert "v2" in installed.loco("status", "-a", "steady").out


def test_a_deploy_begun_while_the_server_is_upgraded_ends_well_and_no_request_is_lost(installed, app):
    folder = app("onward")
    with serving(installed, folder) as load, Asking(GATEWAY_PORT, API_HOST, posts=2, pause=0.02) as asking:
        before = {one["metadata"]["name"] for one in installed.replicas()}
        upgrade = threading.Thread(target=installed.upgrade, args=("--set-string", f"podAnnotations.upgraded={random.random()}"))
        upgrade.start()
        until(lambda: {one["metadata"]["name"] for one in installed.replicas()} - before, 60, "the rollout has begun")
        with Deploy(installed, folder, "2", seconds=8) as deploy:
            upgrade.join(240)
        assert deploy.went_well(), str(deploy.done)
        during(load, 100)
    assert not before & {one["metadata"]["name"] for one in installed.replicas()}
    assert load.failures == {} and load.requests > 500, (load.failures, load.requests)
    assert asking.failures == {} and asking.requests > 100, (asking.failures, asking.requests)


def test_an_upgrade_that_restarts_the_database_and_the_registry_loses_neither_data_nor_a_deploy(installed, app):
    folder = app("kept")
    with serving(installed, folder) as load:
        before, pods = restarts(installed), installed.uids_of("pods")
        with Deploy(installed, folder, "2", seconds=12) as deploy:
            installed.upgrade("--set", "postgres.resources.limits.memory=500Mi,registry.resources.limits.memory=500Mi")
        assert deploy.went_well(), str(deploy.done)
        during(load, 100)
    assert load.failures == {} and load.requests > 500, (load.failures, load.requests)
    assert restarts(installed) == before, "loco-api waits for its database, and is not started anew"
    after = installed.uids_of("pods")
    assert not {pods[name] for name in pods if not name.startswith("loco-api")} & set(after.values()), "both were replaced"
    installed.loco("rollback", "-a", "kept")     # of an image and rows from before


def granted(installed) -> set[tuple[str, str]]:
    """(verb, group/resource) of its roles."""
    found = set()
    name = f"loco-api-{NAMESPACE}"
    for rule in installed.cluster.json("get", "clusterrole", name)["rules"] + installed.cluster.json("-n", NAMESPACE, "get", "role", name)["rules"]:
        found |= {(verb, f"{group}/{resource}") for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}
    return found


def used(events: list[dict]) -> set[tuple[str, str]]:
    found = set()
    for event in events:
        if not (at := event.get("objectRef")):
            continue
        resource = f"{at.get('apiGroup', '')}/{at['resource']}" + (f"/{at['subresource']}" if "subresource" in at else "")
        found.add((event["verb"], resource))
        # A server-side apply that makes its object is asked for both rights, and told as `patch`.
        if event["verb"] == "patch" and event.get("responseStatus", {}).get("code") == 201:
            found.add(("create", resource))
    return found


def test_every_right_of_the_server_is_used_and_no_request_of_its_was_refused(installed, app):
    """It looks back on all that the tests before it asked for, and does what they left out."""
    folder = app("whole")
    command = 'release_command = ["/probe", "release"]'
    folder.toml(deploy=command, more='[scale]\nmin = 2\nmax = 3\ncpu_target = 70\n[process.mailer]\ncommand = ["/probe"]\n')
    installed.loco("deploy", cwd=folder.path)
    installed.loco("status", "-a", "whole")
    installed.loco("logs", "-a", "whole")
    folder.image("2").toml(more="[env]\nHEALTH = \"503\"\n", timeout="15s")          # fails its checks: why, events say
    installed.loco("deploy", cwd=folder.path, expect=7)
    folder.image("3").toml(type="worker")    # no route, no service, no autoscaler, one pod
    installed.loco("deploy", cwd=folder.path)
    installed.loco("destroy", "-a", "whole", "--yes")

    def unused():
        return granted(installed) - used(installed.audit())
    until(lambda: not unused(), 90, f"granted and never used: {sorted(unused())}")
    refused = [(event["verb"], event["requestURI"], event["responseStatus"].get("message", "")) for event in installed.audit()
               if event.get("responseStatus", {}).get("code") in (401, 403)]
    assert not refused, refused


# --- Its end

def test_a_backup_taken_and_restored_as_the_guide_says_brings_back_what_was_there(installed, tmp_path):
    lines = chart.commands_of("docs/guides/operate-on-kubernetes.md", "Backup").splitlines(keepends=True)
    restore = next(number for number, line in enumerate(lines) if "--replicas=0" in line)
    installed.shell("".join(lines[:restore]), tmp_path)
    assert "token-key.pem" in (tmp_path / "loco-keys.yaml").read_text()
    installed.loco("create", "later")
    installed.shell("".join(lines[restore:]), tmp_path)
    installed.kubectl("rollout", "status", "deployment/loco-api", "--timeout=60s")
    # Until the Gateway has heard of the new replicas: there was a while without any.
    names = until(lambda: [one["name"] for one in installed.loco("--json", "apps").json()["items"]], 20, "the API answers again")
    assert "hello" in names and "later" not in names
    assert web.fetch(GATEWAY_PORT, HELLO).status == 200


KEPT = {"secret/loco-keys", "secret/loco-store", "secret/loco-registry", "persistentvolumeclaim/loco-registry",
        "persistentvolumeclaim/data-loco-postgres-0"}


def test_uninstalled_it_leaves_what_the_guide_says_and_installed_again_goes_on_where_it_was(installed):
    cluster, [space] = installed.cluster, installed.cluster.json("get", "namespaces", "-l", "loco.dev/app=hello")["items"]
    where = space["metadata"]["name"]
    installed.helm("uninstall", "loco", "--wait", "--timeout", "60s")
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    mine = ("-l", "app.kubernetes.io/name=loco", "-A", "-o", "name")

    def left() -> set[str]:
        return set(cluster.kubectl("get", ",".join(kinds), *mine).stdout.split())
    until(lambda: left() == KEPT, 30, f"left: {left() ^ KEPT}")
    guide = (REPO / "docs/guides/install-on-kubernetes.md").read_text().split("## Take it away", 1)[1]
    for one in KEPT:
        assert one.split("/")[1] in guide, one
    pods = cluster.json("-n", where, "get", "pods")["items"]
    assert [one["status"]["phase"] for one in pods] == ["Running"], "the app runs on"
    installed.install()
    assert "live" in installed.loco("status", "-a", "hello").out
    until(lambda: web.fetch(GATEWAY_PORT, HELLO).status == 200, 30, "it answers again")
    assert [one["metadata"]["uid"] for one in cluster.json("-n", where, "get", "pods")["items"]] == [one["metadata"]["uid"] for one in pods]
    installed.loco("destroy", "-a", "hello", "--yes")
    until(lambda: cluster.kubectl("get", "namespace", where, check=False).returncode, 60, "its namespace is gone")
