"""What the console needs of a desk: a journal reader, the operators' inbox, the kill latch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from tercel.core.ports import Entry
from tercel.desk.console.report import LatchPart
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal.database import DATABASE, holder
from tercel.desk.trading.journal.store import JournalReader, post
from tercel.desk.trading.risk.kill_switch import ALL, LATCH, KillLatch


class FolderDesk:
    """A desk reached through its folder alone, whether or not its process runs.

    Parameters
    ----------
    folder : Path
    now_ns : callable
        Time on the wall, for the record.
    """

    def __init__(self, folder: Path, now_ns: Callable[[], int]) -> None:
        self.folder = folder
        self.name = folder.name
        self._now_ns = now_ns
        self._latch = KillLatch(folder / LATCH)

    def position(self) -> tuple[str, int]:
        """Identity of the journal, and the sequence number of its last entry."""
        with closing(JournalReader(self.folder)) as reader:
            file = (self.folder / DATABASE).stat()
            return f"{file.st_dev}:{file.st_ino}:{reader.first}", reader.last

    def running(self) -> str | None:
        """Process that holds the journal's lock; "" if none does, None if unknown."""
        return holder(self.folder)

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """Journal entries above a sequence number, up to another."""
        with closing(JournalReader(self.folder)) as reader:
            yield from reader.read(after, kinds, until)

    def before(self, ns: int) -> int:
        """Number of the last entry before a time, ns; 0 if none."""
        low, high = 0, self.position()[1]
        while low < high:
            mid = (low + high + 1) // 2
            earlier = any(entry.ns < ns for _, entry in self.read(mid - 1, (), mid))
            low, high = (mid, high) if earlier else (low, mid - 1)
        return low

    def gate(self, terms: Mapping[str, Any]) -> Self | None:
        """The gate before its venue, which has a journal too; None without one.

        Parameters
        ----------
        terms : mapping
            What its last session says of a gate that serves others too (`trading.journal.kinds.SESSION`).
        """
        where = gate_folder(self.folder, terms)
        return None if where is None else type(self)(where, self._now_ns)

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        """Leave a command in the desk's inbox."""
        return post(self.folder, command, body, by, reason, self._now_ns())

    def kill(self, agents: Sequence[str], by: str, reason: str) -> None:
        """Latch the kill switch for some agents, or, where none is named, for all."""
        self._latch.kill(reason, by, self._now_ns(), agents)

    def rearm(self, agents: Sequence[str], by: str, reason: str, mark: str = "") -> None:
        """Release some agents, or, where none is named, everything that is latched.

        Raises
        ------
        OrderError
            For agents that are not killed themselves; or the latch has another `mark` than is meant.
        """
        self._latch.rearm(reason, by, self._now_ns(), agents, mark)

    def mark(self) -> str:
        """Identity of the kill latch's current state: every kill and re-arm makes another."""
        return self._latch.state().mark

    def killed(self) -> LatchPart | None:
        """The kill latch's current state; None if it holds no agent."""
        state = self._latch.state()
        if state.damaged:
            return LatchPart(scope="all", by="", reason=state.damaged)
        if not state.killed:
            return None
        by = next((act.by for act in reversed(state.acts) if act.what == "kill"), "")
        if ALL in state.killed:
            return LatchPart(scope="all", by=by, reason=state.killed[ALL])
        reasons = "; ".join(dict.fromkeys(state.killed.values()))
        return LatchPart(scope=", ".join(state.killed), by=by, reason=reasons)

    def why(self, seq: int) -> Mapping[str, Any] | None:
        """Explain a journaled decision: the observation and the intent."""
        from tercel.desk.trading.explain import explain

        with closing(JournalReader(self.folder)) as reader:
            return explain(reader, seq)
