"""Markets of a training: where it learns, and where it is validated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.stats import clustered_se
from tercel.execution.costs import BPS, Costs, attribute
from tercel.execution.market import Market
from tercel.execution.observation import looks_back
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan, Sampler, bank_sampler, seeded_plan
from tercel.lab.evaluation.market import (
    OTHER_HOURS,
    TRAINING_STEP_NS,
    build_market,
    curve_lots,
    validated,
)
from tercel.lab.evaluation.runs import run_strategies, waits
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.windows import tape_plan, tape_sampler
from tercel.lab.learning.agent.config import AgentConfig, span
from tercel.lab.learning.port import Metrics
from tercel.lab.learning.rewards import Risk
from tercel.market.flow import Preset, preset as presets
from tercel.market.impact.fitted import law_for, tape_law
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.choice import with_chosen
from tercel.market.regimes.law import PLAIN
from tercel.market.simulator.source import Source, replay, settled_bank
from tercel.market.tape import Lake

# -- market ---------------------------------------------------------------------------------------
# The markets of an agent's training: where it acts, where its checkpoints are compared, what its card says of them.

# Of the episodes that checkpoints are compared on: apart from every training, pilot, tuning and judged seed.
VALIDATION_SEED = -3_000_000_000
VALIDATION_WORLDS = 64
# Seed of the books that validation starts from; training's is 0.
BANK = 1


@dataclass(frozen=True, eq=False)
class TrainingMarket:
    """One market of a training.

    Parameters
    ----------
    name : str
        The preset, or the symbol.
    label : str
        The same with the regimes that switch in it, where a training has it with several.
    task : Task
        The task: the middle of the ranges; on tape at its longest horizon.
    training, validation : Source
    sampler : Sampler
        Training episodes of the task.
    plan : Plan
        Validation episodes, each bought and sold.
    spread : float
        Mean spread, ticks.
    facts : dict
        For the card.
    loss_weight : float
        Weight of a cost here.
    """

    name: str
    label: str
    task: Task
    training: Source
    validation: Source
    sampler: Sampler
    plan: Plan
    spread: float
    facts: dict[str, object]
    loss_weight: float = 1.0


def markets_of(config: AgentConfig) -> list[TrainingMarket]:
    """The markets that a configuration names.

    Raises
    ------
    ConfigError
        Unknown presets, regimes or days.
    """
    section = config.market
    stakes = (section.regime_stakes or (1.0,) * len(section.laws)) * len(section.presets)
    found = (
        [_on_tape(config)]
        if config.on_tape
        else [
            (_resampled if market.on_tape else _simulated)(config, market, stake)
            for market, stake in zip(section.markets, stakes, strict=True)
        ]
    )
    measured = [waits(one.training, one.task, one.sampler) for one in found]
    return [
        replace(one, training=source, validation=replace(one.validation, waiting=source.waiting))
        for one, source in zip(found, measured, strict=True)
    ]


def acting_in(config: AgentConfig) -> tuple[Source, Task, Sampler]:
    """Source, task and sampler of a configuration's first market, for acting, without the parts for validation."""
    where, task = config.market.markets[0], config.task.task
    if where.on_tape:
        market = _on_tape(config) if config.on_tape else _resampled(config, where, 1.0)
        return market.training, market.task, market.sampler
    preset = presets.load(where.preset)
    bank = settled_bank(
        preset, config.market.worlds, impact=law_for(preset, where.impact or None) or "none"
    )
    source = with_chosen(bank, where.regimes, preset, task.horizon_s / 3)
    sampler = bank_sampler(task, where.lots(task), len(source.worlds_b), _warmup_ns(config))
    return source, task, sampler


def _warmup_ns(config: AgentConfig) -> int:
    """Warm-up of a simulated market before the arrival, ns: an interval, or the task's warm-up for an observation of
    the time before arrival."""
    task = config.task.task
    if looks_back(config.policy.observation):
        return task.warmup_ns
    return task.horizon_ns // task.decisions


@lru_cache(maxsize=8)
def _bank(kind: type[Preset], text: str, worlds: int, seed: int, law: ImpactLaw | None) -> Source:
    """A settled bank, once for all trainings of a process: nothing writes into it."""
    return settled_bank(kind.model_validate_json(text), worlds, seed, impact=law or "none")


