"""Alerts of a desk and of its gate with their owners, each a fold of its own journal.

An alert stays in the journal that it was written to, and so does its owner: several desks behind one gate show the same
one. A desk shows those of its own agents, and of the gate as a whole.
"""

from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from tercel.core.errors import TercelError
from tercel.core.orders import ExecType, Report
from tercel.core.ports import Entries, Entry
from tercel.desk.console.report import Alert, DeskReport
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import message_of
from tercel.desk.trading.ledger import Ledger

if TYPE_CHECKING:
    from tercel.desk.console.desk import FolderDesk

MOST_ALERTS: Final = 50
"""Alerts of a report."""
SEVERE: Final = ("critical", "warning")
"""Severities that need an owner, the worst first."""
LEVELS: Final = ("info", *SEVERE)
KINDS: Final = (kinds.ALERT, kinds.OPERATOR)
"""Entries that the fold takes."""
UNREADABLE: Final = (
    TercelError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
)
"""Errors of a foreign journal: missing, locked, torn, or with invalid entries."""
Answer = TypeVar("Answer")
GATE: Final = "gate"
"""Key of a session's entry: journal of a gate that is not the desk's own, and the desk's accounts there."""


class Owner(NamedTuple):
    """Owner of an alert, with a note."""

    owner: str
    note: str


class AlertBook:
    """The alerts of one journal, folded in order. The first person to take an alert owns it.

    >>> book = AlertBook()
    >>> book.apply(1, Entry(kinds.ALERT, 5, body={"severity": "critical", "code": "GAP", "text": "gone"}))
    >>> book.apply(2, Entry(kinds.OPERATOR, 6, body={"command": "own_alert", "body": {"alert": 1}, "by": "ann"}))
    >>> [(row.code, row.owner) for row in book.rows()], book.unowned, book.newest(9, 50)
    ([('GAP', 'ann')], {}, [(5, 1)])
    >>> book.as_of(5).unowned
    {1: 5}
    """

    def __init__(self) -> None:
        self.severities: Counter[str] = Counter()
        # Alerts by severity and code, as they were written
        self.codes: Counter[tuple[str, str]] = Counter()
        # Time of each that needs an owner and has none, by the number of its entry
        self.unowned: dict[int, int] = {}
        # By the number of the alert's entry
        self.owners: dict[int, Owner] = {}
        self.latest: deque[Alert] = deque(maxlen=MOST_ALERTS)
        self._seqs = array("q")
        self._times = array("q")
        self._levels = array("b")
        self._owned: dict[int, int] = {}
        # Those about no agent
        self._general: set[int] = set()

    def apply(self, seq: int, entry: Entry) -> None:
        """Take an entry of one of `KINDS`."""
        if entry.kind == kinds.ALERT:
            alert = alert_of(seq, entry)
            self.latest.append(alert)
            self.codes[alert.severity, alert.code] += 1
            self._general |= set() if entry.agent else {seq}
            # times never decrease, even if a clock was set back
            ns = max(entry.ns, self._times[-1]) if self._times else entry.ns
            self._count(seq, ns, LEVELS.index(alert.severity) if alert.severity in LEVELS else 0)
        for number, owner in owner_of(seq, entry).items():
            if number not in self.owners:
                self.owners[number] = owner
                self._owned[number] = entry.ns
                self.unowned.pop(number, None)

    def _count(self, seq: int, ns: int, level: int) -> None:
        self._seqs.append(seq)
        self._times.append(ns)
        self._levels.append(level)
        self.severities[LEVELS[level]] += 1
        if LEVELS[level] in SEVERE:
            self.unowned[seq] = ns

    def rows(self) -> list[Alert]:
        """The last `MOST_ALERTS` with their owners, newest first."""
        return self.owned(reversed(self.latest))

    def owner(self, seq: int) -> str | None:
        """Owner of an alert; "" without one, None if the entry is no alert."""
        place = bisect_left(self._seqs, seq)
        if place == len(self._seqs) or self._seqs[place] != seq:
            return None
        return self.owners[seq].owner if seq in self.owners else ""

    @property
    def general(self) -> int:
        """Number of unowned alerts that are about no agent."""
        return len(self.unowned.keys() & self._general)

    def owned(self, rows: Iterable[Alert]) -> list[Alert]:
        """The same alerts with their owners."""
        return [
            replace(row, **self.owners[row.seq]._asdict()) if row.seq in self.owners else row
            for row in rows
        ]

    def newest(self, before_ns: int, most: int, unowned: bool = False) -> list[tuple[int, int]]:
        """Times and numbers of the last `most` alerts before a time, newest first, and all others of the earliest time.

        With `unowned` only those that need an owner and have none.
        """
        times: Sequence[int] = list(self.unowned.values()) if unowned else self._times
        seqs: Sequence[int] = list(self.unowned) if unowned else self._seqs
        end = bisect_left(times, before_ns)
        start = bisect_left(times, times[max(end - most, 0)]) if end else 0
        return list(zip(times[start:end], seqs[start:end], strict=True))[::-1]

    def as_of(self, ns: int) -> "AlertBook":
        """Counts, numbers and owners as they were at a time, without rows."""
        then = AlertBook()
        then._general = self._general
        for seq, at, level in zip(self._seqs, self._times, self._levels, strict=True):
            if at <= ns:
                then._count(seq, at, level)
        then.owners = {seq: owner for seq, owner in self.owners.items() if self._owned[seq] <= ns}
        then.unowned = {seq: at for seq, at in then.unowned.items() if seq not in then.owners}
        return then


