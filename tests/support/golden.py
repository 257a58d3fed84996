"""What a person reads, word for word: text files beside the tests. LOCO_ACCEPT=1 writes them anew; then they are to be read."""
import difflib
import os
import re
from pathlib import Path

# What differs from run to run, in the order of its replacement.
VOLATILE = [
    (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
    (r"\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b", "ID"),
    (r"\bloco/[0-9a-hjkmnp-tv-z]{26}(?::[0-9a-z]{16})?", "loco/APP:TAG"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "TIME"),
    (r"\b\d+(?:\.\d+)? s\b", "N s"),
    (r"\b\d+(?:\.\d+)? (?:kB|MB)\b", "N MB"),
    (r"127\.0\.0\.1:(?!9\b)\d{4,5}", "127.0.0.1:PORT"),
    (r"localhost:\d{4,5}", "localhost:PORT"),
    (r"^[•✓] \[(?:\d+/\d+|stage-\d+ \d+/\d+)\].*\n", ""),   # of the build's progress only what fails: the rest is cached, or not
    (r"\[(?:\d+/\d+|stage-\d+ \d+/\d+)\]", "[STEP]"),
    (r"sport = :\d+", "sport = :PORT"),
    (r"0\.0\.0\.0:\d{4,5}", "0.0.0.0:PORT"),
    (r"pushed \d+ of \d+ layers", "pushed N of N layers"),
]


def normalized(text: str, named: dict[str, object] | None = None) -> str:
    """`named`: what the test itself has made, and what to call it: {"FOLDER": tmp_path}."""
    for name, value in sorted((named or {}).items(), key=lambda one: -len(str(one[1]))):
        text = text.replace(str(value), name)
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def check(path: Path, text: str) -> None:
    if os.environ.get("LOCO_ACCEPT"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    assert path.exists(), f"{path} is not there: LOCO_ACCEPT=1 writes it, then read it"
    if (kept := path.read_text()) != text:
        difference = "\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "now", lineterm=""))
        raise AssertionError(f"{path.name} says something else now (LOCO_ACCEPT=1 takes it over; read it then):\n{difference}")
