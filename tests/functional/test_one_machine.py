"""`loco up` and `loco down` as far as they come without a container engine that runs anything."""
import os
import subprocess

import pytest

from support.engine import Engine
from support.platform import BINARIES, Platform

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root")


@pytest.fixture
def machine():
    platform = Platform(Engine("", None))
    try:
        yield platform
    finally:
        platform.remove()


def by_nobody(machine, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """As a user other than root, who owns nothing here."""
    machine.folder.chmod(0o755)
    return subprocess.run([BINARIES / "loco", *words], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}, cwd="/",
                          user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=60)


def test_a_purge_without_a_terminal_is_a_usage_error_that_names_the_flag(machine):
    machine.data.mkdir()
    (machine.data / "run").mkdir()
    (machine.data / "run/up.lock").touch()   # what an `up` that failed leaves
    done = machine.down("--purge", expect=2)
    assert "--yes" in done.err and "no terminal" in done.err, str(done)
    assert (machine.data / "run/up.lock").exists()
    machine.down("--purge", "--yes")
    assert not machine.data.exists()


@needs_root
@pytest.mark.parametrize("words", [["down"], ["down", "--purge", "--yes"], ["up"], ["up", "--detach"]])
def test_a_data_folder_of_another_user_is_told_and_not_an_abort(machine, words):
    machine.data.mkdir(mode=0o700)
    done = by_nobody(machine, *words, "--data", str(machine.data))
    assert done.returncode == 3 and "ermission denied" in done.stderr and "sudo" in done.stderr, done