def alert_of(seq: int, entry: Entry, *, gate: bool = False) -> Alert:
    """The alert of an entry, without its owner; `gate`: it is in a gate's journal."""
    severity, code, text = (str(entry.body.get(key, "")) for key in ("severity", "code", "text"))
    return Alert(
        seq=seq,
        ns=entry.ns,
        severity=severity,
        code=code,
        text=text,
        agent=entry.agent,
        instrument=entry.instrument,
        gate=gate,
    )


def owner_of(seq: int, entry: Entry) -> dict[int, Owner]:
    """Owner that an operator's entry gives to an alert, by the number of the alert's entry; {} for other entries.

    An inbox may hold anything: a number that is none of an earlier entry is ignored.
    """
    body, about = entry.body, entry.body.get("body")
    number = about.get("alert") if isinstance(about, Mapping) else None
    if body.get("command") != "own_alert" or type(number) is not int or not 0 < number < seq:
        return {}
    return {number: Owner(str(body.get("by") or ""), str(body.get("reason") or ""))}


# -- the gate ---------------------------------------------------------------------------------------------------------


def gate_terms(session: Mapping[str, Any]) -> dict[str, Any]:
    """Journal and accounts of a gate that serves several desks, from a desk's session; {} otherwise."""
    said = session.get(GATE)
    if not isinstance(said, Mapping) or not isinstance(said.get("accounts"), list):
        return {}
    return dict(said) if isinstance(said.get("journal"), str) else {}


def concerns(entry: Entry, terms: Mapping[str, Any]) -> bool:
    """Whether an entry of a gate is about a desk behind it: of one of its agents, or of no agent."""
    return not terms or entry.agent in ("", *terms["accounts"])


