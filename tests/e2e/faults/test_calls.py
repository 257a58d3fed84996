"""System calls of loco-api that fail, one after another, and files that it may not open any more."""
import os
import random

import pytest

from support.faults import ROUNDS, SEED, failing_calls, few_descriptors, is_ready
from support.invariants import told
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("traces the loco-api of one machine")

# What a call may say, and how long the file system, the network or the kernel says it.
CALLS = {"openat": "EMFILE", "write": "ENOSPC", "pwrite64": "ENOSPC", "fdatasync": "EIO", "fsync": "EIO", "renameat,rename,renameat2": "ENOSPC",
         "connect": "ECONNREFUSED", "socket": "EMFILE", "sendto,sendmsg": "ECONNRESET", "recvfrom,recvmsg,read": "EIO", "accept4,accept": "EMFILE",
         "epoll_ctl": "ENOMEM", "unlink,unlinkat": "EIO", "clone,clone3": "EAGAIN", "mmap": "ENOMEM", "lseek": "EIO", "pread64": "EIO", "fcntl": "ENOLCK"}


# Some of them in the test run, all of them by command. A lock that is not given back takes a minute to be noticed.
TRIED = list(CALLS) if ROUNDS > 2 else random.Random(SEED).sample([one for one in CALLS if one != "fcntl"], 3)


@pytest.mark.parametrize("calls", TRIED)
def test_each_kind_of_system_call_fails_now_and_then_and_nothing_is_lost(loco, app, ledger, chance, calls):
    folder = app("failing")
    loco.deploy(folder)
    ledger.note("failing")
    with Load(loco.gateway, "failing.localhost", posts=1, pause=0.02) as load:
        for number in range(max(1, ROUNDS // 2)):
            first, every = chance.randint(1, 40), chance.randint(2, 30) if ROUNDS > 2 else chance.randint(20, 50)
            with failing_calls(loco.pid("loco-api"), calls, CALLS[calls], f"{first}+{every}"):
                for words in (["env", "set", f"N={number}", "-a", "failing"], ["deploy", folder.image(f"{calls[:4]}-{number}").path]):
                    told(loco.run(*words, expect=None, timeout=120))
            # A build whose client could not report it ends with its lease.
            ledger.hold(f"({calls} gave {CALLS[calls]}, the {first}th and each {every}th after it)", within=150)
            ledger.note("failing")
        during(load, 5)
    assert load.failures == {}, dict(load.failures)
    until(lambda: is_ready(loco), 30)
    loco.deploy(folder.image(f"after-{os.urandom(4).hex()}"))
    ledger.note("failing")


@pytest.mark.parametrize("more", [0, 3, 6] if ROUNDS > 2 else [3])
def test_with_no_file_left_to_open_commands_fail_clearly_apps_serve_and_it_goes_on_after(loco, app, ledger, more):
    folder = app(f"handles-{more}")
    loco.deploy(folder)
    ledger.note(folder.name)
    pid = loco.pid("loco-api")
    with Load(loco.gateway, f"{folder.name}.localhost", posts=2) as load:
        with few_descriptors(pid, more):
            for words in (["status", "-a", folder.name], ["deploy", folder.image("2").path], ["logs", "-a", folder.name]):
                told(loco.run(*words, expect=None, timeout=120))
            during(load, 50)
        until(lambda: is_ready(loco), 30, "it answers again")
    assert load.failures == {}, dict(load.failures)
    assert loco.pid("loco-api") == pid, "it was not killed by it"
    ledger.hold("after files could be opened again")
    loco.deploy(folder.image("3"))
    ledger.note(folder.name)
