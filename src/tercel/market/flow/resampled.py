"""`resampled`: a market whose days are made of blocks of real days (`market.tape.resampled`), with whole books."""

import hashlib
import math
from bisect import insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.kernel_keys import cache_root
from tercel.core.progress import say
from tercel.market.flow.calibrate import calibrate as counted
from tercel.market.flow.port import Positive, Preset
from tercel.market.tape.compiled import CompiledDay, compile_day, compiled
from tercel.market.tape.events import FIRST_MADE, Events, Instrument, working_days
from tercel.market.tape.lake import TRAINING_SHARE, Lake, learned_on
from tercel.market.tape.resampled import BLOCK_S, LEAST_LEVELS, Resampler
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE, ROLL_IN, ROLL_OUT

# -- whole -----------------------------------------------------------------------------------------
# A tape of some levels near the touch as one of whole books, every order with a name.
#
# A feed of L levels says nothing of what lies beyond them. Here that stays as it was when it was last seen:
#
# - A level that leaves the window keeps its orders. When it comes back with fewer lots, those at the back of its queue
#   have gone; with more, these joined there.
# - Nothing is known of a level before it is first seen. What would be shown if it were still there has gone: what lies
#   nearer to the touch than a level that is shown, and all where fewer levels are shown than the feed has.
# - All of this happens before the message with which the level is shown, while it is out of sight: an observer of the
#   tape through as many levels sees the feed's own book after every message and no order more.
# - A message on an order that was never shown takes lots of orders that were not shown: an execution from the front of
#   the queue, a cancel from its back.


def whole_book(instrument: Instrument, events: Events) -> tuple[Instrument, Events]:
    """A day of single orders within a window of levels as a day of whole books.

    Parameters
    ----------
    instrument : Instrument
    events : Events
        ADD, REDUCE, DELETE, EXECUTE, ROLL_IN and ROLL_OUT rows; others stay as they are.

    Returns
    -------
    instrument : Instrument
        Of all levels.
    events : Events
        A message each row.
    """
    rows: list[tuple[int, ...]] = []
    levels: defaultdict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    hidden: dict[int, list[int]] = {
        1: [],
        -1: [],
    }  # side times price of the levels out of sight, the nearest last
    old: set[int] = set()  # orders with which a level came into view
    number, rolled = int(events.order_id.max(initial=0)) + 1, (0, 0)

    def take(ns: int, kind: int, side: int, price: int, lots: int, orders: list[int]) -> None:
        """Lots go from these orders of a level, in turn."""
        level = levels[side, price]
        for one in orders:
            if (gone := min(lots, level[one])) > 0:
                less = EXECUTE if kind == EXECUTE else REDUCE if gone < level[one] else DELETE
                rows.append((ns, less, one, side, price, gone))
                level[one] -= gone
                lots -= gone
                if not level[one]:
                    del level[one]

    columns = (
        events.exch_ns,
        events.seq,
        events.kind,
        events.order_id,
        events.side,
        events.price_ticks,
        events.qty_lots,
    )
    first = np.lexsort(
        (events.kind != ROLL_IN, events.seq)
    )  # what comes into view was there before the message
    for ns, seq, kind, who, side, price, lots in np.column_stack(
        [np.int64(column[first]) for column in columns]
    ).tolist():
        level = levels[side, price]
        emptied = (
            kind in (REDUCE, DELETE, EXECUTE)
            and sum(level.values()) <= lots
            and rolled != (seq, side)
        )
        if kind in (ADD, ROLL_IN) or emptied:
            rolled = seq, side
            while hidden[side] and (emptied or hidden[side][-1] >= side * price):
                at = side * hidden[side].pop()
                if at != price or kind != ROLL_IN:  # it would be shown if it were still there
                    take(
                        ns, DELETE, side, at, sum(levels[side, at].values()), list(levels[side, at])
                    )
        if kind == ROLL_OUT:
            insort(hidden[side], side * price)
        elif kind in (ADD, ROLL_IN):
            if (more := lots - sum(level.values()) * (kind == ROLL_IN)) > 0:
                level[who or number + len(rows)] = more
                rows.append((ns, ADD, who or number + len(rows), side, price, more))
            take(ns, DELETE, side, price, -more, list(level)[::-1])
            old.update(level if kind == ROLL_IN else ())
        elif kind in (REDUCE, DELETE, EXECUTE):
            others = [one for one in level if one in old and one != who]
            take(
                ns,
                kind,
                side,
                price,
                lots,
                [who] * (who in level) + others[:: 1 if kind == EXECUTE else -1],
            )
        else:
            rows.append((ns, kind, who, side, price, lots))
    return replace(instrument, levels=0), Events.of_messages(
        *np.array(rows, np.int64).reshape(-1, 6).T
    )


DAYS = 60
"""Days of a market on which orders are worked: the earlier two thirds to learn on, the others to judge on."""
VERSION = "1"
"""Of how days are made: days that were written by another are made again."""


