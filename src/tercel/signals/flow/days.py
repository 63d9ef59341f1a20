"""Recorded days as samples of a forecaster: features at moments, and the quotes before and after.

A day runs through the market's own kernels once, without any order of ours, so that features here are those of a
decision in replay, at a desk, or in a driver.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import DataError
from tercel.core.jit import Floats as Reals, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.foresight.flow_features import (
    FEATURES,
    SIGN,
    UNIT,
    WIDTH,
    features,
    is_unusable_quote,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.event_loop import mark_time, next_public, public_event
from tercel.market.simulator.records import state_at
from tercel.market.simulator.tape_source import source_of
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.compiled import CompiledDay, compile_day
from tercel.market.tape.compiled_store import load_compiled

STEP_NS: Final = NS_PER_SECOND // 4
"""Time between two quotes, ns."""
EVERY: Final = 17
"""Features are taken at every 17th of these moments, at each quarter of a second in turn."""
MARGIN_S: Final = 60
"""Seconds after the opening and before the close that nothing is learned from."""


@dataclass(frozen=True, eq=False)
class FlowDay:
    """One day of a symbol as samples: features at moments, and quotes before and after.

    Parameters
    ----------
    symbol, date : str
    tick : float
    first_ns : int
        Time of the first quote; the others follow every STEP_NS.
    bid, ask : int64 (q,)
        Best public prices, ticks; 0 where a side is not quoted.
    quote_index : int64 (n,)
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
    quote_index: Ints
    x: Floats
    sign: Floats
    unit: Floats
    volume: int = 0

    @cached_property
    def mid2(self) -> Floats:
        """Bid + ask of each quote, half-ticks; NaN where a side is not quoted."""
        return np.where((self.bid > 0) & (self.ask > 0), self.bid + self.ask, np.nan)

    def mid2_after(self, seconds: int) -> Floats:
        """Mid `seconds` after each sample, half-ticks; NaN where unknown."""
        later_index = self.quote_index + seconds * NS_PER_SECOND // STEP_NS
        return np.where(
            later_index < len(self.bid),
            self.mid2[np.minimum(later_index, len(self.bid) - 1)],
            np.nan,
        )

    def moves(self, seconds: int) -> Floats:
        """Move of the mid within `seconds` after each sample, half-ticks; NaN where unknown."""
        return self.mid2_after(seconds) - self.mid2[self.quote_index]

    def scaled_moves(self, seconds: int) -> Floats:
        """Moves of the mid over `seconds` in their standard deviations, oriented as the features are; NaN where unknown."""
        return np.asarray(self.sign * self.moves(seconds) / (self.unit * np.sqrt(seconds)))


@kernel
def sample_market(
    b: Packed,
    k: Longs,
    flow: Reals,
    tape: Longs,
    first_ns: int,
    every: int,
    quotes: Longs,
    x: Reals,
    valid: Longs,
) -> None:
    """Run a market without own orders: write its `quotes` every STEP_NS (0 where not two-sided), and at each `every`-th
    its features into `x` and whether there are any into `valid`.
    """
    s = state_at(k)
    for t in range(quotes.shape[0]):
        until = first_ns + t * STEP_NS
        while next_public(k) <= until:
            mark_time(b, k, next_public(k))
            s.now = next_public(k)
            public_event(b, k, flow, tape)
        mark_time(b, k, until + 1)
        s.now = until
        quoted = s.public_bid != NO_BID and s.public_ask != NO_ASK and s.halted == 0
        quoted = quoted and not is_unusable_quote(s.public_bid, s.public_ask)
        quotes[t, 0] = s.public_bid if quoted else 0
        quotes[t, 1] = s.public_ask if quoted else 0
        if t % every == 0:
            n = t // every
            valid[n] = 1 if features(b, k, x[n]) else 0


def read_day(lake: Lake, symbol: str, date: str, every: int = EVERY) -> FlowDay:
    """Samples of one day of a symbol in a lake, `every` quarters of a second apart."""
    return sample_day(load_compiled(lake, symbol, date, None), every)


def flow_day(instrument: Instrument, events: Events) -> FlowDay:
    """Samples of one day, from its instrument and events."""
    return sample_day(compile_day(instrument, events))


def sample_day(compiled_day: CompiledDay, every: int = EVERY) -> FlowDay:
    """Samples of a day that is compiled for replay, `every` quote steps apart; moments without valid features are left out.

    Raises
    ------
    DataError
        A day of trades alone.
    """
    source, (day,) = source_of([compiled_day])
    if not len(source.tape):
        raise DataError(
            "a day of orders, levels or quotes",
            f"trades alone of {day.instrument.symbol} on {day.instrument.date}",
            "import a feed of orders, levels or quotes with its trades",
        )
    world = int(day.world[0])
    b = source.worlds_b[world].copy()
    k = sim.extend(source.worlds_k[world], 0, seconds=sim.PAST_SECONDS)
    k[sim.CURSOR] = int(day.world_row[0])
    k[sim.CURSOR_END] = day.last_row
    k[sim.FLOW_NS] = source.tape[k[sim.CURSOR], sim.T_NS]
    start = max(day.open_ns, int(day.world_ns[0])) // NS_PER_SECOND + MARGIN_S
    first_ns = start * NS_PER_SECOND
    stop = min(day.close_ns, day.last_ns) - MARGIN_S * NS_PER_SECOND
    count = max((stop - first_ns) // STEP_NS, 0)
    quotes = np.zeros((count, 2), np.int64)
    n = -(-count // every)
    x = np.zeros((n, WIDTH))
    valid = np.zeros(n, np.int64)
    sample_market(b, k, source.flow, source.tape, first_ns, every, quotes, x, valid)
    usable: Bools = valid > 0
    quote_index = np.arange(n)[usable] * every
    x = x[usable]
    return FlowDay(
        day.instrument.symbol,
        day.instrument.date,
        day.instrument.tick,
        first_ns,
        quotes[:, 0],
        quotes[:, 1],
        quote_index,
        np.ascontiguousarray(x[:, :FEATURES]),
        x[:, SIGN].copy(),
        x[:, UNIT].copy(),
        int(k[sim.BOUGHT] + k[sim.SOLD] + k[sim.HIDDEN_LOTS]),
    )
