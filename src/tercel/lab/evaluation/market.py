"""Build the market of a scenario: training and judged episodes, simulated or on tape, and the estimates that rules may know."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from tercel.core.ahead import compile_ahead
from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import FOREVER_NS
from tercel.execution import step as kernels
from tercel.execution.market import Market, describe_terms as venue_words
from tercel.execution.outside import terms_in
from tercel.execution.strategies import MarketEstimates
from tercel.execution.task import Task, describe_size
from tercel.lab.evaluation.market_estimates import (
    PILOT_EPISODES,
    Waiting,
    law_of_tape,
    pilot,
    scaled_waiting,
    settle_market,
    with_waiting,
)
from tercel.lab.evaluation.market_notes import (
    describe_hidden_volume,
    describe_hindsight,
    describe_impact,
    describe_limit,
    describe_order_size,
    format_minutes,
    lot_unit,
)
from tercel.lab.evaluation.plans import Plan, Sampler, bank_sampler, seeded_plan, sides_of
from tercel.lab.evaluation.scenario import EPISODES, VALIDATION_SEED, Scenario
from tercel.lab.evaluation.tape_split import (
    Split,
    has_level_totals,
    judged_hours,
    split_by_clock,
    split_dates,
    split_days,
)
from tercel.lab.evaluation.windows import (
    NO_HOURS,
    clock_hours,
    orders_plan,
    tape_plan,
    tape_sampler,
)
from tercel.market.dealers.panel import DRAWN, load_panel
from tercel.market.flow import Preset, registry as presets
from tercel.market.flow.calibrate import calibrate
from tercel.market.regimes.choice import parse_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source
from tercel.market.simulator.tape_source import replay
from tercel.market.tape import Lake

TRAINING_STEP_NS = 60 * 10**9
"""Distance between arrival times of training windows, ns."""


@dataclass(frozen=True, eq=False)
class BuiltMarket:
    """A market built for a run: sources, training and judged episodes, estimates for rules, notes.

    Parameters
    ----------
    name : str
        As the result says it.
    training, judged : Source
        Where agents learn and where all strategies are judged.
    sampler : Sampler
        Training episodes.
    plan : Plan
        Judged episodes.
    estimates : MarketEstimates
        From training episodes alone.
    cluster : str
        Name of the unit that is drawn independently.
    notes : tuple of str
        Notes for the table.
    facts : dict
        For the report and the policies' cards.
    task : Task
        The task under evaluation.
    """

    name: str
    training: Source
    judged: Source
    sampler: Sampler
    plan: Plan
    estimates: MarketEstimates
    cluster: str
    notes: tuple[str, ...]
    facts: dict[str, object]
    task: Task = field(default_factory=Task)


def resolve_markets(market: Market) -> dict[str, Market]:
    """Split a market into markets of single symbols, by name; raises unless every preset, regime, symbol and day
    exists.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A preset, regime, symbol or day that does not exist.
    """
    symbol_markets = market.by_symbol()
    for symbol_market in symbol_markets.values():
        if symbol_market.on_tape:
            split_dates(Lake(symbol_market.lake), symbol_market.symbol, symbol_market.days)
        elif symbol_market.regimes:
            parse_regimes(symbol_market.regimes, presets.load(symbol_market.preset))
    return symbol_markets


def build_market(scenario: Scenario, *, quick: bool = False) -> BuiltMarket:
    """Build the market of a scenario, simulated or on tape; equal scenarios give equal markets in every process.

    Parameters
    ----------
    scenario : Scenario
    quick : bool
        Whether a small bank and a short pilot will do.
    """
    market = scenario.market
    task = scenario.task
    model = sim.REPLAY if market.on_tape else presets.load(market.preset).code
    compile_ahead(*kernels.kernels_for(model))
    built = _build_on_tape(scenario) if market.on_tape else _build_simulated(scenario, quick)
    training = replace(built.training, fees=market.fees)
    judged = replace(built.judged, fees=market.fees, waiting=training.waiting)
    built = replace(
        built,
        task=task,
        training=training,
        judged=judged,
        notes=(
            *built.notes,
            *describe_impact(judged),
            *describe_limit(scenario),
            *describe_hindsight(scenario),
            *venue_words(market.fees, task.latency, task.feed_latency),
        ),
    )
    if scenario.validation and market.on_tape:
        validation_plan = built.sampler(-1 - VALIDATION_SEED, 0, max(scenario.episodes, 1))
        return replace(built, judged=training, plan=validation_plan)
    return built


cached_market = lru_cache(maxsize=2)(build_market)
"""The market of a scenario, the last two cached; `cache_clear` where a lake may have grown."""


def _build_simulated(scenario: Scenario, quick: bool) -> BuiltMarket:
    """Build a simulated market: preset, regimes, dealers, plan of judged episodes and sampler for training."""
    market = scenario.market
    task = scenario.task
    preset = presets.load(market.preset)
    quantity = task.lots(preset.volume_per_s)
    judged, training, estimates = settle_market(preset, market, task, quantity, quick)
    if market.dealers:
        is_drawn = market.dealers == DRAWN
        panel = load_panel("equity" if is_drawn else market.dealers)
        mid = float(judged.worlds_k[:, sim.MID2].mean()) / 2.0
        terms = terms_in(panel, preset.volume_per_s, judged.impact, mid, is_drawn)
        judged = replace(judged, outside=terms)
    share = task.share or quantity / (preset.volume_per_s * task.horizon_s)
    minutes = format_minutes(task)
    sampler = bank_sampler(task, quantity, len(training.worlds_b))
    parts = np.array_split(np.arange(scenario.episodes or EPISODES), len(scenario.seeds))
    plans = [
        seeded_plan(task, quantity, seed, 0, len(part))
        for seed, part in zip(scenario.seeds, parts, strict=True)
        if len(part)
    ]
    rows = np.concatenate([plan.rows for plan in plans])
    # a buy and a sell on one stream are one cluster
    pairs = np.unique(rows[:, [kernels.E_SEED, kernels.E_INDEX]], axis=0, return_inverse=True)[1]
    return BuiltMarket(
        preset.name,
        with_waiting(training, task, sampler),
        judged,
        sampler,
        Plan(rows, pairs.ravel().astype(np.int64)),
        replace(estimates, market=preset.name),
        "episode seed",
        (
            f"The order: {describe_size(share, quantity)} in {minutes}, {quantity:,} {lot_unit(preset.lot)}.",
            *((f"Regimes in training and judging: {market.regimes}.",) if market.regimes else ()),
        ),
        {
            "symbol": preset.symbol,
            "order, lots": quantity,
            "tick": preset.tick,
            "shares in a lot": preset.lot,
        },
    )


def waiting_cost_on(lake: Lake, symbol: str, dates: Sequence[str]) -> float:
    """Cost of waiting in a symbol on recorded days, a ratio to the half spread (`View.waiting`); 0 if not measurable.

    Measured by orders of half an hour and 10 % of the volume; not measurable if none fits into the days.
    """
    market = Market(lake=str(lake.root), symbol=symbol)
    source, days = replay(lake, symbol, dates, queue=market.queue, bound=market.bound)
    split = Split([*dates], [], 0, [lake.read(symbol, date) for date in dates])
    try:
        plan = tape_plan(days, Task(), split.curve, every_ns=TRAINING_STEP_NS)
    except ConfigError:
        return 0.0
    return Waiting(source, Task(), tape_sampler(plan)).value


def _build_on_tape(scenario: Scenario) -> BuiltMarket:
    """Build a market on tape: training and judged days of a lake, and the episodes of their windows or listed orders."""
    seed = max(scenario.seeds[0], 0)
    lake = Lake(scenario.market.lake)
    task = scenario.task
    symbol = scenario.market.symbol
    split = split_by_clock(scenario) or split_days(lake, symbol, scenario.market.days)
    curve = split.curve
    is_one_source = split.cut_ns or split.hours
    queue = scenario.market.queue
    law = law_of_tape(split.days, scenario.market)
    replay_days = partial(
        replay, lake, symbol, queue=queue, impact=law, bound=scenario.market.bound
    )
    training, training_days = replay_days(split.train)
    judged, judged_days = (training, training_days) if is_one_source else replay_days(split.test)
    judged_days = [day for day in judged_days if day.instrument.date in split.test]
    # training orders in other hours have no start time and no absolute limit price
    limit = task.limit_price if isinstance(task.limit_price, str) else None
    any_time_task = replace(task, start="", limit_price=limit)
    training_plan = tape_plan(
        training_days,
        any_time_task if split.hours else task,
        curve,
        every_ns=TRAINING_STEP_NS,
        seed=seed,
        latest_ns=split.cut_ns or FOREVER_NS,
        excluded=NO_HOURS if split.hindsight else split.hours,
    )
    if scenario.orders:
        plan = orders_plan(judged_days, task, scenario.orders, seed)
    else:
        plan = tape_plan(judged_days, task, curve, seed=seed, earliest_ns=split.cut_ns)
    # The policy may learn from other hours and later days; the cost of waiting is estimated on earlier days alone.
    judged_from_ns = split.cut_ns or judged_days[0].open_ns
    earlier = training_plan.take(
        np.flatnonzero(training_plan.rows[:, kernels.E_START_NS] < judged_from_ns)
    )
    training = with_waiting(training, task, tape_sampler(earlier) if len(earlier) else None)
    instrument = judged_days[0].instrument
    quantities = plan.rows[:, kernels.E_QUANTITY]
    one_day = len(judged_days) == 1
    waiting_count = sum(
        day.open_ns <= start_ns < day.close_ns and not day.hours.is_open(start_ns)
        for day in judged_days
        for start_ns in plan.rows[:, kernels.E_START_NS].tolist()
    )
    has_guessed_queues = any(has_level_totals(events) for _, events in split.days)
    trained_span, judged_span = split.spans
    judged_origin, trained_origin = (
        lake.real_dates(symbol, part) for part in (split.test, split.train)
    )
    overlap_text = ", trained on too" if set(judged_origin) & set(trained_origin) else ""
    trained_span += (
        f", simulated days made of {trained_origin[0]} to {trained_origin[-1]}"
        if trained_origin
        else ""
    )
    return BuiltMarket(
        f"{symbol} replay",
        training,
        judged,
        tape_sampler(training_plan),
        thin_plan(plan, scenario.episodes) if scenario.episodes and not scenario.orders else plan,
        pilot(training, task, thin_plan(training_plan, PILOT_EPISODES, one_side=True)),
        "30-minute block" if scenario.orders or one_day else "day",
        (
            f"Trained on {trained_span}, judged on {judged_span}.",
            *(
                (
                    f"Days are simulated, made of {judged_origin[0]} to {judged_origin[-1]}, {len(judged_origin)} in all"
                    f"{overlap_text}: no word on others.",
                )
                if judged_origin
                else ()
            ),
            describe_order_size(
                task, quantities, instrument.lot, len(scenario.orders), waiting_count
            ),
            *(("Judged on one day: whether it holds on others is not known.",) if one_day else ()),
            *describe_hidden_volume(judged),
            *(
                ()
                if len(earlier)
                else (
                    f"No earlier day tells what waiting costs: {scaled_waiting(training):.2f} of half the spread is scaled "
                    "from other markets by the tick, not measured.",
                )
            ),
            *(
                (
                    f"The tape shows level totals: places in queues are guessed by the model {queue}.",
                )
                if has_guessed_queues
                else ()
            ),
        ),
        {
            "symbol": symbol,
            "trained on": trained_span,
            "judged on": judged_span,
            "tick": instrument.tick,
            "shares in a lot": instrument.lot,
            **({"hours": hours} if (hours := clock_hours(judged_days[0], task)) else {}),
        },
    )


def preset_of(scenario: Scenario) -> Preset | None:
    """Preset calibrated on the training days of a tape; None if they show no single orders, or judged days are trained
    on.
    """
    if judged_hours(scenario):
        return None
    split = split_days(Lake(scenario.market.lake), scenario.market.symbol, scenario.market.days)
    if any(has_level_totals(events) for _, events in split.days):
        return None
    return calibrate(
        split.days,
        name=f"{scenario.market.symbol.lower()}-{split.train[0]}-{split.train[-1]}",
        date=split.train[-1],
    )


def count_validation_episodes(requested: int, judged: int) -> int:
    """Number of validation episodes for `judged` orders on tape: `requested`, at most the larger of 16 per order and
    64.

    >>> count_validation_episodes(1000, 6), count_validation_episodes(1000, 120), count_validation_episodes(32, 6)
    (96, 1000, 32)
    """
    return min(requested, max(16 * judged, 64))


def thin_plan(plan: Plan, max_episodes: int, one_side: bool = False) -> Plan:
    """At most `max_episodes` of a plan's episodes, evenly spread over its windows.

    A window with a buy and a sell keeps both; with `one_side` it keeps one, buys and sells in turn.
    """
    sides_per_window = sides_of(plan)
    one_side = one_side and sides_per_window == 2
    if len(plan) <= max_episodes and not one_side:
        return plan
    count = min(
        max(max_episodes if one_side else max_episodes // sides_per_window, 1),
        len(plan) // sides_per_window,
    )
    windows = np.linspace(0, len(plan) // sides_per_window - 1, count).astype(np.int64)
    sides = np.arange(count)[:, None] % 2 if one_side else np.arange(sides_per_window)
    rows: Ints = (sides_per_window * windows[:, None] + sides).ravel()
    return plan.take(rows)
