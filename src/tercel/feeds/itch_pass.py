"""One pass over an ITCH file: bytes in chunks through the kernel, staged rows sorted by symbol chunk by chunk.

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
from tercel.feeds import itch_format, itch_kernels as f, itch_state
from tercel.feeds.itch_store import rehash

CHUNK_ROWS: Final = 1 << 18
FIRST_ORDERS: Final = 1 << 14
IN_MEMORY: Final = 1 << 30
"""Bytes of staged rows that stay in memory."""
Progress = Callable[[int, int], None]


class ItchStore:
    """Orders by reference, state and symbol names of one pass, in arrays that grow on request."""

    def __init__(self, picks: tuple[str, ...] = ()) -> None:
        self.w = np.zeros(itch_state.WORDS, np.int64)
        self.w[itch_state.FREE] = self.w[itch_state.FREE_LEVEL] = self.w[
            itch_state.OPEN_NS
        ] = self.w[itch_state.CLOSE_NS] = -1
        self.w[itch_state.ALL] = not picks
        self.lengths = itch_format.lengths()
        self.names = np.zeros(itch_format.LOCATES, np.int64)
        self.picks = np.array([itch_format.packed_name(p) for p in picks], np.int64)
        self.wanted = np.full(itch_format.LOCATES, not picks, np.uint8)
        self.orders = np.zeros((FIRST_ORDERS, itch_state.ORDER), np.int32)
        self.table = _empty_table(FIRST_ORDERS)

    def grow(self) -> None:
        """Double the room for orders and rebuild the map of references."""
        self.orders = np.concatenate((self.orders, np.zeros_like(self.orders)))
        table = _empty_table(len(self.orders))
        rehash(self.table, table)
        self.table = table

    def head(self) -> tuple[Longs, Longs, Longs, Longs, Bytes, Longs, Packed]:
        """Arguments that every decoding kernel takes after the bytes: state, lengths, names, picks, wanted, table, orders."""
        return self.w, self.lengths, self.names, self.picks, self.wanted, self.table, self.orders


def _empty_table(orders: int) -> NDArray[np.int64]:
    """Empty map of references for so many orders, int64[2 * orders, 2]."""
    return np.full((2 * orders, 2), (0, -1), np.int64)


class Sink(Protocol):
    """Protocol of a consumer of a chunk's messages."""

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Use up whole messages from `start` on; returns where it stopped, with the reason in ``store.w[STOP]``."""


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
    location: str,
    store: ItchStore,
    sink: Sink,
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> FileCounts:
    """Pass the bytes of a file, in chunks cut anywhere, to a sink; returns the counts of the pass; FeedError for a damaged file.

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
        stop_at = 0
        while not over:
            stop_at = sink.take(data, stop_at, store)
            stop = int(w[itch_state.STOP])
            if stop in (itch_state.NEED_BYTES, itch_state.SESSION_OVER):
                over = stop == itch_state.SESSION_OVER
                break
            if stop == itch_state.NEED_ORDERS:
                store.grow()
            elif stop >= itch_state.FATAL:
                raise _stop_error(stop, store, location, offset + stop_at)
        if over and data[stop_at:].any():
            raise FeedError(
                "nothing after the length 0 that ends a session",
                f"more from byte {offset + stop_at + 2:,} of {location} on, after message {int(w[itch_state.MESSAGE]):,}",
                "fetch the file again",
            )
        offset += stop_at
        data = data[stop_at:]
        if progress is not None:
            progress(int(w[itch_state.MESSAGE]), offset)
    cut = 0 if over else len(data)
    if cut and w[itch_state.MESSAGE] == 0:
        raise FeedError(
            "ITCH 5.0: binary messages, each with its length before it",
            f"{location}, {offset + cut} bytes that begin otherwise",
            "check the file",
        )
    if cut and not allow_cut:
        raise FeedError(
            "whole messages up to the end of the file",
            f"{location} cut in message {int(w[itch_state.MESSAGE]) + 1:,}, {cut} bytes from byte {offset:,} on",
            "fetch the file again, or give `allow_cut=True` to take the whole messages before",
        )
    if w[itch_state.MESSAGE] == 0:
        raise FeedError("ITCH 5.0 messages", f"none in {location}", "check the file")
    return counts_of(store, location, offset, cut)


