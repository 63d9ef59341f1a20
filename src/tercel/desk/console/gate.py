"""What people have to see of a gate's journal: its alerts with owners, beside those of the desk behind it.

An alert stays in the journal that it was written to, and so does its owner: several desks behind one gate show the same
one. A desk shows those of its own agents, and of the gate as a whole.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Final, TypeVar

from tercel.core.errors import TercelError
from tercel.core.orders import ExecType, Report
from tercel.core.ports import Entries, Entry
from tercel.desk.console.alerts import KEPT_ALERTS, KINDS, AlertBook, row_of
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import message_of
from tercel.desk.trading.ledger import Ledger

UNREADABLE: Final = (
    TercelError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
)
"""What a journal that others write may raise, gone, locked, torn or holding what none should."""
Answer = TypeVar("Answer")
GATE: Final = "gate"
"""In the body of a session's entry: where the journal of a gate lies that is not the desk's own, and its accounts."""


def told_of(session: Mapping[str, Any]) -> dict[str, Any]:
    """What a desk's session says of its gate; {} of its own gate, and without one."""
    said = session.get(GATE)
    if not isinstance(said, Mapping) or not isinstance(said.get("accounts"), list):
        return {}
    return dict(said) if isinstance(said.get("journal"), str) else {}


def concerns(entry: Entry, told: Mapping[str, Any]) -> bool:
    """Whether an entry of a gate is about a desk behind it: of its agents, or of nobody's."""
    return not told or entry.agent in ("", *told["accounts"])


class GateAlerts:
    """Follows the alerts in the journal of a desk's gate.

    Parameters
    ----------
    desk : FolderDesk
        The desk behind it.
    """

    def __init__(self, desk: FolderDesk) -> None:
        self._desk = desk
        self._lock = Lock()
        self._looking = Lock()
        self.desk: FolderDesk | None = None
        """The gate, as a folder with a journal and an inbox."""
        self.fault = ""
        """Why its journal cannot be read."""
        self._anew("", {})

    def _anew(self, journal: str, told: dict[str, Any]) -> None:
        with self._lock:
            self._journal = journal
            self._told = told
            self._seq = 0
            self.book = AlertBook()
            self.fault = ""

    def look(self, told: dict[str, Any]) -> None:
        """Take what is new. What a session says of its gate: see :func:`told_of`."""
        with self._looking:
            try:
                self._take(told)
            except UNREADABLE as error:
                self._missing(error)

    def _take(self, told: dict[str, Any]) -> None:
        self.desk = gate = self._desk.gate(told)
        if gate is None:
            self._anew("", {})
            return
        journal, last = gate.stands()
        if (journal, told) != (self._journal, self._told) or last < self._seq:
            self._anew(journal, told)  # another journal, or another's
        for seq, entry in gate.read(self._seq, KINDS, last) if last > self._seq else ():
            if entry.kind == kinds.OPERATOR or concerns(entry, told):
                with self._lock:
                    self.book.apply(seq, entry)
            self._seq = seq
        self._seq = last
        self.fault = ""

    def _missing(self, error: Exception) -> None:
        self.fault = f"the gate's journal cannot be read: {error or type(error).__name__}"

    @property
    def last(self) -> int:
        """The entry of its journal up to which was looked."""
        return self._seq

    def unbooked(self, state: DeskState) -> int:
        """Executions since the desk's last session began that it has not booked."""
        if self.desk is None:
            return 0
        since = self.desk.before(state.began_ns)
        return sum(1 for _ in unbooked(self.desk, state.ledger, self._told, 2**62, since))

    def beside(self, page: Mapping[str, Any], ns: int | None = None) -> dict[str, Any]:
        """Parts of a desk's page with the gate's alerts among the desk's: as of a time, where one is given."""
        with self._lock:
            book = self.book if ns is None else self.book.as_of(ns)
            rows, counts = book.shown(), Counter(book.severities)
            numbers = [seq for _, seq in book.newest(2**62, KEPT_ALERTS)] if ns is not None else []
            free, general = len(book.unowned), book.free
        if not counts:
            return {}
        rows = book.owned(self.rows(numbers)) if numbers else rows
        found = newest_first([*page["alerts"], *(row | {"gate": True} for row in rows)])
        summary = {**page["summary"], "alerts": dict(counts + Counter(page["summary"]["alerts"]))}
        summary["unowned"] += free
        if self._told:
            summary |= {"gate": str(self._told["journal"]), "of_gate": general}
        return {"alerts": found[:KEPT_ALERTS], "summary": summary}

    def ask(self, question: Callable[[AlertBook], Answer]) -> Answer:
        """What a question finds in its alerts, which nobody changes meanwhile."""
        with self._lock:
            return question(self.book)

    def rows(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Its alerts by number, without owners; none of a journal that cannot be read now, which `fault` says."""
        try:
            return (
                list(read_rows(self.desk, numbers))
                if self.desk is not None and not self.fault
                else []
            )
        except UNREADABLE as error:
            self._missing(error)
            return []


def newest_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Alerts of both journals by time."""
    return sorted(rows, key=lambda row: (-row["ns"], -row["seq"]))


def read_rows(desk: FolderDesk, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Alerts of a journal by the numbers of their entries, newest first, without their owners."""
    wanted = set(numbers)
    found = desk.read(min(wanted) - 1, (kinds.ALERT,), max(wanted)) if wanted else iter(())
    yield from reversed([row_of(seq, entry) for seq, entry in found if seq in wanted])


def unbooked(
    gate: Entries, ledger: Ledger, told: Mapping[str, Any], until_ns: int, after: int = 0
) -> Iterator[Report]:
    """Executions in a gate's journal, after an entry and up to a time, that the desk behind it has not booked.

    A gate hears of some after the desk's session has closed; the next session books them.
    """
    aside = {
        (one.account, one.exec_id) for one in ledger.orders.quarantined if isinstance(one, Report)
    }
    for _, entry in gate.read(after, (kinds.REPORT_IN,)):
        if (
            entry.ns <= until_ns
            and entry.body.get("exec_type") == ExecType.TRADE
            and concerns(entry, told)
        ):
            report = message_of(entry.body)
            assert isinstance(report, Report)
            if not ledger.knows(report) and (report.account, report.exec_id) not in aside:
                yield report
