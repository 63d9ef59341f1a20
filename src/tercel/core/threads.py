"""Threads: one that does something again and again, and one that ends a call in time.

A call that must end in time: a thread stops it, be it Python that loops or a library that was asked how to stop.

>>> deadline = Deadline(0.01)
>>> deadline.start()
>>> deadline.call(lambda: 7, 60.0)
7
>>> def endless() -> None:
...     while True:
...         pass
>>> try:
...     deadline.call(endless, 0.02)
... except TimeoutError as error:
...     print(error)
no answer within 0.02 s
>>> deadline.stop()
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Lock, Thread, get_ident
from typing import Final, TypeVar

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

Answer = TypeVar("Answer")
# Who swallows the first interruption is sent another.
_AGAIN_S: Final = 1.0


# Milliseconds after which an interruption that has not come was swallowed.
_SWALLOWED: Final = 100


class _TooLateError(BaseException):
    """Raised in a thread by another."""


class Deadline(PeriodicThread):
    """Interrupts calls of one thread at a time.

    Time is counted in turns of its own, so that a machine that stands still interrupts nobody.

    Parameters
    ----------
    every_s : float
        Seconds between two looks: a call ends that late at most.
    """

    def __init__(self, every_s: float = 0.05) -> None:
        super().__init__("tercel-deadline", every_s, self._count)
        self._lock = Lock()
        self._left_s = -1.0
        self._thread = 0
        self._late = False
        self._owed = False
        self._stops: list[Callable[[], object]] = []

    def call(self, act: Callable[[], Answer], seconds: float) -> Answer:
        """Result of `act`, interrupted at the deadline.

        Raises
        ------
        TimeoutError
            It had not returned after so many seconds, and was interrupted.
        """
        token = _CURRENT.set(self)
        try:
            try:
                with self._lock:
                    self._left_s = seconds
                    self._thread = get_ident()
                    self._late = False
                return act()
            finally:
                self._disarm()
        except _TooLateError:
            self._owed = False
            self._disarm()
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        except Exception:
            if self._late:
                raise TimeoutError(f"no answer within {seconds:g} s") from None
            raise
        finally:
            _CURRENT.reset(token)

    def _disarm(self) -> None:
        """From here on no interruption comes; one that is on its way is waited for, unless the call swallowed it.

        Taking it back would leave CPython 3.11 with a request that it never forgets.
        """
        try:
            with self._lock:
                self._left_s = -1.0
                owed = self._owed
            for _ in range(_SWALLOWED if owed else 0):
                self._over.wait(0.001)
        except _TooLateError:
            with self._lock:
                self._left_s = -1.0
        self._owed = False

    def _count(self) -> None:
        with self._lock:
            if self._left_s < 0:
                return
            self._left_s -= self.every_s
            if self._left_s >= 0:
                return
            self._left_s = _AGAIN_S
            self._late = True
            for stop in self._stops:
                stop()
            if not self._stops:
                self._owed = True
                thread = ctypes.c_ulong(self._thread)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_TooLateError))


_CURRENT: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)


@contextmanager
def stopped_by(stop: Callable[[], object]) -> Iterator[None]:
    """A call into a library that no exception reaches: where there is a deadline, `stop` is called when it is over."""
    if (current := _CURRENT.get()) is None:
        yield
        return
    with current._lock:
        current._stops.append(stop)
    try:
        yield
    finally:
        with current._lock:
            current._stops.remove(stop)
