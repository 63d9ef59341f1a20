"""Sizes of a round's parent orders by posture and forecast, and their shares among agents by what each has cost.

What is not worked now is carried to the next round and keeps its first arrival price, so that waiting is paid for in
the desk's cost, not hidden.

Shares are multiplicative weights (Hedge, Freund & Schapire 1997) with a fixed share (Herbster & Warmuth 1998): every
agent trades a slice of every order, so every round measures what each of them costs on the same market. Weights fall
exponentially with cost; a small share is redistributed each time, so that an agent that was poor before a change of
regime can come back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tercel.core.errors import ConfigError
from tercel.core.messages import Alpha, Posture


@dataclass(frozen=True)
class SizingRule:
    """Parameters of the sizing.

    Parameters
    ----------
    least : float
        Share of the open quantity that is always worked (unless the posture's multiplier is 0).
    confidence : float
        An alpha is acted on beyond so many of its standard deviations.
    scale_bps : float
        A favourable move of so many bps (beyond what confidence asks) defers everything that may be deferred.
    prior_bps : float
        Forecasts are believed at first as if they had held over so many bps (root sum of squares) of forecast moves.
    """

    least: float = 0.25
    confidence: float = 0.1
    scale_bps: float = 12.0
    prior_bps: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        shares = 0 <= self.least <= 1
        scales = 0 < self.scale_bps < math.inf and 0 < self.prior_bps < math.inf
        if not (shares and scales and 0 <= self.confidence < math.inf):
            raise ConfigError(
                "least in [0, 1], confidence >= 0, scale_bps and prior_bps > 0",
                f"{self}",
                "mend [loop.sizing]",
            )


class Sizing:
    """Sizes one instrument's rounds and learns how far forecasts hold.

    >>> sizing = Sizing(SizingRule())
    >>> sizing.lots(1, 100, None, None, last=False)
    100
    >>> sizing.lots(1, 100, None, Posture("A", 0, size_multiplier=0.5), last=False)
    50
    """

    def __init__(self, rule: SizingRule) -> None:
        self._rule = rule
        self._agreed = self._said = rule.prior_bps**2

    def lots(
        self,
        side: int,
        wanted: int,
        alpha: Alpha | None,
        posture: Posture | None,
        last: bool,
    ) -> int:
        """Lots of `wanted` to work this round; the last round takes all."""
        if last or wanted == 0:
            return wanted
        share = 1.0 if posture is None else posture.size_multiplier
        if share == 0.0:
            return 0
        said, sd_bps = (
            (0.0, 0.0) if alpha is None else (alpha.expected_bps * self.trust, alpha.sd_bps)
        )
        against = side * said
        sure = max(abs(against) - self._rule.confidence * sd_bps, 0.0)
        if against < 0:  # the market is expected to come: wait with some of it
            share *= 1.0 - (1.0 - self._rule.least) * min(sure / self._rule.scale_bps, 1.0)
        return min(max(round(share * wanted), min(1, wanted)), wanted)

    def learn_move(self, expected_bps: float, realised_bps: float) -> None:
        """Update the trust in forecasts with a round's forecast and realised move."""
        if math.isfinite(realised_bps) and math.isfinite(expected_bps):
            self._agreed += expected_bps * realised_bps
            self._said += expected_bps**2

    @property
    def trust(self) -> float:
        """Shrunken slope of realised moves on forecasts, with a prior of 1, in [0, 1.5]."""
        return min(max(self._agreed / self._said, 0.0), 1.5)


@dataclass(frozen=True)
class WeightsRule:
    """Parameters of the aggregation.

    Parameters
    ----------
    rate : float
        Learning rate on losses in [0, 1].
    share : float
        Handed round each time: about the rate of changes that is expected.
    floor : float
        Least share of an agent, so that it goes on being measured.
    range_bps : float
        Cost differences within a round beyond this count as this.
    drift_penalty : float
        Factor on the weight of an agent whose observations have drifted away from its card.
    """

    rate: float = 1.0
    share: float = 0.04
    floor: float = 0.04
    range_bps: float = 20.0
    drift_penalty: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        fits = self.rate >= 0 and 0 <= self.share < 1 and 0 <= self.floor < 1 and self.range_bps > 0
        if not (fits and 0 < self.drift_penalty <= 1):
            raise ConfigError(
                "rate >= 0, share and floor in [0, 1), range_bps > 0, drift_penalty in (0, 1]",
                f"{self}",
                "leave the section out for the defaults",
            )


class FlowShares:
    """Shares of the flow of a desk's agents on one instrument: multiplicative weights, less penalties, over a floor.

    >>> weights = FlowShares(["good", "poor"], WeightsRule())
    >>> for _ in range(10):
    ...     weights.update({"good": 2.0, "poor": 12.0})
    >>> weights.shares["good"] > 0.9
    True
    """

    def __init__(self, agents: Sequence[str], rule: WeightsRule) -> None:
        if not agents:
            raise ConfigError("at least one agent", "none", "add an [[agent]] to the desk's file")
        self._rule = rule
        self._penalty = dict.fromkeys(agents, 1.0)
        self._weights = {agent: 1.0 / len(agents) for agent in agents}

    @property
    def shares(self) -> dict[str, float]:
        """Share of the flow of each agent; they sum to 1."""
        floor = min(self._rule.floor, 1.0 / len(self._penalty))
        raw = {agent: weight * self._penalty[agent] for agent, weight in self._weights.items()}
        total = sum(raw.values())
        room = 1.0 - floor * len(raw)
        return {agent: floor + room * weight / total for agent, weight in raw.items()}

    def penalise(self, agent: str, drifting: bool) -> None:
        """Reduce the share of an agent whose observations have drifted, or restore it."""
        self._penalty[agent] = self._rule.drift_penalty if drifting else 1.0

    def update(self, cost_bps: Mapping[str, float]) -> None:
        """Update the weights with each agent's cost of one round; missing or NaN costs count as the mean."""
        known = {
            agent: cost
            for agent, cost in cost_bps.items()
            if agent in self._weights and math.isfinite(cost)
        }
        if len(known) < 2:
            return
        best = min(known.values())
        losses = {
            agent: min((cost - best) / self._rule.range_bps, 1.0) for agent, cost in known.items()
        }
        absent = sum(losses.values()) / len(losses)
        grown = {
            a: w * math.exp(-self._rule.rate * losses.get(a, absent))
            for a, w in self._weights.items()
        }
        total, n = sum(grown.values()), len(grown)
        self._weights = {
            a: (1 - self._rule.share) * w / total + self._rule.share / n for a, w in grown.items()
        }


def split(lots: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole lots by shares, summing exactly (largest remainder; ties by order).

    >>> split(10, {"a": 0.5, "b": 0.26, "c": 0.24})
    {'a': 5, 'b': 3, 'c': 2}
    """
    exact = {agent: lots * share for agent, share in shares.items()}
    whole = {agent: int(value) for agent, value in exact.items()}
    order = sorted(exact, key=lambda agent: whole[agent] - exact[agent])
    for agent in order[: lots - sum(whole.values())]:
        whole[agent] += 1
    return whole
