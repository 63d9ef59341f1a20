"""Days of desks, read from their folders: an `UnreadDay` where a journal cannot be read."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tercel.api.desk.day import DayAct, DeskDay, day_of
from tercel.api.desk.day_window import DayWindow, check_hashes, gate_of
from tercel.core.errors import TercelError
from tercel.core.ports import Entries
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

HELD: Final = "killed after the last session:"
"""Beginning of `DayAct.what` for a kill while the desk did not run; `needs_of` recognises such a kill by it."""


@dataclass
class UnreadDay:
    """The day of a desk whose journal cannot be read."""

    desk: str
    error: TercelError

    @property
    def need(self) -> str:
        """Sentence on the unreadable journal, as an open issue for a person."""
        return f"its journal cannot be read: {self.error.received}"


def days_of(folders: Sequence[Path], window: DayWindow | None = None) -> list[DeskDay | UnreadDay]:
    """The day of each desk folder; all entries of a journal are checked against their hashes first."""
    names = [folder.resolve().name for folder in folders]
    return [
        _read_day(folder, name if names.count(name) == 1 else str(folder), window)
        for folder, name in zip(folders, names, strict=True)
    ]


def _read_day(folder: Path, name: str, window: DayWindow | None) -> DeskDay | UnreadDay:
    """The day of one desk folder, or an `UnreadDay` with the error."""
    try:
        check_hashes(folder)
        with closing(JournalReader(folder)) as reader, ExitStack() as stack:
            latched = [] if window and window.to_ns else _unjournaled_kills(folder, reader)
            return day_of(reader, name, window, gate_of(folder, reader, stack), latched)
    except TercelError as error:
        return UnreadDay(name, error)


def _unjournaled_kills(folder: Path, journal: Entries) -> list[DayAct]:
    """Kills that are engaged but that no session has journaled."""
    latch = KillLatch(folder / LATCH).state()
    journaled = {
        (entry.body.get("by"), entry.body.get("reason"))
        for _, entry in journal.read(0, (kinds.KILL,))
    }
    return [
        DayAct(act.at_ns, HELD, act.by, act.reason, list(act.agents) or ["every agent"])
        for act in latch.acts
        if act.what == "kill"
        and act.reason in latch.killed.values()
        and (act.by, act.reason) not in journaled
    ]
