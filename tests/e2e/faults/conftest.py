"""A whole Loco with an engine of its own, in a network namespace of its own (support/faults.py)."""
import random

import pytest

from support.faults import SEED, bare_platform
from support.invariants import Ledger


@pytest.fixture(scope="module")
def loco():
    with bare_platform() as platform:
        yield platform


@pytest.fixture
def ledger(loco):
    """Of what the test has deployed. It holds when the test has ended, before its apps are destroyed."""
    one = Ledger(loco)
    yield one
    one.hold("at the end")


@pytest.fixture
def chance():
    print(f"LOCO_TEST_SEED={SEED}")
    return random.Random(SEED)
