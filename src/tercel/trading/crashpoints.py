"""Named points at which a test may kill the process. Nothing happens unless one is armed.

TERCEL_CRASH_AT=door.sent:3 ...    SIGKILL when the point `door.sent` is passed for the third time
"""

import os
import signal
from typing import Final

VARIABLE: Final = "TERCEL_CRASH_AT"


class _Armed:
    """The point that kills, and how often it may still be passed."""

    def __init__(self, text: str) -> None:
        self.point, _, count = text.partition(":")
        self.left = int(count) if count.isdigit() else 1


_armed = _Armed(os.environ.get(VARIABLE, ""))


def at(point: str) -> None:
    """The program is at `point`: die here when the environment says so."""
    if point == _armed.point:
        _armed.left -= 1
        if _armed.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
