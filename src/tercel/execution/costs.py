"""Costs of an execution: implementation shortfall, split into parts that add up exactly.

With side s, fills (p_i, q_i), order Q, arrival mid m0, and m_i and touch_i the mid and the touch that an
aggressor met, taken just before it arrived from the book without own orders:

    spread  = sum s (touch_i - m_i) q_i                        paid when taking, earned when passive (touch_i = p_i)
    impact  = sum s (p_i - touch_i) q_i + sum d(t_i) q_i       walking past the touch; displacement by own trading
    timing  = sum s (m_i - m0) q_i - sum d(t_i) q_i
    forced  = the same sums over the lots sent at the horizon
    IS      = spread + impact + timing + forced + fees = sum s (p_i - m0) q_i + fees

All sums are int64 in half ticks x lots (:class:`Costs`, one row per episode, filled in by the code that runs the
episodes) and are divided once, at the end, by m0 Q (:func:`attribute`). The displacement d(t) is the *mean*
over the paired episodes of s (m - m')(t), m' the mid of the same episode without own orders. One episode's
own m - m' would not do: twins that are not perfectly coupled drift apart by luck, and that luck would be
booked as impact of the opposite sign to timing. The mean has only the drift that trading causes.

Fills at the horizon carry their displacement inside `forced`, where it cancels. A tape that does not react to own
orders has no counterfactual: d is 0, impact is not available (nan, never 0), and the walk past the touch belongs to the
spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from tercel.core.array_records import ArrayRecord
from tercel.core.arrays import Floats, Int8, Int32, Ints
from tercel.core.errors import TercelError, refuse_if
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

BPS = 1e4
# The keys that add up to `is_bps`.
PARTS = ("spread_bps", "impact_bps", "timing_bps", "forced_bps", "fees_bps")

_GRIDS = ("mid2_grid", "lots_grid", "forced_lots_grid")


# Columns of an account that costs have under the same name.
_COLUMNS = (
    *("arrival_mid2", "spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing"),
    *(
        "passive_lots",
        "forced_lots",
        "unfilled_lots",
        "unfilled_paid",
        "fees",
        "double_lots",
        "run_out",
    ),
)


@dataclass(frozen=True, eq=False)
class Costs(ArrayRecord):
    """Integer cost sums of n episodes of one strategy, half ticks x lots unless said.

    Parameters
    ----------
    qty : int64 (n,)
        Lots of the parent order, Q.
    arrival_mid2 : int64 (n,)
        Bid + ask at arrival, half ticks.
    spread, walk, timing : int64 (n,)
        `sum s (touch2 - mid2) q`, `sum s (price2 - touch2) q`, `sum s (mid2 - arrival_mid2) q` over the fills
        before the horizon order, all prices doubled into half ticks.
    forced_spread, forced_walk, forced_timing : int64 (n,)
        The same over the horizon order. Lots that the book could not fill are in them, at price = touch = the
        worst displayed price.
    lots_filled : int64 (n,)
        Lots that the book filled, before the horizon and at it: `qty - unfilled_lots`.
    passive_lots : int64 (n,)
        Of these, lots filled while resting.
    forced_lots : int64 (n,)
        Lots of the horizon order, unfillable ones included.
    unfilled_lots : int64 (n,)
        Lots of the horizon order that found no counterparty.
    unfilled_paid : int64 (n,)
        `sum s (price2 - arrival_mid2) q` over these, at the price that they were booked at.
    mid2_grid : int64 (n, G)
        Mid without own orders at each time of a fixed grid, half ticks; all G of them, also after the last
        fill, where the episode ran to its horizon.
    lots_grid, forced_lots_grid : int64 (n, G)
        Lots filled before the horizon order, and of the horizon order (unfillable ones included), by the grid
        bucket of their time; grid time g opens bucket g and is where its displacement is taken.
    side : int8 (n,)
        +1 buy, -1 sell.
    cluster : int64 (n,)
        Label of the unit that is drawn independently: market seed, bank entry, day, block of a day.
    fees : int64 (n,)
        Fees paid.
    double_lots : int64 (n,)
        (replay) lots of own fills that the tape gave to its own orders as well.
    overflow : int64 (n,)
        Overflows of any fixed-size store during the episode.
    run_out : int64 (n,)
        1: the episode ran to its horizon, also where its order was filled before; displacement is estimated on these.
    messages : int64 (n,)
        Orders and cancels sent to the venue.
    """

    qty: Ints
    arrival_mid2: Ints
    spread: Ints
    walk: Ints
    timing: Ints
    forced_spread: Ints
    forced_walk: Ints
    forced_timing: Ints
    lots_filled: Ints
    passive_lots: Ints
    forced_lots: Ints
    unfilled_lots: Ints
    unfilled_paid: Ints
    mid2_grid: Ints
    lots_grid: Ints
    forced_lots_grid: Ints
    side: Int8
    cluster: Ints
    fees: Ints
    double_lots: Ints
    overflow: Ints
    run_out: Ints
    messages: Ints

    def __post_init__(self) -> None:
        """Raise TercelError for arrays of another dtype or shape: sums must be exact and rows must mean the same
        episode."""
        grid = np.shape(self.mid2_grid)
        n = len(self.qty)
        for field in fields(self):
            array = getattr(self, field.name)
            wanted = np.dtype(np.int8 if field.name == "side" else np.int64)
            shape = (n, grid[-1]) if field.name in _GRIDS and grid else (n,)
            refuse_if(
                array.dtype != wanted or array.shape != shape,
                f"Costs.{field.name} as {wanted} of shape {shape}",
                f"{array.dtype} of shape {array.shape}",
                "give one row per episode and keep the sums in integers",
                TercelError,
            )

    def __len__(self) -> int:
        """Number of episodes n."""
        return len(self.qty)

    @property
    def denominator(self) -> Ints:
        """m0 Q of each episode, half ticks x lots: what every sum is divided by."""
        return self.arrival_mid2 * self.qty

    @property
    def shortfall(self) -> Ints:
        """Sum s (p_i - m0) q_i + fees of each episode, half ticks x lots: exact."""
        before = self.spread + self.walk + self.timing
        return before + self.forced_spread + self.forced_walk + self.forced_timing + self.fees

    @property
    def shortfall_bps(self) -> Floats:
        """Implementation shortfall of each episode, bps of m0 Q, float64 (n,)."""
        return self.shortfall * (BPS / self.denominator)

    def totals(self) -> "Costs":
        """The same costs with the time grids reduced to one column: first mid, sums of lots; a tenth of the bytes."""
        lots = {
            name: getattr(self, name).sum(axis=1, keepdims=True)
            for name in ("lots_grid", "forced_lots_grid")
        }
        return replace(self, mid2_grid=self.mid2_grid[:, :1].copy(), **lots)

    @classmethod
    def concat(cls, parts: Sequence[Self]) -> Self:
        """Episodes of several batches, one after another; TercelError unless all have the same time grid."""
        if len({part.mid2_grid.shape[1] for part in parts}) != 1:
            raise TercelError(
                "batches with the same time grid",
                f"grids of {[part.mid2_grid.shape[1] for part in parts]} times",
                "run every batch with the same task",
            )
        return super().concat(parts)

    def check(self) -> None:
        """Raise TercelError, naming the first such episode, for costs in which a lot is missing or counted twice.

        Raises
        ------
        TercelError
            With the first episode in which the lots do not add up, or whose order or arrival mid is not
            positive.
        """
        passive_most = self.lots_filled - np.maximum(self.forced_lots - self.unfilled_lots, 0)
        rules = {
            "a positive order at a positive arrival mid": (self.qty > 0) & (self.arrival_mid2 > 0),
            "side +1 or -1": np.abs(self.side) == 1,
            "lots filled + unfilled = order": self.lots_filled + self.unfilled_lots == self.qty,
            "lots before the horizon order + its own = order": self.lots_grid.sum(1)
            + self.forced_lots
            == self.qty,
            "forced lots on the grid = forced lots": self.forced_lots_grid.sum(1)
            == self.forced_lots,
            "no more unfilled lots than forced ones": self.unfilled_lots <= self.forced_lots,
            "passive lots among those filled before the horizon order": self.passive_lots
            <= passive_most,
            "no negative count of lots": np.minimum.reduce(
                [
                    self.passive_lots,
                    self.forced_lots,
                    self.unfilled_lots,
                    self.double_lots,
                    self.overflow,
                ]
            )
            >= 0,
        }
        for rule, holds in rules.items():
            if not holds.all():
                row = int(np.flatnonzero(~holds)[0])
                names = [field.name for field in fields(self) if field.name not in _GRIDS]
                values = {name: getattr(self, name)[row].item() for name in names}
                raise TercelError(
                    rule, f"episode {row}: {values}", "this is a defect of the market: report it"
                )


def displacement(costs: Costs, twin_mid2_grid: Ints) -> Floats:
    """Mean displacement d(t) of the mid against the order by own trading, (G,), half ticks, over episodes that ran to the
    horizon; TercelError if none did.

    Parameters
    ----------
    costs : Costs
    twin_mid2_grid : int64 (n, G)
        Mid of the same episodes without own orders at the same grid times, half ticks.

    Returns
    -------
    float64 (G,)
        Mean of `s (m - m')`, half ticks; positive when buying has raised the mid.

    Raises
    ------
    TercelError
        No episode ran to its horizon.
    """
    seen = int(costs.run_out.sum())
    if not seen:
        raise TercelError(
            "episodes that ran to their horizon", f"none of {len(costs)}", "run some of them out"
        )
    return np.asarray(own_displacement(costs, twin_mid2_grid).sum(axis=0) / seen)


def own_displacement(costs: Costs, twin_mid2_grid: Ints) -> Ints:
    """Displacement `s (m - m')` of the mid in each episode, int64 (n, G), half ticks; rows not run to the horizon are 0."""
    if np.shape(twin_mid2_grid) != costs.mid2_grid.shape:
        raise TercelError(
            f"counterfactual mids of shape {costs.mid2_grid.shape}",
            f"shape {np.shape(twin_mid2_grid)}",
            "run the counterfactual on the same episodes with the same task",
        )
    sign: Ints = costs.side.astype(np.int64) * costs.run_out
    return sign[:, None] * (costs.mid2_grid - twin_mid2_grid)


def attribute(costs: Costs, twin_mid2_grid: Ints | None) -> dict[str, Floats]:
    """Cost of each episode, (n,) by name: `is_bps` of m0 Q, the `PARTS` that add up to it, `passive_share` of lots; without
    `twin_mid2_grid` (a tape) impact is NaN, and the walk past the touch belongs to the spread.

    Parameters
    ----------
    costs : Costs
        n paired episodes of one strategy; d(t) is averaged over those that ran to their horizon.
    twin_mid2_grid : int64 (n, G) or None
        Mids of the twins. None where nothing answers own trading (replay without an impact model).

    Returns
    -------
    dict of key to float64 (n,)
        `is_bps`, those of `PARTS`, `passive_share`. `is_bps` is the sum of the other `_bps` keys that are not nan;
        `impact_bps` is nan without a counterfactual. `passive_share` is resting fills over the whole order, forced lots
        included.
    """
    scale = BPS / costs.denominator
    if twin_mid2_grid is None:
        spread = costs.spread + costs.walk
        walk = np.full(len(costs), np.nan)
        displaced = np.zeros(len(costs))
    else:
        spread = costs.spread
        walk = costs.walk.astype(np.float64)
        displaced = costs.lots_grid @ displacement(costs, twin_mid2_grid)
    return {
        "is_bps": costs.shortfall_bps,
        "spread_bps": spread * scale,
        "impact_bps": (walk + displaced) * scale,
        "timing_bps": (costs.timing - displaced) * scale,
        "forced_bps": (costs.forced_spread + costs.forced_walk + costs.forced_timing) * scale,
        "fees_bps": costs.fees * scale,
        "passive_share": costs.passive_lots / costs.qty,
    }


def fills_of(state: Ints) -> Ints:
    """Logged own fills of one market as a view, int64 (f, 7): ns, price, lots, mid2, touch2, passive, forced."""
    rows = min(int(state[sim.FILL_ROWS]), int(state[sim.LOG_ROWS]))
    start = int(state[sim.LOG_AT])
    return state[start : start + rows * sim.FILL_WORDS].reshape(rows, sim.FILL_WORDS)


def costs_of(books: Int32, states: Ints, points: int, cluster: Ints) -> Costs:
    """Cost sums of n markets so far, copied from their states and books, with `points` times on the grid.

    Parameters
    ----------
    books, states : int32 (n, ...), int64 (n, ...)
        The two halves of each market.
    points : int
        Of the time grid.
    cluster : int64 (n,)
        Label of the unit that is drawn independently.
    """
    k = states
    grid = k[:, sim.GRID : sim.GRID + 3 * points].reshape(len(k), 3, points)
    overflow = books[:, lay.OVERFLOW] + k[:, sim.OWN_OVERFLOW] + k[:, sim.COMMAND_OVERFLOW]
    return Costs(
        **{name: k[:, getattr(sim, name.upper())].copy() for name in _COLUMNS},
        qty=k[:, sim.QUANTITY].copy(),
        lots_filled=k[:, sim.QUANTITY] - k[:, sim.LEFT] - k[:, sim.UNFILLED_LOTS],
        **{
            name: grid[:, number].copy()
            for number, name in enumerate(("mid2_grid", "lots_grid", "forced_lots_grid"))
        },
        side=k[:, sim.SIDE].astype(np.int8),
        cluster=cluster.copy(),
        overflow=overflow.astype(np.int64),
        messages=k[:, sim.COMMAND_TAIL].copy(),
    )
