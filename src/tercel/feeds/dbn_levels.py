"""Databento's levels and trades (mbp-10, mbp-1, tbbo, trades) as tapes, block by block: one for each instrument and day."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Ints
from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds import dbn_level_kernels as k
from tercel.feeds.dbn_day import DbnDay
from tercel.feeds.dbn_kernels import LAST, MAYBE_BAD, NO_SIZE, Words
from tercel.feeds.dbn_records import LEVELS
from tercel.feeds.members import Member
from tercel.market.feed import Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra

BLOCK: Final = 1 << 13
"""Records that one call of the kernel translates."""
_ERRORS: Final = {
    k.BAD_PRICE: "a price above 0",
    k.BAD_SIZE: "a size of 1 to 2**30",
    k.BAD_ORDER: "levels in order, the best first,",
    k.FINE_TICK: "prices below 2**30 ticks, by a larger `tick=`,",
}
_WARNINGS: Final = {
    "clock_back": "records with a time before that of the record above; they were given that time",
    "sequence_back": "records whose sequence number is below that of the record above: the file is out of order, or has a "
    "part twice",
    "maybe_bad_book": "records flagged as after a gap: the book may be wrong for a while",
}


@cache
def _room(levels: int) -> Ints:
    """Array for the rows of a block, which all tapes use."""
    return np.empty((BLOCK * (4 * levels + 1), 6), np.int64)


@dataclass
class LevelTape:
    """Rows of the tape of one instrument and day, which grow block by block.

    Parameters
    ----------
    schema : str
        Of the files.
    unit : int
        The tick in 1e-9; 0: not known before all prices are.
    location : str
        The file that is read, for people.
    """

    schema: str
    unit: int
    location: str
    records: int = 0
    last_ns: int = 0
    event: int = 0
    sequence: int = 0
    is_last: bool = True
    earlier: int = 0
    """Records of earlier files."""
    source: tuple[str, ...] = ()
    parts: list[dict[str, Ints]] = field(default_factory=list)
    report: Ints = field(default_factory=lambda: np.zeros(k.STATE, np.int64))
    odd: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By kind of oddity: how many records, and where the first is."""

    def __post_init__(self) -> None:
        self._shown = np.zeros((2, 2, 2, max(LEVELS[self.schema], 1)), np.int64)

    def add(self, block: Words, member: Member) -> None:
        """Translate more records, from the file `member`; FeedError for one that makes no sense, or a file that does not
        follow the one before in time."""
        location = member.location
        if location != self.location and block[0, k.TS_EVENT] < self.last_ns:
            raise FeedError(
                "files that follow one another in time",
                f"{location}, which begins before the end of {self.location}",
                "import one of them if they hold the same records, else give them in order of time",
            )
        if location != self.location:
            self.location, self.earlier = location, self.records
        self.source = tuple(dict.fromkeys((*self.source, member.name)))
        for start in range(0, len(block), BLOCK):
            self._add(block[start : start + BLOCK])

    def _add(self, records: Words) -> None:
        """Translate a block of records; FeedError for one that makes no sense."""
        sent = records[:, k.TS_EVENT]
        flags = records[:, k.BODY] >> 48
        numbers = records[:, k.TAIL] >> 32 & NO_SIZE
        is_first = self.records == 0
        before = (sent[0], numbers[0]) if is_first else (self.last_ns, self.sequence)
        times = np.maximum.accumulate(np.maximum(sent, before[0]))
        self._count("clock_back", times > sent)
        self._count("sequence_back", np.diff(numbers, prepend=before[1]) < 0)
        self._count("maybe_bad_book", flags & MAYBE_BAD != 0)
        begins = np.diff(times, prepend=before[0]) != 0
        ends = flags & LAST != 0
        begins |= np.append(self.is_last, ends[:-1])
        events = np.cumsum(begins) + self.event
        room = _room(LEVELS[self.schema])
        rows = k.write_level_rows(
            records,
            self.unit or 1,
            is_first,
            self.schema == "tbbo",
            self._shown,
            room,
            self.report,
        )
        if self.report[k.CODE]:
            at = int(self.report[k.WHERE])
            raise FeedError(
                _ERRORS[int(self.report[k.CODE])],
                f"another in {self._place(at)}, sequence {numbers[at]}",
                "download the file again, or report the feed",
            )
        at, kind, side, price, lots, marks = room[:rows].T
        self.parts.append(
            {
                "exch_ns": times[at],
                "recv_ns": records[at, k.TS_RECV],
                "seq": events[at],
                "kind": kind.astype(np.uint8),
                "side": side.astype(np.int8),
                "price_ticks": price.copy(),
                "qty_lots": lots.astype(np.int32),
                "flags": marks.astype(np.uint8),
            }
        )
        self.records += len(records)
        self.last_ns = int(times[-1])
        self.event = int(events[-1])
        self.sequence = int(numbers[-1])
        self.is_last = bool(ends[-1])

    def _count(self, name: str, marks: Bools) -> None:
        """Add the marked records of a block to the oddities."""
        if marks.any():
            count, first = self.odd.get(name, (0, self._place(int(marks.argmax()))))
            self.odd[name] = count + int(marks.sum()), first

    def _place(self, at: int) -> str:
        """Text of the place of a record of the block."""
        return f"record {self.records - self.earlier + at + 1} of {self.location}"

    def events(self) -> tuple[Events, int]:
        """The tape, and its tick in 1e-9; FeedError for prices too large for it."""
        columns = {
            name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]
        }
        prices = columns["price_ticks"]
        is_trade = np.isin(columns["kind"], (schema.TRADE, schema.TRADE_HIDDEN))
        unit = self.unit
        if not unit:
            unit = int(np.gcd.reduce(prices[~is_trade]) or np.gcd.reduce(prices))
            off = is_trade & (prices % unit != 0)
            columns["flags"][off] |= schema.OFF_TICK
            prices[is_trade] += unit // 2
            prices //= unit
            np.maximum(prices, 1, out=prices)
            if prices.max() >= MOST_LOTS:
                raise FeedError(
                    "prices below 2**30 ticks",
                    f"{prices.max()} ticks of {unit / 1e9:g}, which the prices in {self.location} show",
                    "give a larger `tick=`",
                )
        begins = np.diff(columns["seq"], prepend=-1) != 0
        opens = bool(columns["flags"][0] & schema.OPENING)
        columns["seq"] = np.cumsum(begins) - opens
        columns["flags"][np.append(begins[1:], True)] |= schema.MESSAGE_END
        columns["order_id"] = np.zeros(len(prices), np.int64)
        return Events(
            *(columns[name].astype(kind, copy=False) for name, kind in schema.COLUMNS)
        ), unit


@dataclass(frozen=True)
class DbnLevelDay(DbnDay):
    """Levels and trades of one instrument and day, translated already but for their tick.

    Parameters
    ----------
    tape : LevelTape
        Its rows.
    """

    tape: LevelTape = field(default_factory=lambda: LevelTape("trades", 0, ""))

    def read(self) -> Imported:
        """The day's tape with its instrument's facts; FeedError if its records make no row."""
        tape = self.tape
        if not any(len(part["seq"]) for part in tape.parts):
            raise FeedError(
                "records that make a book, or trades",
                f"none for {self.symbol} on {self.date} in {', '.join(self.source)}",
                "give the whole day",
            )
        events, unit = tape.events()
        levels = LEVELS[tape.schema]
        about: Extra = {"records": tape.records, "schema": tape.schema}
        about |= {name: tape.odd.get(name, (0, ""))[0] for name in _WARNINGS}
        about |= {"records_without_change": int(tape.report[k.REPEATS])}
        warnings = tuple(
            f"{count:,} {_WARNINGS[name]}, the first is {first}"
            for name, (count, first) in tape.odd.items()
        )
        return Imported(self.instrument_of(events, unit, about, levels), events, warnings)
