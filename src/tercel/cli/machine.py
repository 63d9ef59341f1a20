"""Ends of a command that runs until it is told: by a time, Ctrl-C, or a polite kill."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tercel.cli.terminal import say
from tercel.core.machine import WallClock


class BoundedClock(WallClock):
    """Real time, and an end of it: after so many seconds, by Ctrl-C or a polite kill."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: self._signals.append(got))

    def stopping(self) -> bool:
        """Whether to stop now."""
        return bool(self._signals) or (self._end is not None and time.monotonic() >= self._end)


def end_on_termination() -> None:
    """Let SIGTERM, with which a container or a service manager ends a process, be Ctrl-C."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


@contextmanager
def stopped() -> Iterator[list[bool]]:
    """A list that fills when Ctrl-C comes: the update under way ends and the state is kept. A second one breaks off."""
    requested_stops: list[bool] = []

    def ask(*_: object) -> None:
        if requested_stops:
            raise KeyboardInterrupt
        requested_stops.append(True)
        say("stopping after this update ...")

    try:
        before = signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread: nobody can ask
        yield requested_stops
        return
    try:
        yield requested_stops
    finally:
        signal.signal(signal.SIGINT, before)
