"""Markets of a training configuration: sources, tasks and samplers to train on, and plans to validate on."""

from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from tercel.core.errors import ConfigError, refuse_if
from tercel.execution.market import Market
from tercel.execution.observation import looks_back
from tercel.execution.task import Task
from tercel.lab.evaluation.market import TRAINING_STEP_NS, build_market, count_validation_episodes
from tercel.lab.evaluation.market_estimates import law_of_preset, law_of_tape, with_waiting
from tercel.lab.evaluation.plans import Plan, Sampler, bank_sampler, seeded_plan
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tape_split import OTHER_HOURS, curve_lots
from tercel.lab.evaluation.windows import tape_plan, tape_sampler
from tercel.lab.learning.agent.config import AgentConfig, span
from tercel.market.flow import Preset, registry as presets
from tercel.market.impact.law import ImpactLaw
from tercel.market.regimes.choice import with_named_regimes
from tercel.market.regimes.named import PLAIN
from tercel.market.simulator.source import Source, settled_bank
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake

# Seed of the validation episodes, which no training, pilot, tuning or evaluation uses.
VALIDATION_SEED = -3_000_000_000
# Seed of the episodes on which the policy that validation selected is held against the start: none of them chose it.
CONFIRMATION_SEED = -4_000_000_000
VALIDATION_WORLDS = 64
# Seed of the bank of books from which validation episodes start; the training bank has seed 0.
VALIDATION_BANK_SEED = 1


@dataclass(frozen=True, eq=False)
class TrainingMarket:
    """One market of a training: source, sampler and validation plan.

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
    confirmation : Plan
        Twice as many further episodes, which choose nothing.
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
    confirmation: Plan
    spread: float
    facts: dict[str, object]
    loss_weight: float = 1.0


def build_training_markets(config: AgentConfig) -> list[TrainingMarket]:
    """Build all markets that a configuration names.

    Raises
    ------
    ConfigError
        Unknown presets, regimes or days.
    """
    section = config.market
    stakes = (section.regime_stakes or (1.0,) * len(section.laws)) * len(section.presets)
    markets = (
        [_tape_market(config)]
        if config.on_tape
        else [
            (_resampled_market if market.on_tape else _simulated_market)(config, market, stake)
            for market, stake in zip(section.markets, stakes, strict=True)
        ]
    )
    sources = [with_waiting(market.training, market.task, market.sampler) for market in markets]
    return [
        replace(
            market, training=source, validation=replace(market.validation, waiting=source.waiting)
        )
        for market, source in zip(markets, sources, strict=True)
    ]


def first_training_market(config: AgentConfig) -> tuple[Source, Task, Sampler]:
    """Source, task and sampler of training episodes of a configuration's first market alone, without its validation."""
    first_market = config.market.markets[0]
    task = config.task.task
    if first_market.on_tape:
        market = (
            _tape_market(config) if config.on_tape else _resampled_market(config, first_market, 1.0)
        )
        return market.training, market.task, market.sampler
    preset = presets.load(first_market.preset)
    law = law_of_preset(preset, first_market)
    bank = settled_bank(preset, config.market.worlds, impact=law or "none")
    source = with_named_regimes(bank, first_market.regimes, preset, task.horizon_s / 3)
    sampler = bank_sampler(task, first_market.lots(task), len(source.worlds_b), _warmup_ns(config))
    return source, task, sampler


def _warmup_ns(config: AgentConfig) -> int:
    """Warm-up of a simulated market before arrival, ns: the task's if the observation looks back, else a decision interval."""
    task = config.task.task
    if looks_back(config.policy.observation):
        return task.warmup_ns
    return task.horizon_ns // task.decisions


@lru_cache(maxsize=8)
def _bank(kind: type[Preset], text: str, worlds: int, seed: int, law: ImpactLaw | None) -> Source:
    """Bank of settled books of a preset, cached for all trainings of a process; treat as read-only."""
    return settled_bank(kind.model_validate_json(text), worlds, seed, impact=law or "none")


