"""Follower of a desk's journal: a thread that folds new entries, and gives the desk's report now and at past times."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, Final

from tercel.core.errors import TercelError
from tercel.core.serialization import page_json
from tercel.core.system import PeriodicThread, trim_heap
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.gate_alerts import UNREADABLE, Answer, GateAlerts, gate_terms
from tercel.desk.console.history import checkpoints, fold_until, keep_checkpoint, restore_state
from tercel.desk.console.metrics import Metrics
from tercel.desk.console.report import DeskReport, LiveDeskReport, Reading
from tercel.desk.console.report_base import LatchPart
from tercel.desk.console.state import DeskState

POLL_S: Final = 0.05
"""Seconds between two polls of the journal."""
TEXT_S: Final = 0.1
"""Seconds between two texts of the page: an entry is on it within a quarter of a second."""
READING_S: Final = 1.0
"""Seconds between two texts of the page while a long journal is read."""
FIRST_S: Final = 1.0
TRIM_S: Final = 60.0
"""Seconds between two returns of freed memory of past states and large answers to the system."""
GATE_S: Final = 0.25
"""Seconds between two polls of the journal of the gate before the desk's venue."""
TURN_ENTRIES: Final = 2_000
"""Entries that a turn folds between two looks at the clock: on a busy machine it ends late, and never empty."""
MAX_LAG_ENTRIES: Final = 5_000
"""Entries that a page may lack before it says that it is still reading."""


class JournalFollower:
    """Polls the journal for new entries a few times a second and folds them into the desk's state.

    Parameters
    ----------
    desk : FolderDesk
    now_s : callable
        Monotonic clock, seconds: the page shows how long the journal has been silent.
    """

    def __init__(self, desk: FolderDesk, now_s: Callable[[], float]) -> None:
        self._desk = desk
        self._now_s = now_s
        self._lock = Lock()
        self._write_lock = Lock()
        self._last_read_s = now_s()
        # Why the journal cannot be read now; "" if it can
        self.fault = ""
        self._journal = ""
        self._last = 0
        self._trimmed_s = now_s()
        self._reset()
        self._texts = SharedText()
        self._text_s = -math.inf
        self._listeners: dict[object, Callable[[], None]] = {}
        self._poll_thread = PeriodicThread("console-follower", POLL_S, self._poll)
        self.gate = GateAlerts(desk)
        self._compared = (0, 0, True)
        self._unbooked_count = 0
        self._gate_thread = PeriodicThread("console-gate", GATE_S, self.poll_gate)

    def _reset(self) -> None:
        """Start again with an empty state, metrics and checkpoints."""
        self._state = DeskState(self._desk)
        self._metrics = Metrics()
        self.past = checkpoints()
        self._report: DeskReport | None = None
        self._invalid = ""

    def start(self) -> None:
        """Fold the existing entries for a second at most, then follow the journal, and the gate's, in background threads."""
        self.catch_up(FIRST_S)
        self._poll_thread.start()
        self._gate_thread.start()

    def stop(self) -> None:
        """End the threads."""
        self._poll_thread.stop(5)
        self._gate_thread.stop(5)

    def poll_gate(self) -> None:
        """Fold new alerts of the gate, and count its executions that the desk has not booked (0 while a session of the
        desk runs).

        A thread of its own does it, as a gate's journal may be long.
        """
        self.gate.poll(self.query(lambda state: gate_terms(state.session)))
        state = self._state
        running = bool(self._desk.lock_holder())
        position = state.seq, self.gate.last_seq, running
        if position == self._compared or (state.seq < self._last and not running):
            return
        # an unreadable gate is reported by `gate_fault`; RuntimeError: a session has begun, and changes the ledger
        with suppress(*UNREADABLE, RuntimeError):
            self._unbooked_count = (
                0 if running else self.gate.count_unbooked(state.ledger, state.began_ns)
            )
            self._compared = position

    def _poll(self) -> None:
        """One turn of the thread: fold new entries, write the page's parts, return freed memory to the system."""
        while not self._poll_thread.over:
            self.catch_up(TEXT_S)
            if self._listeners:
                self.write()
            if self.fault or self._state.seq >= self._last:
                break
        if self._now_s() >= self._trimmed_s + TRIM_S:
            self._trimmed_s = self._now_s()
            trim_heap()

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Within the context, have `wake` called in the follower's thread whenever a part of the page has changed."""
        key = object()
        self._listeners[key] = wake
        try:
            yield
        finally:
            del self._listeners[key]

    def catch_up(self, within_s: float = math.inf) -> None:
        """Fold new entries for `within_s` seconds, at least `TURN_ENTRIES`; a journal that cannot be read sets `fault` and
        is retried by the next call."""
        try:
            journal, self._last = self._desk.journal_position()
            if self._journal not in ("", journal) or self._last < self._state.seq:
                with self._lock:  # the journal was replaced
                    self._reset()
            self._journal = journal
            if self._last > self._state.seq or self._state.seq == 0:
                self._fold_entries(self._now_s() + within_s)
            self.fault = self._invalid
        except TercelError as error:
            self.fault = str(error)
        except OSError as error:
            self.fault = f"the journal cannot be read: {error}"

    def _fold_entries(self, until_s: float) -> None:
        """Fold entries until a time of the monotonic clock, s, at least `TURN_ENTRIES`; an invalid or missing entry ends the
        fold for good and is noted in `_invalid`."""
        begun = self._state.seq
        for seq, entry in () if self._invalid else self._desk.read(after=begun):
            with self._lock:
                if seq != self._state.seq + 1:
                    self._invalid = f"entry {self._state.seq + 1} of the journal is missing"
                    return
                try:
                    self._state.apply(seq, entry)
                except UNREADABLE as error:  # a state after it would lack this entry
                    self._invalid = (
                        f"entry {seq} ({entry.kind}) is invalid: {error or type(error).__name__}"
                    )
                    return
                self._metrics.apply(entry, self._state.ledger.moves)
                keep_checkpoint(self.past, self._state)
                self._last_read_s = self._now_s()
            # opening and reading a page may take longer than a turn where the processor is busy
            is_late = (seq - begun) % TURN_ENTRIES == 0 and self._last_read_s > until_s
            if is_late or self._poll_thread.over:
                return

    def query(self, question: Callable[[DeskState], Answer]) -> Answer:
        """Result of a function of the state, called under the lock."""
        with self._lock:
            return question(self._state)

    @property
    def read_share(self) -> float:
        """Share of the journal's entries that are folded; 1 where at most `MAX_LAG_ENTRIES` are not."""
        seq = self._state.seq
        return 1.0 if seq >= self._last - MAX_LAG_ENTRIES else seq / self._last

    def report(self) -> LiveDeskReport:
        """The desk's report, with its age, journal errors, and the kill switch as read now."""
        with self._lock:
            if self._report is None or self._report.seq != self._state.seq:
                self._report = self._state.report()
            report = self._report
        behind = report.seq < self._last - MAX_LAG_ENTRIES
        share = report.seq / self._last if behind else 1.0
        reading = Reading(share=share, text=f"reading the journal, {int(100 * share)} %")
        return LiveDeskReport(
            **vars(self.gate.merge_into(report)),
            unbooked=self._unbooked_count,
            desk=self._desk.name,
            latch=self._read_latch(),
            running=self._desk.lock_holder(),
            silent_s=math.floor(self._now_s() - self._last_read_s),
            fault=self.fault,
            reading=reading if behind else None,
        )

    def changes_since(self, after: int = 0) -> tuple[int, str]:
        """The turn now, and the JSON text of the report's parts that changed after turn `after` (0: of all parts).

        For any number of streams the report is made and written once a turn: a stream passes the turn that it has sent
        (0: none) and sends the text. A slow one gets the latest of each part.
        """
        if not after:
            self.write()
        return self._texts.since(after)

    def write(self) -> None:
        """Update the texts of the report's parts in memory if they are due, and wake all listeners if one changed."""
        with self._write_lock:
            before = self._texts.turn
            now_s = self._now_s()
            if now_s - self._text_s < (TEXT_S if self.read_share == 1.0 else READING_S):
                return
            self._text_s = now_s
            self._texts.update(vars(self.report()))
        if self._texts.turn > before:
            for wake in tuple(self._listeners.values()):
                wake()

    def state_at(self, ns: int) -> DeskState:
        """A copy of the desk's state as it was at a time of the venue, ns (inclusive)."""
        with self._lock:
            state = restore_state(self._desk, ns, self.past)
        return fold_until(state, self._desk, ns)

    def report_at(self, ns: int) -> DeskReport:
        """The desk's report as it was at a time of the venue."""
        return self.gate.merge_into(self.state_at(ns).report(), ns)

    def _read_latch(self) -> LatchPart | None:
        """State of the kill latch; a latch that cannot be read counts as latched for all."""
        try:
            return self._desk.read_latch()
        except (TercelError, OSError) as error:
            return LatchPart(scope="all", by="", reason=f"the latch cannot be read: {error}")

    def metrics(self) -> bytes:
        """The metrics in Prometheus text format."""
        alerts = self.gate.query(lambda book: Counter(book.codes))
        with self._lock:
            silent_s = self._now_s() - self._last_read_s
            killed = self._read_latch() is not None
            return self._metrics.render(self._state, silent_s, killed, alerts)


