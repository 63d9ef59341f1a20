"""One pass over an ITCH file: bytes in chunks through the kernel, staged rows out, sorted by symbol chunk by chunk.

Rows beyond a limit of memory go to a temporary file, so that a day of all symbols needs no more than that.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.jit import Bytes, Longs, Packed
from tercel.feeds import itch_kernels as k
from tercel.feeds import itch_store as f
from tercel.feeds.itch_store import rehash

CHUNK_ROWS: Final = 1 << 18
FIRST_ORDERS: Final = 1 << 14
IN_MEMORY: Final = 1 << 30
"""Bytes of staged rows that stay in memory."""

Progress = Callable[[int, int], None]


class ItchStore:
    """Orders by reference, the kernels' state, and the names of locates; grown when a kernel asks for it."""

    def __init__(self, picks: tuple[str, ...] = ()) -> None:
        self.w = np.zeros(f.WORDS, np.int64)
        self.w[f.FREE] = self.w[f.FREE_LEVEL] = self.w[f.OPEN_NS] = self.w[f.CLOSE_NS] = -1
        self.w[f.ALL] = not picks
        self.lengths = f.lengths()
        self.names = np.zeros(f.LOCATES, np.int64)
        self.picks = np.array([f.packed_name(p) for p in picks], np.int64)
        self.wanted = np.full(f.LOCATES, not picks, np.uint8)
        self.orders = np.zeros((FIRST_ORDERS, f.ORDER), np.int32)
        self.table = _empty_table(FIRST_ORDERS)

    def grow(self) -> None:
        """Double the room for orders."""
        self.orders = np.concatenate((self.orders, np.zeros_like(self.orders)))
        table = _empty_table(len(self.orders))
        rehash(self.table, table)
        self.table = table

    def head(self) -> tuple[Longs, Longs, Longs, Longs, Bytes, Longs, Packed]:
        """Leading arguments of every kernel after the bytes."""
        return self.w, self.lengths, self.names, self.picks, self.wanted, self.table, self.orders


def _empty_table(orders: int) -> NDArray[np.int64]:
    table = np.zeros((2 * orders, 2), np.int64)
    table[:, 1] = -1
    return table


