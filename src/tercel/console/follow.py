"""Follows a desk's journal in a thread of its own: the state of the page, its metrics, the time of the last word."""

import threading
from collections.abc import Callable
from typing import Any

from tercel.console.desk import WatchedDesk
from tercel.console.metrics import Metrics
from tercel.console.state import DeskState
from tercel.core.errors import TercelError

EVERY_S = 0.25


class Follower:
    """Reads what is new a few times a second.

    Parameters
    ----------
    desk : WatchedDesk
    now_s : callable
        Seconds that never go back: the page shows how long the journal has been silent.
    """

    def __init__(self, desk: WatchedDesk, now_s: Callable[[], float]) -> None:
        self._desk, self._now_s = desk, now_s
        self._state, self._metrics, self._lock = DeskState(), Metrics(), threading.Lock()
        self._heard_s = now_s()
        self._fault = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-follower", daemon=True)

    def start(self) -> None:
        """Read what is there, then go on in the background."""
        self.catch_up()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def catch_up(self) -> None:
        """Read everything new. A journal that cannot be read is said on the page, and tried again."""
        try:
            for seq, entry in self._desk.read(after=self._state.seq):
                with self._lock:
                    self._state.apply(seq, entry)
                    self._metrics.apply(entry)
                    self._heard_s = self._now_s()
            self._fault = ""
        except TercelError as error:
            self._fault = str(error)

    def shown(self) -> dict[str, Any]:
        """The page's state, with its age, what is wrong with the journal, and the latch as it stands now."""
        try:
            latch = self._desk.killed()
        except TercelError as error:
            latch = {"scope": "all", "by": "", "reason": f"the latch cannot be read: {error}"}
        with self._lock:
            state = self._state.shown()
        silent = round(self._now_s() - self._heard_s, 1)
        return state | {
            "desk": self._desk.name,
            "latch": dict(latch) if latch is not None else None,
            "silent_s": silent,
            "fault": self._fault,
        }

    def metrics(self) -> bytes:
        """Prometheus text."""
        with self._lock:
            state = self._state
            return self._metrics.text(state, self._now_s() - self._heard_s, self._desk.killed() is not None)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.catch_up()
