"""Loco's Helm chart, rendered: what is wrong is refused, every variant is valid and admitted by a real API server."""
import json
import os
import re
import subprocess
import tomllib

import pytest
import yaml

from support import schemas
from support.chart import CHART, NAMESPACE, run_helm
from support.cluster import kubeconform
from support.platform import BINARIES, REPO
from support.wait import until

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
VARIANTS = {
    "defaults": [],
    "https by cert-manager": ["--set", "baseDomain=apps.example.org,gateway.https.enabled=true,gateway.https.clusterIssuer=letsencrypt"],
    "all external": ["--set", "postgres.bundled=false,postgres.existingSecret=db,registry.bundled=false,registry.host=registry.example.org,"
                     "keys.existingSecret=keys,gateway.create=false,gateway.name=edge,gateway.namespace=edge"],
    "a registry on every node": ["--set", "registry.nodePort=30501,registry.host=127.0.0.1:30501,replicas=1"],
    "bounded apps": ["--set", "apps.maxPods=20,apps.maxCpu=8,apps.maxMemory=16Gi,apps.maxImageSize=2Gi,apps.drain=10s,apps.allowedNetworks={10.1.2.0/24},"
                     "apps.deniedNetworks={203.0.113.0/24,2001:db8::/32},apps.dns.namespace=dns,apps.dns.pods=app=coredns"],
    "monitored": ["--set", "metrics.serviceMonitor.enabled=true,metrics.dashboard.enabled=true"],
}
# Whose definition is the Prometheus operator's: no cluster of the tests has it.
FOREIGN = ("ServiceMonitor",)
OF_THE_CLUSTER = ("ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def rendered(words: list[str]) -> list[dict]:
    text = run_helm("template", "loco", CHART, "-n", NAMESPACE, "--kube-version", "1.34.0", *words).out
    return [one for one in yaml.safe_load_all(text) if one]


def the(kind: str, objects: list[dict], name: str = "") -> dict:
    [one] = [one for one in objects if one["kind"] == kind and name in ("", one["metadata"]["name"])]
    return one


@pytest.fixture(scope="module")
def namespace(cluster):
    name = cluster.new_namespace(RESTRICTED)
    until(lambda: cluster.kubectl("get", "serviceaccount", "default", "-n", name, check=False).returncode == 0, 20)
    yield name
    cluster.remove_namespace(name)


def test_the_chart_is_well_formed(cluster):
    assert "0 chart(s) failed" in run_helm("lint", "--strict", CHART).out


@pytest.mark.parametrize("wrong", ["replicas=0", "gateway.clas=x", "logLevel=loud", "registry.nodePort=80", "postgres.bundled=false",
                                   "externalUrl=loco.example.org", "registry.bundled=false", "baseDomain=Not_A_Name", "apps.maxPods=0", "apps.deniedNetworks={x}",
                                   "apps.maxMemory=much"])
def test_a_wrong_value_is_refused_before_anything_is_installed(cluster, wrong):
    refused = run_helm("template", "loco", CHART, "--set", wrong, check=False)
    assert refused.status != 0 and wrong.split("=")[0].split(".")[0] in refused.err, str(refused)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_admitted_by_the_api_server_under_the_restricted_standard(cluster, namespace, name):
    objects = [one for one in rendered(VARIANTS[name]) if one["kind"] not in FOREIGN]
    # Of a Deployment the standard only warns; it refuses pods.
    for one in list(objects):
        if one["kind"] in ("Deployment", "StatefulSet"):
            template = one["spec"]["template"]
            claims = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in one["spec"].get("volumeClaimTemplates", [])]
            spec = {**template["spec"], "serviceAccountName": "default", "volumes": template["spec"]["volumes"] + claims}
            objects.append({"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {"name": one["metadata"]["name"], "labels": template["metadata"]["labels"]}})
    for one in objects:
        if one["kind"] not in OF_THE_CLUSTER:
            one["metadata"]["namespace"] = namespace
    done = cluster.kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--validate=strict", "-f", "-",
                           stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), check=False)
    assert done.returncode == 0 and "would violate" not in done.stderr, done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_every_variant_is_valid_by_the_schemas_of_the_api_server(cluster, tmp_path):
    location = schemas.write(json.loads(cluster.kubectl("get", "--raw", "/openapi/v2").stdout), tmp_path)
    files, count = [], 0
    for number, words in enumerate(VARIANTS.values()):
        objects = rendered(words)
        files.append(tmp_path / f"variant-{number}.yaml")
        files[-1].write_text("---\n".join(yaml.safe_dump(one) for one in objects))
        count += len([one for one in objects if one["kind"] not in FOREIGN])
    done = kubeconform(location, "-skip", ",".join(FOREIGN), *files)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["summary"]["valid"] == count, said.get("resources")
    broken = tmp_path / "broken.yaml"
    broken.write_text(files[0].read_text().replace("maxSurge:", "maxSurg:"))
    assert kubeconform(location, "-skip", ",".join(FOREIGN), broken).returncode == 1, "it would have told"


