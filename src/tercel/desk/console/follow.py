"""Follows a desk's journal in a thread of its own: the state of the page, its metrics, the time of the last entry."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

from tercel.core.errors import TercelError
from tercel.core.periodic import PeriodicThread
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.metrics import Metrics
from tercel.desk.console.state import DeskState

EVERY_S = 0.25
_Answer = TypeVar("_Answer")


class JournalFollower:
    """Polls the journal for new entries a few times a second and folds them into the page's state.

    Parameters
    ----------
    desk : FolderDesk
    now_s : callable
        Seconds that never go back: the page shows how long the journal has been silent.
    """

    def __init__(self, desk: FolderDesk, now_s: Callable[[], float]) -> None:
        self._desk, self._now_s = desk, now_s
        self._state, self._metrics, self._lock = DeskState(), Metrics(), Lock()
        self._heard_s = now_s()
        self._fault, self._journal = "", ""
        self._shown: dict[str, Any] = {}
        self._turns = PeriodicThread("console-follower", EVERY_S, self.catch_up)

    def start(self) -> None:
        """Fold the existing entries, then poll in a background thread."""
        self.catch_up()
        self._turns.start()

    def stop(self) -> None:
        """End the thread."""
        self._turns.stop(5)

    def catch_up(self) -> None:
        """Fold all new entries; a journal that cannot be read shows as an error on the page and is retried."""
        try:
            journal, last = self._desk.stands()
            if self._journal not in ("", journal) or last < self._state.seq:
                with self._lock:  # another journal lies there now
                    self._state, self._metrics = DeskState(), Metrics()
            self._journal = journal
            if last > self._state.seq or self._state.seq == 0:
                self._take()
            self._fault = ""
        except TercelError as error:
            self._fault = str(error)
        except OSError as error:
            self._fault = f"the journal cannot be read: {error}"

    def _take(self) -> None:
        for seq, entry in self._desk.read(after=self._state.seq):
            with self._lock:
                self._state.apply(seq, entry)
                self._metrics.apply(entry)
                self._heard_s = self._now_s()

    def ask(self, question: Callable[[DeskState], _Answer]) -> _Answer:
        """What a question finds in the state, which nobody changes meanwhile."""
        with self._lock:
            return question(self._state)

    @property
    def fault(self) -> str:
        """Why the journal cannot be read now; "" where it can."""
        return self._fault

    def shown(self) -> dict[str, Any]:
        """The page's state with its age, journal errors, and the kill latch as read now."""
        with self._lock:
            if self._shown.get("seq") != self._state.seq or not self._shown:
                self._shown = self._state.shown()
            state = self._shown
        return state | {
            "desk": self._desk.name,
            "latch": self._latch(),
            "running": self._desk.running(),
            "silent_s": round(self._now_s() - self._heard_s, 1),
            "fault": self._fault,
        }

    def _latch(self) -> dict[str, Any] | None:
        try:
            latch = self._desk.killed()
        except (TercelError, OSError) as error:
            return {"scope": "all", "by": "", "reason": f"the latch cannot be read: {error}"}
        return None if latch is None else dict(latch)

    def metrics(self) -> bytes:
        """The metrics in Prometheus text format."""
        with self._lock:
            state = self._state
            return self._metrics.text(state, self._now_s() - self._heard_s, self._latch() is not None)