class GateAlerts:
    """Follows the alerts in the journal of a desk's gate.

    Parameters
    ----------
    desk : FolderDesk
        The desk behind it.
    """

    def __init__(self, desk: "FolderDesk") -> None:
        self._desk = desk
        self._lock = Lock()
        self._looking = Lock()
        # The gate, as a folder with a journal and an inbox
        self.desk: FolderDesk | None = None
        self._reset("", {})

    def _reset(self, journal: str, terms: dict[str, Any]) -> None:
        with self._lock:
            self._journal = journal
            self._terms = terms
            self.last = 0
            """Entry of its journal up to which alerts are folded."""
            self.book = AlertBook()
            self.fault = ""
            """Why its journal cannot be read."""

    def look(self, terms: dict[str, Any]) -> None:
        """Fold new entries; `terms`: see :func:`gate_terms`."""
        with self._looking:
            try:
                self._take(terms)
            except UNREADABLE as error:
                self._fail(error)

    def _take(self, terms: dict[str, Any]) -> None:
        self.desk = gate = self._desk.gate(terms)
        if gate is None:
            self._reset("", {})
            return
        journal, last = gate.position()
        if (journal, terms) != (self._journal, self._terms) or last < self.last:
            self._reset(journal, terms)
        for seq, entry in gate.read(self.last, KINDS, last) if last > self.last else ():
            if entry.kind == kinds.OPERATOR or concerns(entry, terms):
                with self._lock:
                    self.book.apply(seq, entry)
            self.last = seq
        self.last = last
        self.fault = ""

    def _fail(self, error: Exception) -> None:
        self.fault = f"the gate's journal cannot be read: {error or type(error).__name__}"

    def unbooked(self, ledger: Ledger, since_ns: int) -> int:
        """Number of executions since a time that the desk's ledger has not booked."""
        if self.desk is None:
            return 0
        since = self.desk.before(since_ns)
        return sum(1 for _ in unbooked(self.desk, ledger, self._terms, 2**62, since))

    def added(self, report: DeskReport, ns: int | None = None) -> DeskReport:
        """A desk's report with the gate's alerts among the desk's: as of a time, if one is given."""
        with self._lock:
            book = self.book if ns is None else self.book.as_of(ns)
            rows = [replace(row, gate=True) for row in book.rows()]
            counts = Counter(book.severities)
            numbers = [seq for _, seq in book.newest(2**62, MOST_ALERTS)] if ns is not None else []
            unowned, general = len(book.unowned), book.general
        if numbers:
            rows = book.owned(self.rows(numbers))
        if counts:
            summary = replace(
                report.summary,
                alerts=dict(counts + Counter(report.summary.alerts)),
                unowned=report.summary.unowned + unowned,
            )
            if self._terms:
                summary.gate = str(self._terms["journal"])
                summary.of_gate = general
            alerts = newest_first([*report.alerts, *rows])[:MOST_ALERTS]
            report = replace(report, alerts=alerts, summary=summary)
        return replace(report, gate_fault=self.fault)

    def ask(self, question: Callable[[AlertBook], Answer]) -> Answer:
        """Answer of a question about its alerts, which do not change meanwhile."""
        with self._lock:
            return question(self.book)

    def rows(self, numbers: Sequence[int]) -> list[Alert]:
        """Its alerts by number, without owners; none of a journal that cannot be read now, which `fault` says."""
        if self.desk is None or self.fault:
            return []
        try:
            return [replace(row, gate=True) for row in read_alerts(self.desk, numbers)]
        except UNREADABLE as error:
            self._fail(error)
            return []


def newest_first(rows: Iterable[Alert]) -> list[Alert]:
    """Alerts of both journals by time."""
    return sorted(rows, key=lambda row: (-row.ns, -row.seq))


def read_alerts(desk: "FolderDesk", numbers: Sequence[int]) -> Iterator[Alert]:
    """Alerts of a journal by the numbers of their entries, newest first, without their owners."""
    wanted = set(numbers)
    found = desk.read(min(wanted) - 1, (kinds.ALERT,), max(wanted)) if wanted else iter(())
    yield from reversed([alert_of(seq, entry) for seq, entry in found if seq in wanted])


def unbooked(
    gate: Entries, ledger: Ledger, terms: Mapping[str, Any], until_ns: int, after: int = 0
) -> Iterator[Report]:
    """Executions in a gate's journal, after an entry and up to a time, that the desk behind it has not booked.

    A gate may receive some after the desk's session has closed; the next session books them.
    """
    aside = {
        (one.account, one.exec_id) for one in ledger.orders.quarantined if isinstance(one, Report)
    }
    for _, entry in gate.read(after, (kinds.REPORT_IN,)):
        if (
            entry.ns <= until_ns
            and entry.body.get("exec_type") == ExecType.TRADE
            and concerns(entry, terms)
        ):
            report = message_of(entry.body)
            assert isinstance(report, Report)
            if not ledger.knows(report) and (report.account, report.exec_id) not in aside:
                yield report