class ResampledPreset(Preset):
    """Days of a lake that others are made of; its card names them.

    It has no kernel: orders are worked on days of it that are written once, as on any tape.

    Attributes
    ----------
    lake : str
        Folder of the lake.
    block_s : float
        Length of a block, s.
    """

    model: Literal["resampled"] = "resampled"
    lake: str
    block_s: Positive = BLOCK_S

    def recorded(self, date: str, seed: int) -> tuple[Instrument, Events]:
        """A day of its own for each seed.

        Raises
        ------
        TapeError
            Days that the lake does not hold any more, or that cannot be resampled.
        """
        return self._made_of(self._dates).day(date, seed)

    @property
    def _dates(self) -> tuple[str, ...]:
        return tuple(sorted(self.card.get("days", [])))

    def _made_of(self, dates: Sequence[str]) -> Resampler:
        until_s = self.stretch_s[1] or math.inf
        return _resampler(self.lake, self.symbol, self.venue, tuple(dates), self.block_s, until_s)

    def path(self, seed: int, number: int) -> int:
        """Another day for each stretch."""
        return 1000 * number + seed

    def written(self, days: int = DAYS) -> Path:
        """Folder of a lake with so many days of it; those that are there are not made again.

        The earlier two thirds, to learn on, are made of the earlier two thirds of its days, the others of the others:
        no hour is learned on and judged. A single day is behind both, as reports say.

        Raises
        ------
        TapeError
            As :meth:`recorded`, and a cache that cannot be written.
        """
        source = Lake(Path(self.lake))
        source.refuse_absent(self.symbol, self._dates, self.venue)
        hashes = [
            source.instrument(self.symbol, date, self.venue).content_hash for date in self._dates
        ]
        hashes += map(
            str, self.card.get("window_s", ())
        )  # the same days to another hour are another market
        key = hashlib.sha256(
            "|".join((VERSION, self.mark, *self._dates, *hashes)).encode()
        ).hexdigest()[:16]
        lake, cut = Lake(cache_root() / "resampled" / key), round(TRAINING_SHARE * len(self._dates))
        early, late = self._dates[:cut], self._dates[cut:] or self._dates
        known = {one.date for one in lake.list()} if lake.root.is_dir() else set()
        dates = list(working_days(FIRST_MADE, days))
        if missing := [(seed, date) for seed, date in enumerate(dates, 1) if date not in known]:
            say(f"{self.name}: {len(missing)} days are resampled, once")
        for seed, date in missing:
            part = early if seed <= learned_on(len(dates)) else late
            lake.write(*self._made_of(part).day(date, seed), replace=True)
        return lake.root

    def packed(self) -> Floats:
        """Refused: nothing answers here but tape.

        Raises
        ------
        ConfigError
        """
        raise ConfigError(
            "a flow model that is simulated as orders are worked",
            f"{self.name}, of tape",
            "orders are worked in it, and `tercel market simulate` writes its days",
        )


@lru_cache(maxsize=2)
def _resampler(
    lake: str, symbol: str, venue: str, dates: tuple[str, ...], block_s: float, until_s: float
) -> Resampler:
    store = Lake(Path(lake))
    store.refuse_absent(symbol, dates, venue)
    return Resampler([_whole(store, symbol, date, venue) for date in dates], block_s, until_s)


def _whole(store: Lake, symbol: str, date: str, venue: str) -> CompiledDay:
    """A day compiled, of levels near the touch as one of whole books."""
    day = compiled(store, symbol, date, venue)
    return (
        day
        if day.by_level or day.instrument.levels < LEAST_LEVELS
        else compile_day(*whole_book(*store.read(symbol, date, venue)))
    )


def calibrate(
    days: Sequence[tuple[Instrument, Events]],
    *,
    name: str,
    date: str,
    lot_shares: int | None = None,
    skip_s: float = 900.0,
    lake: str = "",
    until_s: float | None = None,
) -> ResampledPreset:
    """A preset whose days are made of these.

    Parameters
    ----------
    days, name, date, lot_shares, skip_s
        As for every model (`market.flow.calibrate`); they are counted for the averages of the preset.
    lake : str
        Folder of the lake that holds them.
    until_s : float, optional
        Blocks are of the hours up to then, s after the opening. Default: the close.

    Raises
    ------
    ConfigError
        As for every model.
    """
    common = counted(days, name=name, date=date, lot_shares=lot_shares, skip_s=skip_s)
    fields = {field: getattr(common, field) for field in Preset.model_fields if field != "model"}
    made = ResampledPreset(**fields | {"card": common.card | {"to_s": until_s}}, lake=lake)
    if lake:  # what cannot be resampled is refused now
        made._made_of([instrument.date for instrument, _ in days]).day(FIRST_MADE, 1)
    return made
