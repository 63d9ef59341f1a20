"""Recorded days as a forecaster learns from them: features at moments, and the quotes before and after.

A day runs through the market's own kernels once, without any order of ours, so that features here are those of a
decision in replay, at a desk, or in a driver.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.jit import Floats as Reals
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.foresight.features import FEATURES, SIGN, UNIT, WIDTH, features, no_quote
from tercel.market.simulator import layout as sim
from tercel.market.simulator.engine import mark_time, next_public, public_event
from tercel.market.simulator.records import state_at
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.checkpoints import compiled
from tercel.market.tape.compiled import CompiledDay, compile_day

STEP_NS: Final = NS_PER_SECOND // 4
"""Quotes are kept so often."""
EVERY: Final = 17
"""Features are taken at every 17th of these moments, at each quarter of a second in turn."""
MARGIN_S: Final = 60
"""Seconds after the opening and before the close that nothing is learned from."""


@dataclass(frozen=True, eq=False)
class FlowDay:
    """A day of a symbol as samples.

    Parameters
    ----------
    symbol, date : str
    tick : float
    first_ns : int
        Time of the first quote; the others follow every STEP_NS.
    bid, ask : int64 (q,)
        Best public prices, ticks; 0 where a side is not quoted.
    at : int64 (n,)
        Which quote each sample was taken at.
    x : float64 (n, FEATURES)
    sign, unit : float64 (n,)
        Which way the features look, and the standard deviation of a second's move, half-ticks.
    volume : int
        Lots traded in all.
    """

    symbol: str
    date: str
    tick: float
    first_ns: int
    bid: Ints
    ask: Ints
    at: Ints
    x: Floats
    sign: Floats
    unit: Floats
    volume: int = 0

    @cached_property
    def mid2(self) -> Floats:
        """Bid + ask of each quote, half-ticks; NaN where a side is not quoted."""
        return np.where((self.bid > 0) & (self.ask > 0), self.bid + self.ask, np.nan)

    def later(self, seconds: int) -> Floats:
        """The mid so many seconds after each sample, half-ticks; NaN where it is not known."""
        then = self.at + seconds * NS_PER_SECOND // STEP_NS
        return np.where(
            then < len(self.bid), self.mid2[np.minimum(then, len(self.bid) - 1)], np.nan
        )

    def moves(self, seconds: int) -> Floats:
        """Move of the mid in the next `seconds` of each sample, half-ticks; NaN where it is not known."""
        return self.later(seconds) - self.mid2[self.at]

    def scaled(self, seconds: int) -> Floats:
        """The same over its standard deviation, and the way the features look."""
        return np.asarray(self.sign * self.moves(seconds) / (self.unit * np.sqrt(seconds)))


@kernel
def watch(
    b: Packed,
    k: Longs,
    flow: Reals,
    tape: Longs,
    first: int,
    every: int,
    quotes: Longs,
    x: Reals,
    known: Longs,
) -> None:
    """Run a market alone: its quotes every STEP_NS from `first` on, its features at every `every`-th of them."""
    s = state_at(k)
    for t in range(quotes.shape[0]):
        until = first + t * STEP_NS
        while next_public(k) <= until:
            mark_time(b, k, next_public(k))
            s.now = next_public(k)
            public_event(b, k, flow, tape)
        mark_time(b, k, until + 1)
        s.now = until
        quoted = s.public_bid != NO_BID and s.public_ask != NO_ASK and s.halted == 0
        quoted = quoted and not no_quote(s.public_bid, s.public_ask)
        quotes[t, 0] = s.public_bid if quoted else 0
        quotes[t, 1] = s.public_ask if quoted else 0
        if t % every == 0:
            n = t // every
            known[n] = 1 if features(b, k, x[n]) else 0


def read_day(lake: Lake, symbol: str, date: str, every: int = EVERY) -> FlowDay:
    """One day of a lake as samples, `every` quarters of a second apart."""
    return watch_day(compiled(lake, symbol, date, None), every)


def flow_day(instrument: Instrument, events: Events) -> FlowDay:
    """The same of a day's events."""
    return watch_day(compile_day(instrument, events))


def watch_day(one: CompiledDay, every: int = EVERY) -> FlowDay:
    """The same of a day that is ready for replay."""
    source, (day,) = source_of([one])
    world = int(day.world[0])
    b, k = (
        source.worlds_b[world].copy(),
        sim.extend(source.worlds_k[world], 0, seconds=sim.PAST_SECONDS),
    )
    k[sim.CURSOR], k[sim.CURSOR_END] = int(day.world_row[0]), day.last_row
    k[sim.FLOW_NS] = source.tape[k[sim.CURSOR], sim.T_NS]
    start = max(day.open_ns, int(day.world_ns[0])) // NS_PER_SECOND + MARGIN_S
    first = start * NS_PER_SECOND
    stop = min(day.close_ns, day.last_ns) - MARGIN_S * NS_PER_SECOND
    count = max((stop - first) // STEP_NS, 0)
    quotes, n = np.zeros((count, 2), np.int64), -(-count // every)
    x, known = np.zeros((n, WIDTH)), np.zeros(n, np.int64)
    watch(b, k, source.flow, source.tape, first, every, quotes, x, known)
    kept: Bools = known > 0
    at, x = np.arange(n)[kept] * every, x[kept]
    return FlowDay(
        day.instrument.symbol,
        day.instrument.date,
        day.instrument.tick,
        first,
        quotes[:, 0],
        quotes[:, 1],
        at,
        np.ascontiguousarray(x[:, :FEATURES]),
        x[:, SIGN].copy(),
        x[:, UNIT].copy(),
        int(k[sim.BOUGHT] + k[sim.SOLD] + k[sim.HIDDEN_LOTS]),
    )
