"""What a simulated market is before anything is judged in it: settled books and a pilot, made once for all seeds."""

from dataclasses import dataclass, field
from functools import lru_cache

from tercel.execution.market import Market
from tercel.execution.strategies import MarketEstimates
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import streams_plan
from tercel.lab.evaluation.experiment import pilot
from tercel.market.flow import Preset
from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.pilot import law_for
from tercel.market.regimes.choice import with_chosen
from tercel.market.simulator.source import Source, reactive, settled_bank

PILOT_EPISODES = 256
PILOT_SEED = -2_000_000_000
"""Of the pilot's streams: apart from every training and judged seed."""
WORLDS = 64
Settled = tuple[Source, Source, MarketEstimates]
"""The judged market, the bank for training, and what the pilot says of them."""


def settled(preset: Preset, market: Market, task: Task, quantity: int, quick: bool) -> Settled:
    """A preset's market under the law and the regimes that `market` names.

    Results are cached by the preset's content, the law and the task; treat them as read-only. With regimes nothing is
    cached, since the file that defines them may have changed.
    """
    law, regimes = law_for(preset, market.impact or None), market.regimes
    make = _settled.__wrapped__ if regimes else _settled
    return make(_Told(preset.model_dump_json(), preset), law, task, quantity, quick, regimes)


@dataclass(frozen=True)
class _Told:
    """A preset that is the same where its content is."""

    content: str
    preset: Preset = field(compare=False)


@lru_cache(maxsize=2)
def _settled(
    told: _Told, law: ImpactLaw | None, task: Task, quantity: int, quick: bool, regimes: str
) -> Settled:
    preset = told.preset
    judged, training = (
        with_chosen(source, regimes, preset, task.horizon_s / 3)
        for source in (
            reactive(preset, impact=law or "none"),
            settled_bank(preset, 8 if quick else WORLDS, impact=law or "none"),
        )
    )
    plan = streams_plan(task, quantity, PILOT_SEED, 0, 64 if quick else PILOT_EPISODES)
    return judged, training, pilot(judged, task, plan)
