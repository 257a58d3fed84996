"""Bounded waits on conditions: the only way in which tests wait."""
import http.client
import threading
import time


class TimedOut(AssertionError):
    pass


def until(condition, within: float = 30.0, what: str = "", every: float = 0.05):
    """Asks condition() until it answers something true, and returns that. What it raises counts as not yet."""
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, http.client.HTTPException, AssertionError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimedOut(f"not within {within:g} s: {what or condition}; last: {last!r}")
        threading.Event().wait(every)


def holds_for(condition, seconds: float, what: str = "", every: float = 0.05) -> None:
    """That something stays as it is cannot be waited for: it is looked at again and again for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"held for less than {seconds:g} s: {what or condition}"
        threading.Event().wait(every)
