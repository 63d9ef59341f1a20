"""Threads: one that does something again and again."""

from collections.abc import Callable
from threading import Event, Thread

# -- periodic -------------------------------------------------------------------------------------
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

    @property
    def over(self) -> bool:
        """Whether the thread was told to stop; long turns ask it."""
        return self._over.is_set()

    def run(self) -> None:
        """Run turns until :meth:`stop`."""
        while not self._over.wait(self.every_s):
            self._turn()

    def stop(self, within_s: float | None = None) -> None:
        """Take no more turns; wait for the one under way, at most so many seconds."""
        self._over.set()
        if self.is_alive():
            self.join(within_s)


# -- deadline -------------------------------------------------------------------------------------
