"""Estimates of a market that rules may know, from training episodes: volume, volatility, impact, cost of waiting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final, cast

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.execution import columns as c, step as kernels
from tercel.execution.intent import empty
from tercel.execution.market import Market
from tercel.execution.strategies import MarketEstimates, eta_of_depth
from tercel.execution.strategies.baselines import TwapTake
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import Plan, Sampler, streams_plan
from tercel.lab.evaluation.runs import run_strategies, without_orders
from tercel.market.flow import Preset
from tercel.market.impact.fitted import tape_law
from tercel.market.impact.law import ImpactLaw
from tercel.market.impact.pilot import law_for
from tercel.market.regimes.choice import with_named_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, reactive, settled_bank, with_impact
from tercel.market.simulator.terms import NO_FEES
from tercel.market.tape import Events, Instrument

# Cost of waiting in a market, measured on training episodes.
PRIOR_RATIO: Final = 0.4
"""Prior of the cost of waiting, a ratio to the half spread: typical over the calibrated symbols."""
PRIOR_DAYS: Final = 6
"""Weight of `PRIOR_RATIO`, in days or other clusters."""
SCALED: Final = (0.24, 0.13)
"""Cost of waiting in a symbol that none was measured in: a + b ln(tick / price, bps); `python -m studies markets` fits it."""
SCALED_RANGE: Final = (0.05, 1.0)
WAITING_SEED: Final = 1_800_000_000
WAITING_EPISODES: Final = 512
"""Training episodes on which the cost of waiting is measured."""
# Simulated markets before any evaluation: settled books and pilot estimates, made once for all seeds.
PILOT_EPISODES = 256
PILOT_SEED = -2_000_000_000
"""Seed of the pilot's random streams, which no training or evaluation uses."""
WORLDS = 64
"""Warmed books that the episodes of a simulated market start from."""
Settled = tuple[Source, Source, MarketEstimates]
"""The judged market, the bank of books for training, and the pilot's estimates of them."""


def pilot(source: Source, task: Task, plan: Plan) -> MarketEstimates:
    """Estimates of a market for rules (volume, volatility, impact, spread), from training episodes without own orders.

    Volume and its course over the horizon; volatility as the standard deviation of the mid's change over the
    horizon (ticks per square root of a second); depth and spread as means over decisions.
    """
    episodes = Episodes(source, task, len(plan))
    episodes.start(without_orders(plan))
    volume: list[Ints] = []
    depth: list[Floats] = []
    spread: list[float] = []
    while episodes.working.any():
        view = episodes.view
        is_live = episodes.working & view.tradable
        volume.append(
            np.where(episodes.working, view.v_seen, volume[-1] if volume else np.int64(0))
        )
        if is_live.any():
            depth.append(view.far_depth[is_live].mean(axis=0))
            spread.append(float(np.abs(view.far[is_live] - view.touch[is_live]).mean()))
        episodes.step(empty(len(plan)))
    volume.append(
        (episodes.states[:, sim.BOUGHT] + episodes.states[:, sim.SOLD])
        - (episodes.states[:, sim.ARRIVED + 1] + episodes.states[:, sim.ARRIVED + 2])
    )
    mean_volume = np.array([v.mean() for v in volume])
    grid = episodes.costs().mid2_grid
    sd = float(np.std(grid[:, -1] - grid[:, 0]) / 2)
    interval_s = task.horizon_s / task.decisions
    mean_depth = np.maximum(np.mean(depth, axis=0), 1.0) if depth else np.ones(c.LEVELS)
    return MarketEstimates(
        expected_volume=float(mean_volume[-1]),
        volume_curve=np.maximum(mean_volume[-1] - mean_volume, 0.0),
        sigma=max(sd, 1e-6) / np.sqrt(task.horizon_ns / NS_PER_SECOND),
        eta=eta_of_depth(mean_depth, interval_s),
        spread=float(np.mean(spread)) if spread else 1.0,
    )


