"""What the command line knows of the machine it runs on: the clock on the wall, and who sits before it."""

import getpass
import os
import time


class WallClock:
    """Time as people live it (`core.ports.Clock`)."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment; they never go back."""
        return time.monotonic_ns()

    def sleep_ns(self, ns: int) -> None:
        """Wait."""
        time.sleep(ns / 1e9)


def person() -> str:
    """Who runs this: the login name, or the number where nobody has a name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
