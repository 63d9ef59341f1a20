"""What forecasts of fills are worth to the policy that ships: its scores moved by them, on a symbol that chose nothing.

How they are moved is one of `WAYS`; the other symbols choose which, and whether at all. The placebo is moved by what is
forecast on another day at the same hour.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from studies.fills.forecast import Slices, learned, told, turned
from studies.tape.flow import DAY_NS, PLACEBO, joined, policy_of, saved
from studies.tape.flow_command import POOLED
from tercel.core import NS_PER_SECOND, Float32, Floats
from tercel.execution import Costs
from tercel.execution.policies import PolicyPort
from tercel.lab.evaluation import BuiltMarket, Scores, batches, markets_of
from tercel.market.simulator import layout as sim
from tercel.signals.flow import STEP_NS, FlowDay

READ: Final = (("touch", "waiting"), ("inside", "waiting"), ("touch", "30"), ("touch", "cost 30"))
"""What the policy is told: what resting at the touch and inside costs more than taking at once, the chance of a fill at
the touch in 30 s, and what one costs."""
TAKE, INSIDE, HIDE = range(3)
SHIPS, CHOSEN = "as it ships", "chosen by other symbols"
WAYS: Final[Mapping[str, tuple[int, Sequence[float]]]] = {
    SHIPS: (TAKE, [0.0] * 11),
    "take less where it fills": (TAKE, [0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0.15]),
    "take less where it fills, twice": (TAKE, [0, 0, -2, 0, 0, 0, 0, 0, 0, 0, 0.3]),
    "take where resting costs": (TAKE, [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.125]),
    "take by what resting costs alone": (TAKE, [1, 0, 0, 0, 0, -1, 1, -0.5, 0, 0, -0.95]),
    "hide where fills cost": (HIDE, [0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, -0.275]),
    "inside where that costs less": (INSIDE, [1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    "inside where that costs .2 less": (INSIDE, [1, -1, 0, 0, 0, 0, 0, 0, 0, 0, -0.2]),
}
"""Which score is moved, and the weights of `READ`, of the six entries of the observation, and of 1 in what is added;
constants are about the means. "Alone" is in the place of the move, the spread and the cost of waiting."""
Said = Mapping[int, tuple[int, Floats]]
"""By day since 1970 its first second, ns, and what is said (seconds, 2 sides, READ) from then on."""


@dataclass(eq=False)
class Moved:
    """A policy one of whose scores is moved by what is said of fills (n, READ) now."""

    policy: Any
    score: int
    weights: Floats
    now: Floats

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def act(self, obs: Float32) -> Floats:
        """Its scores and what is added."""
        scores = np.array(self.policy.act(obs), np.float64)
        scores[:, self.score] += np.column_stack([self.now, obs, np.ones(len(obs))]) @ self.weights
        return scores


def costs_of(market: BuiltMarket, model: str, way: str, said: Said) -> Costs:
    """Costs of the policy that ships, told by a forecaster in a folder, moved in a way by what is said of fills."""
    whole, costs = policy_of(model), []
    blank = np.zeros((0, 2, len(READ)))
    for part in batches(market.plan):
        moved = Moved(whole.policy, WAYS[way][0], np.array(WAYS[way][1]), blank)
        strategy = replace(whole, policy=cast(PolicyPort, moved))
        markets = markets_of(strategy, market.judged, market.task, part, 0)
        markets.states[:, sim.RUN_OUT] = 0
        while markets.working.any():
            moved.now = np.zeros((markets.n, len(READ)))
            for n, (ns, side) in enumerate(markets.states[:, [sim.NOW, sim.SIDE]].tolist()):
                first, rows = said.get(ns // DAY_NS, (0, blank))
                if 0 <= (second := (ns - first) // NS_PER_SECOND) < len(rows):
                    moved.now[n] = rows[second, int(side < 0)]
            markets.step(strategy.decide(markets.view))
        costs.append(markets.costs())
    return Costs.concat(costs)


def said_of(
    others: Mapping[str, Sequence[Slices]], days: Mapping[int, FlowDay], seed: int
) -> tuple[Said, Said]:
    """What models of other symbols' slices, by place, say of fills in each second of a symbol's days; and the same of the
    day after each.
    """
    models = [learned(others[place], what, seed) for place, what in READ]
    said: dict[int, tuple[int, Floats]] = {}
    for number, day in days.items():
        rows = np.zeros((len(day.bid) * STEP_NS // NS_PER_SECOND + 1, 2, len(READ)))
        for side, way in enumerate((day.sign, -day.sign)):
            x = turned(day.x, way)
            found = np.column_stack([told(model, x) for model in models])
            rows[day.quote_index * STEP_NS // NS_PER_SECOND, side] = found
        said[number] = day.first_ns, rows
    after = zip(said, [*said][1:] + [*said][:1], strict=True)
    return said, {n: (said[m][0] + DAY_NS * (n - m), said[m][1]) for n, m in after}


def worth_of(
    markets: Mapping[str, BuiltMarket],
    models: Mapping[str, str],
    said: Mapping[str, tuple[Said, Said]],
    step: Callable[[], None],
) -> dict[str, Any]:
    """What the policy saves on itself as it ships, by symbol and of all: moved in each way, in the way that the other
    symbols choose (the cheapest in the mean of their means), and in that by forecasts of another day.
    """
    costs = {}
    for one, market in markets.items():
        costs[one] = {way: costs_of(market, models[one], way, said[one][0]) for way in WAYS}
        step()
    mean = {
        one: {way: float((some.shortfall / some.denominator).mean()) for way, some in each.items()}
        for one, each in costs.items()
    }
    chosen = {
        one: min(WAYS, key=lambda way: sum(mean[other][way] for other in markets if other != one))
        for one in markets
    }
    parts = {}
    for one, market in markets.items():
        costs[one][PLACEBO] = costs_of(market, models[one], chosen[one], said[one][1])
        costs[one] |= {CHOSEN: costs[one][chosen[one]]}
        parts[one] = Scores.of(costs[one], {})
        step()
    parts[POOLED] = joined(list(parts.values()))
    return {
        "chosen": chosen,
        "orders": {one: len(scores.cluster) for one, scores in parts.items()},
        "saves": {
            way: {one: saved(scores, way, SHIPS).to_json() for one, scores in parts.items()}
            for way in (*list(WAYS)[1:], CHOSEN, PLACEBO)
        },
    }
