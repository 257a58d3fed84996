"""deploy/systemd/loco.service, as far as it can be checked where no systemd runs."""
import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent.parent


def unit_for(folder: str) -> str:
    return subprocess.run(["bash", "-c", f'source "{REPO}/scripts/lib.sh"; systemd_unit "$1"', "-", folder], capture_output=True, text=True, check=True).stdout


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze on this machine")
    (tmp_path / "loco").symlink_to("/bin/true")
    (tmp_path / "loco.service").write_text(unit_for(str(tmp_path)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "loco.service"], capture_output=True, text=True, timeout=60)
    # It looks at every unit that this one names: what it says of others is not ours.
    ours = [line for line in done.stderr.splitlines() if "loco" in line]
    assert done.returncode == 0 and not ours, done.stderr


def test_quickstart_writes_the_unit_with_the_programs_that_it_has_built():
    text = unit_for("/srv/loco/build/release/bin")
    assert "\nExecStart=/srv/loco/build/release/bin/loco up $LOCO_UP_OPTIONS\n" in text
    assert text.replace("/srv/loco/build/release/bin", "/usr/local/bin") == (REPO / "deploy/systemd/loco.service").read_text()


def test_the_unit_leaves_the_parts_running_and_what_the_engine_needs_alone():
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read_string(unit_for("/usr/local/bin"))
    service = parsed["Service"]
    assert service["KillMode"] == "process" and service["Type"] == "notify" and service["Restart"] == "on-failure"
    # With a mount namespace of its own the engine's mounts would be gone for the next supervisor.
    forbidden = ("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadOnlyPaths", "NoNewPrivileges", "RestrictSUIDSGID",
                 "PrivateNetwork", "ProtectControlGroups", "ProtectKernelModules")
    assert not [key for key in service if key.startswith(forbidden)]
