"""Databento's levels and trades (mbp-10, mbp-1, tbbo, trades) as tapes, block by block: one for each instrument and day.

A record shows the levels after it (of tbbo before it). A trade (`T`) leaves them alone: what follows in its event takes the
lots. So a trade comes before the levels of its record. Prices stay in 1e-9 until all are known, which show the tick.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Bools, Ints
from tercel.core.errors import FeedError
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.csv_crossed import count_crossed
from tercel.feeds.csv_kernels import changes
from tercel.feeds.dbn_day import DbnDay, stated_unit
from tercel.feeds.dbn_kernels import LAST, MAYBE_BAD, NO_PRICE, NO_SIZE, A, B, T, Words
from tercel.feeds.dbn_records import BODY, LEVEL, LEVELS, PRICE, TAIL, TS_EVENT, TS_RECV
from tercel.feeds.members import Member
from tercel.market.feed import Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra

BLOCK: Final = 1 << 13
"""Records that are translated at a time."""
_WARNINGS: Final = {
    "clock_back": "records with a time before that of the record above; they were given that time",
    "sequence_back": "records whose sequence number is below that of the record above: the file is out of order, or has a "
    "part twice",
    "maybe_bad_book": "records flagged as after a gap: the book may be wrong for a while",
}


class LevelTape:
    """Rows of the tape of one instrument and day, which grow block by block.

    Parameters
    ----------
    schema : str
        Of the files.
    """

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.source: list[Member] = []
        self.count = 0
        self.heads: list[Words] = []
        """Of each record its words TS_EVENT, TS_RECV, BODY and TAIL."""
        self.rows: list[Ints] = []
        """int64[rows, 6]: number of the record, kind, side, price in 1e-9, lots and flags."""
        levels = max(LEVELS[schema], 1)
        self._shown = np.zeros((2, 2, levels), np.int64)
        self._room = np.empty((BLOCK * 4 * levels, 6), np.int64)

    def add(self, block: Words, member: Member) -> None:
        """Translate more records of the file `member`; FeedError for one that makes no sense, or a file that does not follow
        the one before in time."""
        if member not in self.source:
            if self.source and block[0, TS_EVENT] < self.heads[-1][-1, 0]:
                raise FeedError(
                    "files that follow one another in time",
                    f"{member.location}, which begins before the end of {self.source[-1].location}",
                    "import one of them if they hold the same records, else give them in order of time",
                )
            self.source.append(member)
        for start in range(0, len(block), BLOCK):
            self._add(block[start : start + BLOCK])

    def _add(self, records: Words) -> None:
        """Translate a block of records."""
        body = records[:, BODY]
        is_trade = (body >> 32 & 255 == T) & (records[:, PRICE] != NO_PRICE)
        at = np.flatnonzero(is_trade)
        letter = body[at] >> 40 & 255
        side = (letter == A) * 1 - (letter == B)  # of the order that rested
        kind = np.where(side != 0, schema.TRADE, schema.TRADE_HIDDEN)
        lots = body[at] & NO_SIZE
        rows = np.stack([at, kind, side, records[at, PRICE], lots, np.zeros_like(at)], axis=1)
        self._refuse(records, (lots == 0) | (lots >= MOST_LOTS), at, "a size of 1 to 2**30")
        self._refuse(records, rows[:, 3] <= 0, at, "a price above 0")
        if LEVELS[self.schema]:
            shown = self._levels_of(records)
            off = np.zeros(len(shown), np.uint8)
            n = changes(shown, self._shown, off, self.count == 0, self._room)
            self._shown = shown[-1].copy()
            parts = (rows, self._room[:n]) if self.schema != "tbbo" else (self._room[:n], rows)
            rows = np.concatenate(parts)
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
        rows[:, 0] += self.count
        self.rows.append(rows)
        self.heads.append(records[:, [TS_EVENT, TS_RECV, BODY, TAIL]])
        self.count += len(records)

    def _levels_of(self, records: Words) -> Ints:
        """Levels of records, int64[records, 2 sides, price in 1e-9 and lots, levels], 0 where there is none."""
        words = records[:, LEVEL:].reshape(len(records), -1, 4)
        sizes = words[:, :, 2]
        shown = np.empty((len(records), 2, 2, words.shape[1]), np.int64)
        for h in range(2):
            shown[:, h, 0] = words[:, :, h]
            shown[:, h, 1] = sizes >> 32 * h & NO_SIZE
        none = (shown[:, :, 0] == NO_PRICE) | (shown[:, :, 1] == 0)
        shown.transpose(0, 1, 3, 2)[none] = 0
        price = shown[:, :, 0]
        every = np.arange(len(records))
        self._refuse(records, (price < 0).any(axis=(1, 2)), every, "a price above 0")
        large = (shown[:, :, 1] >= MOST_LOTS).any(axis=(1, 2))
        self._refuse(records, large, every, "a size below 2**30")
        steps = np.diff(price) * np.array([[1], [-1]])
        worse = ((steps >= 0) & (price[:, :, 1:] > 0)).any(axis=(1, 2))
        self._refuse(records, worse, every, "levels in order, the best first,")
        return shown

    def _refuse(self, records: Words, wrong: Bools, at: Ints, expected: str) -> None:
        """FeedError for the first record that is marked wrong."""
        if wrong.any():
            row = int(at[wrong.argmax()])
            raise FeedError(
                expected,
                f"another in record {self.count + row + 1} of the instrument (sequence {records[row, TAIL] >> 32 & NO_SIZE}) "
                f"in {self.source[-1].location}",
                "download the file again, or report the feed",
            )

    def events(self, unit: int) -> tuple[Events, int, dict[str, Bools]]:
        """The tape with a tick in 1e-9 (0: the largest that all prices of its levels are on), that tick, and marks of odd records
        by what is odd; FeedError for levels off the tick, or too fine a tick."""
        sent, received, body, tail = np.concatenate(self.heads).T
        at, kinds, sides, prices, lots, flags = np.concatenate(self.rows).T
        sequence = tail >> 32 & NO_SIZE
        times = np.maximum.accumulate(sent)
        begins = (np.diff(times, prepend=-1) != 0) | (np.append(LAST, body[:-1] >> 48) & LAST != 0)
        is_trade = (kinds == schema.TRADE) | (kinds == schema.TRADE_HIDDEN)
        on_levels = prices[~is_trade] if not is_trade.all() else prices
        distinct = pl.Series(on_levels).unique().to_numpy()
        unit = unit or int(np.gcd.reduce(distinct))
        if (distinct % unit != 0).any() or distinct.max() // unit >= MOST_LOTS:
            raise FeedError(
                "prices on the tick, below 2**30 ticks",
                f"{distinct[(distinct % unit).argmax()] / 1e9:g} with a tick of {unit / 1e9:g} in {self.source[-1].location}",
                f"give `tick={np.gcd.reduce(distinct) / 1e9:g}`, or leave it out",
            )
        off = prices % unit != 0
        event = np.cumsum(begins)[at]
        first = np.diff(event, prepend=0) != 0
        opens = bool(len(flags) and flags[0] & schema.OPENING)
        ends = np.append(first[1:], True) * schema.MESSAGE_END
        columns = {
            "exch_ns": times[at],
            "recv_ns": received[at],
            "seq": np.cumsum(first) - opens,
            "kind": kinds,
            "order_id": np.zeros(len(at), np.int64),
            "side": sides,
            "price_ticks": np.maximum((prices + unit // 2) // unit, 1),
            "qty_lots": lots,
            "flags": flags | ends | off * schema.OFF_TICK,
        }
        odd = {
            "clock_back": sent < times,
            "sequence_back": np.diff(sequence, prepend=0) < 0,
            "maybe_bad_book": body >> 48 & MAYBE_BAD != 0,
        }
        events = Events(*(columns[name].astype(kind) for name, kind in schema.COLUMNS))
        return events, unit, odd


@dataclass(frozen=True)
class DbnLevelDay(DbnDay):
    """Levels and trades of one instrument and day, translated already but for their tick.

    Parameters
    ----------
    tape : LevelTape
        Its rows.
    """

    tape: LevelTape = field(default_factory=lambda: LevelTape("trades"))

    def read(self) -> Imported:
        """The day's tape with its instrument's facts; FeedError if its records make no row."""
        tape = self.tape
        if not any(map(len, tape.rows)):
            raise FeedError(
                "records that make a book, or trades",
                f"none for {self.symbol} on {self.date} in {', '.join(self.source)}",
                "give the whole day",
            )
        events, unit, odd = tape.events(stated_unit(self.tick))
        levels = LEVELS[tape.schema]
        about: Extra = {"records": tape.count, "schema": tape.schema}
        about |= {name: int(marks.sum()) for name, marks in odd.items()}
        about |= count_crossed(events) if levels else {}
        warnings = tuple(
            f"{marks.sum():,} {_WARNINGS[name]}, the first is record {marks.argmax() + 1}"
            for name, marks in odd.items()
            if marks.any()
        )
        return Imported(self.instrument_of(events, unit, about, levels), events, warnings)
