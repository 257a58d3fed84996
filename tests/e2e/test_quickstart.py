"""The first command of the README, as a stranger runs it."""
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support import web
from support.platform import REPO, Platform

pytestmark = pytest.mark.one_machine("sets one machine up")


def quickstart(platform: Platform, timeout: float) -> subprocess.CompletedProcess:
    # The compiler's cache is the machine's, not of the home that the test makes.
    cache = {"CCACHE_DIR": os.environ.get("CCACHE_DIR") or str(Path.home() / ".cache/ccache")}
    done = subprocess.run([REPO / "scripts/quickstart", *map(str, platform.up_options())], env=platform.environment | cache,
                          capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done


def test_quickstart_ends_with_a_url_that_answers_and_is_quick_the_second_time(engine):
    platform = Platform(engine)
    platform.binaries = REPO / "build/release/bin"
    try:
        first = quickstart(platform, 3000)
        url = urlsplit(first.stdout.strip().splitlines()[-1])
        assert url.hostname == "hello.localhost" and url.port == platform.gateway
        assert "Hello from Loco" in web.fetch(url.port, url.hostname).text
        pids = {name: platform.pid(name) for name in ("supervisor", "loco-api", "haproxy", "registry")}
        began = time.monotonic()
        second = quickstart(platform, 60)
        assert time.monotonic() - began < 10
        assert second.stdout == first.stdout
        assert {name: platform.pid(name) for name in pids} == pids and all(pids.values())
        assert [one["release"] for one in platform.releases("hello")] == ["v1"]
    finally:
        platform.remove()
