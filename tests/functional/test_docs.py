"""The reference pages that are written by hand say what the programs do (loco-toml.md and cli.md have tests beside their generators)."""
import re
import tomllib
import types
from pathlib import Path

import pytest

from support import web
from support.platform import REPO

METHODS = ("get", "post", "put", "patch", "delete")


def page(name: str) -> str:
    return (REPO / "docs/reference" / name).read_text()


@pytest.mark.parametrize("text, seen", [
    ('return fail(ErrorKind::refused, "a, \\"b\\" (c", {}, "one");', [("one", "refused")]),
    ('return fail(ErrorKind::refused,\n  "x" + f(1, 2),\n  hint,  // no, "code"\n  kOne);', [("constant", "refused")]),
    ('return fail(kind, "m", "h", a ? "one" : b ? "two" : "");', [("one", None), ("two", None)]),
    ('Error e{.kind = ErrorKind::invalid, .message = f({1, 2}), .code = "one"};', [("one", "invalid")]),
    ('return {ErrorKind::conflict, "m", "h", std::string(kOne)};', [("constant", "conflict")]),
    ('error.kind = ErrorKind::conflict;\nerror.code = "one";', [("one", "conflict")]),
    ('std::string code = "one";\nif (x) code = "two";\nreturn fail(kind, "m", {}, code);', [("one", None), ("two", None)]),
    ('Error refuse(std::string message, std::string code) {}\nreturn refuse("m", "one");', [("one", None)]),
    ('if (error.code == "one" || exit_code = 3) {}\nint code = 7;\n// error.code = "no";\nreturn fail(kind, "m", "h");', []),
    ('return fail(kind, "m", "h", "no_such_" + noun);', None), ('error.code = word;', None), ('error.code = kUnknown;', None),
])
def test_the_scan_for_error_codes_sees_each_way_of_giving_one_or_says_that_it_cannot(tmp_path, text, seen):
    lint = types.ModuleType("lint")
    lint.__file__ = str(REPO / "scripts/lint")
    exec(compile(Path(lint.__file__).read_text(), lint.__file__, "exec"), lint.__dict__)
    (tmp_path / "one.cpp").write_text(text + "\n")
    codes = lint.Codes(str(tmp_path / "one.cpp"), {"kOne": {"constant"}})
    assert bool(codes.unseen) == (seen is None)
    assert sorted((code, kind) for code, kind, _ in codes.given) == sorted(seen or [])


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
