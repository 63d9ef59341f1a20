"""State of a desk in one instrument: received flow and its cost, market, sizes, shares, forecast and posture.

Fills are booked to the oldest open order first, against the mid at which that order came in: lots that sizing deferred
keep their first arrival price, so that waiting is part of the cost.

`FlowShares` are multiplicative weights (Hedge, Freund & Schapire 1997) with a fixed share (Herbster & Warmuth 1998):
every agent trades a slice of every order, so every round measures each of them on the same market. Weights fall
exponentially with cost; a small share is redistributed each time, so that an agent that was poor before a change of
regime can come back.
"""

import math
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ONE, PAID_ONE, floor_units, format_decimal
from tercel.core.messages import Alpha, Posture
from tercel.desk.engine.config import SizingRule, WeightsRule
from tercel.desk.engine.forecasts import Outlook
from tercel.desk.engine.monitor import MarketMonitor
from tercel.signals.risk.posture import PosturePolicy


@dataclass(slots=True)
class _Open:
    """An open order of the flow: unfilled quantity (10^-8 of a lot) and its arrival mid in half ticks."""

    qty: int
    mid2: int


class FlowShortfall:
    """Open quantity and implementation shortfall of the orders received to one side of one instrument.

    Parameters
    ----------
    side : int
        +1 buy, -1 sell.

    >>> flow = FlowShortfall(1)
    >>> flow.add_order(10, mid2=2000)
    >>> flow.add_order(10, mid2=2010)
    >>> flow.fill(15 * ONE, 15 * 2020 * PAID_ONE)
    >>> flow.open_lots, flow.cost2 // PAID_ONE, round(flow.cost_bps(2040), 2)
    (5, 250, 99.75)
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.cost2 = 0
        """Cost of the fills, 10^-16 half ticks x lots (`core.orders`)."""
        self.requested2 = 0
        """Value of all requested lots at their arrival mids, in the same unit."""
        self._open: deque[_Open] = deque()

    def add_order(self, lots: int, mid2: int) -> None:
        """Add a received order of `lots` with its arrival mid, half ticks; OrderError unless both are above 0."""
        refuse_if(
            lots <= 0 or mid2 <= 0,
            "lots above 0 at a two-sided market",
            f"{lots} lots at {mid2} half ticks",
            "wait for one",
            OrderError,
        )
        self._open.append(_Open(lots * ONE, mid2))
        self.requested2 += lots * mid2 * PAID_ONE

    @property
    def open_lots(self) -> int:
        """Unfilled quantity in whole lots, rounded down."""
        return floor_units(self.open_qty)

    @property
    def open_qty(self) -> int:
        """Unfilled quantity, 10^-8 of a lot."""
        return sum(order.qty for order in self._open)

    def fill(self, qty: int, paid2: int) -> None:
        """Book a fill of `qty` (10^-8 of a lot), oldest order first; `paid2`: its value, 10^-16 half ticks x lots.
        OrderError for more than is open.

        Raises
        ------
        OrderError
            For more than is open.
        """
        if qty > self.open_qty:
            raise OrderError(
                f"at most the {format_decimal(self.open_qty)} lots that are open",
                f"{format_decimal(qty)} filled",
                "reconcile with the venue",
            )
        self.cost2 += self.side * paid2
        while qty:
            oldest = self._open[0]
            part = min(qty, oldest.qty)
            self.cost2 -= self.side * part * oldest.mid2 * ONE
            oldest.qty -= part
            qty -= part
            if not oldest.qty:
                self._open.popleft()

    def cost_bps(self, mid2: int) -> float:
        """Cost of all received orders, bps of their arrival value (0 without orders); open lots are marked at `mid2`,
        half ticks."""
        waiting = sum(self.side * (mid2 - order.mid2) * order.qty * ONE for order in self._open)
        return 1e4 * (self.cost2 + waiting) / self.requested2 if self.requested2 else 0.0


class Sizing:
    """Decides how many open lots a round works, by forecast and posture, and learns how far to trust forecasts.

    >>> sizing = Sizing(SizingRule())
    >>> sizing.lots(1, 100, None, None, is_last=False)
    100
    >>> sizing.lots(1, 100, None, Posture("A", 0, size_multiplier=0.5), is_last=False)
    50
    """

    def __init__(self, rule: SizingRule) -> None:
        self._rule = rule
        self._product_sum = self._square_sum = rule.prior_bps**2

    def lots(
        self,
        side: int,
        open_lots: int,
        alpha: Alpha | None,
        posture: Posture | None,
        is_last: bool,
    ) -> int:
        """Lots of `open_lots` to work this round: the posture's share, less while a move in favour is forecast; all in
        the last round."""
        if is_last or open_lots == 0:
            return open_lots
        share = 1.0 if posture is None else posture.size_multiplier
        if share == 0.0:
            return 0
        expected_bps, sd_bps = (
            (0.0, 0.0) if alpha is None else (alpha.expected_bps * self.trust, alpha.sd_bps)
        )
        adverse_bps = side * expected_bps
        confident_bps = max(abs(adverse_bps) - self._rule.confidence * sd_bps, 0.0)
        if adverse_bps < 0:  # the market is expected to come: wait with some of it
            share *= 1.0 - (1.0 - self._rule.least) * min(confident_bps / self._rule.scale_bps, 1.0)
        return min(max(round(share * open_lots), min(1, open_lots)), open_lots)

    def learn_move(self, expected_bps: float, realised_bps: float) -> None:
        """Update the trust in forecasts with a forecast and the move that came, bps; values that are not finite are ignored."""
        if math.isfinite(realised_bps) and math.isfinite(expected_bps):
            self._product_sum += expected_bps * realised_bps
            self._square_sum += expected_bps**2

    @property
    def trust(self) -> float:
        """Shrunken slope of realised moves on forecasts, with a prior of 1, in [0, 1.5]."""
        return min(max(self._product_sum / self._square_sum, 0.0), 1.5)


class FlowShares:
    """Shares of the flow of a desk's agents on one instrument: multiplicative weights, less penalties, over a floor.

    >>> weights = FlowShares(["good", "poor"], WeightsRule())
    >>> for _ in range(10):
    ...     weights.update({"good": 2.0, "poor": 12.0})
    >>> weights.shares["good"] > 0.9
    True
    """

    def __init__(self, agents: Sequence[str], rule: WeightsRule) -> None:
        refuse_if(
            not agents,
            "at least one agent",
            "none",
            "add an [[agent]] to the desk's file",
        )
        self._rule = rule
        self._penalty = dict.fromkeys(agents, 1.0)
        self._weights = {agent: 1.0 / len(agents) for agent in agents}

    @property
    def shares(self) -> dict[str, float]:
        """Share of the flow of each agent, at least the rule's floor; they sum to 1."""
        floor = min(self._rule.floor, 1.0 / len(self._penalty))
        raw = {agent: weight * self._penalty[agent] for agent, weight in self._weights.items()}
        total = sum(raw.values())
        room = 1.0 - floor * len(raw)
        return {agent: floor + room * weight / total for agent, weight in raw.items()}

    def penalise(self, agent: str, drifting: bool) -> None:
        """Reduce the share of an agent whose observations have drifted, or restore it."""
        self._penalty[agent] = self._rule.drift_penalty if drifting else 1.0

    def update(self, cost_bps: Mapping[str, float]) -> None:
        """Update the weights with each agent's cost of a round; missing or NaN costs count as the mean; no change below
        two costs."""
        finite_costs = {
            agent: cost
            for agent, cost in cost_bps.items()
            if agent in self._weights and math.isfinite(cost)
        }
        if len(finite_costs) < 2:
            return
        best = min(finite_costs.values())
        losses = {
            agent: min((cost - best) / self._rule.range_bps, 1.0)
            for agent, cost in finite_costs.items()
        }
        absent = sum(losses.values()) / len(losses)
        updated = {
            a: w * math.exp(-self._rule.rate * losses.get(a, absent))
            for a, w in self._weights.items()
        }
        total = sum(updated.values())
        n = len(updated)
        self._weights = {
            a: (1 - self._rule.share) * w / total + self._rule.share / n for a, w in updated.items()
        }