def _simulated(config: AgentConfig, market: Market, loss_weight: float) -> TrainingMarket:
    """A preset under a choice of regimes."""
    preset, task, worlds = presets.load(market.preset), config.task.task, config.market.worlds
    law, quantity = law_for(preset, market.impact or None), market.lots(task)
    warmup_ns = _warmup_ns(config)
    training, validation = (
        with_chosen(
            _bank(type(preset), preset.model_dump_json(), n, seed, law),
            market.regimes,
            preset,
            task.horizon_s / 3,
        )
        for n, seed in ((worlds, 0), (min(VALIDATION_WORLDS, worlds), BANK))
    )
    episodes = config.validation.episodes
    return TrainingMarket(
        preset.name,
        preset.name
        if len(config.market.laws) == 1
        else f"{preset.name} {market.regimes or PLAIN.name}",
        task,
        training,
        validation,
        bank_sampler(task, quantity, len(training.worlds_b), warmup_ns),
        seeded_plan(
            task, quantity, VALIDATION_SEED, 0, episodes, len(validation.worlds_b), warmup_ns
        ),
        float(getattr(preset, "mean_spread_ticks", 1.0)),
        {"market": preset.name, **({"regimes": market.regimes} if market.regimes else {})},
        loss_weight,
    )


def _resampled(config: AgentConfig, market: Market, loss_weight: float) -> TrainingMarket:
    """A market among others whose days are written: its earlier days."""
    built = build_market(Scenario(market, _longest(config)))
    facts = {key: built.facts[key] for key in ("symbol", "trained on")}
    plan = built.sampler(-1 - VALIDATION_SEED, 0, config.validation.episodes)
    return TrainingMarket(
        f"{market.symbol} resampled",
        f"{market.symbol} resampled",
        _longest(config),
        built.training,
        built.training,
        built.sampler,
        plan,
        built.estimates.spread,
        facts,
        loss_weight,
    )


def _on_tape(config: AgentConfig) -> TrainingMarket:
    """Days of a lake: those that every run trains on, or those that the configuration names."""
    section, task = config.market, _longest(config)
    [recorded] = section.markets
    if not section.train_days and not section.judge_days:
        by_clock = replace(task, start=config.task.start)
        market = build_market(Scenario(recorded, by_clock))
        facts = {key: market.facts[key] for key in ("symbol", "trained on", "judged on")}
        if str(facts["trained on"]).endswith(OTHER_HOURS):
            facts["trained on"] = f"{facts['trained on']} than {by_clock.hours}"
        episodes = validated(config.validation.episodes, len(market.plan))
        return _of_tape(
            config, task, market.training, market.sampler, market.estimates.spread, facts, episodes
        )
    train, judged = _days(config)
    lake = Lake(section.lake)
    days = [lake.read(section.symbol, date) for date in train]
    curve = [float(lots) for lots in np.mean([curve_lots(*day) for day in days], axis=0)]
    source, tape = replay(
        lake, section.symbol, train, queue=section.queue, impact=tape_law(days, recorded.impact)
    )
    plan = tape_plan(tape, task, curve, every_ns=TRAINING_STEP_NS)
    facts = {
        "symbol": section.symbol,
        "trained on": ", ".join(train),
        "judged on": ", ".join(judged),
    }
    return _of_tape(config, task, source, tape_sampler(plan), 1.0, facts)


def _of_tape(
    config: AgentConfig,
    task: Task,
    source: Source,
    sampler: Sampler,
    spread: float,
    facts: dict[str, object],
    episodes: int = 0,
) -> TrainingMarket:
    """Validated on windows of the training days, with streams of their own: the judged days stay unseen."""
    plan = sampler(-1 - VALIDATION_SEED, 0, episodes or config.validation.episodes)
    name = config.market.symbol.lower()
    return TrainingMarket(name, name, task, source, source, sampler, plan, spread, facts)


def _days(config: AgentConfig) -> tuple[list[str], list[str]]:
    """Days that are trained on, and days reserved for judging.

    Raises
    ------
    ConfigError
        Days that were not recorded, or none left to learn on.
    """
    section = config.market
    dates = list(Lake(section.lake).days(section.symbol))
    unknown = sorted({*section.train_days, *section.judge_days} - set(dates))
    if unknown:
        raise ConfigError(
            f"recorded days of {section.symbol}: {dates[0]} to {dates[-1]}",
            unknown[0],
            "import that day",
        )
    first = min(section.judge_days, default="")
    train = sorted(section.train_days) or [date for date in dates if not first or date < first]
    refuse_if(
        not train,
        "days to learn on",
        f"all {len(dates)} reserved for judging",
        "leave some out of judge_days",
    )
    return train, sorted(section.judge_days) or [date for date in dates if date not in train]


