"""A market that turns in mid-order: depth withdrawn, volatility up, from one decision on; and what it really does.

The flow's rates are changed between two decisions, whatever the model (`market.regimes`): fewer limit orders leave the
book thinner and the mid more mobile, in proportions that follow from the flow and are measured (:func:`measure`), not
set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tercel import Task
from tercel.core import ConfigError
from tercel.execution import empty_intents as empty
from tercel.lab.evaluation import Episodes, Plan, without_orders
from tercel.market.regimes import Factors
from tercel.market.simulator import Source

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Turn:
    """What happens to the flow's rates, as factors.

    The default leaves about a third of the depth and three times the volatility in the default market (`measure`).
    """

    limit: float = 0.2
    market: float = 0.5
    cancel: float = 0.8

    def __post_init__(self) -> None:
        """Refuse factors that stop the market."""
        for name in ("limit", "market", "cancel"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise ConfigError(
                    f"a factor {name} above 0", f"{value}", "1 leaves the rate as it is"
                )

    def befall(self, episodes: Episodes) -> None:
        """The markets turn now.

        Raises
        ------
        ConfigError
            Markets without a flow of their own.
        """
        episodes.impose(Factors(self.limit, self.market, self.cancel))


@dataclass(frozen=True)
class Effect:
    """A market some time after its turn, over what it was just before; without own orders.

    Parameters
    ----------
    from_s, to_s : float
        Seconds after the turn.
    depth, spread, volatility, volume : float
        Lots on five levels a side; spread; root of the mean squared move of the mid between decisions; public lots.
    one_sided : float
        Share of decisions at which a side was empty.
    """

    from_s: float
    to_s: float
    depth: float
    spread: float
    volatility: float
    volume: float
    one_sided: float


def measure(
    source: Source, task: Task, plan: Plan, turn: Turn, onset: int, spans: tuple[int, ...]
) -> list[Effect]:
    """What the turn does to a market, in spans of decisions after it: (2, 6) is two and then four decisions."""
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    rows = []
    mid2 = episodes.view.mid2.copy()
    for decision in range(1, task.decisions):
        if decision == onset:
            turn.befall(episodes)
        episodes.step(empty(len(plan)))
        view, ok = episodes.view, episodes.view.tradable
        depth = (view.own_depth + view.far_depth)[ok].sum(axis=1).mean()
        moves = ((view.mid2 - mid2).astype(np.float64) ** 2).mean()
        volume = (view.v_same + view.v_against).mean()
        rows.append((depth, np.abs(view.far - view.touch)[ok].mean(), moves, volume, 1 - ok.mean()))
        mid2 = view.mid2.copy()
    seen = np.array(rows)
    before, after = seen[: onset - 1].mean(axis=0), seen[onset - 1 :]
    interval, at, effects = task.horizon_s / task.decisions, 0, []
    for end in spans:
        part = after[at:end].mean(axis=0)
        depth, spread, moves, volume = (float(r) for r in part[:4] / before[:4])
        effects.append(
            Effect(at * interval, end * interval, depth, spread, moves**0.5, volume, float(part[4]))
        )
        at = end
    return effects
