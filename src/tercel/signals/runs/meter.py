"""Seconds and memory of an action, for comparisons: clocks live in `app`."""

import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tercel.signals.compare.cells import Measured

T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class ProcessMeter:
    """Processor seconds of all threads, and the peak of resident memory above where it stood (Linux; None elsewhere).

    Wall seconds on a busy machine would measure what else it does.

    Freed memory is handed back before each action, and the kernel's high-water mark is set to where it stands.
    """

    def __init__(self) -> None:
        self._trim = _trimmer()
        self._knows_memory = _can_reset()
        gc.collect()
        gc.freeze()  # what libraries made while they were loaded is not searched again and again

    def __call__(self, action: Callable[[], T], memory: bool = False) -> Measured[T]:
        """Do it and measure; memory only where asked for, as it takes a while to make ready."""
        before = self._stand() if memory and self._knows_memory else None
        start = time.process_time()
        value = action()
        seconds = time.process_time() - start
        peak = None if before is None else max(_status("VmHWM") - before, 0) / 1024
        return Measured(value, seconds, peak)

    def _stand(self) -> int:
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        _RESET.write_text("5")
        return _status("VmRSS")


def _status(key: str) -> int:
    """A figure of the process, KiB."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def _can_reset() -> bool:
    try:
        _RESET.write_text("5")
        return _status("VmHWM") > 0
    except OSError:
        return False


def _trimmer() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
    return found
