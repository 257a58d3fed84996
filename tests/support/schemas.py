"""JSON schemas of what a cluster's API server takes, one file a kind, for kubeconform: from the server's own description."""
import json
from pathlib import Path

KIND = "x-kubernetes-group-version-kind"


def references(node) -> set[str]:
    """The names of the definitions that it refers to."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(references, node.values())) if node else set()
    return found | {node["$ref"].rsplit("/", 1)[1]} if isinstance(node.get("$ref"), str) else found


def strict(schema: dict) -> dict:
    """A key that is not described is a mistake, at every depth; int-or-string is either."""
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    out = {key: value for key, value in schema.items() if key not in ("format", "description", "default")}
    if "properties" in out:
        out["properties"] = {name: strict(one) for name, one in out["properties"].items()}
        if not out.get("x-kubernetes-preserve-unknown-fields"):
            out.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = strict(out[key])
    return out


def write(openapi: dict, folder: Path) -> str:
    """Writes them from /openapi/v2; gives kubeconform's -schema-location."""
    definitions = openapi["definitions"]
    for name, definition in definitions.items():
        for kind in definition.get(KIND, []):
            wanted, todo = set(), [name]
            while todo:
                one = todo.pop()
                if one not in wanted:
                    wanted.add(one)
                    todo += references(definitions[one])
            document = {"$ref": f"#/definitions/{name}", "definitions": {one: strict(definitions[one]) for one in wanted}}
            place = folder / (kind["group"] or kind["version"])
            place.mkdir(exist_ok=True)
            (place / f"{kind['kind'].lower()}-{kind['version']}.json").write_text(json.dumps(document))
    return str(folder / "{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json")
