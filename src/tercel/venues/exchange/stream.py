"""Public market data of a venue, recorded to a file as it comes and replayed; orders as the totals of their levels.

A line of JSON, then events in int64 words: instrument number, whether it is a snapshot, number of rows, the rows.

    {"began_ns":1700000000000000000,"listings":[{"instrument":"XYZ","tick":0.01,...}],"depths":[[1024,0]]}
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import (
    M_KIND,
    M_LOTS,
    M_NS,
    M_PRICE,
    M_SIDE,
    MARKET_WORDS,
    Command,
    Listing,
    MarketRows,
    VenueEvent,
)
from tercel.core.ports import Capabilities
from tercel.market.simulator import layout as sim
from tercel.market.tape import schema

STREAM: Final = "stream.rows"
"""Its name in a desk's folder."""
_HEAD: Final = 3
_MORE: Final = frozenset({schema.ADD, schema.ROLL_IN})
_LESS: Final = frozenset({schema.REDUCE, schema.DELETE, schema.EXECUTE})
_AS_IT_IS: Final = frozenset({schema.STATUS, schema.TRADE_HIDDEN, schema.TRADE, schema.LEVEL_SET})


class StreamFile:
    """Writes what a venue shows: a line of JSON, then each event as int64 words.

    Parameters
    ----------
    path : Path
        A new file.
    listings : sequence of Listing
    widths : mapping of str to (int, int)
        Ring and levels of each instrument's book.
    began_ns : int
        Time of the venue.
    """

    def __init__(
        self,
        path: Path,
        listings: Sequence[Listing],
        depths: Sequence[tuple[int, int]],
        began_ns: int,
    ):
        self._file: BinaryIO = path.open("wb")
        self._waiting: list[MarketRows] = []
        self._number = {one.instrument: i for i, one in enumerate(listings)}
        head = {
            "began_ns": began_ns,
            "listings": [asdict(one) for one in listings],
            "depths": list(depths),
        }
        self._file.write(json.dumps(head).encode() + b"\n")

    def add(self, event: MarketRows) -> None:
        """Rows that were seen at their times, to be written with others of the same step."""
        if event.snapshot:
            self.write()
            self._put(event.instrument, event.rows, True)
        else:
            self._waiting.append(event)

    def write(self) -> None:
        """Write what was added, all instruments in order of time."""
        waiting = self._waiting
        self._waiting = []
        if len({event.instrument for event in waiting}) < 2:
            for event in waiting:
                self._put(event.instrument, event.rows)
            return
        rows = np.concatenate([event.rows for event in waiting])
        of = np.repeat(
            [self._number[event.instrument] for event in waiting],
            [len(event.rows) for event in waiting],
        )
        by_time = np.argsort(rows[:, M_NS], kind="stable")
        rows, of = rows[by_time], of[by_time]
        cuts = np.flatnonzero(np.diff(of)) + 1
        names = list(self._number)
        for part, first in zip(np.split(rows, cuts), (0, *cuts.tolist()), strict=True):
            self._put(names[int(of[first])], part)

    def _put(self, instrument: str, rows: Ints, snapshot: bool = False) -> None:
        head = np.array((self._number[instrument], int(snapshot), len(rows)), np.int64)
        self._file.write(head.tobytes() + np.ascontiguousarray(rows).tobytes())

    def flush(self) -> None:
        """Let others read what was seen."""
        self.write()
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self.write()
        self._file.close()