@dataclass(frozen=True, eq=False)
class Waiting:
    """Cost of waiting in a market: cost of `guarded` over half the spread as `twap_take` pays it, at least 0.01.

    Both costs are without own impact and fees.

    Their difference has far less variance than either cost: prices move for both. Fees are seen beside it, as part of what
    taking costs (`View.fees_bps`): measured with them too, they would count twice, and at the weight of waiting.

    Parameters
    ----------
    source : Source
    task : Task
    sampler : Sampler, optional
        Of training episodes; None: nothing is measured, the cost is scaled (:func:`scaled_waiting`).
    line : pair of float
        By which it is scaled.
    """

    source: Source
    task: Task
    sampler: Sampler | None
    line: tuple[float, float] = SCALED

    @cached_property
    def measured(self) -> tuple[float, int]:
        """Cost of waiting on training episodes, a ratio to the half spread, and the number of days (or streams) of these.

        ConfigError without a sampler.
        """
        refuse_if(
            self.sampler is None,
            "training episodes that the cost of waiting is measured on",
            f"none of {self.source.name}",
            "import earlier days",
        )
        plan = cast(Sampler, self.sampler)(WAITING_SEED, 0, WAITING_EPISODES)
        rests, takes = run_strategies(
            with_impact(replace(self.source, fees=NO_FEES), None),
            self.task,
            plan,
            [Guarded(), TwapTake()],
            run_out=False,
        )
        saved = takes.shortfall / takes.denominator - rests.shortfall / rests.denominator
        spread = (takes.spread + takes.walk) / takes.denominator
        day = plan.rows[:, kernels.E_START_NS] // DAY_NS
        days = len(np.unique(day if day.any() else plan.cluster))
        return float(1.0 - saved.mean() / spread.mean()), days

    @cached_property
    def value(self) -> float:
        """Cost of waiting, a ratio to the half spread, measured on training episodes at the first access, or scaled."""
        if self.sampler is None:
            return scaled_waiting(self.source, self.line)
        ratio, days = self.measured
        return max(float((days * ratio + PRIOR_DAYS * PRIOR_RATIO) / (days + PRIOR_DAYS)), 0.01)


def tick_bps(source: Source) -> float:
    """The tick of a market over the price of the first book with two sides that episodes start from, bps."""
    mid2 = np.abs(source.worlds_k[:, sim.MID2])
    return float(2e4 / mid2[np.argmax(mid2 > 0)].clip(1))


def scaled_waiting(source: Source, line: tuple[float, float] = SCALED) -> float:
    """Cost of waiting in a market without earlier days, a ratio to the half spread, by its tick: a + b ln(:func:`tick_bps`).

    Over nine symbols, each by the line of the others, it misses by 0.26 (root mean square), their mean by 0.32;
    spread, queue time and traded volume beside the tick do not come nearer.
    """
    return float(np.clip(line[0] + line[1] * np.log(tick_bps(source)), *SCALED_RANGE))


def with_waiting(source: Source, task: Task, sampler: Sampler | None) -> Source:
    """Source with the cost of waiting attached, measured at its first use (scaled without a sampler), for strategies that
    read a forecast.
    """
    return replace(source, waiting=Waiting(source, task, sampler))


def law_of_preset(preset: Preset, market: Market) -> ImpactLaw | None:
    """Law of impact of own fills in a simulated market, as its terms have it; None: without one."""
    return market.scaled(law_for(preset, market.impact or None))


def law_of_tape(days: Sequence[tuple[Instrument, Events]], market: Market) -> ImpactLaw | None:
    """Law of impact of own fills in a market of recorded days, fitted to `days`, as its terms have it; None: without one."""
    return market.scaled(tape_law(days, market.impact))


def settle_market(
    preset: Preset, market: Market, task: Task, quantity: int, quick: bool
) -> Settled:
    """Judged market, training bank and pilot estimates of a preset, cached.

    Results are cached by the preset's content, the law and the task; treat them as read-only. With regimes nothing is
    cached, since the file that defines them may have changed.
    """
    law = law_of_preset(preset, market)
    regimes = market.regimes
    settle = _settle_market.__wrapped__ if regimes else _settle_market
    return settle(type(preset), preset.model_dump_json(), law, task, quantity, quick, regimes)


@lru_cache(maxsize=2)
def _settle_market(
    kind: type[Preset],
    content: str,
    law: ImpactLaw | None,
    task: Task,
    quantity: int,
    quick: bool,
    regimes: str,
) -> Settled:
    """Judged market, training bank and pilot estimates under an impact law and regimes of a preset, which is not
    hashable and so given as its class and JSON (cached).
    """
    preset = kind.model_validate_json(content)
    judged, training = (
        with_named_regimes(source, regimes, preset, task.horizon_s / 3)
        for source in (
            reactive(preset, impact=law or "none"),
            settled_bank(preset, 8 if quick else WORLDS, impact=law or "none"),
        )
    )
    plan = streams_plan(task, quantity, PILOT_SEED, 0, 64 if quick else PILOT_EPISODES)
    return judged, training, pilot(judged, task, plan)
