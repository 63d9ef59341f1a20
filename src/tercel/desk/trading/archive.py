"""Archive of finished parents: they leave memory, and are read back from the journal when a report names them.

A parent that has been over for `KEEP_NS` of the venue's time, with every order of it settled, is *past*: its orders,
names, executions and the counts of the limits behind them go. What stays are two indexes of hashes, twelve bytes a
name: of parents, by which their orders are found, as an order's name begins with its parent's (and of orders whose name
does not); and of executions, by which what names no order is: the latest parent that has one of that name. A report
that names anything past brings its parent back, as the fold of its entries.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from tercel.core.executions import Key
from tercel.core.hash_index import HashIndex, hash_of, numbers_of, text_of
from tercel.core.orders import Report
from tercel.core.ports import Entries, Entry

KEEP_NS: Final = 3_600_000_000_000
"""Venue time for which a parent that is over stays: analyses have been written by then."""


def _stem(order: str) -> str:
    """The parent that an order's name begins with; "" where it says none."""
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
        """Executions that stand, of what is past."""

    def __len__(self) -> int:
        return len(self._first)

    def put(
        self, parent: str, first: int, last: int, names: Iterable[str], executions: Iterable[Key]
    ) -> None:
        """Archive a parent: the range of its journal entries, its order names and its execution names."""
        number = self._parents.get(hash_of(parent))
        if number is None:
            number = len(self._first)
            self._first.append(first)
            self._last.append(last)
            self._parents.put(hash_of(parent), number)
        self._last[number] = last
        for name in names:
            if _stem(name) != parent:
                self._parents.put(hash_of("", name), number)
        for account, _, name in executions:
            self._executions.put(hash_of(account, name), number)

    def has(self, parent: str) -> bool:
        """Whether a parent of that name is archived."""
        return len(self._first) > 0 and self._parents.get(hash_of(parent)) is not None

    def knows(self, report: Report) -> bool:
        """Whether an execution is an archived parent's; not where its order's name is of a later parent."""
        number = (
            self._executions.get(hash_of(report.account, report.exec_id))
            if report.exec_id
            else None
        )
        named = [name for name in (report.cl_ord_id, report.orig) if name]
        return number is not None and (not named or number in map(self._parent_of, named))

    def _parent_of(self, order: str) -> int | None:
        """The past parent of an order, by its name."""
        found = self._parents.get(hash_of(stem)) if (stem := _stem(order)) else None
        return self._parents.get(hash_of("", order)) if found is None else found

    def entries(self, number: int, kinds: tuple[str, ...]) -> Iterator[tuple[int, Entry]]:
        """Journal entries within an archived parent's range."""
        first, last = self._first[number], self._last[number]
        for seq, entry in self._journal.read(first - 1, kinds):
            if seq > last:
                return
            yield seq, entry

    def meant(self, body: Mapping[str, Any]) -> list[int]:
        """Archived parents that a report's body refers to, by order or execution names."""
        if not self._first:
            return []
        orders = [name for key in ("cl_ord_id", "orig") if (name := str(body.get(key) or ""))]
        found = [self._parent_of(name) for name in orders]
        if found.count(None) == len(found):
            account, names = (
                str(body.get("account", "")),
                (str(body.get(key) or "") for key in ("exec_id", "ref")),
            )
            found += [self._executions.get(hash_of(account, name)) for name in names if name]
        return list(dict.fromkeys(number for number in found if number is not None))

    def as_of(self, count: int, fills: int) -> "ArchiveIndex":
        """A copy as it was when it had so many parents, and fills of theirs."""
        copy = ArchiveIndex(self._journal)
        copy._parents, copy._executions = self._parents.below(count), self._executions.below(count)
        copy._first = self._first[:count]
        copy._last = self._last[:count]
        copy.fills = fills
        return copy

    def first_of(self, parent: str) -> int:
        """Sequence number of an archived parent's first entry."""
        number = self._parents.get(hash_of(parent))
        return 0 if number is None else self._first[number]

    def rows(self) -> Iterator[tuple[str, Any]]:
        """State as (name, JSON value) rows, as one value would be too long."""
        yield "fills", self.fills
        yield "parents", self._parents.state()
        yield "executions", self._executions.state()
        yield "first", text_of(self._first)
        yield "last", text_of(self._last)

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Restore from `rows`."""
        found = {name: _READ[name](value) for name, value in rows}
        self.fills = found["fills"]
        self._parents = found["parents"]
        self._executions = found["executions"]
        self._first = found["first"]
        self._last = found["last"]


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "fills": int,
    "parents": HashIndex.of,
    "executions": HashIndex.of,
    "first": partial(numbers_of, "q"),
    "last": partial(numbers_of, "q"),
}