class RecordedStream:
    """A venue that replays a recorded stream, and takes no orders.

    Parameters
    ----------
    path : Path

    Raises
    ------
    TapeError
        No such file, or one that is no stream.
    """

    name = "recorded"

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
            head = json.loads(self._file.readline())
            self._listings = [Listing(**one) for one in head["listings"]]
            self._depths = {
                one.instrument: tuple(depth)
                for one, depth in zip(self._listings, head["depths"], strict=True)
            }
            self.now_ns = int(head["began_ns"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TapeError(
                "a stream that a desk in shadow recorded",
                f"{path}: {getattr(error, 'strerror', None) or 'something else'}",
                f"name its {STREAM}",
            ) from error
        self._next = self._read()

    @property
    def capabilities(self) -> Capabilities:
        """See `Venue`."""
        return Capabilities(depth=self)

    def width(self, instrument: str) -> int:
        """Prices of the ring of an instrument's book."""
        return int(self._depths[instrument][0])

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed shows; 0: all of them."""
        return int(self._depths[instrument][1])

    def listings(self) -> Sequence[Listing]:
        """Listings of the recorded venue."""
        return self._listings

    def subscribe(self, instrument: str) -> None:
        """Everything is shown as it was."""

    def send(self, command: Command) -> None:
        """Refuse.

        Raises
        ------
        VenueError
            Always.
        """
        raise VenueError(
            "nothing that is sent to a recorded stream", command.cl_ord_id, "trade in shadow on it"
        )

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Events up to a time."""
        events: list[VenueEvent] = []
        while (event := self._next) is not None:
            upto = int(np.searchsorted(event.rows[:, M_NS], until_ns, "right"))
            if upto < len(event.rows) and (event.snapshot or not upto):
                break
            events.append(replace(event, rows=event.rows[:upto]))
            self._next = (
                self._read() if upto == len(event.rows) else replace(event, rows=event.rows[upto:])
            )
        self.now_ns = max(self.now_ns, until_ns)
        return events

    @property
    def last(self) -> bool:
        """Whether everything was shown."""
        return self._next is None

    def _read(self) -> MarketRows | None:
        if len(head := self._file.read(8 * _HEAD)) < 8 * _HEAD:
            return None
        number, snapshot, n = np.frombuffer(head, np.int64).tolist()
        if (
            len(words := self._file.read(8 * n * MARKET_WORDS)) < 8 * n * MARKET_WORDS
        ):  # cut short by a kill
            return None
        return MarketRows(
            self._listings[number].instrument,
            np.frombuffer(words, np.int64).reshape(n, MARKET_WORDS).copy(),
            bool(snapshot),
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LevelTotals:
    """Converts rows of orders of one instrument to those of a feed of level totals and prints.

    Parameters
    ----------
    levels : int
        Numbers for levels that stand at once.

    >>> shown = LevelTotals(8)
    >>> rows = np.array([[5, schema.ADD, 3, 1, 99, 7, -1], [6, schema.EXECUTE, 3, 1, 99, 2, -1]])
    >>> shown.of(rows)[:, [1, 2, 4, 5]].tolist() == [
    ...     [schema.LEVEL_SET, 0, 99, 7], [schema.TRADE, 0, 99, 2], [schema.LEVEL_SET, 0, 99, 5]]
    True
    """

    def __init__(self, levels: int) -> None:
        self._free = list(range(levels - 1, -1, -1))
        self._slots: dict[tuple[int, int], int] = {}
        self._lots: dict[tuple[int, int], int] = {}

    def of(self, rows: Ints, snapshot: bool = False) -> Ints:
        """The rows that would be shown in their place, int64 (n, MARKET_WORDS); of a snapshot the book's totals.

        Raises
        ------
        TapeError
            Rows that no feed of totals has, or more levels than there are numbers.
        """
        if snapshot:
            self._forget()
        shown = [row for one in rows.tolist() for row in self._row(one)]
        if snapshot:
            status = [row for row in shown if row[M_KIND] == schema.STATUS]
            ns = int(rows[-1, M_NS]) if len(rows) else 0
            shown = status + [self._total(ns, at) for at in self._lots]
        return np.array(shown, np.int64).reshape(-1, MARKET_WORDS)

    def _forget(self) -> None:
        self._free += self._slots.values()
        self._slots.clear()
        self._lots.clear()

    def _total(self, ns: int, at: tuple[int, int]) -> list[int]:
        return [ns, schema.LEVEL_SET, self._slots[at], *at, self._lots[at], -1]

    def _row(self, row: list[int]) -> Iterator[list[int]]:
        kind, at, lots = row[M_KIND], (row[M_SIDE], row[M_PRICE]), row[M_LOTS]
        if kind in _MORE or kind in _LESS:
            if kind == schema.EXECUTE:
                yield [row[M_NS], schema.TRADE, self._slots.get(at, -1), *at, lots, -1]
            yield from self._set(
                row[M_NS], at, self._lots.get(at, 0) + (lots if kind in _MORE else -lots)
            )
        elif kind == schema.ROLL_OUT:
            yield from self._set(row[M_NS], at, 0)
        elif kind == schema.CLEAR:
            self._forget()
            yield row
        elif kind == sim.REGIME_IS:
            return
        elif kind in _AS_IT_IS:
            yield row
        else:
            raise TapeError(
                "rows of a public feed",
                f"{row}",
                "watch a market without trades that have impact",
            )

    def _set(self, ns: int, at: tuple[int, int], lots: int) -> Iterator[list[int]]:
        if at not in self._slots:
            if lots <= 0:
                return
            if not self._free:
                raise TapeError(
                    "room for every level", f"none for {at}", "watch a market of fewer levels"
                )
            self._slots[at] = self._free.pop()
        self._lots[at] = max(lots, 0)
        yield self._total(ns, at)
        if lots <= 0:
            self._free.append(self._slots.pop(at))
            del self._lots[at]
