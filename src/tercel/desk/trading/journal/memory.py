"""A journal in memory, with the same hash chain as on disk."""

from collections.abc import Iterable, Iterator, Sequence

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal.chain import ORIGIN, entry_of, row_of


class MemoryJournal:
    """Entries in a list, with the same hash chain as on disk; nothing in it is durable.

    Parameters
    ----------
    chained : bool
        Compute the chain (some 10 us an entry); `head` stays at its origin otherwise.
    """

    def __init__(self, chained: bool = True) -> None:
        self._entries: list[Entry] = []
        self._chained = chained
        self.head = ORIGIN
        self._closed = False

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 if the journal is empty."""
        return len(self._entries)

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """Add entries to the list, chained unless that is off; number of the last one. Raises JournalError once closed."""
        if self._closed:
            raise JournalError("an open journal", "one that was closed", "open it again")
        head = self.head
        stored = []
        for seq, entry in enumerate(entries, self.last + 1):
            row = row_of(entry, seq, head) if self._chained else None
            head = head if row is None else row.hash
            stored.append(entry if row is None else entry_of(row))
        self._entries += stored
        self.head = head
        return self.last

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """Numbers and entries after number `after`, of some kinds (all by default)."""
        wanted = frozenset(kinds)
        for seq in range(max(after, 0), self.last):
            entry = self._entries[seq]
            if not wanted or entry.kind in wanted:
                yield seq + 1, entry

    def take_inbox(self, ns: int) -> list[Entry]:
        """Always empty: no other process can reach it."""
        return []

    def close(self) -> None:
        """Refuse entries from here on; those in the list can still be read."""
        self._closed = True
