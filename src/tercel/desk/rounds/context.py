"""Shares by context: what each agent would cost as the public's flow leans now.

Aggregation by past cost alone needs some rounds to see that a market has turned, and forgets what it knew of the market
before. Here an agent's cost against the mean of a round is a line,

    c = a + b m + noise,    m = side * move of the mid in that round, bps,

learned by recursive least squares with forgetting (a normal prior on a and b, so a Bayesian regression). Which way the
mid moves in a round is mostly luck, so that b is known after a few rounds of any market; m of the next round is what
the lean of the public's market orders over the last minutes makes expect. The share of an agent is the probability that
it is the cheapest there (Thompson, 1933).
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.special import ndtr

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.desk.rounds.allocation import FlowShares, MultiplicativeWeights, WeightsRule

MINUTE_S: Final = 60
KAPPA: Final = 1.5
"""Standard errors to either side within which two windows agree."""
SPAN: Final = 5
"""Minutes over which the mid is set beside the flow."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)


@dataclass(frozen=True)
class ContextRule:
    """Parameters of shares by context.

    Parameters
    ----------
    minutes : int
        Of public flow that say what comes, at least; more where they agree (`PublicLean.steady`).
    level_bps, slope : float
        Standard deviations of the prior: of an agent's cost against the mean, and of what a move of 1 bps adds to it.
    noise_bps : float
        Standard deviation of a round's cost against the line, before any was seen; worth `memory` / 4 rounds.
    memory : float
        Rounds after which what was learned counts for 1/e.
    expected_bps : mapping of agent to float
        What a parent is expected to cost in a market that goes nowhere, of every agent or of none: a backtest's figures
        (`tercel agent evaluate`). Without it all are taken for equal at first.
    """

    minutes: int = 5
    level_bps: float = 10.0
    slope: float = 0.5
    noise_bps: float = 10.0
    memory: float = 40.0
    expected_bps: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        scales = min(self.level_bps, self.slope, self.noise_bps) > 0
        if not (
            scales
            and self.minutes >= 3
            and self.memory > 1
            and math.isfinite(self.level_bps + self.slope)
        ):
            raise ConfigError(
                "minutes >= 3, memory > 1, the rest > 0", f"{self}", "mend [loop.context]"
            )


class PublicLean:
    """Lean of the public's market orders over the last minutes, and the move of the mid that it makes expect.

    >>> lean = PublicLean(minutes=5)
    >>> for minute in range(7):
    ...     lean.minute(bought=8 * minute, sold=2 * minute, mid2=1000)
    >>> lean.over(5)
    (0.6, 0.2)
    """

    def __init__(self, minutes: int) -> None:
        self._seen: deque[tuple[int, int, int]] = deque(maxlen=8 * max(minutes, SPAN) + 1)
        self._gram = 0.0
        self._cross = 0.0
        self._sure: dict[int, float] = {}

    def minute(self, bought: int, sold: int, mid2: int) -> None:
        """Lots that the public has bought and sold by market orders until now, and the mid, at the end of a minute."""
        if len(self._seen) >= SPAN:
            before = self._seen[-SPAN]
            net, gross = (
                bought - sold - before[0] + before[1],
                bought + sold - before[0] - before[1],
            )
            if gross:
                self._gram += (net / gross) ** 2
                self._cross += net / gross * 2e4 * (mid2 - before[2]) / (mid2 + before[2]) / SPAN
        self._seen.append((bought, sold, mid2))
        self._sure.clear()

    def over(self, minutes: int) -> tuple[float, float]:
        """Lean of the last minutes and its standard error; (0, 1) where fewer than two of them had a market order.

        Bought less sold over both, in [-1, 1]. Minutes count as independent, and beside them one more that leans by all
        of its volume: five minutes that agree say .2, not certainty.
        """
        flow = np.diff(
            np.array(list(self._seen)[-minutes - 1 :], np.float64).reshape(-1, 3)[:, :2], axis=0
        )
        gross, net = flow.sum(axis=1), flow[:, 0] - flow[:, 1]
        active, total = int((gross > 0).sum()), float(gross.sum())
        if active < 2:
            return 0.0, 1.0
        lean = float(net.sum()) / total
        squares = float(np.square(net - lean * gross).sum()) * active / (active - 1)
        return lean, math.sqrt(squares + (total / active) ** 2) / total

    def steady(self, minutes: int) -> tuple[float, float]:
        """As :meth:`over`, of the longest of `minutes`, twice as many, four times ... that agrees with shorter ones.

        Two windows agree whose intervals of KAPPA standard errors meet (Lepski, 1991): a lean that lasts is known
        better and better, and one that has just changed is not blurred by what was before.
        """
        found = self.over(minutes)
        low, high = found[0] - KAPPA * found[1], found[0] + KAPPA * found[1]
        while 2 * minutes < len(self._seen):
            minutes *= 2
            lean, error = self.over(minutes)
            low, high = max(low, lean - KAPPA * error), min(high, lean + KAPPA * error)
            if low > high:
                break
            found = lean, error
        return found

    def ahead_bps(self, minutes: int, span: float) -> float:
        """Move that is expected over the next `span` minutes if the flow goes on as it was for `minutes` or longer.

        The lean is shrunk by its standard error (James and Stein, positive part); what it moves the mid by is a least
        squares slope over five minutes each, with a prior of 0.
        """
        if minutes not in self._sure:  # asked every second, new every minute
            lean, error = self.steady(minutes)
            self._sure[minutes] = lean * max(1.0 - (error / lean) ** 2, 0.0) if lean else 0.0
        return span * self._sure[minutes] * self._cross / (self._gram + 1.0)


