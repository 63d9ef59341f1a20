"""Index of parent orders that are over and no longer in memory: where the journal has their entries."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tercel.core.executions import Key
from tercel.core.hash_index import HashIndex, array_of, base64_of, hash_names
from tercel.core.orders import Report
from tercel.core.ports import Entries, Entry


def _stem(order: str) -> str:
    """Parent id in an order's name ("p1" of "p1.7"); "" if the name has none."""
    stem, _, digits = order.rpartition(".")
    return stem if digits.isdigit() else ""


class ArchiveIndex:
    """Index of archived parents, by the names of their orders and executions, into the journal.

    Parameters
    ----------
    journal : Entries
        Where the entries are.
    """

    def __init__(self, journal: Entries) -> None:
        self._journal = journal
        self._parents = HashIndex()
        self._executions = HashIndex()
        self._first = array("q")
        self._last = array("q")
        self.fills = 0
        """Number of executions in force of archived parents."""

    def __len__(self) -> int:
        return len(self._first)

    def put(
        self, parent: str, first: int, last: int, names: Iterable[str], executions: Iterable[Key]
    ) -> None:
        """Add a parent, or extend an archived one to entry `last`: numbers of its first and last journal entry, names of its
        orders and executions."""
        number = self._parents.get(hash_names(parent))
        if number is None:
            number = len(self._first)
            self._first.append(first)
            self._last.append(last)
            self._parents.put(hash_names(parent), number)
        self._last[number] = last
        for name in names:
            if _stem(name) != parent:
                self._parents.put(hash_names("", name), number)
        for account, _, name in executions:
            self._executions.put(hash_names(account, name), number)

    def has(self, parent: str) -> bool:
        """Whether a parent of that name is archived."""
        return len(self._first) > 0 and self._parents.get(hash_names(parent)) is not None

    def has_execution(self, report: Report) -> bool:
        """Whether a report's execution is one of an archived parent, and so is an order that it names, if it names any."""
        number = (
            self._executions.get(hash_names(report.account, report.exec_id))
            if report.exec_id
            else None
        )
        named = [name for name in (report.cl_ord_id, report.orig) if name]
        return number is not None and (not named or number in map(self._parent_of, named))

    def _parent_of(self, order: str) -> int | None:
        """Number in the archive of the parent of an order name; None if no archived parent has such an order."""
        number = self._parents.get(hash_names(stem)) if (stem := _stem(order)) else None
        return self._parents.get(hash_names("", order)) if number is None else number

    def entries(self, parent_number: int, kinds: tuple[str, ...]) -> Iterator[tuple[int, Entry]]:
        """Numbered journal entries of some kinds from an archived parent's first to its last, other parents' included.

        `parent_number`: the parent's number in the archive.
        """
        first = self._first[parent_number]
        last = self._last[parent_number]
        for seq, entry in self._journal.read(first - 1, kinds):
            if seq > last:
                return
            yield seq, entry

    def parents_of_report(self, body: Mapping[str, Any]) -> list[int]:
        """Archive numbers of the parents that a report's body refers to by order names, or, if none of these is known, by
        executions."""
        if not self._first:
            return []
        orders = [name for key in ("cl_ord_id", "orig") if (name := str(body.get(key) or ""))]
        numbers = [self._parent_of(name) for name in orders]
        if numbers.count(None) == len(numbers):
            account = str(body.get("account", ""))
            names = (str(body.get(key) or "") for key in ("exec_id", "ref"))
            numbers += [self._executions.get(hash_names(account, name)) for name in names if name]
        return list(dict.fromkeys(number for number in numbers if number is not None))

    def as_of(self, parent_count: int, fill_count: int) -> "ArchiveIndex":
        """Copy of the index with its first `parent_count` parents alone, and its number of fills set to `fill_count`."""
        copy = ArchiveIndex(self._journal)
        copy._parents = self._parents.copy_below(parent_count)
        copy._executions = self._executions.copy_below(parent_count)
        copy._first = self._first[:parent_count]
        copy._last = self._last[:parent_count]
        copy.fills = fill_count
        return copy

    def first_of(self, parent: str) -> int:
        """Sequence number of an archived parent's first entry; 0 if it is not archived."""
        number = self._parents.get(hash_names(parent))
        return 0 if number is None else self._first[number]

    def rows(self) -> Iterator[tuple[str, Any]]:
        """State of the index as (name, JSON value) rows, for a snapshot."""
        yield "fills", self.fills
        yield "parents", self._parents.state()
        yield "executions", self._executions.state()
        yield "first", base64_of(self._first)
        yield "last", base64_of(self._last)

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Replace the state of the index by the rows of a snapshot."""
        fills, parents, executions, first, last = (value for _, value in rows)
        self.fills = int(fills)
        self._parents = HashIndex.of(parents)
        self._executions = HashIndex.of(executions)
        self._first = array_of("q", first)
        self._last = array_of("q", last)
