"""Access to a desk through its folder: journal, operators' inbox, kill latch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from tercel.core.ports import Entry
from tercel.desk.console.report_base import LatchPart
from tercel.desk.gate.process import gate_folder
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.journal.database import DATABASE, holder
from tercel.desk.trading.journal.reader import JournalReader
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

    def journal_position(self) -> tuple[str, int]:
        """Identity of the journal, and the sequence number of its last entry."""
        with closing(JournalReader(self.folder)) as reader:
            file = (self.folder / DATABASE).stat()
            return f"{file.st_dev}:{file.st_ino}:{reader.first_hash}", reader.last

    def lock_holder(self) -> str | None:
        """Process that holds the journal's lock; "" if none does, None if unknown."""
        return holder(self.folder)

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """Journal entries with their numbers, above `after` up to and including `until`; `kinds` empty: of all kinds."""
        with closing(JournalReader(self.folder)) as reader:
            yield from reader.read(after, kinds, until)

    def last_seq_before(self, ns: int) -> int:
        """Number of the last entry before a time, ns; 0 if none."""
        low = 0
        high = self.journal_position()[1]
        while low < high:
            mid = (low + high + 1) // 2
            earlier = any(entry.ns < ns for _, entry in self.read(mid - 1, (), mid))
            low, high = (mid, high) if earlier else (low, mid - 1)
        return low

    def gate(self, terms: Mapping[str, Any]) -> Self | None:
        """Folder of the gate before the desk's venue, as a `FolderDesk` of its own; None without a gate.

        Parameters
        ----------
        terms : mapping
            What its last session says of a gate that serves others too (`trading.journal.kinds.SESSION`).
        """
        folder = gate_folder(self.folder, terms)
        return None if folder is None else type(self)(folder, self._now_ns)

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        """Write an operator's command into the desk's inbox; returns its number."""
        return post(self.folder, command, body, by, reason, self._now_ns())

    def kill(self, agents: Sequence[str], by: str, reason: str) -> None:
        """Engage the kill latch for the named agents, or for all agents if none is named."""
        self._latch.kill(reason, by, self._now_ns(), agents)

    def rearm(self, agents: Sequence[str], by: str, reason: str, mark: str = "") -> None:
        """Release the kill latch for the named agents, or for everybody if none is named; `mark`: the latch state that
        is meant.

        Raises
        ------
        OrderError
            For agents that are not killed themselves; or the latch has another `mark` than is meant.
        """
        self._latch.rearm(reason, by, self._now_ns(), agents, mark)

    def latch_mark(self) -> str:
        """Identity of the kill latch's current state: every kill and re-arm makes another."""
        return self._latch.state().mark

    def read_latch(self) -> LatchPart | None:
        """The kill latch's current state; None if it holds no agent; a damaged latch counts as latched for all."""
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

    def explain_decision(self, seq: int) -> Mapping[str, Any] | None:
        """The decision at a journal entry, explained: title, sentences, tables; None if the entry is no decision."""
        from tercel.desk.trading.explain import explain

        with closing(JournalReader(self.folder)) as reader:
            return explain(reader, seq)