class ContextualShares(FlowShares):
    """Shares of agents on one instrument by what each would cost in the flow to come.

    >>> shares = ContextualShares(["rests", "takes"], WeightsRule(), ContextRule())
    >>> for move in 10 * [-30.0, 0.0, 30.0]:
    ...     shares.update({"rests": move, "takes": 10.0}, move)
    >>> calm = shares.shares["rests"]
    >>> shares.ahead_bps = 30.0
    >>> calm > 0.9, shares.shares["takes"] > 0.9
    (True, True)
    """

    def __init__(self, agents: Sequence[str], weights: WeightsRule, rule: ContextRule) -> None:
        super().__init__(agents, weights)
        self._agents = list(agents)
        self._memory = rule.memory
        told = np.array([rule.expected_bps.get(agent, 0.0) for agent in agents])
        self._start = dict(zip(agents, (told - told.mean()).tolist(), strict=True))
        self._prior = np.diag([rule.level_bps**-2.0, rule.slope**-2.0]) * rule.noise_bps**2
        self._gram = {agent: np.zeros((2, 2)) for agent in agents}
        self._cross = {agent: np.zeros(2) for agent in agents}
        self._rounds = rule.memory / 4
        self._squares = self._rounds * rule.noise_bps**2

    def line(self, agent: str) -> Floats:
        """Level and slope of an agent's cost against the mean of a round, bps: float64 (2,)."""
        pull = self._prior @ [self._start[agent], 0.0]
        return np.asarray(
            np.linalg.solve(self._prior + self._gram[agent], self._cross[agent] + pull)
        )

    def update(self, cost_bps: Mapping[str, float], move_bps: float = 0.0) -> None:
        """Learn what each agent cost in a round in which the mid moved so far; NaN says nothing."""
        known = {
            agent: cost
            for agent, cost in cost_bps.items()
            if agent in self._gram and math.isfinite(cost)
        }
        if len(known) < 2:
            return
        mean, x = sum(known.values()) / len(known), np.array([1.0, move_bps])
        kept = math.exp(-1.0 / self._memory)
        misses = [cost - mean - float(self.line(agent) @ x) for agent, cost in known.items()]
        free = len(known) / (len(known) - 1)  # costs against their own mean
        self._squares = kept * self._squares + free * float(np.square(misses).mean())
        self._rounds = kept * self._rounds + 1.0
        for agent in self._agents:
            self._gram[agent] *= kept
            self._cross[agent] *= kept
        for agent, cost in known.items():
            self._gram[agent] += np.outer(x, x)
            self._cross[agent] += (cost - mean) * x

    def learned(self) -> dict[str, Any]:
        """{"lines": level and slope by agent, "noise_bps", "ahead_bps"}."""
        lines = {
            agent: [round(value, 4) for value in self.line(agent).tolist()]
            for agent in self._agents
        }
        noise = math.sqrt(self._squares / self._rounds)
        return {"lines": lines, "noise_bps": round(noise, 3), "ahead_bps": round(self.ahead_bps, 3)}

    def _wanted(self) -> dict[str, float]:
        """Probability of each agent to be the cheapest in a round of the move ahead; they sum to 1."""
        x, noise2 = np.array([1.0, self.ahead_bps]), self._squares / self._rounds
        means = np.array([float(self.line(agent) @ x) for agent in self._agents])
        inverse = [np.linalg.inv(self._prior + self._gram[agent]) for agent in self._agents]
        sds = np.sqrt(np.array([noise2 * float(x @ one @ x) for one in inverse]))
        cheapest = np.empty(len(means))
        for i, (mean, sd) in enumerate(zip(means, sds, strict=True)):
            others = np.delete(np.arange(len(means)), i)
            dearer = ndtr((means[others] - (mean + sd * _NODES[:, None])) / sds[others])
            cheapest[i] = float(_WEIGHTS @ np.prod(dearer, axis=1))
        return dict(zip(self._agents, (cheapest / cheapest.sum()).tolist(), strict=True))


def shares_of(
    agents: Sequence[str], weights: WeightsRule, context: ContextRule | None
) -> FlowShares:
    """Shares by what each agent has cost, or by what it would cost in the context of now."""
    if context is None:
        return MultiplicativeWeights(agents, weights)
    return ContextualShares(agents, weights, context)
