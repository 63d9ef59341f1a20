"""Fees and latencies of a venue: maker and taker fees, order-entry and feed latency.

Fees are whole half-ticks x lots, as all costs are. Charges that are no whole number (0.3 cents a share; a tenth of a
bp of the value) are stored in :data:`~tercel.core.fixed_point.FEE_UNIT`-ths beside them and never lost: the charge so far is
at every moment the exact sum, rounded once.

Feed latency. An agent that sees the book d late and decides at once does what an agent does that sees it in time and
waits for d: with decisions at fixed times the two differ in nothing but where the clock is read. So an observation is
taken when its decision falls due, and the commands that follow it leave d later: they arrive d plus the order-entry
latency after what they answer to. d is drawn once a moment, from a stream of its own: all that is decided on one
observation is equally late. Words on own orders travel with the feed; so does what waits for them. So does the order
at the horizon, whose size depends on them.
"""

import math
from dataclasses import dataclass

import numpy as np

from tercel.core.errors import ConfigError, DataError
from tercel.core.fixed_point import FEE_UNIT
from tercel.core.jit import Longs, kernel
from tercel.core.seeds import uniform
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at
from tercel.market.tape import Events

UNITS = ("share", "bps")
BPS = 1e-4


@dataclass(frozen=True)
class Fees:
    """A venue's fees on own fills.

    Parameters
    ----------
    maker, taker : float
        Paid when a resting order fills, and when one takes; below 0 is a rebate.
    unit : {"share", "bps"}
        Price units per share (0.003 is 30 cents a hundred), or basis points of the value.

    >>> Fees(-0.002, 0.003).kernel_values(tick=0.01)
    (-40000000, 60000000, 0, 0)
    """

    maker: float = 0.0
    taker: float = 0.0
    unit: str = "share"

    def __post_init__(self) -> None:
        """Raise ConfigError for fees that are out of range or in an unknown unit."""
        if self.unit not in UNITS or not all(map(math.isfinite, (self.maker, self.taker))):
            raise ConfigError(
                f"fees as two numbers, in {' or '.join(UNITS)}",
                f"maker {self.maker!r}, taker {self.taker!r}, unit {self.unit!r}",
                "such as Fees(-0.002, 0.003), or Fees(1.0, 5.0, 'bps')",
            )
        if self.unit == "bps" and max(abs(self.maker), abs(self.taker)) > 1000.0:
            raise ConfigError(
                "fees within 1,000 bps",
                f"{self.maker}, {self.taker}",
                "1 bps is 0.01 % of the value",
            )

    @property
    def free(self) -> bool:
        """Whether all fees are 0."""
        return self.maker == 0.0 and self.taker == 0.0

    def kernel_values(self, tick: float) -> tuple[int, int, int, int]:
        """MAKER_FEE, TAKER_FEE, MAKER_RATE, TAKER_RATE of a market with that tick, FEE_UNIT-ths (two of them 0).

        Raises
        ------
        ConfigError
            Fees of more than 10,000 ticks a share.
        """
        if self.unit == "bps":
            return (
                0,
                0,
                round(self.maker * BPS * FEE_UNIT),
                round(self.taker * BPS * FEE_UNIT),
            )
        if max(abs(self.maker), abs(self.taker)) > 10_000 * tick:
            raise ConfigError(
                f"fees within 10,000 ticks of {tick:g}",
                f"{self.maker}, {self.taker}",
                "in price units",
            )
        half = tick / 2
        return (
            round(self.maker / half * FEE_UNIT),
            round(self.taker / half * FEE_UNIT),
            0,
            0,
        )


NO_FEES = Fees()


@kernel
def charge(state: Longs, price2: int, lots: int, passive: bool) -> int:
    """Charge a fill at `price2` half-ticks, maker fees if `passive`, else taker; the half-ticks x lots that this adds to FEES."""
    s = state_at(state)
    fee, rate = (s.maker_fee, s.maker_rate) if passive else (s.taker_fee, s.taker_rate)
    if fee == 0 and rate == 0:
        return 0
    unrounded = s.fees_rest + (fee + price2 * rate) * lots
    charged = (unrounded + FEE_UNIT // 2) // FEE_UNIT
    s.fees_rest = unrounded - charged * FEE_UNIT
    s.fees += charged
    return int(charged)


@kernel
def draw_latency(state: Longs, kind: int, a: int, b: int, table: int, rng: int) -> int:
    """Draw a latency from its law, ns."""
    if kind == sim.CONSTANT:
        return a
    u = uniform(state, rng)
    if kind == sim.UNIFORM:
        return a + int(u * (b - a + 1))
    if kind == sim.EMPIRICAL:
        return state[table + int(u * sim.LATENCY_VALUES)]
    return a - int(math.log(1.0 - u) * b)


@kernel
def entry_delay(state: Longs) -> int:
    """Order-entry latency of the next command, ns."""
    s = state_at(state)
    return draw_latency(
        state, s.latency_kind, s.latency_a, s.latency_b, sim.ENTRY_TABLE, sim.ENTRY_RNG
    )


@kernel
def feed_delay(state: Longs) -> int:
    """Age of the data behind the current decision, ns: drawn once for each moment."""
    s = state_at(state)
    if s.feed_kind == sim.CONSTANT:
        return s.feed_a
    if s.feed_at_ns != s.now:
        s.feed_at_ns = s.now
        s.feed_drawn = draw_latency(
            state, s.feed_kind, s.feed_a, s.feed_b, sim.FEED_TABLE, sim.FEED_RNG
        )
    return s.feed_drawn


def receive_delays(events: Events) -> tuple[int, ...]:
    """Receive latency of a tape's rows, ns: 32 values, means of equal parts of the sorted delays.

    Their mean is that of the tape, but for parts that differ by a row. Delays below 0 (two clocks) count as 0.

    Raises
    ------
    DataError
        A tape that does not say when it was received, or whose clocks run apart: more than half of its rows received
        before they were sent.
    """
    delays: Longs = events.recv_ns - events.exch_ns
    if len(delays) < sim.LATENCY_VALUES or not delays.any():
        raise DataError(
            f"at least {sim.LATENCY_VALUES} rows with times of receipt",
            f"{len(delays)} rows, none received later",
            "give a latency, or a tape whose feed says when rows were received",
        )
    early = float((delays < 0).mean())
    if early > 0.5:
        raise DataError(
            "rows received after they were sent",
            f"{early:.0%} before",
            "set the clocks, import again",
        )
    parts = np.array_split(np.sort(np.maximum(delays, 0)), sim.LATENCY_VALUES)
    return tuple(round(float(part.mean())) for part in parts)
