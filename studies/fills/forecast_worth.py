"""What forecasts of fills are worth to the policy that ships: its scores moved by them, on a symbol that chose nothing.

How they are moved is one of `WAYS`; the other symbols choose which, and whether at all. The placebo is moved by what is
forecast on another day at the same hour.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from studies.fills.forecast import Slices, learned, told, turned
from studies.tape.flow import BASE, DAY_NS, PLACEBO, joined, policy_of, saved
from studies.tape.flow_command import POOLED
from tercel import View
from tercel.core import NS_PER_SECOND, Float32, Floats, Ints
from tercel.execution import Costs, Intents, Strategy, Wrapper
from tercel.execution.foresight import Forecaster
from tercel.execution.policies import PolicyPort, PolicyStrategy
from tercel.execution.strategies import build
from tercel.lab.evaluation import JobMarket, Scores, run_strategies
from tercel.market.simulator import layout as sim
from tercel.signals.flow import STEP_NS, FlowDay

READ: Final = (("touch", "waiting"), ("inside", "waiting"), ("touch", "30"), ("touch", "cost 30"))
"""What the policy is told: what resting at the touch and inside costs more than taking at once, the chance of a fill at
the touch in 30 s, and what one costs."""
TAKE, INSIDE, HIDE = range(3)
SHIPS, CHOSEN = "as it ships", "chosen by other symbols"


def _way(
    score: int, less: float, now: Sequence[float], obs: Sequence[float] = (0.0,) * 6
) -> Floats:
    """Weights (3, READ + 6 + 1) of one score on what is told, on the observation, and a constant that is taken off."""
    weights = np.zeros((3, len(READ) + 7))
    weights[score] = (*now, *obs, -less)
    return weights


WAYS: Final = {
    SHIPS: np.zeros((3, len(READ) + 7)),
    "take less where it fills": _way(TAKE, -0.15, (0, 0, -1, 0)),
    "take less where it fills, twice": _way(TAKE, -0.3, (0, 0, -2, 0)),
    "take where resting costs": _way(TAKE, 0.125, (0.5, 0, 0, 0)),
    "take where resting costs, in the place of the move": _way(
        TAKE, 0.95, (1, 0, 0, 0), (0, -1, 1, -0.5, 0, 0)
    ),
    "hide where fills cost": _way(HIDE, 0.275, (0, 0, 0, 0.5)),
    "inside where that costs less": _way(INSIDE, 0.0, (1, -1, 0, 0)),
    "inside where that costs .2 less": _way(INSIDE, 0.2, (1, -1, 0, 0)),
}
"""How what is told moves the scores; constants are about the means."""
Said = Mapping[int, tuple[int, Floats]]
"""By day since 1970 its first second, ns, and what is said (seconds, 2 sides, READ) from then on."""


class Seen:
    """A forecaster beside which forecasts of fills are looked up, for the market and the side of each row.

    Parameters
    ----------
    forecaster : Forecaster
    said : Said
    """

    def __init__(self, forecaster: Forecaster, said: Said) -> None:
        self.forecaster, self.said = forecaster, said

    def __getattr__(self, name: str) -> Any:
        return getattr(self.forecaster, name)

    def teller(self, symbol: str = "", waiting: float = 0.0) -> "Seen":
        """Itself, for a symbol."""
        self.inner = self.forecaster.teller(symbol, waiting)
        return self

    def tell(self, books: Any, states: Ints, outlook: Ints) -> None:
        """What the forecaster tells, and what is said of fills: `now` (n, READ)."""
        self.inner.tell(books, states, outlook)
        self.now = np.zeros((len(states), len(READ)))
        for n, (ns, side) in enumerate(states[:, [sim.NOW, sim.SIDE]].tolist()):
            first, said = self.said.get(ns // DAY_NS, (0, self.now[None, :0]))
            second = (ns - first) // NS_PER_SECOND
            if 0 <= second < len(said):
                self.now[n] = said[second, int(side < 0)]


@dataclass(frozen=True)
class Moved:
    """A policy whose scores are moved by what is said of fills."""

    policy: Any
    seen: Seen
    way: Floats

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def act(self, obs: Float32, mask: Any = None) -> Floats:
        """Its scores and what is added to them."""
        rows = np.column_stack([self.seen.now, obs, np.ones(len(obs))])
        return np.asarray(self.policy.act(obs, mask) + rows @ self.way.T)


@dataclass(frozen=True)
class ToldOfFills(Wrapper):
    """The policy that ships, its scores moved."""

    inner: PolicyStrategy
    seen: Seen
    name: str = "told of fills"

    @property
    def forecaster(self) -> Any:
        """Whose forecasts it is told of."""
        return self.seen

    def decide(self, view: View) -> Intents:
        """Intents of the policy."""
        return self.inner.decide(view)


def moved(model: str, said: Said, way: Floats) -> ToldOfFills:
    """The policy that ships, told by a forecaster in a folder, its scores moved by what is said of fills."""
    whole = policy_of(model)
    seen = Seen(cast(Forecaster, whole.forecaster), said)
    return ToldOfFills(
        replace(whole, policy=cast(PolicyPort, Moved(whole.policy, seen, way))), seen
    )


def said_of(
    others: Mapping[str, Sequence[Slices]], days: Mapping[int, FlowDay], seed: int
) -> tuple[Said, Said]:
    """What models of other symbols' slices, by place, say of fills in each second of a symbol's days; and the same of the
    day after each.
    """
    models = [learned(others[place], what, seed) for place, what in READ]
    said: dict[int, tuple[int, Floats]] = {}
    for number, day in days.items():
        at = day.at * STEP_NS // NS_PER_SECOND
        rows = np.zeros((len(day.bid) * STEP_NS // NS_PER_SECOND + 1, 2, len(READ)))
        for side, way in enumerate((day.sign, -day.sign)):
            x = turned(day.x, way)
            rows[at, side] = np.column_stack([told(model, x) for model in models])
        said[number] = day.first_ns, rows
    numbers = sorted(said)
    shifted = {
        one: (said[other][0] + DAY_NS * (one - other), said[other][1])
        for one, other in zip(numbers, numbers[1:] + numbers[:1], strict=True)
    }
    return said, shifted


def costs_of(market: JobMarket, made: Mapping[str, Strategy]) -> dict[str, Costs]:
    """Costs of strategies, by name, on the orders of a market."""
    done = run_strategies(
        market.judged, market.task, market.plan, list(made.values()), run_out=False
    )
    return dict(zip(made, done, strict=True))


def worth_of(
    markets: Mapping[str, JobMarket],
    models: Mapping[str, str],
    said: Mapping[str, tuple[Said, Said]],
    step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """What the policy saves on itself as it ships, by symbol and of all: moved in each way, in the way that the other
    symbols choose (the cheapest in the mean of their means), and in that by forecasts of another day.
    """
    costs: dict[str, dict[str, Costs]] = {}
    for symbol, market in markets.items():
        ways = {name: moved(models[symbol], said[symbol][0], way) for name, way in WAYS.items()}
        costs[symbol] = costs_of(market, {BASE: build(BASE), **ways})
        step()
    mean = {
        (one, name): float((some.shortfall / some.denominator).mean())
        for one, each in costs.items()
        for name, some in each.items()
    }
    found: dict[str, str] = {}
    parts: dict[str, Scores] = {}
    for symbol, market in markets.items():
        others = [one for one in markets if one != symbol]
        way = found[symbol] = min(WAYS, key=lambda name: sum(mean[one, name] for one in others))
        told_elsewhere = moved(models[symbol], said[symbol][1], WAYS[way])
        all_of = costs[symbol] | {CHOSEN: costs[symbol][way]}
        all_of |= costs_of(market, {PLACEBO: told_elsewhere})
        complete = np.logical_and.reduce([one.overflow == 0 for one in all_of.values()])
        parts[symbol] = Scores.of({name: one.select(complete) for name, one in all_of.items()}, {})
        step()
    parts[POOLED] = joined(list(parts.values()))
    return {
        "chosen": found,
        "orders": {one: len(scores.cluster) for one, scores in parts.items()},
        "saves": {
            name: {one: saved(scores, name, SHIPS).to_json() for one, scores in parts.items()}
            for name in (BASE, *list(WAYS)[1:], CHOSEN, PLACEBO)
        },
    }
