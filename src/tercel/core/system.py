"""The machine: wall clock, name of the user, memory of the heap, threads that run at fixed intervals."""

import ctypes
import gc
import os
import pwd
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from tercel.core.errors import TercelError

# Memory: what the C library holds after `free`, and objects that no garbage collection visits.
THRESHOLDS = 10_000, 10, 100
"""Objects after which the youngest are looked through; so many such looks make one at the older, and so on."""


# The wall clock and the user of this machine. Packages below `api` do not call it: they are given a clock and a name.
class MonotonicClock:
    """The machine's own clock (`core.ports.Clock`)."""

    def now_ns(self) -> int:
        """Nanoseconds since a fixed moment that is not 1970 (monotonic); never decreasing."""
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        """Sleep so many nanoseconds."""
        time.sleep(ns / 1e9)


def user_name(uid: int | None = None) -> str:
    """Name of the process's user, or of `uid`, regardless of the environment; the number if it has no name."""
    number = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def trim_heap() -> None:
    """Return freed memory from glibc to the operating system; does nothing with other C libraries.

    >>> trim_heap()
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def freeze_heap() -> None:
    """Exclude all objects of this process from further garbage collection, and collect old generations rarely.

    Called once, before a loop that must not pause: a full collection visits all modules and all orders, which takes a
    tenth of a second every few thousand orders.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


# Something done again and again in a thread of its own, until it is stopped.
class PeriodicThread(Thread):
    """A thread that runs a function at fixed intervals; it never keeps a process alive.

    Parameters
    ----------
    name : str
    every_s : float
        Seconds between two turns.
    turn : callable

    Examples
    --------
    >>> turned = Event()
    >>> turns = PeriodicThread("example", 0.001, turned.set)
    >>> turns.start()
    >>> turned.wait(60), turns.over
    (True, False)
    >>> turns.stop()
    >>> turns.over, turns.is_alive()
    (True, False)
    """

    def __init__(self, name: str, every_s: float, turn: Callable[[], object]) -> None:
        super().__init__(name=name, daemon=True)
        self.every_s = every_s
        self._turn = turn
        self._over = Event()
        self.failure: TercelError | None = None
        """Error of a turn that went on; who alerts it sets None."""

    @property
    def over(self) -> bool:
        """Whether :meth:`stop` was called; long turns check it."""
        return self._over.is_set()

    def run(self) -> None:
        """Run turns until :meth:`stop`."""
        while not self._over.wait(self.every_s):
            self._turn()

    def stop(self, within_s: float | None = None) -> None:
        """Take no more turns; wait for the current one, at most `within_s` seconds."""
        self._over.set()
        if self.is_alive():
            self.join(within_s)
