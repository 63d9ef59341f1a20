"""Memory that a process has freed and its C library keeps, and what it keeps for good."""

import ctypes
import gc
from contextlib import suppress

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
