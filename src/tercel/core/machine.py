"""The machine that this runs on: its clock, its user and its memory."""

import ctypes
import gc
import os
import pwd
import time
from contextlib import suppress

# -- machine --------------------------------------------------------------------------------------
# The wall clock and the user of this machine. Packages below `api` do not call it: they are given a clock and a name.


class WallClock:
    """The machine's own clock (`core.ports.Clock`)."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment; they never go back."""
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        """Sleep so many nanoseconds."""
        time.sleep(ns / 1e9)


def person(uid: int | None = None) -> str:
    """Who runs this: the name of the process's user, or of another, whatever its environment says; else the number."""
    number = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


# -- heap -----------------------------------------------------------------------------------------
# Memory that a process has freed and its C library keeps, and what it keeps for good.

THRESHOLDS = 10_000, 10, 100
"""Objects after which the youngest are looked through; so many such looks make one at the older, and so on."""


def give_back() -> None:
    """Let the system have what glibc keeps of freed memory for the next time; elsewhere nothing is done.

    >>> give_back()
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def freeze() -> None:
    """What this process has made so far stays: whoever looks for garbage from now on does not look at it again.

    Called once, before a loop that must not stand still. To look through all modules and all orders takes a tenth of a
    second, which came every few thousand orders; now what is young is looked through as before, and all of it rarely.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