def counts_of(store: ItchStore, location: str, size: int, cut: int) -> FileCounts:
    """Counts of a pass as a `FileCounts`, from the kernels' state."""
    w = store.w
    types = {chr(y): int(w[itch_state.TYPES + y]) for y in np.flatnonzero(w[:256])}
    seen = [(i, name) for i, name in enumerate(itch_state.ODDITIES) if w[itch_state.ODD + i]]
    return FileCounts(
        file=location,
        messages=int(w[itch_state.MESSAGE]),
        bytes=size,
        types=types,
        symbols=int(np.count_nonzero(store.names)),
        odd={name: int(w[itch_state.ODD + i]) for i, name in seen},
        first={name: int(w[itch_state.FIRST + i]) for i, name in seen},
        unprinted=int(w[itch_state.UNPRINTED]),
        away=int(w[itch_state.AWAY]),
        orders_left=int(w[itch_state.LIVE]),
        orders_peak=int(w[itch_state.PEAK]),
        cut_bytes=cut,
    )


def _stop_error(stop: int, store: ItchStore, location: str, offset: int) -> FeedError:
    """Error for a message at which a kernel stopped, returned."""
    value = int(store.w[itch_state.STOP_VALUE])
    place = f"in message {int(store.w[itch_state.MESSAGE]) + 1:,} at byte {offset:,} of {location}"
    remedy = "the file is damaged or is no NASDAQ TotalView-ITCH 5.0: fetch it again"
    if stop == itch_state.NO_TYPE:
        return FeedError("a message type, which is a letter", f"byte {value} {place}", remedy)
    if stop == itch_state.BAD_TIME:
        return FeedError("ns since midnight within a day", f"{value:,} {place}", remedy)
    if stop == itch_state.OTHER_STOCK:
        name = itch_format.unpacked_name(int(store.names[value]))
        return FeedError(
            f"stock {name} at locate {value}, as before", f"another stock {place}", remedy
        )
    return FeedError("a message as long as its type", f"length {value} {place}", remedy)


class Staging:
    """Stores the decoded rows of all wanted symbols, to be read back by symbol (a :class:`Sink`).

    Parameters
    ----------
    in_memory : int
        Bytes of rows held in memory; what comes later goes to a temporary file.
    keep : bool
        False to decode and forget, which a bench does.
    """

    def __init__(self, in_memory: int = IN_MEMORY, keep: bool = True) -> None:
        self._keep = keep
        self.active = np.zeros(itch_format.LOCATES, np.int64)
        self.broken_trades = np.zeros(itch_format.LOCATES, np.int64)
        self._room = in_memory
        self._rows = np.empty((CHUNK_ROWS, itch_state.ROW), np.int64)
        self._filled = 0
        self._chunks: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []
        self._file: IO[bytes] | None = None

    def take(self, data: NDArray[np.uint8], start: int, store: ItchStore) -> int:
        """Decode messages into the current chunk of rows, closed when full; returns where the kernel stopped."""
        free = self._rows[self._filled :]
        stop, n = f.decode(data, start, len(data), *store.head(), free, self.broken_trades)
        self._filled += n
        if store.w[itch_state.STOP] == itch_state.NEED_ROWS:
            self.close()
        return int(stop)

    def close(self) -> None:
        """Sort the current chunk's rows by symbol, store them in memory or, beyond a limit, in a file, and begin a new chunk."""
        rows = self._rows[: self._filled]
        self._filled = 0
        if not len(rows) or not self._keep:
            return
        counts = np.zeros(itch_format.LOCATES, np.int64)
        f.tally(rows, counts, self.active)
        last = int(np.flatnonzero(counts)[-1]) + 1
        starts = np.zeros(last + 1, np.int64)
        np.cumsum(counts[:last], out=starts[1:])
        ordered = np.empty_like(rows)
        f.gather(rows, starts.copy(), ordered)
        self._room -= ordered.nbytes
        if self._room < 0:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="tercel-itch-")  # noqa: SIM115 - closed with the days
            offset = self._file.seek(0, os.SEEK_END)
            self._file.write(ordered.data)
            self._file.flush()
            ordered = np.memmap(self._file, np.int64, "r", offset, ordered.shape)
        self._chunks.append((ordered, starts.astype(np.int32)))

    def rows_of(self, locate: int) -> NDArray[np.int64]:
        """All rows of one symbol in chunks that were closed (:meth:`close`), int64[n, 4], in file order."""
        parts = [
            chunk[starts[locate] : starts[locate + 1]]
            for chunk, starts in self._chunks
            if locate + 1 < len(starts)
        ]
        return np.concatenate([np.empty((0, itch_state.ROW), np.int64), *parts])

    def forget(self) -> None:
        """Free the memory and the temporary file."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
