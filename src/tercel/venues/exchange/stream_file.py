"""A venue's public market data as a file: written as events come, and replayed as a venue without orders.

A recording is a line of JSON, then events in int64 words: instrument number, whether it is a snapshot, number of rows,
the rows.

    {"began_ns":1700000000000000000,"listings":[{"instrument":"XYZ","tick":0.01,...}],"depths":[[1024,0]]}
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.capabilities import Capabilities
from tercel.core.errors import TapeError, VenueError
from tercel.core.orders import M_NS, MARKET_COLUMNS, Command, Listing, MarketRows, VenueEvent
from tercel.core.venue_rules import VenueRules

STREAM: Final = "stream.rows"
"""Its name in a desk's folder."""
_HEAD: Final = 3


class StreamFile:
    """Writer of a venue's market data: a line of JSON, then each event as int64 words.

    Parameters
    ----------
    path : Path
        A new file.
    listings : sequence of Listing
    depths : sequence of (int, int)
        Ring and levels of each instrument's book, in the order of `listings`.
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
        """Create the file, overwriting one that is there, and write its header."""
        self._file: BinaryIO = path.open("wb")
        self._waiting: list[MarketRows] = []
        self._number = {listing.instrument: i for i, listing in enumerate(listings)}
        header = {
            "began_ns": began_ns,
            "listings": [asdict(listing) for listing in listings],
            "depths": list(depths),
        }
        self._file.write(json.dumps(header).encode() + b"\n")

    def add(self, event: MarketRows) -> None:
        """Add rows of an event, written by the next `write`; a snapshot is written at once, after what waits."""
        if event.snapshot:
            self.write()
            self._write_rows(event.instrument, event.rows, True)
        else:
            self._waiting.append(event)

    def write(self) -> None:
        """Write the added rows, all instruments in order of time."""
        waiting = self._waiting
        self._waiting = []
        if len({event.instrument for event in waiting}) < 2:
            for event in waiting:
                self._write_rows(event.instrument, event.rows)
            return
        rows = np.concatenate([event.rows for event in waiting])
        numbers = np.repeat(
            [self._number[event.instrument] for event in waiting],
            [len(event.rows) for event in waiting],
        )
        by_time = np.argsort(rows[:, M_NS], kind="stable")
        rows = rows[by_time]
        numbers = numbers[by_time]
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        names = list(self._number)
        for part, first in zip(np.split(rows, cuts), (0, *cuts.tolist()), strict=True):
            self._write_rows(names[int(numbers[first])], part)

    def _write_rows(self, instrument: str, rows: Ints, snapshot: bool = False) -> None:
        """Write one event: header and rows of an instrument as int64 words."""
        header = np.array((self._number[instrument], int(snapshot), len(rows)), np.int64)
        self._file.write(header.tobytes() + np.ascontiguousarray(rows).tobytes())

    def flush(self) -> None:
        """Flush the file, so that other processes can read it."""
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
        """Open the file, and read its header and first event."""
        try:
            self._file: BinaryIO = path.open("rb")
            header = json.loads(self._file.readline())
            self._listings = [
                Listing(**fields | {"rules": VenueRules.of(fields.get("rules", {}))})
                for fields in header["listings"]
            ]
            self._depths = {
                listing.instrument: tuple(depth)
                for listing, depth in zip(self._listings, header["depths"], strict=True)
            }
            self.now_ns = int(header["began_ns"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TapeError(
                "a stream that a desk in shadow recorded",
                f"{path}: {getattr(error, 'strerror', None) or 'something else'}",
                f"name its {STREAM}",
            ) from error
        self._next = self._read()

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities beside the port `Venue`: depth alone."""
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
        """Do nothing: a recording shows every instrument."""

    def send(self, command: Command) -> None:
        """Raise VenueError: a recording takes no orders.

        Raises
        ------
        VenueError
            Always.
        """
        raise VenueError(
            "nothing that is sent to a recorded stream", command.cl_ord_id, "trade in shadow on it"
        )

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Events up to and with `until_ns`; one that spans it is split."""
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
    def is_exhausted(self) -> bool:
        """Whether all recorded events were returned."""
        return self._next is None

    def _read(self) -> MarketRows | None:
        """Next event of the file; None at its end or where it was cut short."""
        if len(header := self._file.read(8 * _HEAD)) < 8 * _HEAD:
            return None
        number, snapshot, n = np.frombuffer(header, np.int64).tolist()
        if (
            len(payload := self._file.read(8 * n * MARKET_COLUMNS)) < 8 * n * MARKET_COLUMNS
        ):  # cut short by a kill
            return None
        return MarketRows(
            self._listings[number].instrument,
            np.frombuffer(payload, np.int64).reshape(n, MARKET_COLUMNS).copy(),
            bool(snapshot),
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()