def split(lots: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole lots by shares, summing exactly (largest remainder; ties by order).

    >>> split(10, {"a": 0.5, "b": 0.26, "c": 0.24})
    {'a': 5, 'b': 3, 'c': 2}
    """
    exact_lots = {agent: lots * share for agent, share in shares.items()}
    lots_by_agent = {agent: int(value) for agent, value in exact_lots.items()}
    order = sorted(exact_lots, key=lambda agent: lots_by_agent[agent] - exact_lots[agent])
    for agent in order[: lots - sum(lots_by_agent.values())]:
        lots_by_agent[agent] += 1
    return lots_by_agent


@dataclass
class DeskInstrument:
    """State of a desk in one instrument: flow, monitor, sizing, agents' weights, forecast, posture."""

    flow: FlowShortfall
    monitor: MarketMonitor
    sizing: Sizing
    weights: FlowShares
    policy: PosturePolicy | None
    outlook: Outlook | None = None
    posture: Posture | None = None
    round_costs: dict[str, float] = field(default_factory=dict)
    begun_mid2: int = 0
    """The mid at the start of the round, half ticks."""
    pending: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Forecasts that are not yet due, by when they are: what was expected until then, and the mid at that time."""
    share_path: "array[float]" = field(default_factory=lambda: array("d"))
    """The agents' shares after every round, one round after the other."""

    @property
    def alpha(self) -> Alpha | None:
        """The forecast that agents read."""
        return None if self.outlook is None else self.outlook.alpha
