"""That the cluster of the tests is what the others rely on: pods that run and are confined, logs, a Gateway, a clean end."""
import pytest

from support import web
from support.cluster import BUSYBOX, GATEWAY_PORT
from support.wait import holds_for, until

ROUTES = {"loco.dev/routes": "allowed"}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 1000,
              "seccompProfile": {"type": "RuntimeDefault"}}


@pytest.fixture
def namespace(cluster):
    if not cluster.own:
        pytest.skip("the images and the Gateway of these tests are there on a cluster of our own only")
    made = []

    def make(**labels) -> str:
        made.append(cluster.new_namespace(labels))
        # A pod is refused as long as its namespace has no default ServiceAccount.
        until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", made[-1], check=False).returncode == 0, 20)
        return made[-1]

    yield make
    for one in made:
        cluster.remove_namespace(one)


def pod(name: str, namespace: str, command: list[str], security: dict | None = None, **container) -> dict:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["/bin/busybox", *command],
                 "securityContext": security if security is not None else RESTRICTED, **container}]}}


def test_a_restricted_pod_runs_and_its_output_can_be_read(cluster, namespace):
    where = namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    cluster.apply(pod("speaker", where, ["echo", "hello from the pod"]))
    until(lambda: cluster.json("get", "pod", "speaker", "-n", where)["status"]["phase"] == "Succeeded", 60, "the pod has run")
    assert "hello from the pod" in cluster.kubectl("logs", "speaker", "-n", where).stdout


def test_a_pod_that_may_gain_rights_is_refused_under_restricted(cluster, namespace):
    where = namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})
    refused = cluster.apply(pod("root", where, ["true"], security={}), check=False)
    assert refused.returncode != 0 and "violates PodSecurity" in refused.stderr


def test_a_pod_over_its_memory_limit_is_told_to_have_been_killed_for_it(cluster, namespace):
    where = namespace()
    cluster.apply(pod("eater", where, ["tail", "/dev/zero"], resources={"limits": {"memory": "16Mi"}}))

    def ended():
        status = cluster.json("get", "pod", "eater", "-n", where)["status"]["containerStatuses"][0]["state"]
        return status.get("terminated")
    assert until(ended, 60, "the pod has ended")["reason"] == "OOMKilled"


def test_only_a_namespace_with_the_label_may_attach_a_route_to_the_gateway(cluster, namespace):
    gateways = namespace()
    cluster.apply({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "loco-test"},
                   "spec": {"controllerName": "traefik.io/gateway-controller"}},
                  {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "edge", "namespace": gateways},
                   "spec": {"gatewayClassName": "loco-test", "listeners": [
                       {"name": "http", "protocol": "HTTP", "port": GATEWAY_PORT, "allowedRoutes": {
                           "namespaces": {"from": "Selector", "selector": {"matchLabels": ROUTES}}}}]}})
    for labels, expected in ((ROUTES, 200), ({}, 404)):
        where = namespace(**labels)
        host = f"{where}.localhost"
        cluster.apply(
            pod("web", where, ["httpd", "-f", "-p", "8080", "-h", "/bin"], readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}),
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": where},
             "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}},
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web", "namespace": where},
             "spec": {"parentRefs": [{"name": "edge", "namespace": gateways}], "hostnames": [host],
                      "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]}})
        cluster.kubectl("wait", "--for=condition=ready", "--timeout=60s", "pod/web", "-n", where)

        def status():
            return web.fetch(GATEWAY_PORT, host, "/busybox").status
        if expected == 200:
            until(lambda: status() == 200, 30, "the route answers")
        else:
            holds_for(lambda: status() == 404, 3, "a route of another namespace is not attached")