class SharedText:
    """Parts of a report, each as JSON text with the turn in which it changed last.

    >>> shared = SharedText()
    >>> shared.update({"seq": 1, "desk": "d"})
    >>> shared.since(0)
    (1, '{"seq": 1, "desk": "d"}')
    >>> shared.update({"seq": 2, "desk": "d"})
    >>> shared.since(1), shared.since(2)
    ((2, '{"seq": 2}'), (2, '{}'))
    """

    def __init__(self) -> None:
        # The turn, the parts and the requested texts: replaced as one, so that readers
        # need no lock
        self._current: tuple[int, dict[str, tuple[int, str]], dict[int, str]] = (0, {}, {})

    @property
    def turn(self) -> int:
        """Number of updates that changed a part."""
        return self._current[0]

    def update(self, parts: Mapping[str, Any]) -> None:
        """Store the parts' current values; parts whose text changed get the next turn. For one thread at a time."""
        turn, before, _ = self._current
        texts = {key: page_json(value) for key, value in parts.items()}
        new = {key: text for key, text in texts.items() if before.get(key, (0, ""))[1] != text}
        if new:
            changed = {key: (turn + 1, text) for key, text in new.items()}
            self._current = turn + 1, before | changed, {}

    def since(self, after: int) -> tuple[int, str]:
        """The current turn, and the JSON text of an object of the parts that changed after turn `after`."""
        now, all_parts, texts = self._current
        if after not in texts:
            parts = (
                f"{json.dumps(key)}: {text}"
                for key, (turn, text) in all_parts.items()
                if turn > after
            )
            texts[after] = "{" + ", ".join(parts) + "}"
        return now, texts[after]
