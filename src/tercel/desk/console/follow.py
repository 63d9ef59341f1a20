"""Follows a desk's journal in a thread of its own: the state of the page, the time of the last entry, Prometheus metrics.

Prometheus metrics of a desk at `/metrics`: counters over journal entries, gauges of the page's state.

Labels are agents, instruments and codes, never order names: their number stays small.
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
from tercel.desk.console.chart import begun, checkpoints, fold, note
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.gate import UNREADABLE, Answer, GateAlerts, told_of
from tercel.desk.console.state import DeskState, highest
from tercel.desk.trading.child_orders.positions import Move
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.risk.money import by, summed

Alerts = Mapping[tuple[str, str], int]
"""How many of each severity and code."""
NONE: Final[Alerts] = {}


class Metrics:
    """Counters and gauges of one desk, in a registry of their own."""

    def __init__(self) -> None:
        prometheus = needed("prometheus_client", "trade")
        self._write: Any = prometheus.generate_latest
        self._registry = registry = prometheus.CollectorRegistry()
        counter, gauge = prometheus.Counter, prometheus.Gauge

        def count(name: str, text: str, *labels: str) -> Any:
            made: Any = counter(f"tercel_{name}", text, labels, registry=registry)
            made.labels = cache(made.labels)  # asked for at every entry
            return made

        def level(name: str, text: str, *labels: str) -> Any:
            return gauge(f"tercel_{name}", text, labels, registry=registry)

        self._entries = count("journal_entries", "Journal entries", "kind")
        self._orders = count("orders_out", "Commands sent to the venue", "agent", "what")
        self._denials = count("denials", "Commands kept back by limits", "agent", "code")
        self._fills = count("fills", "Executions", "agent", "instrument")
        self._lots = count("filled_lots", "Lots filled", "agent", "instrument")
        self._rebooked = count(
            "rebooked", "Executions that the venue took back or corrected", "agent", "what"
        )
        self._rejects = count("rejects", "Orders that the venue refused", "agent")
        self._alerts = count("alerts", "Alerts", "severity", "code")
        self._told = Counter(NONE)
        self._cost = level(
            "shortfall_bps", "Mean implementation shortfall of finished parents", "agent"
        )
        self._share = level("flow_share", "Share of the flow", "agent", "instrument")
        self._drifting = level(
            "drifting", "1 where a policy's observations have left its card", "agent"
        )
        self._parents = level("parents_live", "Parent orders that are being worked or are paused")
        self._size = level("posture_size_multiplier", "Posture's size multiplier", "instrument")
        self._position = level("position_lots", "Signed position", "agent", "instrument")
        self._open = level("orders_open", "Orders that may still fill")
        self._clock = level(
            "clock_offset_seconds", "How far the clock here is ahead of the venue's"
        )
        self._unknown = level("orders_unknown", "Orders whose state only the venue knows")
        self._killed = level("killed", "1 while the kill switch is latched")
        self._used = level(
            "limit_used_ratio", "Share of a limit that is used", "scope", "name", "limit"
        )
        money = "agent", "currency"
        self._realised = level("profit_realised", "Profit realised, before fees", *money)
        self._profit_open = level(
            "profit_open", "Profit of what is open, at the last marks", *money
        )
        self._gross = level(
            "exposure_gross", "Worth of positions at the last marks, without signs", *money
        )
        self._net = level("exposure_net", "Worth of positions at the last marks", *money)
        self._at_risk = level(
            "value_at_risk", "Loss of a day that one in twenty exceeds, historical", "currency"
        )
        self._severest = level("critical_alerts", "Critical alerts in the journal")
        self._silent = level(
            "journal_silent_seconds", "Seconds since the journal's last entry was read"
        )

    def apply(self, entry: Entry, moves: Sequence[Move] = ()) -> None:
        """Count one journal entry, and the executions that it booked, busted or corrected."""
        body = entry.body
        for before, now in moves:
            if before is not None:
                self._rebooked.labels(
                    before.account, "busted" if now is None else "corrected"
                ).inc()
            elif now is not None:
                self._fills.labels(now.account, now.instrument).inc()
                self._lots.labels(now.account, now.instrument).inc(shown(now.qty))
        self._entries.labels(entry.kind).inc()
        if entry.kind == kinds.ORDER_OUT:
            self._orders.labels(entry.agent, body.get("what", "")).inc()
        elif entry.kind == kinds.DENIED:
            self._denials.labels(entry.agent, body.get("code", "")).inc()
        elif entry.kind == kinds.REPORT_IN and body.get("exec_type") == "rejected":
            self._rejects.labels(entry.agent).inc()

    def text(self, state: DeskState, silent_s: float, killed: bool, gate: Alerts = NONE) -> bytes:
        """All metrics in Prometheus text format, gauges set from the state; `gate`: its alerts (`AlertBook.codes`)."""
        for agent in state.agents.values():
            mean = agent.shown()["is_bps"]
            if mean is not None:
                self._cost.labels(agent.name).set(mean)
            self._drifting.labels(agent.name).set(agent.drifting)
            for instrument, share in agent.share.items():
                self._share.labels(agent.name, instrument).set(share)
        for instrument, posture in state.postures.items():
            self._size.labels(instrument).set(posture.get("size_multiplier", 0.0))
        for agent_name, positions in state.ledger.positions.lots().items():
            for instrument, lots in positions.items():
                self._position.labels(agent_name, instrument).set(lots)
        for row in highest(state.heartbeat.get("limits", {})):
            self._used.labels(row["scope"], row["name"], row["limit"]).set(row["share"])
        self._set_money(state)
        self._count_alerts(Counter(state.alerts.codes) + Counter(gate))
        self._unknown.set(len(state.ledger.orders.unknown()))
        self._clock.set(state.heartbeat.get("clock_s", 0.0))
        self._open.set(len(state.ledger.orders.live()))
        self._parents.set(sum(not parent.over for parent in state.ledger.parents))
        self._killed.set(killed)
        self._silent.set(silent_s)
        text: bytes = self._write(self._registry)
        return text

    def _count_alerts(self, now: Counter[tuple[str, str]]) -> None:
        """Alerts of the desk and of its gate, as both journals have them now; others of a gate count from nothing."""
        if self._told - now:
            self._alerts.clear()
            self._alerts.labels.cache_clear()
            self._told = Counter(NONE)
        for labels, n in (now - self._told).items():
            self._alerts.labels(*labels).inc(n)
        self._told = now
        self._severest.set(sum(n for (severity, _), n in now.items() if severity == "critical"))

    def _set_money(self, state: DeskState) -> None:
        """Money by agent, and what is at risk of the whole desk; NaN where a mark is missing or returns are too few."""
        held = state.money.holdings(state.ledger.positions)
        for agent, mine in by(held, lambda one: one.agent):
            for currency, some in by(mine, lambda one: one.unit.currency):
                sums = {
                    "realised": self._realised,
                    "open": self._profit_open,
                    "gross": self._gross,
                    "value": self._net,
                }
                for name, gauge in sums.items():
                    gauge.labels(agent, currency).set(_known(summed(some, name)))
        for currency, some in by(held, lambda one: one.unit.currency):
            self._at_risk.labels(currency).set(_known(state.money.var95(some)))


def _known(value: float | None) -> float:
    return math.nan if value is None else value


EVERY_S, TOLD_S, READING_S = 0.05, 0.1, 1.0
"""Between two looks at the journal, and two texts of the page: an entry is told within a quarter of a second; while a
long journal is read, texts come every second."""
FIRST_S = 1.0
GIVEN_BACK_S = 60.0
"""Between two times that freed memory goes back to the system: what past minutes and large answers took."""
GATE_S = 0.25
"""Between two looks at the journal of the gate before the desk's venue."""
BEHIND = 5_000
"""Entries that a page may lack before it says that it is still reading."""


