"""Ends of a command that runs until it is told: by a time, Ctrl-C, or a polite kill."""

import signal
import threading
import time

from tercel.core.machine import WallClock


class Until(WallClock):
    """Real time, and an end of it: after so many seconds, by Ctrl-C or a polite kill."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._signals: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: self._signals.append(got))

    def stopping(self) -> bool:
        """Whether to stop."""
        return bool(self._signals) or (self._end is not None and time.monotonic() >= self._end)


def end_on_termination() -> None:
    """Let SIGTERM, with which a container or a service manager ends a process, be Ctrl-C."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