@pytest.mark.parametrize("name", VARIANTS)
def test_the_server_takes_the_configuration_of_every_variant(name, tmp_path):
    file = tmp_path / "loco-api.toml"
    file.write_text(the("ConfigMap", rendered(VARIANTS[name]), "loco-api")["data"]["loco-api.toml"])
    done = subprocess.run([BINARIES / "loco-api", "check-config", "--config", file], capture_output=True, text=True, timeout=20,
                          env=os.environ | {"LOCO_STORE": "postgres:host=db.example.org"})   # else it reads the mounted Secret
    assert done.returncode == 0, done.stderr
    if name == "bounded apps":
        config = tomllib.loads(file.read_text())
        assert {key: config[key] for key in ("max_pods", "max_cpu", "max_memory", "max_image_size", "drain", "allowed_networks", "denied_networks", "dns_namespace", "dns_pods")} == {
            "max_pods": 20, "max_cpu": "8", "max_memory": "16Gi", "max_image_size": "2Gi", "drain": "10s", "allowed_networks": "10.1.2.0/24",
            "denied_networks": "203.0.113.0/24,2001:db8::/32", "dns_namespace": "dns", "dns_pods": "app=coredns"}


def test_no_name_but_the_apis_and_the_registrys_takes_routes_of_locos_own_namespace(cluster):
    gateway = the("Gateway", rendered(VARIANTS["https by cert-manager"]))
    assert gateway["metadata"]["annotations"] == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    seen = {listener["name"]: (listener.get("hostname"), listener["allowedRoutes"]["namespaces"]["from"])
            for listener in gateway["spec"]["listeners"]}
    own, apps = "Same", "Selector"
    assert seen == {"api": ("loco.apps.example.org", own), "registry": ("registry.apps.example.org", own), "apps": (None, apps),
                    "api-https": ("loco.apps.example.org", own), "registry-https": ("registry.apps.example.org", own),
                    "apps-https": ("*.apps.example.org", apps)}


def test_what_watches_and_keeps_it_up_is_there_when_asked_for(cluster):
    objects = rendered(VARIANTS["monitored"])
    monitor = the("ServiceMonitor", objects)
    service = the("Service", objects, "loco-api-ops")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert [one["port"] for one in monitor["spec"]["endpoints"]] == [service["spec"]["ports"][0]["name"]]
    dashboard = the("ConfigMap", objects, "loco-dashboard")
    queries = [target["expr"] for panel in json.loads(dashboard["data"]["loco.json"])["panels"] for target in panel.get("targets", [])]
    described = (REPO / "docs/reference/loco-api.md").read_text()
    assert queries and dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    for metric in {metric for query in queries for metric in re.findall(r"loco_[a-z_]+?(?=_bucket|_sum|_count|[^a-z_]|$)", query)}:
        assert f"`{metric}" in described, metric
    budget, deployment = the("PodDisruptionBudget", objects), the("Deployment", objects, "loco-api")
    assert budget["spec"]["selector"] == deployment["spec"]["selector"] and budget["spec"]["maxUnavailable"] == 1
    assert not [one for one in rendered(VARIANTS["a registry on every node"]) if one["kind"] == "PodDisruptionBudget"], "one replica: a drain must be able to go on"
    assert not [one for one in rendered([]) if one["kind"] in FOREIGN or one["metadata"]["name"] == "loco-dashboard"]