class JournalFollower:
    """Polls the journal for new entries a few times a second and folds them into the page's state.

    Parameters
    ----------
    desk : FolderDesk
    now_s : callable
        Seconds that never go back: the page shows how long the journal has been silent.
    """

    def __init__(self, desk: FolderDesk, now_s: Callable[[], float]) -> None:
        self._desk = desk
        self._now_s = now_s
        self._lock = Lock()
        self._telling = Lock()
        self._heard_s = now_s()
        self._fault = ""
        self._journal = ""
        self._last = 0
        self._given_back_s = now_s()
        self._begin()
        self._texts = SharedText()
        self._told_s = -math.inf
        self._woken: dict[object, Callable[[], None]] = {}
        self._turns = PeriodicThread("console-follower", EVERY_S, self._turn)
        self.gate = GateAlerts(desk)
        self._counted = (0, 0, True)
        self._unbooked = 0
        self._gates = PeriodicThread("console-gate", GATE_S, self.look_at_gate)

    def _begin(self) -> None:
        self._state = DeskState(self._desk)
        self._metrics = Metrics()
        self.past = checkpoints()
        self._shown: dict[str, Any] = {}
        self._odd = ""

    def start(self) -> None:
        """Fold the existing entries for a second at most, then go on in a background thread."""
        self.catch_up(FIRST_S)
        self._turns.start()
        self._gates.start()

    def stop(self) -> None:
        """End the threads."""
        self._turns.stop(5)
        self._gates.stop(5)

    def look_at_gate(self) -> None:
        """Take new alerts of the gate; a thread of its own does it, as a gate's journal may be long."""
        self.gate.look(self.ask(lambda state: told_of(state.session)))
        self._count_unbooked()

    def _count_unbooked(self) -> None:
        """Executions that came after the desk's session had closed; none is missing while one runs."""
        state, running = self._state, bool(self._desk.running())
        stands = state.seq, self.gate.last, running
        if stands == self._counted or (state.seq < self._last and not running):
            return
        with suppress(
            *UNREADABLE, RuntimeError
        ):  # `gate_fault` says so; or a session has begun meanwhile
            self._unbooked = (
                0 if running else self.gate.unbooked(state)
            )  # which nothing changes: all is read
            self._counted = stands

    def _turn(self) -> None:
        while not self._turns.over:
            self.catch_up(TOLD_S)
            if self._woken:
                self.tell()
            if self._fault or self._state.seq >= self._last:
                break
        if self._now_s() >= self._given_back_s + GIVEN_BACK_S:
            self._given_back_s = self._now_s()
            trim_heap()

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called, in the follower's thread, whenever a part of the page has changed."""
        name = object()
        self._woken[name] = wake
        try:
            yield
        finally:
            del self._woken[name]

    def catch_up(self, within_s: float = math.inf) -> None:
        """Fold all new entries; a journal that cannot be read shows as an error on the page and is retried."""
        try:
            journal, self._last = self._desk.stands()
            if self._journal not in ("", journal) or self._last < self._state.seq:
                with self._lock:  # another journal lies there now
                    self._begin()
            self._journal = journal
            if self._last > self._state.seq or self._state.seq == 0:
                self._take(self._now_s() + within_s)
            self._fault = self._odd
        except TercelError as error:
            self._fault = str(error)
        except OSError as error:
            self._fault = f"the journal cannot be read: {error}"

    def _take(self, until_s: float) -> None:
        for seq, entry in () if self._odd else self._desk.read(after=self._state.seq):
            with self._lock:
                try:
                    self._state.apply(seq, entry)
                except (
                    UNREADABLE
                ) as error:  # nothing is said of what follows: it would lack this one
                    self._odd = f"entry {seq} ({entry.kind}) is none that can be: {error or type(error).__name__}"
                    return
                self._metrics.apply(entry, self._state.ledger.moves)
                note(self.past, self._state)
                self._heard_s = self._now_s()
            if self._turns.over or self._heard_s > until_s:
                return

    def ask(self, question: Callable[[DeskState], Answer]) -> Answer:
        """What a question finds in the state, which nobody changes meanwhile."""
        with self._lock:
            return question(self._state)

    @property
    def fault(self) -> str:
        """Why the journal cannot be read now; "" where it can."""
        return self._fault

    @property
    def read(self) -> float:
        """Share of the journal that is folded; 1 also where what it lacks has just come."""
        return self._read(self._state.seq)

    def _read(self, seq: int) -> float:
        return 1.0 if seq >= self._last - BEHIND else seq / self._last

    def shown(self) -> dict[str, Any]:
        """The page's state with its age, journal errors, and the kill latch as read now.

        `reading`: {"share", "text"} while entries of before are folded, else null.
        """
        with self._lock:
            if self._shown.get("seq") != self._state.seq or not self._shown:
                self._shown = self._state.shown()
            state = self._shown
        read = self._read(state["seq"])
        text = f"reading the journal, {int(100 * read)} %"
        return {
            **state,
            **self.gate.beside(state),
            "gate_fault": self.gate.fault,
            "unbooked": self._unbooked,
            "desk": self._desk.name,
            "latch": self._latch(),
            "running": self._desk.running(),
            "silent_s": math.floor(self._now_s() - self._heard_s),
            "fault": self._fault,
            "reading": None if read == 1.0 else {"share": read, "text": text},
        }

    def changed(self, after: int = 0) -> tuple[int, str]:
        """The parts of the page that changed after a turn, as the text of a JSON object, and the turn now.

        However many pages are open, the page is made and written once a turn, and every text once: a stream gives the
        turn that it has seen (0: none) and sends what comes back. One that was slow gets the latest of each part.
        """
        if not after:
            self.tell()
        return self._texts.since(after)

    def tell(self) -> None:
        """Write the page anew where that is due, and wake whoever listens."""
        with self._telling:
            before, now_s = self._texts.turn, self._now_s()
            if now_s - self._told_s < (TOLD_S if self.read == 1.0 else READING_S):
                return
            self._told_s = now_s
            self._texts.update(self.shown())
        if self._texts.turn > before:
            for wake in tuple(self._woken.values()):
                wake()

    def at(self, ns: int) -> DeskState:
        """The state as it was at a time of the venue (`console.chart.state_at`), a copy."""
        with self._lock:
            state = begun(self._desk, ns, self.past)
        return fold(state, self._desk, ns)

    def page_at(self, ns: int) -> dict[str, Any]:
        """The page as it was at a time of the venue."""
        page = self.at(ns).shown()
        return page | self.gate.beside(page, ns) | {"gate_fault": self.gate.fault}

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
            silent_s, killed = self._now_s() - self._heard_s, self._latch() is not None
            return self._metrics.text(
                state, silent_s, killed, self.gate.ask(lambda book: Counter(book.codes))
            )


