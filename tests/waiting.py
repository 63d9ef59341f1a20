"""Waiting for something to come about, never for a time to pass: the machine may be busy.

    until(lambda: file.exists(), what="a file")

A deadline is there to end a test that would hang. It says nothing about how fast anything is.
"""

import time
from collections.abc import Callable

DEADLINE_S = 300.0
EVERY_S = 0.02


def until(holds: Callable[[], object], seconds: float = DEADLINE_S, what: str = "it") -> float:
    """Ask again and again until something holds; how long it took, s."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"{what} did not come about in {seconds:g} s"
        time.sleep(EVERY_S)
    return time.monotonic() - began
