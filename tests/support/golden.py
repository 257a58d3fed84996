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
    (r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "TIME"),
    (r"\b\d+(?:\.\d+)? s\b", "N s"),
    (r"\b\d+(?:\.\d+)? (?:kB|MB)\b", "N MB"),
    (r"\b(loco-[a-z-]+)-[0-9a-f]{10}\b", r"\1-ID"),   # an app's namespace
    (r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r":(?:3[2-9]|[45]\d|6[0-5])\d{3}\b", ":PORT"),   # a free one, as the system gives it; those that a test names are below
    (r"^[•✓] \[(?:\d+/\d+|stage-\d+ \d+/\d+)\].*\n", ""),   # of the build's progress only what fails: the rest is cached, or not
    (r"\[(?:\d+/\d+|stage-\d+ \d+/\d+)\]", "[STEP]"),
    (r"pushed \d+ of \d+ layers", "pushed N of N layers"),
    (r"\btini \(\d+\)", "tini (N)"),
    (r"^.*\blistening on \d+ version \d+\n", ""),   # the probe app's, which may come later
    (r"Temporary failure in name resolution", "Name or service not known"),   # whether there is a way to the servers of names
]


def readable(text: str, named: dict[str, object] | None = None) -> str:
    """What differs from run to run is replaced. `named`: what the test itself has made, and what to call it: {"FOLDER": tmp_path}."""
    for name, value in sorted((named or {}).items(), key=lambda one: -len(str(one[1]))):
        text = text.replace(str(value), name)
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def compare(path: Path, text: str) -> None:
    """What is read, after readable(), is what is kept."""
    if os.environ.get("LOCO_ACCEPT") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    assert path.exists(), f"{path} is not there: LOCO_ACCEPT=1 writes it, then read it. It is now:\n{text}"
    if (kept := path.read_text()) != text:
        difference = "\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "now", lineterm=""))
        raise AssertionError(f"{path.name} says something else now (LOCO_ACCEPT=1 takes it over; read it then):\n{difference}")
