"""What is known of the machine that this runs on: a clock as people live it, and who sits before it.

Nothing here is asked below `api`: whoever stands above hands a clock and a name down.
"""

import os
import pwd
import time


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
