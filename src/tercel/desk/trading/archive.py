"""Archive of finished parents: they leave memory, and are read back from the journal when a report names them.

A parent that has been over for `KEEP_NS` of the venue's time, with every order of it settled, is *past*: its orders,
names, executions and the counts of the limits behind them go. What stays are two indexes of hashes, twelve bytes a
name: of parents, by which their orders are found, as an order's name begins with its parent's (and of orders whose name
does not); and of executions, by which what names no order is: the latest parent that has one of that name. A report
that names anything past brings its parent back, as the fold of its entries.
"""

from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.executions import Key
from tercel.core.orders import Report
from tercel.core.ports import Entry, Journal

KEEP_NS: Final = 3_600_000_000_000
"""Venue time for which a parent that is over stays: analyses have been written by then."""
RECENT: Final = 4096


def hash_of(*names: str) -> int:
    """64-bit BLAKE2b hash of names."""
    return int.from_bytes(blake2b("\0".join(names).encode(), digest_size=8).digest(), "little")


class HashIndex:
    """Compact map from 64-bit hashes to numbers, twelve bytes an entry.

    >>> index = HashIndex()
    >>> index.put(hash_of("ann", "e1"), 7)
    >>> index.get(hash_of("ann", "e1")), index.get(hash_of("ann", "e2"))
    (7, None)
    """

    def __init__(self) -> None:
        self._keys = np.zeros(0, np.uint64)
        self._values = np.zeros(0, np.int32)
        self._recent: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def put(self, key: int, value: int) -> None:
        """Add an entry; a later value of a key replaces the earlier one."""
        self._recent[key] = value
        if len(self._recent) >= RECENT:
            self._merge()

    def get(self, key: int) -> int | None:
        """The value, or None."""
        if (found := self._recent.get(key)) is not None:
            return found
        if not len(self._keys):
            return None
        at = int(np.searchsorted(self._keys, np.uint64(key)))
        return int(self._values[at]) if at < len(self._keys) and int(self._keys[at]) == key else None

    def _merge(self) -> None:
        keys = np.concatenate([np.fromiter(self._recent, np.uint64, len(self._recent)), self._keys])
        values = np.concatenate([np.fromiter(self._recent.values(), np.int32, len(self._recent)), self._values])
        self._keys, first = np.unique(keys, return_index=True)
        self._values = values[first]
        self._recent = {}

    def state(self) -> dict[str, str]:
        """State as JSON values, independent of insertion order."""
        if self._recent:
            self._merge()
        return {"keys": text_of(self._keys), "values": text_of(self._values)}

    @classmethod
    def of(cls, state: Mapping[str, str]) -> "HashIndex":
        """An index from what `state` gave."""
        index = cls()
        index._keys = np.frombuffer(b64decode(state["keys"]), "<u8").astype(np.uint64)
        index._values = np.frombuffer(b64decode(state["values"]), "<i4").astype(np.int32)
        return index


def _stem(order: str) -> str:
    """The parent that an order's name begins with; "" where it says none."""
    stem, _, digits = order.rpartition(".")
    return stem if digits.isdigit() else ""


def text_of(values: AnyArray) -> str:
    """Little-endian bytes of an array in base64."""
    return b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


class ArchiveIndex:
    """Index of archived parents, by the names of their orders and executions, into the journal.

    Parameters
    ----------
    journal : Journal
        Where the entries are.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._parents, self._executions = HashIndex(), HashIndex()
        self._first, self._last = array("q"), array("q")
        self.fills = 0
        """Executions that stand, of what is past."""

    def __len__(self) -> int:
        return len(self._first)

    def put(self, parent: str, first: int, last: int, names: Iterable[str], executions: Iterable[Key]) -> None:
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
        number = self._executions.get(hash_of(report.account, report.exec_id)) if report.exec_id else None
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
            account, names = str(body.get("account", "")), (str(body.get(key) or "") for key in ("exec_id", "ref"))
            found += [self._executions.get(hash_of(account, name)) for name in names if name]
        return list(dict.fromkeys(number for number in found if number is not None))

    def first_of(self, parent: str) -> int:
        """Sequence number of an archived parent's first entry."""
        number = self._parents.get(hash_of(parent))
        return 0 if number is None else self._first[number]

    def rows(self) -> Iterator[tuple[str, Any]]:
        """State as (name, JSON value) rows, as one value would be too long."""
        yield "fills", self.fills
        yield "parents", self._parents.state()
        yield "executions", self._executions.state()
        yield "first", text_of(np.array(self._first, np.int64))
        yield "last", text_of(np.array(self._last, np.int64))

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Restore from `rows`."""
        found = {name: _READ[name](value) for name, value in rows}
        self.fills, self._parents, self._executions = found["fills"], found["parents"], found["executions"]
        self._first, self._last = found["first"], found["last"]


def _numbers(text: str) -> "array[int]":
    return array("q", np.frombuffer(b64decode(text), "<i8").astype(np.int64).tobytes())


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "fills": int,
    "parents": HashIndex.of,
    "executions": HashIndex.of,
    "first": _numbers,
    "last": _numbers,
}
