"""Snapshots of a session's state, so that a restart reads only the journal entries after the newest one.

A snapshot is text, tied to the number and hash of its last entry and sealed by the journal. It is read only into a fresh
ledger and fresh limits of the same shape. One that is damaged, of another version or under other limits is skipped, and the
fold starts from an older one or from the first entry.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from io import BufferedReader, BytesIO
from typing import Any, Final

import zstandard

from tercel.core import child_order, executions, fixed_point, orders
from tercel.core.errors import JournalError, TercelError
from tercel.core.hash_index import HashIndex
from tercel.core.object_graph import Graph
from tercel.core.ports import Entry, Journal
from tercel.core.system import PeriodicThread, trim_heap
from tercel.desk.limits import (
    limit_sets,
    order_counts,
    quotes as limits_quotes,
    scopes,
    state as limits_state,
)
from tercel.desk.limits.gate import LimitGate
from tercel.desk.trading.child_orders import fold as orders_fold, intake, positions
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.limit_record import LimitRecord, LimitRequest
from tercel.desk.trading.parent_orders import parent, parent_request
from tercel.desk.trading.risk import trading_state

VERSION: Final = 5
EVERY: Final = 20_000
"""Entries between two snapshots."""
_encode: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def _classes(*modules: Any) -> tuple[type, ...]:
    """The classes that some modules define."""
    return tuple(
        member
        for module in modules
        for member in vars(module).values()
        if isinstance(member, type)
        and member.__module__ == module.__name__
        and not issubclass(member, Exception)
    )


_STATE: Final = Graph(
    (
        Entry,
        Ledger,
        LimitRecord,
        LimitRequest,
        HashIndex,
        *_classes(
            orders,
            fixed_point,
            executions,
            child_order,
            orders_fold,
            intake,
            parent,
            parent_request,
            positions,
            trading_state,
        ),
    ),
    {
        Ledger: frozenset({"past", "last", "moves", "_counts", "_keep_ns"}),
        orders_fold.Orders: frozenset({"moves"}),
    },
)
_COUNTS: Final = Graph(
    (
        LimitGate,
        *_classes(
            orders,
            fixed_point,
            executions,
            limits_state,
            order_counts,
            scopes,
            limits_quotes,
            limit_sets,
        ),
    ),
    {LimitGate: frozenset({"checks", "killed", "rules", "_query"})},
)


def version_of(limits: LimitGate) -> str:
    """Hash of everything that a snapshot depends on: the shapes of the classes, and the limits."""
    folds = (
        Ledger(),
        orders_fold.Orders(),
        parent.Parents(),
        positions.Positions(),
        executions.Executions[Any](),
    )
    key_parts: list[Any] = [
        VERSION,
        _STATE.shape,
        _COUNTS.shape,
        [sorted(vars(fold)) for fold in (*folds, HashIndex())],
    ]
    unsourced = replace(limits.limits, source="")
    key_parts += [
        sorted(vars(limits)),
        repr(unsourced),
        sorted(limits.agents),
        sorted(limits.instruments),
    ]
    return sha256(repr(key_parts).encode()).hexdigest()[:32]


def canonical_lines(ledger: Ledger, limits: LimitGate) -> Iterator[bytes]:
    """State of ledger, archive and limit counts as canonical lines, an empty one after each part.

    Raises
    ------
    JournalError
        For something in them that is not known here.
    """
    parts: tuple[Iterable[Any], ...] = (
        _STATE.write(ledger),
        () if ledger.past is None else ledger.past.rows(),
        _COUNTS.write(limits),
    )
    for part in parts:
        for row in part:
            yield _encode(row).encode() + b"\n"
        yield b"\n"


def restore(lines: Iterator[bytes], ledger: Ledger, limits: LimitGate) -> None:
    """Restore a snapshot into a fresh ledger and fresh limits.

    Raises
    ------
    JournalError
        For what `canonical_lines` did not write.
    """
    _STATE.read(_part(lines), ledger)
    if ledger.past is not None:
        ledger.past.restore(_part(lines))
    _COUNTS.read(_part(lines), limits)


def _part(lines: Iterator[bytes]) -> Iterator[Any]:
    """Decoded JSON rows of a snapshot up to the next empty line."""
    while (line := next(lines, b"")) != b"\n":
        yield json.loads(line)


def restore_newest(journal: Journal, ledger: Ledger, limits: LimitGate) -> None:
    """Restore the newest snapshot that fits into a fresh ledger and fresh limits, if there is one.

    Raises
    ------
    JournalError
        For a sound one that does not read: a defect here, not in the journal.
    """
    find = getattr(journal, "snapshot", None)
    stored = find(version_of(limits)) if find is not None else None
    if stored is not None:
        try:
            restore(
                BufferedReader(zstandard.ZstdDecompressor().stream_reader(stored.body)),
                ledger,
                limits,
            )
        except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
            raise JournalError(
                "a snapshot that reads",
                f"{error}",
                "delete the table snapshot: the fold needs none",
            ) from error
        ledger.last = stored.seq


class Snapshots(PeriodicThread):
    """Thread that takes snapshots from time to time, from its own fold of the journal, not from the live session.

    Parameters
    ----------
    journal : Journal
        One that can keep them.
    blank : LimitGate
        Limits as fresh as the session's were, and under the same version.
    version : str
    every : int
        Entries between two.
    fold : callable
        Brings a fresh ledger and limits up to the end of a journal: `refold.refold`.
    """

    def __init__(
        self,
        journal: Any,
        blank: Callable[[], LimitGate],
        version: str,
        fold: Callable[[Journal, LimitGate], Ledger],
        every: int = EVERY,
    ) -> None:
        super().__init__("tercel-snapshots", 1.0, self.take_if_due)
        self._journal = journal
        self._blank = blank
        self._version = version
        self._fold = fold
        self._every = every
        self._last: int | None = None

    def take_if_due(self) -> None:
        """Take a snapshot if one is due; a failure never stops trading."""
        try:
            if self._last is None:
                with closing(self._journal.reader()) as reader:
                    stored = reader.snapshot(self._version)
                self._last = 0 if stored is None else stored.seq
            if self._journal.last - self._last >= self._every:
                self.take()
                trim_heap()  # the next one is long from now
        except TercelError as error:
            self.failure = error
            self._last = self._journal.last

    def take(self) -> None:
        """Take a snapshot now, from a fold of the journal that starts at the newest one."""
        limits = self._blank()
        with closing(self._journal.reader()) as reader:
            ledger = self._fold(reader, limits)
        body = BytesIO()
        with zstandard.ZstdCompressor(level=3).stream_writer(body, closefd=False) as stream:
            for line in canonical_lines(ledger, limits):
                stream.write(line)
        self._journal.keep_snapshot(ledger.last, self._version, body.getvalue())
        self._last = ledger.last


def blank_of(limits: LimitGate) -> Callable[[], LimitGate]:
    """Factory of limits to count a journal in: with the counts that the given ones have now, without checks and kill switch."""
    rows = list(_COUNTS.write(limits))

    def blank() -> LimitGate:
        """Limits with the counts of then, which check nothing."""
        fresh = LimitGate.__new__(LimitGate)
        fresh.checks = ()
        fresh.killed = None
        _COUNTS.read(rows, fresh)
        return fresh

    return blank


def snapshots_of(
    journal: Journal, limits: LimitGate, fold: Callable[[Journal, LimitGate], Ledger]
) -> Snapshots | None:
    """Thread that takes a session's snapshots, for limits that have counted nothing yet; None if the journal stores none."""
    if not hasattr(journal, "keep_snapshot"):
        return None
    return Snapshots(journal, blank_of(limits), version_of(limits), fold)
