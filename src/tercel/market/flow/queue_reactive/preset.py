"""Preset file of a queue-reactive market: tables of its law, pilot factors, common fields."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tercel.core.arrays import Floats, Ints
from tercel.core.seeds import mix
from tercel.market.flow.port import Positive, Preset, Rate
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.tables import LAYOUT, misfit, pack
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real

Finite = Annotated[float, Field(allow_inf_nan=False)]
UNBOUNDED = 1e300
"""Stands for infinity in a file: an edge that nothing reaches."""


class PilotFactors(BaseModel):
    """Factors set by pilot runs, folded into the tables when a market starts.

    Attributes
    ----------
    clock : float
        Factor of the waits.
    market, inside, cancel : float
        Factors of the weights of market orders, of limit orders in the spread and of cancels at the best.
    anchor_fast : float
        Log factor of the events that move the mid, per standard deviation of its displacement from its fast mean;
        positive pulls back.
    trend, value, push : float
        Lean of the same events with the last half minute, against the last minutes, with those who take: see
        `kernel.lean_of`.
    lots : float
        How far market orders that do not take just the queue lean to larger sizes; 1: as on tape.
    repeat : float
        Factor of the chances that a limit order repeats a size.
    lone : float
        How far the levels reach. Above 0: log factor with which orders behind the best that stand alone at their price
        are withdrawn, over others. Below 0: share of the orders behind the second level that are placed by distance;
        at 0 all are placed level by level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    clock: Positive = 1.0
    market: Positive = 1.0
    inside: Positive = 1.0
    cancel: Positive = 1.0
    anchor_fast: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.0
    trend: Annotated[float, Field(ge=-0.2, le=0.6)] = 0.0
    value: Annotated[float, Field(ge=0.0, le=0.2)] = 0.0
    push: Annotated[float, Field(ge=-0.1, le=0.1)] = 0.0
    lots: Positive = 1.0
    repeat: Rate = 1.0
    lone: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.0


class QueueReactivePreset(Preset):
    """Parameters of one queue-reactive market.

    Attributes
    ----------
    version : int
        Of the tables' layout; a file of another one is refused.
    law : mapping of name to tuple of float
        Flat tables, see `tables.LAYOUT` and :mod:`layout` for their shapes.
    scalars : mapping of name to float
        See `tables.SCALARS`.
    minutes : tuple of (activity, market factor, day)
        The minutes calibrated on: events over what the half hour has on average, how many market orders came over
        what the events say, which day.
    fast_centres : tuple of float
        Displacement in standard deviations that each class stands for.
    knobs : PilotFactors
    """

    apart: ClassVar[bool] = True

    model: Literal["queue_reactive"] = "queue_reactive"
    version: int
    law: dict[str, tuple[Finite, ...]]
    scalars: dict[str, Finite]
    minutes: Annotated[tuple[tuple[Rate, Rate, Rate], ...], Field(min_length=1, max_length=8192)]
    fast_centres: Annotated[tuple[Finite, ...], Field(min_length=q.FAST, max_length=q.FAST)]
    knobs: PilotFactors = PilotFactors()

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("version", q.VERSION) != q.VERSION:
            raise ValueError(
                f"version {given['version']} of the tables; this program reads version {q.VERSION}"
            )
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "QueueReactivePreset":
        wrong = misfit(self.law, self.scalars)
        if wrong:
            raise ValueError(wrong)
        if not any(self.law["wait_ns"]):
            raise ValueError("wait_ns are all 0: time would stand still")
        if self.scalars["window"] > self.width / 4:
            raise ValueError(
                f"width {self.width} holds fewer than four times the window of {self.scalars['window']:g}"
            )
        if max(day for _, _, day in self.minutes) >= q.DAYS:
            raise ValueError(f"minutes of more than {q.DAYS} days")
        if self.orders >= 1 << 24:
            raise ValueError(f"orders {self.orders}: at most {(1 << 24) - 1}")
        return self

    @property
    def typical_lots(self) -> int:
        """Mean size of a limit order."""
        return max(int(np.mean(self.law["size"])), 1)

    def packed(self) -> Floats:
        """See `tables.pack`."""
        law = {name: np.asarray(self.law[name], np.float64) for name in LAYOUT}
        return pack(
            law,
            self.scalars,
            np.asarray(self.minutes, np.float64),
            self.knobs.model_dump(),
            np.asarray(self.fast_centres),
        )

    def remember(self, k: Ints) -> None:
        """Initial memory without events: means at the mid, the last trade long ago."""
        start_memory(k, int(k[sim.PUBLIC_BID] + k[sim.PUBLIC_ASK]))
        k[q.P_SIDE] = 1 if int(mix(int(k[sim.FLOW_RNG]))) & 1 else -1
        k[q.P2_SIDE] = k[q.P_SIDE]


def start_memory(k: Ints, mid2: int, now: int = 0) -> None:
    """Blank memory at a mid (half-ticks) and a time."""
    k[q.P_KIND : q.USED + sim.FLOW_MEMORY] = 0
    k[[q.P_SIDE, q.P2_SIDE, q.TRADE_SIGN, q.MOVE]] = 1
    k[[q.P_KIND, q.P2_KIND]] = q.LIMIT_AT_BEST
    k[q.MID] = mid2
    for at in (q.MEAN_SLOW, q.MEAN_FAST, q.MEAN_VALUE):
        put_real(k, at, float(mid2))
    k[[q.TOUCH, q.TOUCH + 1]] = mid2 // 2
    for at in (q.TOUCH_MEAN, q.TOUCH_MEAN + 1):
        put_real(k, at, mid2 / 2)
    for at in (q.PACE, q.MARKETS, q.RATE, q.LEAN_UP, q.LEAN_DOWN, q.READY, q.READY + 1):
        put_real(k, at, 1.0)
    k[q.SEEN_NS] = now
    for at in (q.EMPTIED_NS, q.VACATED_NS, q.MADE_NS):
        k[[at, at + 1]] = now - 10**12
    k[q.TRADE_NS] = now - 10**12
    k[q.MINUTE_END] = now