class SharedText:
    """Parts of a page, each as text with the turn in which it changed last.

    >>> shared = SharedText()
    >>> shared.update({"seq": 1, "desk": "d"})
    >>> shared.since(0)
    (1, '{"seq": 1, "desk": "d"}')
    >>> shared.update({"seq": 2, "desk": "d"})
    >>> shared.since(1), shared.since(2)
    ((2, '{"seq": 2}'), (2, '{}'))
    """

    def __init__(self) -> None:
        self._now: tuple[int, dict[str, tuple[int, str]], dict[int, str]] = (0, {}, {})
        """The turn, the parts, and the texts that were asked for: replaced as one, so that readers need no lock."""

    @property
    def turn(self) -> int:
        """How often a part has changed."""
        return self._now[0]

    def update(self, page: Mapping[str, Any]) -> None:
        """Take the page as it is now; a turn passes where a part has changed. One thread at a time may."""
        turn, parts, _ = self._now
        now = {key: page_json(value) for key, value in page.items()}
        new = {key: text for key, text in now.items() if parts.get(key, (0, ""))[1] != text}
        if new:
            self._now = turn + 1, parts | {key: (turn + 1, text) for key, text in new.items()}, {}

    def since(self, after: int) -> tuple[int, str]:
        """The turn now, and the parts that changed after another as the text of one object."""
        now, all_parts, texts = self._now
        if after not in texts:
            parts = (
                f"{json.dumps(key)}: {text}"
                for key, (turn, text) in all_parts.items()
                if turn > after
            )
            texts[after] = "{" + ", ".join(parts) + "}"
        return now, texts[after]
