"""Preset file of a Cheridito & Weiss market; the law is in `kernel`."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from studies.flows.cheridito_weiss import layout as cw
from tercel.core import FOREVER_NS, NS_PER_SECOND, Floats, Ints
from tercel.market import FirstOrder, Lots, Positive, Rate, check_rates
from tercel.market.flow import Preset
from tercel.market.simulator import layout as sim


class CheriditoWeissPreset(Preset):
    """Parameters of one market.

    Attributes
    ----------
    limit_rate, cancel_rate : tuple of float, length L
        Limit orders per side and second, cancels per lot of the level and second, at distance 1 .. L from the opposite
        best.
    market_rate : float
        Market orders per side and second.
    size_share : tuple of float
        Shares of orders and cancels of 1, 2, ... lots.
    reaction : float
        How strongly rates answer to imbalance, 0: not at all.
    damping : float
        Weights of the imbalance fall by exp(-damping) a level.
    cancels : str
        "own": the noise trader cancels its own orders, newest first (as published). "any": the order of a uniformly
        drawn public lot.
    strategic_s : float
        Seconds between two acts of the hidden trader, 0: there is none.
    strategic_market, strategic_limit : int
        Lots of its market order and its limit order.
    shape : tuple of int
        Lots of the first book at distance 1, 2, ... from the opposite best, one order each.
    """

    settles: ClassVar[bool] = False
    """Episodes start from the laid book; the published warm-up of 15 s is the task's."""

    model: Literal["cheridito_weiss"] = "cheridito_weiss"
    limit_rate: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=30)]
    market_rate: Positive
    cancel_rate: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=30)]
    size_share: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=1000)]
    reaction: Rate
    damping: Rate
    cancels: Literal["own", "any"]
    strategic_s: Rate
    strategic_market: Lots
    strategic_limit: Lots
    shape: Annotated[tuple[Lots, ...], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _fits_together(self) -> "CheriditoWeissPreset":
        most = (1.0 + self.reaction) * (sum(self.limit_rate) + self.market_rate)
        check_rates(self.limit_rate, self.cancel_rate, most)
        if abs(sum(self.size_share) - 1.0) > 1e-9:
            raise ValueError(f"size_share sums to {sum(self.size_share)}, not to 1")
        if 0.0 < self.strategic_s < 1e-3:
            raise ValueError(f"strategic_s {self.strategic_s}: 0, or at least a millisecond")
        if self.start_mid_ticks <= 2 * max(len(self.limit_rate), len(self.shape)):
            raise ValueError(
                f"start_mid_ticks {self.start_mid_ticks}: prices below zero are within reach"
            )
        if self.width < 4 * max(len(self.limit_rate), cw.REACH):
            raise ValueError(
                f"width {self.width} is less than four times the levels that the flow looks at"
            )
        if not 2 * len(self.shape) <= self.orders <= cw.MOST_ORDERS:
            raise ValueError(
                f"orders {self.orders}: the first book needs more, or more than {cw.MOST_ORDERS}"
            )
        return self

    @property
    def typical_lots(self) -> int:
        """Mean size of an order."""
        return max(
            round(float(np.arange(1, len(self.size_share) + 1) @ np.asarray(self.size_share))), 1
        )

    def first_orders(self) -> list[FirstOrder]:
        """`shape` on both sides of a spread of one tick, the lower price `start_mid_ticks`."""
        bid = self.start_mid_ticks
        bids = [(1, bid - i, lots) for i, lots in enumerate(self.shape)]
        return bids + [(-1, bid + 1 + i, lots) for i, lots in enumerate(self.shape)]

    def pack_parameters(self) -> Floats:
        """Parameters in the order of `layout`."""
        from tercel.market import alias_table

        limit, sizes = np.asarray(self.limit_rate), np.asarray(self.size_share)
        head = np.zeros(cw.TABLES)
        head[[cw.REACTION, cw.DAMPING, cw.PLAIN]] = (
            self.reaction,
            np.exp(-self.damping),
            float(self.cancels == "any"),
        )
        head[[cw.STRATEGIC_NS, cw.STRATEGIC_MARKET, cw.STRATEGIC_LIMIT]] = (
            round(self.strategic_s * NS_PER_SECOND),
            self.strategic_market,
            self.strategic_limit,
        )
        head[[cw.MARKET_RATE, cw.LIMIT_TOTAL, cw.LEVELS]] = (
            self.market_rate,
            limit.sum(),
            len(limit),
        )
        head[[cw.SIZES, cw.FALLBACK, cw.START]] = len(sizes), self.shape[0], self.start_mid_ticks
        share, index = alias_table(limit / limit.sum())
        size_share, size_index = alias_table(sizes)
        return np.concatenate(
            [head, share, index, self.cancel_rate, size_share, size_index]
        ).astype(np.float64)

    def init_memory(self, k: Ints) -> None:
        """Initial memory: the noise trader acts at once, the hidden trader just after it."""
        k[cw.NOISE_NS] = k[sim.FLOW_NS]
        k[cw.STRATEGIC_AT] = k[sim.FLOW_NS] + cw.LATE_NS if self.strategic_s > 0.0 else FOREVER_NS
