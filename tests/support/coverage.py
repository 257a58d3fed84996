"""Which operations of the API and which commands the tests have exercised, so that one that none did can be told; and which error codes
they have seen, so that one that is not explained can be.

Every call that the tests' helpers make and that did what it was asked for is noted as a line of a file in LOCO_TEST_COVERAGE_DIR.
Files are appended to, so runs and processes may share the folder. Unset: nothing is noted.
"""
import json
import os
import re
from pathlib import Path

VARIABLE = "LOCO_TEST_COVERAGE_DIR"


def _note(kind: str, name: str) -> None:
    folder = os.environ.get(VARIABLE)
    if folder:
        with (Path(folder) / kind).open("a") as file:
            file.write(name + "\n")   # one short write: lines of several processes do not mix


def _noted(kind: str) -> set[str]:
    path = Path(os.environ[VARIABLE]) / kind
    return set(path.read_text().split("\n")) - {""} if path.exists() else set()


def note_request(method: str, path: str, status: int) -> None:
    """`path` as it was asked for, below /api/v1. Only what succeeded counts: a refusal may come before the operation."""
    if 200 <= status < 300:
        _note("requests", f"{method.upper()} {path.partition('?')[0]}")


def note_command(words: list[str], status: int) -> None:
    """Only what ended well counts, and asking for its help does not."""
    if status == 0 and not {"--help", "-h", "--version"} & {str(word) for word in words}:
        _note("commands", " ".join(str(word) for word in words))


# The codes that this process has seen, each with what came with it: "app_exists conflict", "app_exists 9".
codes_seen: set[str] = set()


def note_answer(content_type: str, body: bytes) -> None:
    """The code of a problem+json, with the name of its kind (its title) where it is one."""
    if content_type.startswith("application/problem+json"):
        problem = json.loads(body)
        _note_code(f"{problem['code']} {problem['title'].split()[0]}")


def note_error(words: list[str], status: int, out: str) -> None:
    """The code of an error that the command line gave as JSON, with its exit status."""
    if status != 0 and "--json" in words and out.strip():
        try:
            error = json.loads(out.strip().splitlines()[-1]).get("error")
        except (ValueError, AttributeError):
            return
        if isinstance(error, dict):
            _note_code(f"{error['code']} {error['exit_status']}")


def _note_code(line: str) -> None:
    if line not in codes_seen:
        codes_seen.add(line)
        _note("codes", line)


def wrong_codes(explained: list[dict], noted: set[str] | None = None) -> list[str]:
    """Of the codes that were seen: those that `loco explain --json` does not know, and those whose kind or exit status is another."""
    kinds = {one["kind"] for one in explained}
    known = {one["code"]: {one["kind"], str(one["exit_status"])} for one in explained}
    wrong = []
    for line in sorted(_noted("codes") if noted is None else noted):
        code, _, came_with = line.partition(" ")
        if code not in known:
            wrong.append(f"{code} is not explained in src/domain/catalogue/")
        elif (came_with in kinds or came_with.isdigit()) and came_with not in known[code]:
            wrong.append(f"{code} came with {came_with}, and is explained as {' '.join(sorted(known[code]))}")
    return wrong


def operations_exercised(openapi: dict) -> set[str]:
    """The operations whose method and path fit a request that was noted."""
    requests = _noted("requests")
    found = set()
    for path, methods in openapi["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path.removeprefix("/api/v1")))
        for method, operation in methods.items():
            if any(re.fullmatch(f"{method.upper()} {pattern}", one) for one in requests):
                found.add(operation["operationId"])
    return found


def commands_exercised(commands: list[str], aliases: dict[str, str] | None = None) -> set[str]:
    """The commands (of one or two words) that begin what was run, global options before them left out."""
    found = set()
    for line in _noted("commands"):
        words = [word for word in line.split() if word not in ("--json", "--quiet", "-q", "--no-color", "-v")]
        while words and words[0] in ("--host", "--team"):
            words = words[2:]
        if words and aliases:
            words[0] = aliases.get(words[0], words[0])
        found |= {name for name in commands if words[:len(name.split())] == name.split()}
    return found
