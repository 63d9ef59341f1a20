"""Named points at which a test may kill the process. Nothing happens unless one is armed.

TERCEL_CRASH_AT=gateway.sent.new:3 ...    SIGKILL when the point `gateway.sent.new` is passed for the third time
"""

import os
import signal
from collections import Counter
from typing import Final

VARIABLE: Final = "TERCEL_CRASH_AT"


class _Armed:
    """The point that kills, how often it may still be passed, and how often which was passed where that is counted."""

    point = ""
    left = 0
    counted: Counter[str] | None = None


_armed = _Armed()


def arm(text: str) -> None:
    """Kill this process at ``point`` or ``point:n``; "" disarms."""
    _armed.point, _, count = text.partition(":")
    _armed.left = int(count) if count.isdigit() else 1


def counting() -> Counter[str]:
    """Count from now on how often each point is passed."""
    _armed.counted = Counter()
    return _armed.counted


def stop_counting() -> None:
    """Count no more."""
    _armed.counted = None


def at(point: str) -> None:
    """The program is at `point`: die here when this point is armed."""
    if _armed.counted is not None:
        _armed.counted[point] += 1
    if point == _armed.point:
        _armed.left -= 1
        if _armed.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
