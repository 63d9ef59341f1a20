"""Alerts and unbooked executions in the journal of the gate before a desk's venue.

A desk shows the gate's alerts about its own agents, and about the gate as a whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tercel.core.errors import TercelError
from tercel.core.orders import ExecType, Report
from tercel.core.ports import Entries, Entry
from tercel.desk.console.alerts import KINDS, MOST_ALERTS, AlertBook, alert_of
from tercel.desk.console.report import Alert, DeskReport
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import message_of
from tercel.desk.trading.ledger import Ledger

if TYPE_CHECKING:
    from tercel.desk.console.desk import FolderDesk

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


def gate_terms(session: Mapping[str, Any]) -> dict[str, Any]:
    """Journal and accounts of a gate that serves several desks, from a desk's session; {} otherwise."""
    terms = session.get(GATE)
    if not isinstance(terms, Mapping) or not isinstance(terms.get("accounts"), list):
        return {}
    return dict(terms) if isinstance(terms.get("journal"), str) else {}


def concerns_desk(entry: Entry, terms: Mapping[str, Any]) -> bool:
    """Whether an entry of a gate is about a desk behind it: of one of its agents, or of no agent; always if `terms` is empty."""
    return not terms or entry.agent in ("", *terms["accounts"])


class GateAlerts:
    """Follows the alerts in the journal of a desk's gate.

    Parameters
    ----------
    desk : FolderDesk
        The desk behind it.
    """

    def __init__(self, desk: "FolderDesk") -> None:
        """No gate is followed before the first `poll`."""
        self._desk = desk
        self._lock = Lock()
        self._poll_lock = Lock()
        # The gate, as a folder with a journal and an inbox
        self.desk: FolderDesk | None = None
        self._reset("", {})

    def _reset(self, journal: str, terms: dict[str, Any]) -> None:
        """Forget the folded alerts and follow another journal."""
        with self._lock:
            self._journal = journal
            self._terms = terms
            self.last_seq = 0
            """Entry of its journal up to which alerts are folded."""
            self.book = AlertBook()
            self.fault = ""
            """Why its journal cannot be read."""

    def poll(self, terms: dict[str, Any]) -> None:
        """Fold new entries of the gate's journal, or set `fault` if it cannot be read; `terms`: see :func:`gate_terms`."""
        with self._poll_lock:
            try:
                self._fold_entries(terms)
            except UNREADABLE as error:
                self._fail(error)

    def _fold_entries(self, terms: dict[str, Any]) -> None:
        """Fold new alerts that concern the desk and all operators' entries; another journal or other terms begin a new
        alert book."""
        self.desk = gate = self._desk.gate(terms)
        if gate is None:
            self._reset("", {})
            return
        journal, last = gate.journal_position()
        if (journal, terms) != (self._journal, self._terms) or last < self.last_seq:
            self._reset(journal, terms)
        for seq, entry in gate.read(self.last_seq, KINDS, last) if last > self.last_seq else ():
            if entry.kind == kinds.OPERATOR or concerns_desk(entry, terms):
                with self._lock:
                    self.book.apply(seq, entry)
            self.last_seq = seq
        self.last_seq = last
        self.fault = ""

    def _fail(self, error: Exception) -> None:
        """Store as `fault` that the gate's journal cannot be read."""
        self.fault = f"the gate's journal cannot be read: {error or type(error).__name__}"

    def count_unbooked(self, ledger: Ledger, since_ns: int) -> int:
        """Number of the gate's executions since a time that the desk's ledger has not booked; 0 without a gate."""
        if self.desk is None:
            return 0
        since = self.desk.last_seq_before(since_ns)
        return sum(1 for _ in read_unbooked(self.desk, ledger, self._terms, 2**62, since))

    def merge_into(self, report: DeskReport, ns: int | None = None) -> DeskReport:
        """A desk's report with the gate's alerts among its own, as of a time if one is given."""
        with self._lock:
            book = self.book if ns is None else self.book.as_of(ns)
            rows = [replace(row, gate=True) for row in book.rows()]
            counts = Counter(book.severities)
            numbers = [seq for _, seq in book.newest(2**62, MOST_ALERTS)] if ns is not None else []
            unowned = len(book.unowned)
            general = book.unowned_general
        if numbers:
            rows = book.with_owners(self.rows(numbers))
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

    def query(self, question: Callable[[AlertBook], Answer]) -> Answer:
        """Result of a function of the alert book, called under the lock."""
        with self._lock:
            return question(self.book)

    def rows(self, numbers: Sequence[int]) -> list[Alert]:
        """The gate's alerts with these entry numbers, without owners; [] if its journal cannot be read (`fault`)."""
        if self.desk is None or self.fault:
            return []
        try:
            return [replace(row, gate=True) for row in read_alerts(self.desk, numbers)]
        except UNREADABLE as error:
            self._fail(error)
            return []


def newest_first(rows: Iterable[Alert]) -> list[Alert]:
    """Alerts sorted by time and number, newest first."""
    return sorted(rows, key=lambda row: (-row.ns, -row.seq))


def read_alerts(desk: "FolderDesk", numbers: Sequence[int]) -> Iterator[Alert]:
    """Alerts of a journal by the numbers of their entries, newest first, without their owners."""
    wanted_seqs = set(numbers)
    entries = (
        desk.read(min(wanted_seqs) - 1, (kinds.ALERT,), max(wanted_seqs))
        if wanted_seqs
        else iter(())
    )
    yield from reversed([alert_of(seq, entry) for seq, entry in entries if seq in wanted_seqs])


def read_unbooked(
    gate: Entries, ledger: Ledger, terms: Mapping[str, Any], until_ns: int, after: int = 0
) -> Iterator[Report]:
    """Executions in a gate's journal, after an entry, up to a time, that the desk behind it has neither booked nor
    quarantined.

    A gate may receive some after the desk's session has closed; the next session books them.
    """
    quarantined = {
        (execution.account, execution.exec_id)
        for execution in ledger.orders.quarantined
        if isinstance(execution, Report)
    }
    for _, entry in gate.read(after, (kinds.REPORT_IN,)):
        if (
            entry.ns <= until_ns
            and entry.body.get("exec_type") == ExecType.TRADE
            and concerns_desk(entry, terms)
        ):
            report = message_of(entry.body)
            assert isinstance(report, Report)
            if (
                not ledger.has_execution(report)
                and (report.account, report.exec_id) not in quarantined
            ):
                yield report
