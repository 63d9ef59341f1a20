"""What a desk's day takes from the journal of the gate before its venue: alerts with owners, executions not booked."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.api.desk_day_events import DayEvents
from tercel.core.fixed import shown
from tercel.core.ports import Entries
from tercel.desk.console.alerts import KINDS
from tercel.desk.console.gate import UNREADABLE, concerns, told_of, unbooked
from tercel.desk.console.state import DeskState
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import verify


@dataclass(frozen=True)
class GateDay:
    """A gate's journal.

    Parameters
    ----------
    journal : Entries or None
        None: it cannot be read.
    told : mapping
        What the desk's session says of a gate that is not its own (`desk.console.gate.told_of`).
    fault : str
        Why it cannot be read.
    """

    journal: Entries | None
    told: Mapping[str, Any]
    fault: str = ""

    @property
    def shared(self) -> str:
        """Folder of its journal, where it serves others too; else ""."""
        return str(self.told["journal"]) if self.told else ""

    @property
    def last_ns(self) -> int:
        """Time of the last alert that concerns the desk; 0 without one."""
        told = () if self.journal is None else self.journal.read(0, (kinds.ALERT,))
        return max((entry.ns for _, entry in told if concerns(entry, self.told)), default=0)

    def tell(self, events: DayEvents, from_ns: int, to_ns: int) -> None:
        """Alerts within the day, and whose they are, whenever somebody took them."""
        for seq, entry in self.journal.read(0, KINDS) if self.journal is not None else ():
            if entry.kind == kinds.OPERATOR:
                events.own(seq, entry, at_gate=True)
            elif from_ns <= entry.ns <= to_ns and concerns(entry, self.told):
                events.of_gate(seq, entry)

    def unbooked(self, state: DeskState, to_ns: int) -> list[dict[str, Any]]:
        """Executions that the gate heard of by the end of the day and the desk has not booked by then."""
        found = (
            () if self.journal is None else unbooked(self.journal, state.ledger, self.told, to_ns)
        )
        return [
            {
                "agent": one.account,
                "instrument": one.instrument,
                "order": one.cl_ord_id,
                "side": one.side,
                "lots": shown(one.last_qty),
                "ns": one.ns,
            }
            for one in found
        ]


@contextmanager
def gate_of(desk: Path, journal: JournalReader) -> Iterator[GateDay | None]:
    """The gate of a desk, its hashes checked; None without one."""
    told: dict[str, Any] = {}
    for _, entry in journal.read(0, (kinds.SESSION,)):
        told = told_of(entry.body)
    try:
        where = gate_folder(desk, told)
        found = None if where is None else verify(where)
        reader = None if where is None else JournalReader(where)
    except UNREADABLE as error:
        yield GateDay(None, told, str(error))
        return
    if where is None or found is None or reader is None:
        yield None
        return
    with closing(reader):
        fault = (
            f"{found.sound:,} sound entries in {where}, then {found.fault}" if found.fault else ""
        )
        yield GateDay(None if fault else reader, told, fault)
