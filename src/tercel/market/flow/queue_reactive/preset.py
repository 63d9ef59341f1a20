"""Preset class of a queue-reactive market: tables of its law, pilot factors, common fields; and a blank memory of its flow."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from tercel.core.arrays import Floats, Ints
from tercel.core.seeds import mix
from tercel.market.flow.port import Preset, Rate
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.tables import (
    LAYOUT,
    Finite,
    PilotFactors,
    describe_misfit,
    pack,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real


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
        Displacement of each class in standard deviations.
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
    def _check_version(cls, raw: Any) -> Any:
        """Refuse a preset of another version of the law before its fields are read."""
        if isinstance(raw, dict) and raw.get("version", q.VERSION) != q.VERSION:
            raise ValueError(
                f"version {raw['version']} of the tables; this program reads version {q.VERSION}"
            )
        return raw

    @model_validator(mode="after")
    def _check_tables(self) -> "QueueReactivePreset":
        """Refuse tables and scalars of wrong lengths or out of bounds."""
        wrong = describe_misfit(self.law, self.scalars)
        if wrong:
            raise ValueError(wrong)
        if not any(self.law["wait_ns"]):
            raise ValueError("wait_ns are all 0: time would not advance")
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

    def pack_parameters(self) -> Floats:
        """All parameters as the one float64 array that the kernel reads (`tables.pack`)."""
        law = {name: np.asarray(self.law[name], np.float64) for name in LAYOUT}
        return pack(
            law,
            self.scalars,
            np.asarray(self.minutes, np.float64),
            self.knobs,
            np.asarray(self.fast_centres),
        )

    def init_memory(self, state: Ints) -> None:
        """Initialise the flow's memory in a blank state with a laid book and a seeded random stream.

        Means are at the mid, the last trade long ago, the previous events' side is drawn by the seed.
        """
        start_memory(state, int(state[sim.PUBLIC_BID] + state[sim.PUBLIC_ASK]))
        state[q.P_SIDE] = 1 if int(mix(int(state[sim.FLOW_RNG]))) & 1 else -1
        state[q.P2_SIDE] = state[q.P_SIDE]


def start_memory(state: Ints, mid2: int, now: int = 0) -> None:
    """Write a blank memory of the flow into `state`, at a mid (half-ticks) and a time, ns."""
    state[q.P_KIND : q.USED + sim.FLOW_MEMORY] = 0
    state[[q.P_SIDE, q.P2_SIDE, q.TRADE_SIGN, q.MOVE]] = 1
    state[[q.P_KIND, q.P2_KIND]] = q.LIMIT_AT_BEST
    state[q.MID] = mid2
    for word in (q.MEAN_SLOW, q.MEAN_FAST, q.MEAN_VALUE):
        put_real(state, word, float(mid2))
    state[[q.TOUCH, q.TOUCH + 1, q.LAST_TRADE]] = mid2 // 2
    for word in (q.PACE, q.MARKETS, q.RATE, q.LEAN_UP, q.LEAN_DOWN, q.READY, q.READY + 1):
        put_real(state, word, 1.0)
    state[q.SEEN_NS] = now
    for word in (q.EMPTIED_NS, q.VACATED_NS, q.MADE_NS):
        state[[word, word + 1]] = now - 10**12
    state[q.TRADE_NS] = now - 10**12
    state[q.MINUTE_END] = now
