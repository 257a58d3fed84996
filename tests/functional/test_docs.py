"""The reference pages that are written by hand say what the programs do (loco-toml.md and cli.md have tests beside their generators)."""
import re
import tomllib

from support import web
from support.platform import REPO

METHODS = ("get", "post", "put", "patch", "delete")


def page(name: str) -> str:
    return (REPO / "docs/reference" / name).read_text()


def test_api_md_lists_every_operation_with_its_path_scope_and_role(loco):
    rows = {match[1]: match[0] for match in re.finditer(r"^\| `(\w+)` \|.*$", page("api.md"), re.MULTILINE)}
    told = set()
    for path, methods in web.fetch(loco.api, "x", "/api/v1/openapi.json").json()["paths"].items():
        for method in METHODS:
            if operation := methods.get(method):
                told.add(operation["operationId"])
                row = rows.get(operation["operationId"], "")
                assert f"{method.upper()} `{path}`" in row, f"{operation['operationId']}: {row}"
                if (scope := operation.get("x-loco-scope")) and scope != "self":
                    assert f"`{scope}`, {operation['x-loco-least-role']}" in row, row
                parameters = [parameter["name"] for parameter in operation["parameters"]]
                assert ("Idempotency key" in row) == ("Idempotency-Key" in parameters), row
    assert told == {name for name, row in rows.items() if "/api/v1/" in row}


def test_loco_api_md_lists_every_setting_and_metric(loco):
    text = page("loco-api.md")
    settings = tomllib.loads((loco.data / "loco-api.toml").read_text())
    assert settings and [name for name in settings if f"\n| `{name}` |" not in text] == []
    metrics = re.findall(r"^# TYPE (\S+) ", web.fetch(loco.ops, "x", "/metrics").text, re.MULTILINE)
    assert metrics and [name for name in metrics if not re.search(rf"\n\| `{name}[`{{]", text)] == []
