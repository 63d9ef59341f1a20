"""Follows a desk's journal in a thread: the report of the desk now and then, and its Prometheus metrics.

Metrics are counters over journal entries and gauges of the state. Labels are agents, instruments and codes, never order
names: their number stays small.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any, Final

from tercel.core.errors import TercelError
from tercel.core.extras import needed
from tercel.core.orders import shown
from tercel.core.ports import Entry
from tercel.core.serialization import page_json
from tercel.core.system import PeriodicThread, trim_heap
from tercel.desk.console.alerts import UNREADABLE, Answer, GateAlerts, gate_terms
from tercel.desk.console.chart import begun, checkpoints, fold, note
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.report import DeskReport, LatchPart, LiveDeskReport, Reading
from tercel.desk.console.state import DeskState
from tercel.desk.trading.child_orders.positions import Move
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.risk.money import by, summed

Alerts = Mapping[tuple[str, str], int]
"""Number of alerts by severity and code."""
NONE: Final[Alerts] = {}


MONEY: Final = ("agent", "currency")
COUNTERS: Final[dict[str, tuple[str, ...]]] = {
    "journal_entries": ("Journal entries", "kind"),
    "orders_out": ("Commands sent to the venue", "agent", "what"),
    "denials": ("Commands denied by limits", "agent", "code"),
    "fills": ("Executions", "agent", "instrument"),
    "filled_lots": ("Lots filled", "agent", "instrument"),
    "rebooked": ("Executions that the venue took back or corrected", "agent", "what"),
    "rejects": ("Orders that the venue refused", "agent"),
    "alerts": ("Alerts", "severity", "code"),
}
"""Name: text and labels."""
GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "shortfall_bps": ("Mean implementation shortfall of finished parents", "agent"),
    "flow_share": ("Share of the flow", "agent", "instrument"),
    "drifting": ("1 where a policy's observations have left its card", "agent"),
    "parents_live": ("Parent orders that are being worked or are paused",),
    "posture_size_multiplier": ("Size multiplier of the risk state", "instrument"),
    "position_lots": ("Signed position", "agent", "instrument"),
    "orders_open": ("Orders that may still fill",),
    "clock_offset_seconds": ("How far the clock here is ahead of the venue's",),
    "orders_unknown": ("Orders whose state only the venue knows",),
    "killed": ("1 while the kill switch is latched",),
    "limit_used_ratio": ("Share of a limit that is used", "scope", "name", "limit"),
    "profit_realised": ("Profit realised, before fees", *MONEY),
    "profit_open": ("Unrealised profit of open positions at the last marks", *MONEY),
    "exposure_gross": ("Sum of absolute position values at the last marks", *MONEY),
    "exposure_net": ("Sum of signed position values at the last marks", *MONEY),
    "value_at_risk": ("Loss of a day that one in twenty exceeds, historical", "currency"),
    "critical_alerts": ("Critical alerts in the journal",),
    "journal_silent_seconds": ("Seconds since the journal's last entry was read",),
}
"""Name: text and labels."""


class Metrics:
    """Counters and gauges of one desk, in a registry of their own."""

    def __init__(self) -> None:
        prometheus = needed("prometheus_client", "trade")
        self._write: Any = prometheus.generate_latest
        self._registry = registry = prometheus.CollectorRegistry()
        self._counts: dict[str, Any] = {
            name: prometheus.Counter(f"tercel_{name}", text, labels, registry=registry)
            for name, (text, *labels) in COUNTERS.items()
        }
        self._levels: dict[str, Any] = {
            name: prometheus.Gauge(f"tercel_{name}", text, labels, registry=registry)
            for name, (text, *labels) in GAUGES.items()
        }
        self._count = cache(lambda name, *labels: self._counts[name].labels(*labels))
        # Alerts as counted so far
        self._counted: Counter[tuple[str, str]] = Counter()

    def _set(self, name: str, value: float | None, *labels: str) -> None:
        gauge = self._levels[name].labels(*labels) if labels else self._levels[name]
        gauge.set(math.nan if value is None else value)

    def apply(self, entry: Entry, moves: Sequence[Move] = ()) -> None:
        """Count one journal entry, and the executions that it booked, busted or corrected."""
        body = entry.body
        for before, now in moves:
            if before is not None:
                what = "busted" if now is None else "corrected"
                self._count("rebooked", before.account, what).inc()
            elif now is not None:
                self._count("fills", now.account, now.instrument).inc()
                self._count("filled_lots", now.account, now.instrument).inc(shown(now.qty))
        self._count("journal_entries", entry.kind).inc()
        if entry.kind == kinds.ORDER_OUT:
            self._count("orders_out", entry.agent, body.get("what", "")).inc()
        elif entry.kind == kinds.DENIED:
            self._count("denials", entry.agent, body.get("code", "")).inc()
        elif entry.kind == kinds.REPORT_IN and body.get("exec_type") == "rejected":
            self._count("rejects", entry.agent).inc()

    def text(self, state: DeskState, silent_s: float, killed: bool, gate: Alerts = NONE) -> bytes:
        """All metrics in Prometheus text format, gauges set from the state; `gate`: its alerts (`AlertBook.codes`)."""
        put, ledger = self._set, state.ledger
        for agent in state.agents.values():
            if (mean := agent.costs.bounds()[0]) is not None:
                put("shortfall_bps", mean, agent.name)
            put("drifting", agent.drifting, agent.name)
            for instrument, share in agent.share.items():
                put("flow_share", share, agent.name, instrument)
        for instrument, posture in state.postures.items():
            put("posture_size_multiplier", posture.get("size_multiplier", 0.0), instrument)
        for name, positions in ledger.positions.lots().items():
            for instrument, lots in positions.items():
                put("position_lots", lots, name, instrument)
        for row in state.limits():
            put("limit_used_ratio", row.share, row.scope, row.name, row.limit)
        held = state.money.holdings(ledger.positions)
        for name, mine in by(held, lambda one: one.agent):
            for currency, some in by(mine, lambda one: one.unit.currency):
                put("profit_realised", summed(some, "realised"), name, currency)
                put("profit_open", summed(some, "open"), name, currency)
                put("exposure_gross", summed(some, "gross"), name, currency)
                put("exposure_net", summed(some, "value"), name, currency)
        for currency, some in by(held, lambda one: one.unit.currency):
            put("value_at_risk", state.money.var95(some), currency)
        alerts = Counter(state.alerts.codes) + Counter(gate)
        if self._counted - alerts:  # another gate: its alerts count from zero
            self._counts["alerts"].clear()
            self._count.cache_clear()
            self._counted = Counter()
        for labels, n in (alerts - self._counted).items():
            self._count("alerts", *labels).inc(n)
        self._counted = alerts
        put("critical_alerts", sum(n for (level, _), n in alerts.items() if level == "critical"))
        put("orders_unknown", len(ledger.orders.unknown()))
        put("clock_offset_seconds", state.heartbeat.get("clock_s", 0.0))
        put("orders_open", len(ledger.orders.live()))
        put("parents_live", sum(not parent.over for parent in ledger.parents))
        put("killed", killed)
        put("journal_silent_seconds", silent_s)
        text: bytes = self._write(self._registry)
        return text


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
BEHIND: Final = 5_000
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
        self._writing = Lock()
        self._read_s = now_s()
        # Why the journal cannot be read now; "" if it can
        self.fault = ""
        self._journal = ""
        self._last = 0
        self._trimmed_s = now_s()
        self._begin()
        self._texts = SharedText()
        self._text_s = -math.inf
        self._listeners: dict[object, Callable[[], None]] = {}
        self._turns = PeriodicThread("console-follower", POLL_S, self._turn)
        self.gate = GateAlerts(desk)
        self._compared = (0, 0, True)
        self._unbooked = 0
        self._gates = PeriodicThread("console-gate", GATE_S, self.look_at_gate)

    def _begin(self) -> None:
        self._state = DeskState(self._desk)
        self._metrics = Metrics()
        self.past = checkpoints()
        self._report: DeskReport | None = None
        self._invalid = ""

    def start(self) -> None:
        """Fold the existing entries for a second at most, then follow it in a background thread."""
        self.catch_up(FIRST_S)
        self._turns.start()
        self._gates.start()

    def stop(self) -> None:
        """End the threads."""
        self._turns.stop(5)
        self._gates.stop(5)

    def look_at_gate(self) -> None:
        """Fold new alerts of the gate, and count executions that came after the desk's session had closed.

        A thread of its own does it, as a gate's journal may be long.
        """
        self.gate.look(self.ask(lambda state: gate_terms(state.session)))
        state, running = self._state, bool(self._desk.running())
        position = state.seq, self.gate.last, running
        if position == self._compared or (state.seq < self._last and not running):
            return
        # an unreadable gate is reported by `gate_fault`; RuntimeError: a session has begun, and changes the ledger
        with suppress(*UNREADABLE, RuntimeError):
            self._unbooked = 0 if running else self.gate.unbooked(state.ledger, state.began_ns)
            self._compared = position

    def _turn(self) -> None:
        while not self._turns.over:
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
        """Have `wake` called, in the follower's thread, whenever a part of the page has changed."""
        name = object()
        self._listeners[name] = wake
        try:
            yield
        finally:
            del self._listeners[name]

    def catch_up(self, within_s: float = math.inf) -> None:
        """Fold all new entries; a journal that cannot be read shows as an error on the page and is retried."""
        try:
            journal, self._last = self._desk.position()
            if self._journal not in ("", journal) or self._last < self._state.seq:
                with self._lock:  # the journal was replaced
                    self._begin()
            self._journal = journal
            if self._last > self._state.seq or self._state.seq == 0:
                self._take(self._now_s() + within_s)
            self.fault = self._invalid
        except TercelError as error:
            self.fault = str(error)
        except OSError as error:
            self.fault = f"the journal cannot be read: {error}"

    def _take(self, until_s: float) -> None:
        for seq, entry in () if self._invalid else self._desk.read(after=self._state.seq):
            with self._lock:
                try:
                    self._state.apply(seq, entry)
                except UNREADABLE as error:  # a state after it would lack this entry
                    self._invalid = (
                        f"entry {seq} ({entry.kind}) is invalid: {error or type(error).__name__}"
                    )
                    return
                self._metrics.apply(entry, self._state.ledger.moves)
                note(self.past, self._state)
                self._read_s = self._now_s()
            if self._turns.over or self._read_s > until_s:
                return

    def ask(self, question: Callable[[DeskState], Answer]) -> Answer:
        """Answer of a question about the state, which does not change meanwhile."""
        with self._lock:
            return question(self._state)

    @property
    def read(self) -> float:
        """Share of the journal that is folded; 1 also if its last entries have just come."""
        seq = self._state.seq
        return 1.0 if seq >= self._last - BEHIND else seq / self._last

    def report(self) -> LiveDeskReport:
        """The desk's report, with its age, journal errors, and the kill switch as read now."""
        with self._lock:
            if self._report is None or self._report.seq != self._state.seq:
                self._report = self._state.report()
            report = self._report
        behind = report.seq < self._last - BEHIND
        share = report.seq / self._last if behind else 1.0
        reading = Reading(share=share, text=f"reading the journal, {int(100 * share)} %")
        return LiveDeskReport(
            **vars(self.gate.added(report)),
            unbooked=self._unbooked,
            desk=self._desk.name,
            latch=self._latch(),
            running=self._desk.running(),
            silent_s=math.floor(self._now_s() - self._read_s),
            fault=self.fault,
            reading=reading if behind else None,
        )

    def changed(self, after: int = 0) -> tuple[int, str]:
        """The parts of the report that changed after a turn, as the text of a JSON object, and the turn now.

        For any number of streams the report is made and written once a turn: a stream passes the turn that it has sent
        (0: none) and sends the text. A slow one gets the latest of each part.
        """
        if not after:
            self.write()
        return self._texts.since(after)

    def write(self) -> None:
        """Write the report if it is due, and wake all listeners."""
        with self._writing:
            before, now_s = self._texts.turn, self._now_s()
            if now_s - self._text_s < (TEXT_S if self.read == 1.0 else READING_S):
                return
            self._text_s = now_s
            self._texts.update(vars(self.report()))
        if self._texts.turn > before:
            for wake in tuple(self._listeners.values()):
                wake()

    def at(self, ns: int) -> DeskState:
        """The state as it was at a time of the venue, a copy."""
        with self._lock:
            state = begun(self._desk, ns, self.past)
        return fold(state, self._desk, ns)

    def report_at(self, ns: int) -> DeskReport:
        """The desk's report as it was at a time of the venue."""
        return self.gate.added(self.at(ns).report(), ns)

    def _latch(self) -> LatchPart | None:
        try:
            return self._desk.killed()
        except (TercelError, OSError) as error:
            return LatchPart(scope="all", by="", reason=f"the latch cannot be read: {error}")

    def metrics(self) -> bytes:
        """The metrics in Prometheus text format."""
        alerts = self.gate.ask(lambda book: Counter(book.codes))
        with self._lock:
            silent_s, killed = self._now_s() - self._read_s, self._latch() is not None
            return self._metrics.text(self._state, silent_s, killed, alerts)


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
        self._now: tuple[int, dict[str, tuple[int, str]], dict[int, str]] = (0, {}, {})

    @property
    def turn(self) -> int:
        """Number of updates that changed a part."""
        return self._now[0]

    def update(self, parts: Mapping[str, Any]) -> None:
        """Take the parts as they are now. One thread at a time may."""
        turn, before, _ = self._now
        texts = {key: page_json(value) for key, value in parts.items()}
        new = {key: text for key, text in texts.items() if before.get(key, (0, ""))[1] != text}
        if new:
            changed = {key: (turn + 1, text) for key, text in new.items()}
            self._now = turn + 1, before | changed, {}

    def since(self, after: int) -> tuple[int, str]:
        """The current turn, and the JSON text of an object of the parts that changed after turn `after`."""
        now, all_parts, texts = self._now
        if after not in texts:
            parts = (
                f"{json.dumps(key)}: {text}"
                for key, (turn, text) in all_parts.items()
                if turn > after
            )
            texts[after] = "{" + ", ".join(parts) + "}"
        return now, texts[after]