def _simulated_market(config: AgentConfig, market: Market, loss_weight: float) -> TrainingMarket:
    """Training market of a preset under a choice of regimes."""
    preset = presets.load(market.preset)
    task = config.task.task
    worlds = config.market.worlds
    law = law_of_preset(preset, market)
    quantity = market.lots(task)
    warmup_ns = _warmup_ns(config)
    training, validation = (
        with_named_regimes(
            _bank(type(preset), preset.model_dump_json(), n, seed, law),
            market.regimes,
            preset,
            task.horizon_s / 3,
        )
        for n, seed in ((worlds, 0), (min(VALIDATION_WORLDS, worlds), VALIDATION_BANK_SEED))
    )
    plan_episodes = partial(
        seeded_plan, task, quantity, worlds=len(validation.worlds_b), warmup_ns=warmup_ns
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
        plan_episodes(VALIDATION_SEED, 0, episodes),
        plan_episodes(CONFIRMATION_SEED, 0, 2 * episodes),
        float(getattr(preset, "mean_spread_ticks", 1.0)),
        {"market": preset.name, **({"regimes": market.regimes} if market.regimes else {})},
        loss_weight,
    )


def _resampled_market(config: AgentConfig, market: Market, loss_weight: float) -> TrainingMarket:
    """Training market of resampled days on disk: the earlier days."""
    built = build_market(Scenario(market, _longest_task(config)))
    facts = {key: built.facts[key] for key in ("symbol", "trained on")}
    episodes = config.validation.episodes
    return TrainingMarket(
        f"{market.symbol} resampled",
        f"{market.symbol} resampled",
        _longest_task(config),
        built.training,
        built.training,
        built.sampler,
        built.sampler(-1 - VALIDATION_SEED, 0, episodes),
        built.sampler(-1 - CONFIRMATION_SEED, 0, 2 * episodes),
        built.estimates.spread,
        facts,
        loss_weight,
    )


def _tape_market(config: AgentConfig) -> TrainingMarket:
    """Training market on recorded days of a lake: the default training days, or those configured."""
    section = config.market
    task = _longest_task(config)
    [tape_terms] = section.markets
    if not section.train_days and not section.judge_days:
        clock_task = replace(task, start=config.task.start)
        market = build_market(Scenario(tape_terms, clock_task))
        facts = {key: market.facts[key] for key in ("symbol", "trained on", "judged on")}
        if str(facts["trained on"]).endswith(OTHER_HOURS):
            facts["trained on"] = f"{facts['trained on']} than {clock_task.hours}"
        episodes = count_validation_episodes(config.validation.episodes, len(market.plan))
        return _make_tape_market(
            config, task, market.training, market.sampler, market.estimates.spread, facts, episodes
        )
    train, judged = _split_days(config)
    lake = Lake(section.lake)
    days = [lake.read(section.symbol, date) for date in train]
    curve = [float(lots) for lots in np.mean([curve_lots(*day) for day in days], axis=0)]
    law = law_of_tape(days, tape_terms)
    source, tape = replay(lake, section.symbol, train, queue=section.queue, impact=law)
    plan = tape_plan(tape, task, curve, every_ns=TRAINING_STEP_NS)
    facts = {
        "symbol": section.symbol,
        "trained on": ", ".join(train),
        "judged on": ", ".join(judged),
    }
    return _make_tape_market(config, task, source, tape_sampler(plan), 1.0, facts)


def _make_tape_market(
    config: AgentConfig,
    task: Task,
    source: Source,
    sampler: Sampler,
    spread: float,
    facts: dict[str, object],
    episodes: int = 0,
) -> TrainingMarket:
    """Training market on tape, validated on windows of the training days with separate random streams."""
    episodes = episodes or config.validation.episodes
    plan = sampler(-1 - VALIDATION_SEED, 0, episodes)
    confirmation = sampler(-1 - CONFIRMATION_SEED, 0, 2 * episodes)
    name = config.market.symbol.lower()
    return TrainingMarket(
        name, name, task, source, source, sampler, plan, confirmation, spread, facts
    )


def _split_days(config: AgentConfig) -> tuple[list[str], list[str]]:
    """Days to train on, and days reserved for judging: `judge_days`, else all days that are not trained on.

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


def _longest_task(config: AgentConfig) -> Task:
    """Task at its longest horizon, which windows of a tape must hold."""
    task = config.task.task
    horizon = span(config.task.horizon_s)[1]
    decisions = max(round(horizon / config.task.decision_s), 1)
    return replace(task, horizon_s=decisions * config.task.decision_s, decisions=decisions)