def _longest(config: AgentConfig) -> Task:
    """The task at its longest horizon: windows of a tape must hold it."""
    task, horizon = config.task.task, span(config.task.horizon_s)[1]
    decisions = max(round(horizon / config.task.decision_s), 1)
    return replace(task, horizon_s=decisions * config.task.decision_s, decisions=decisions)


# -- validation -----------------------------------------------------------------------------------
# Validation of a policy while it learns: greedy, beside a rule, on episodes neither trained on nor judged.


class Validator:
    """Validator of a training: costs of the rule once, then those of a policy at each call.

    Parameters
    ----------
    markets : list of TrainingMarket
    rule : Strategy
    risk : Risk
        The objective to minimise.
    units : sequence of float
        Ticks per lot that count as 1, market by market.
    shares : sequence of float
        Weight of each market in the merit; none: equal weights.
    """

    def __init__(
        self,
        markets: list[TrainingMarket],
        rule: Strategy,
        risk: Risk | None = None,
        units: Sequence[float] = (),
        shares: Sequence[float] = (),
    ) -> None:
        self.markets = markets
        self.rule = rule
        self.risk = risk or Risk()
        self.units = tuple(units) or (1.0,) * len(markets)
        self.shares = tuple(shares) or (1.0,) * len(markets)
        self.rule_costs = [self._costs(market, rule) for market in markets]

    def _costs(self, market: TrainingMarket, strategy: Strategy) -> Costs:
        """Costs of the plan's episodes, each over when its order is filled."""
        return run_strategies(
            market.validation, market.task, market.plan, [strategy], run_out=False
        )[0]

    def check(self, strategy: Strategy, frames: int) -> Metrics:
        """One look at a policy: its cost, and its gain on the rule.

        Returns
        -------
        dict of str to float
            ``frames``; ``is_bps`` of the policy and of the rule (``rule_bps``), means over markets; ``gain`` of the
            policy in bps, paired, and its standard error ``se``; ``passive``, ``forced``: shares of the lots;
            ``merit``, by which the best is selected: the gain, or with an aversion to risk what the risk-averse objective
            gains, in the reward's units, markets weighing as their slots and loss weights do; with several markets
            ``gain_NAME`` of each.
        """
        costs = [self._costs(market, strategy) for market in self.markets]
        pairs = [
            (shortfall(rule), shortfall(mine))
            for rule, mine in zip(self.rule_costs, costs, strict=True)
        ]
        gains = [float((rule - mine).mean()) for rule, mine in pairs]
        errors = [
            clustered_se(rule - mine, one.cluster)
            for (rule, mine), one in zip(pairs, costs, strict=True)
        ]
        merits = [
            gain * market.loss_weight for market, gain in zip(self.markets, gains, strict=True)
        ]
        if self.risk.aversion:
            rows = zip(self.rule_costs, costs, self.units, strict=True)
            merits = [
                self._valued(rule, unit) - self._valued(mine, unit) for rule, mine, unit in rows
            ]
        lots = sum(int(one.qty.sum()) for one in costs)
        row = {
            "frames": float(frames),
            "is_bps": float(np.mean([mine.mean() for _, mine in pairs])),
            "rule_bps": float(np.mean([rule.mean() for rule, _ in pairs])),
            "gain": float(np.mean(gains)),
            "se": float(np.sqrt(np.sum(np.square(errors)))) / len(errors),
            "merit": float(np.average(merits, weights=self.shares)),
            "passive": sum(int(one.passive_lots.sum()) for one in costs) / lots,
            "forced": sum(int(one.forced_lots.sum()) for one in costs) / lots,
        }
        if len(gains) > 1:
            row |= {
                f"gain_{market.label}": gain
                for market, gain in zip(self.markets, gains, strict=True)
            }
        return row

    def _valued(self, costs: Costs, unit: float) -> float:
        """The risk-averse objective, in the reward's units."""
        return self.risk.value((shortfall(costs) / BPS * costs.arrival_mid2 / 2.0) / unit)


def shortfall(costs: Costs) -> Floats:
    """Implementation shortfall of each episode, bps."""
    return np.asarray(attribute(costs, None)["is_bps"], np.float64)
