"""The market of a run: what is trained on, what is judged on, and what written strategies may know."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tercel.app.job.settings import RunSettings
from tercel.core.errors import ConfigError
from tercel.evaluation.episodes import Plan, seeded_plan
from tercel.evaluation.experiment import pilot
from tercel.evaluation.windows import tape_plan, tape_sampler
from tercel.execution.strategies import MarketEstimates
from tercel.learning.envs import Sampler, bank_sampler
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import Source, reactive

TRAINING_SHARE = 2 / 3
"""Of the recorded days (or of the one day) that training may see."""
PILOT_EPISODES = 256
PILOT_SEED = -2_000_000_000
"""Of the pilot's streams: apart from every training and judged seed."""
WORLDS = 64
TRAINING_STEP_NS = 60 * 10**9
"""Distance of the arrivals that training draws from."""


@dataclass(frozen=True, eq=False)
class JobMarket:
    """Everything that a run needs of its market.

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
        What is drawn independently.
    notes : tuple of str
        What a reader of the table should know.
    facts : dict
        For the report and the policies' cards.
    preset : Preset
        The flow of a simulated market, or what the training days calibrate to.
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
    preset: presets.Preset | None


def build_market(settings: RunSettings) -> JobMarket:
    """The market that settings describe; the same settings give the same market in every process."""
    return _on_tape(settings) if settings.on_tape else _simulated(settings)


def _simulated(settings: RunSettings) -> JobMarket:
    task = settings.task
    preset = presets.load(settings.market)
    quantity = task.quantity(preset.volume_per_s)
    judged = reactive(preset)
    training = reactive(preset, worlds=8 if settings.quick else WORLDS)
    episodes = 64 if settings.quick else PILOT_EPISODES
    known = pilot(judged, task, seeded_plan(task, quantity, PILOT_SEED, 0, episodes))
    half_hours = f"{task.share:.0%} of the volume expected in {task.horizon_s / 60:g} minutes: {quantity} lots"
    return JobMarket(
        preset.name,
        training,
        judged,
        bank_sampler(task, quantity, len(training.worlds_b)),
        seeded_plan(task, quantity, settings.seed, 0, settings.episodes),
        known.estimates,
        "episode seed",
        (f"order: {half_hours} of {preset.lot} shares",),
        {"preset": preset.name, "symbol": preset.symbol, "order, lots": quantity, "tick": preset.tick, "lot": preset.lot},
        preset,
    )


def _on_tape(settings: RunSettings) -> JobMarket:
    from tercel.market.flow.calibrate import calibrate, census_of
    from tercel.market.simulator.tape_source import replay
    from tercel.market.tape.lake import Lake

    lake, task = Lake(settings.lake), settings.task
    dates = list(lake.days(settings.symbol))
    first = max(int(len(dates) * TRAINING_SHARE), 1)
    train, test = dates[:first], dates[first:]
    days = [lake.read(settings.symbol, date) for date in train]
    split_ns, bounds = 0, {}
    if not test:
        instrument = days[0][0]
        split_ns = int(instrument.session_open_ns + TRAINING_SHARE * (instrument.session_close_ns - instrument.session_open_ns))
        days = [(replace(instrument, session_close_ns=split_ns), days[0][1].slice(0, int(np.searchsorted(days[0][1].exch_ns, split_ns))))]
        test, bounds = train, {"latest_ns": split_ns}
    curve = np.mean([census_of(instrument, events).curve_lots for instrument, events in days], axis=0)
    if split_ns:
        curve = np.full(len(curve), curve.sum() / len(curve) / TRAINING_SHARE)
    if curve.sum() <= 0:
        raise ConfigError("training days that trade", f"no trades in {', '.join(train)}", "import more days")
    training, training_days = replay(lake, settings.symbol, train)
    judged, judged_days = (training, training_days) if split_ns else replay(lake, settings.symbol, test)
    drawn = tape_plan(training_days, task, curve.tolist(), every_ns=TRAINING_STEP_NS, seed=settings.seed, **bounds)
    plan = tape_plan(judged_days, task, curve.tolist(), seed=settings.seed, earliest_ns=split_ns)
    if settings.quick:
        plan = _thin(plan, settings.episodes)
    known = pilot(training, task, _thin(drawn, PILOT_EPISODES))
    instrument = judged_days[0].instrument
    spans = (f"{train[0]} to {train[-1]}", f"{test[0]} to {test[-1]}") if not split_ns else (f"{train[0]}, first two thirds", f"{train[0]}, the rest")
    return JobMarket(
        f"{settings.symbol} replay",
        training,
        judged,
        tape_sampler(drawn),
        plan,
        known.estimates,
        "30-minute block" if len(test) == 1 else "day",
        (f"trained on {spans[0]}, judged on {spans[1]}", *(("one day",) if len(test) == 1 else ())),
        {"symbol": settings.symbol, "trained on": spans[0], "judged on": spans[1], "tick": instrument.tick, "lot": instrument.lot},
        calibrate(days, name=f"{settings.symbol.lower()}-{train[0]}-{train[-1]}", date=train[-1]),
    )


def _thin(plan: Plan, most: int) -> Plan:
    """At most so many of a plan's episodes, evenly spread."""
    if len(plan) <= most:
        return plan
    which: NDArray[np.int64] = np.linspace(0, len(plan) - 1, most).astype(np.int64)
    return plan.take(which)
