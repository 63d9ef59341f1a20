"""Named points at which a test may kill the process. Nothing happens unless one is armed.

TERCEL_CRASH_AT=gateway.sent.new:3 ...    SIGKILL when the point `gateway.sent.new` is passed for the third time
"""

import os
import signal
from typing import Final

VARIABLE: Final = "TERCEL_CRASH_AT"


class _Armed:
    """The point that kills, and how often it may still be passed."""

    point = ""
    left = 0


_armed = _Armed()


def arm(text: str) -> None:
    """Kill this process at ``point`` or ``point:n``; "" disarms."""
    _armed.point, _, count = text.partition(":")
    _armed.left = int(count) if count.isdigit() else 1


def at(point: str) -> None:
    """The program is at `point`: die here when this point is armed."""
    if point == _armed.point:
        _armed.left -= 1
        if _armed.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