class Sink(Protocol):
    """Consumer of the messages of a chunk."""

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Take whole messages from `start` on; returns where it stopped, with the reason in ``store.w[STOP]``."""


@dataclass(frozen=True)
class FileCounts:
    """Counts of one pass over a file: messages by type, bytes, symbols, oddities.

    Parameters
    ----------
    file : str
        Where it was read from.
    messages, bytes : int
        Whole messages, and the bytes they take.
    types : dict
        Messages by type letter.
    symbols : int
        Locates with a stock.
    odd : dict
        Counts of what should not be; `first`, the number of the first such message, from 1.
    unprinted, away : int
        Executions at a price that are not printed (a cross prints them), or printed away from the order's price.
    orders_left, orders_peak : int
        Orders that rest at the end, and at most at once.
    cut_bytes : int
        Bytes of a message that the end of the file cut.
    """

    file: str
    messages: int
    bytes: int
    types: dict[str, int]
    symbols: int
    odd: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    unprinted: int = 0
    away: int = 0
    orders_left: int = 0
    orders_peak: int = 0
    cut_bytes: int = 0


def run_chunks(
    pieces: Iterator[bytes],
    where: str,
    store: ItchStore,
    sink: Sink,
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> FileCounts:
    """Send the bytes of a file, cut anywhere, through a sink.

    Raises
    ------
    FeedError
        With byte offset and number of the message, for a file that is cut or is no ITCH 5.0.
    """
    w = store.w
    offset = 0  # of the first byte of `data` in the file
    data = np.zeros(0, np.uint8)
    over = False
    for piece in pieces:
        data = np.concatenate((data, np.frombuffer(piece, np.uint8)))
        at = 0
        while not over:
            at = sink.take(data, at, store)
            stop = int(w[f.STOP])
            if stop in (f.NEED_BYTES, f.SESSION_OVER):
                over = stop == f.SESSION_OVER
                break
            if stop == f.NEED_ORDERS:
                store.grow()
            elif stop >= f.FATAL:
                raise _bad(stop, store, where, offset + at)
        if over and data[at:].any():
            raise FeedError(
                "nothing after the length 0 that ends a session",
                f"more from byte {offset + at + 2:,} of {where} on, after message {int(w[f.MESSAGE]):,}",
                "fetch the file again",
            )
        offset += at
        data = data[at:]
        if progress is not None:
            progress(int(w[f.MESSAGE]), offset)
    cut = 0 if over else len(data)
    if cut and w[f.MESSAGE] == 0:
        raise FeedError(
            "ITCH 5.0: binary messages, each with its length before it",
            f"{where}, {offset + cut} bytes that begin otherwise",
            "check the file",
        )
    if cut and not allow_cut:
        raise FeedError(
            "whole messages up to the end of the file",
            f"{where} cut in message {int(w[f.MESSAGE]) + 1:,}, {cut} bytes from byte {offset:,} on",
            "fetch the file again, or give `allow_cut=True` to take the whole messages before",
        )
    if w[f.MESSAGE] == 0:
        raise FeedError("ITCH 5.0 messages", f"none in {where}", "check the file")
    return counts_of(store, where, offset, cut)


def counts_of(store: ItchStore, where: str, size: int, cut: int) -> FileCounts:
    """The counters of a pass in words."""
    w = store.w
    types = {chr(y): int(w[f.TYPES + y]) for y in np.flatnonzero(w[:256])}
    seen = [(i, name) for i, name in enumerate(f.ODDITIES) if w[f.ODD + i]]
    return FileCounts(
        file=where,
        messages=int(w[f.MESSAGE]),
        bytes=size,
        types=types,
        symbols=int(np.count_nonzero(store.names)),
        odd={name: int(w[f.ODD + i]) for i, name in seen},
        first={name: int(w[f.FIRST + i]) for i, name in seen},
        unprinted=int(w[f.UNPRINTED]),
        away=int(w[f.AWAY]),
        orders_left=int(w[f.LIVE]),
        orders_peak=int(w[f.PEAK]),
        cut_bytes=cut,
    )


def _bad(stop: int, store: ItchStore, where: str, offset: int) -> FeedError:
    value = int(store.w[f.STOP_VALUE])
    at = f"in message {int(store.w[f.MESSAGE]) + 1:,} at byte {offset:,} of {where}"
    remedy = "the file is damaged or is no NASDAQ TotalView-ITCH 5.0: fetch it again"
    if stop == f.NO_TYPE:
        return FeedError("a message type, which is a letter", f"byte {value} {at}", remedy)
    if stop == f.BAD_TIME:
        return FeedError("ns since midnight within a day", f"{value:,} {at}", remedy)
    if stop == f.OTHER_STOCK:
        name = f.unpacked_name(int(store.names[value]))
        return FeedError(
            f"stock {name} at locate {value}, as before", f"another stock {at}", remedy
        )
    return FeedError("a message as long as its type", f"length {value} {at}", remedy)


class Staging:
    """Rows of all wanted symbols, to be read back symbol by symbol: a :class:`Sink`.

    Parameters
    ----------
    in_memory : int
        Bytes of rows kept in memory; what comes later goes to a temporary file.
    keep : bool
        False to decode and forget, which a bench does.
    """

    def __init__(self, in_memory: int = IN_MEMORY, keep: bool = True) -> None:
        self._keep = keep
        self.counts = np.zeros(f.LOCATES, np.int64)
        self.active = np.zeros(f.LOCATES, np.int64)
        self.broken = np.zeros(f.LOCATES, np.int64)
        self._room = in_memory
        self._rows = np.empty((CHUNK_ROWS, f.ROW), np.int64)
        self._filled = 0
        self._chunks: list[tuple[NDArray[np.int64] | int, NDArray[np.int32]]] = []
        self._file: IO[bytes] | None = None

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Decode messages into the chunk that is being filled."""
        free = self._rows[self._filled :]
        at, n = k.decode(data, start, len(data), *store.head(), free, self.broken)
        self._filled += n
        if store.w[f.STOP] == f.NEED_ROWS:
            self.close()
        return int(at)

    def close(self) -> None:
        """Sort the chunk's rows by symbol and put them away."""
        rows = self._rows[: self._filled]
        self._filled = 0
        if not len(rows) or not self._keep:
            return
        counts = np.zeros(f.LOCATES, np.int64)
        k.tally(rows, counts, self.active)
        self.counts += counts
        last = int(np.flatnonzero(counts)[-1]) + 1
        starts = np.zeros(last + 1, np.int64)
        np.cumsum(counts[:last], out=starts[1:])
        ordered = np.empty_like(rows)
        k.gather(rows, starts.copy(), ordered)
        self._room -= ordered.nbytes
        if self._room >= 0:
            self._chunks.append((ordered, starts.astype(np.int32)))
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="tercel-itch-")  # noqa: SIM115 - closed with the days
        at = self._file.seek(0, os.SEEK_END)
        self._file.write(ordered.data)
        self._chunks.append((at, starts.astype(np.int32)))

    def rows_of(self, locate: int) -> NDArray[np.int64]:
        """All rows of one symbol, int64[n, 4], in file order."""
        out = np.empty((int(self.counts[locate]), f.ROW), np.int64)
        at = 0
        for kept, starts in self._chunks:
            if locate + 1 >= len(starts) or starts[locate] == starts[locate + 1]:
                continue
            first, stop = int(starts[locate]), int(starts[locate + 1])
            if isinstance(kept, int):
                assert self._file is not None
                self._file.seek(kept + first * f.ROW * 8)
                part = np.frombuffer(self._file.read((stop - first) * f.ROW * 8), np.int64).reshape(
                    -1, f.ROW
                )
            else:
                part = kept[first:stop]
            out[at : at + len(part)] = part
            at += len(part)
        return out

    def forget(self) -> None:
        """Free the memory and the temporary file."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
