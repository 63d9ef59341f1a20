"""What the command line knows of the machine it runs on: the clock on the wall, and who sits before it."""

import os
import pwd
import signal
import threading
import time


class WallClock:
    """Time as people live it (`core.ports.Clock`)."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment; they never go back."""
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        """Wait."""
        time.sleep(ns / 1e9)


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


def person() -> str:
    """Who runs this: the name of the process's user, whatever its environment says; the number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
