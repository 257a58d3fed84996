"""A network namespace of a test's own: a second Docker daemon in one namespace would remove the first one's rules."""
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str) -> None:
    """Moves this thread, and what it starts from here on, into the namespace."""
    with open(path) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


def unshare() -> None:
    """Moves this process, which has one thread, and what it starts into a namespace that ends with them: a loopback device and nothing else."""
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


@contextlib.contextmanager
def own(name: str):
    """Within it this thread has a loopback device and nothing else."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        enter(f"/run/netns/{name}")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        enter(f"/proc/self/fd/{home}")
        os.close(home)
        subprocess.run(["ip", "netns", "del", name], check=True)
