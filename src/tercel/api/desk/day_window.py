"""The window of venue time that a day's report covers, and the part of the gate's journal that belongs to it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import JournalError, TercelError, refuse_if
from tercel.core.ports import Entries, Entry
from tercel.desk.console.alerts import KINDS
from tercel.desk.console.gate_alerts import UNREADABLE, concerns_desk, gate_terms
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.verification import verify
from tercel.desk.trading.risk.money import DAY_NS

_TIMED: Final = (kinds.SESSION, kinds.MARKET, kinds.HEARTBEAT)
"""Written at least once a minute by a desk that runs."""


@dataclass(frozen=True)
class GateDay:
    """The part of a gate's journal that concerns one desk.

    Parameters
    ----------
    journal : Entries, optional
        None: there is no gate, or its journal cannot be read.
    terms : mapping
        Terms of the desk's session with a shared gate (`desk.console.gate_alerts.gate_terms`).
    fault : str
        Why the journal cannot be read, else "".
    """

    journal: Entries | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""

    def alerts(self) -> Iterator[tuple[int, Entry]]:
        """Alerts that concern the desk, and what people said of alerts, with the numbers of their entries."""
        for seq, entry in () if self.journal is None else self.journal.read(0, KINDS):
            if entry.kind == kinds.OPERATOR or concerns_desk(entry, self.terms):
                yield seq, entry

    @property
    def shared_folder(self) -> str:
        """Folder of a gate that serves several desks; "" otherwise."""
        return str(self.terms.get("journal", ""))

    @property
    def last_ns(self) -> int:
        """Time of the last alert that concerns the desk; 0 without one."""
        return max((entry.ns for _, entry in self.alerts() if entry.kind == kinds.ALERT), default=0)


NO_GATE: Final = GateDay()


def gate_of(desk: Path, journal: JournalReader, stack: ExitStack) -> GateDay:
    """The part of the gate's journal that concerns a desk, its hashes checked; `stack` closes it.
    Its journal is None without a gate, or with a `fault` if it cannot be read.
    """
    last_session = [entry.body for _, entry in journal.read(0, (kinds.SESSION,))][-1:]
    terms = gate_terms(last_session[0]) if last_session else {}
    try:
        if (gate_path := gate_folder(desk, terms)) is not None:
            check_hashes(gate_path)
            return GateDay(stack.enter_context(closing(JournalReader(gate_path))), terms)
    except UNREADABLE as error:
        fault = error.received if isinstance(error, TercelError) else str(error)
        return GateDay(None, terms, fault)
    return GateDay(None, terms)


def check_hashes(folder: Path) -> None:
    """Raise `JournalError` where an entry of a folder's journal does not match its hash."""
    verification = verify(folder)
    refuse_if(
        verification.fault,
        "a journal whose hashes agree",
        f"{verification.sound:,} sound entries in {folder}, then {verification.fault}",
        "see `tercel trade verify`",
        JournalError,
    )


@dataclass(frozen=True)
class DayWindow:
    """The window of venue time of a report: by default the 24 hours before the journal's last entry, and later gate alerts.

    Parameters
    ----------
    from_ns, to_ns : int, optional
        Venue time of the first and the last moment.
    session : bool
        From the beginning of the last session that began by `to_ns`.

    >>> from tercel.desk.trading.journal.memory import MemoryJournal
    >>> DayWindow(5, 9).bounds(MemoryJournal())
    (5, 9)
    """

    from_ns: int | None = None
    to_ns: int | None = None
    session: bool = False

    def __post_init__(self) -> None:
        """Refuse options that exclude each other."""
        refuse_if(
            self.session and self.from_ns is not None,
            "the last session or a time to begin at",
            "both",
            "leave one of the two out",
        )
        refuse_if(
            self.from_ns is not None and self.to_ns is not None and self.from_ns > self.to_ns,
            "a day that ends after it begins",
            f"{self.from_ns} to {self.to_ns} ns",
            "swap the two",
        )

    def bounds(self, journal: Entries, gate: GateDay = NO_GATE) -> tuple[int, int]:
        """First and last moment, in venue ns, over a journal and what its gate has alerted since."""
        last_ns, began_ns = _last_and_session_start(journal, self.to_ns)
        to_ns = max(last_ns, gate.last_ns, self.from_ns or 0) if self.to_ns is None else self.to_ns
        if self.session:
            return began_ns, to_ns
        return (
            max(min(last_ns, to_ns) - DAY_NS, 0) if self.from_ns is None else self.from_ns
        ), to_ns


def _last_and_session_start(journal: Entries, to_ns: int | None) -> tuple[int, int]:
    """Time of the journal's last entry, and of the beginning of the last session that began by `to_ns`; 0 if none."""
    seq = last_ns = began_ns = 0
    for number, entry in journal.read(0, _TIMED):
        seq = number
        last_ns = max(last_ns, entry.ns)
        if entry.kind == kinds.SESSION and (to_ns is None or entry.ns <= to_ns):
            began_ns = entry.ns
    return max([last_ns, *(entry.ns for _, entry in journal.read(seq))]), began_ns
