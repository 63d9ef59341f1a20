"""A learned hazard of withdrawals on trial, beside the anomaly score and the posture's thresholds; on tapes as well."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from studies.risk import figures, precursors
from studies.risk.precursors import LEARNERS, Alarm, Calm, Hazard
from studies.risk.stress import DAY_S, LEARNING, depth_of, power_for
from studies.risk.trials.report import Table, TrialReport
from studies.risk.withdrawals import Withdrawal, plant
from tercel.core import ConfigError, Estimate, Floats
from tercel.core.report import Figure, format_interval, format_number
from tercel.core.stats import mean_interval
from tercel.market.flow import Preset, registry
from tercel.market.observed import observe
from tercel.market.simulator import Source, reactive
from tercel.market.tape import Lake
from tercel.signals.risk import AnomalyBaseline, StreamingAnomaly, fit_baseline, simulate

MARKETS = ("sh600961", "ibm", "amzn", "goog")
RATE = 0.1
"""False alarms a calm day at which thresholds are set."""
METHODS = ("anomaly score", "learned hazard", "inputs of the risk state", "risk state as set")
"""The third is the fourth with both of its thresholds moved together until it gives `RATE` as well."""
SHORTEST_S = 7200
"""Tapes of fewer seconds are left out."""
HOUR_S = 3600


@dataclass(frozen=True)
class Sizes:
    """Withdrawals and calm days to fit on, to choose the learner on, to set thresholds on, and to judge on.

    `day_s` is the length of a calm day, `planted_s` that of a day with a withdrawal, seconds.
    """

    withdrawals: int = 200
    days: int = 100
    fitted: int = 120
    chosen: int = 50
    calm: int = 20
    threshold: int = 40
    day_s: int = DAY_S
    planted_s: int = 9000


@dataclass(frozen=True)
class Usual:
    """What is usual in a market or on a tape: for the anomaly score and the posture, and for the hazard."""

    anomaly: AnomalyBaseline
    calm: Calm

    @classmethod
    def of(cls, days: Sequence[Floats], threshold: float | None = None) -> "Usual":
        """Of calm days; `threshold` of the anomaly score, standard deviations, by default that of these days."""
        anomaly = fit_baseline(days, false_alarms_per_day=RATE, least=1.0)
        return cls(
            anomaly if threshold is None else replace(anomaly, threshold=threshold), Calm.of(days)
        )


@dataclass(frozen=True)
class Learned:
    """One market with what was learned in it."""

    market: Preset
    source: Source
    power: float
    usual: Usual
    hazards: dict[str, Hazard]
    thresholds: dict[str, float]
    """Of the learners and of the posture's inputs; that of the anomaly score stands in `usual`."""
    shares: dict[str, float]
    """Of withdrawals that chose the learner: what each saw before the half."""

    def scores(self, method: str, seconds: Floats, usual: Usual, learner: str = "") -> Floats:
        """Score over its threshold, float64[n]."""
        if method == METHODS[0]:
            return StreamingAnomaly(usual.anomaly).scores(seconds)
        if method == METHODS[1]:
            return self.hazards[learner].scores(seconds, usual.calm) / self.thresholds[learner]
        scores = precursors.posture_scores(seconds, usual.anomaly.depth, usual.anomaly.variance)
        return scores / self.thresholds["posture"] if method == METHODS[2] else scores


@dataclass(frozen=True)
class Verdict:
    """One method in one market. Shares of withdrawals; leads are quartiles over those with an alarm, seconds."""

    before_half: Estimate
    alarmed: float
    lead_s: tuple[float, float, float]
    false_alarms_a_day: Estimate
    hazard_less_it: Estimate


def _planted(
    source: Source, power: float, count: int, seed: int, first: int, s: int
) -> Iterator[tuple[Floats, Withdrawal]]:
    rng = np.random.default_rng((seed, first))
    for index in range(count):
        planted, rates = plant(rng, power, s)
        yield simulate(source, rates, seed, first + index), planted


def _calm(source: Source, count: int, seed: int, first: int, s: int) -> Iterator[Floats]:
    for index in range(count):
        yield simulate(source, np.ones((s, 3)), seed, first + index)


def learned_in(market: Preset, sizes: Sizes, seed: int) -> Learned:
    """Learn what is usual, both hazards and every threshold; no day of it is judged."""
    source = reactive(market)
    power = power_for(source)
    days = list(_calm(source, sizes.calm, seed, LEARNING, sizes.day_s))
    usual = Usual.of(days)
    shown = list(
        _planted(source, power, sizes.fitted + sizes.chosen, seed, 2 * LEARNING, sizes.planted_s)
    )
    fitted, chosen = shown[: sizes.fitted], shown[sizes.fitted :]
    hazards = {name: precursors.learn(fitted, days, usual.calm, name, seed) for name in LEARNERS}
    others = list(_calm(source, sizes.threshold, seed, 3 * LEARNING, sizes.day_s))

    def threshold(score: Callable[[Floats], Floats]) -> float:
        return precursors.threshold_for([score(day) for day in others], RATE)

    level = usual.anomaly.threshold * threshold(StreamingAnomaly(usual.anomaly).scores)
    usual = replace(usual, anomaly=replace(usual.anomaly, threshold=level))
    thresholds = {
        name: threshold(partial(one.scores, calm=usual.calm)) for name, one in hazards.items()
    }
    depth, variance = usual.anomaly.depth, usual.anomaly.variance
    thresholds["posture"] = threshold(lambda day: precursors.posture_scores(day, depth, variance))
    here = Learned(market, source, power, usual, hazards, thresholds, {})
    shares = {
        name: float(np.mean([_alarm(here, METHODS[1], *one, name).before_half for one in chosen]))
        for name in LEARNERS
    }
    return replace(here, shares=shares)


def _alarm(here: Learned, method: str, seconds: Floats, planted: Withdrawal, learner: str) -> Alarm:
    scores = here.scores(method, seconds, here.usual, learner)
    return precursors.first_alarm(scores, planted, precursors.half_of(seconds, planted))


def judged_in(here: Learned, learner: str, sizes: Sizes, seed: int) -> dict[str, Verdict]:
    """Judge every method on withdrawals and calm days of another seed."""
    alarms: dict[str, list[Alarm]] = {name: [] for name in METHODS}
    for seconds, planted in _planted(
        here.source, here.power, sizes.withdrawals, seed, 0, sizes.planted_s
    ):
        for name in METHODS:
            alarms[name].append(_alarm(here, name, seconds, planted, learner))
    scores: dict[str, list[Floats]] = {name: [] for name in METHODS}
    for day in _calm(here.source, sizes.days, seed, LEARNING, sizes.day_s):
        for name in METHODS:
            scores[name].append(here.scores(name, day, here.usual, learner))
    rng = np.random.default_rng((seed, 7))
    seen = {
        name: np.array([one.before_half for one in alarms[name]], np.float64) for name in METHODS
    }
    found = {}
    for name in METHODS:
        leads = np.array([one.lead_s for one in alarms[name]])
        known = leads[np.isfinite(leads)]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan,) * 3
        found[name] = Verdict(
            _mean(seen[name], rng),
            len(known) / len(leads),
            (float(low), float(middle), float(high)),
            _mean(precursors.alarms_a_day(scores[name], sizes.day_s), rng),
            _mean(seen[METHODS[1]] - seen[name], rng),
        )
    return found


def _mean(values: Floats, rng: np.random.Generator) -> Estimate:
    return mean_interval(values, np.arange(len(values)), rng)


def on_tape(here: Learned, learner: str, lake: Path, seed: int) -> tuple[int, dict[str, Estimate]]:
    """Days judged, and alarms a day of each method at the thresholds of its market.

    What is usual is that of the day before; of a symbol's only day it is its first hour, and the rest is judged.
    """
    store = Lake(lake)
    read = (
        observe(*store.read(here.market.symbol, date)) for date in store.days(here.market.symbol)
    )
    days = [seconds for seconds in map(precursors.tape_seconds, read) if len(seconds) >= SHORTEST_S]
    if len(days) == 1:
        days = [days[0][:HOUR_S], days[0][HOUR_S:]]
    level = here.usual.anomaly.threshold
    counts: dict[str, list[Floats]] = {name: [] for name in METHODS}
    for before, day in pairwise(days):
        usual = Usual.of([before], level)
        for name in METHODS:
            counts[name].append(here.scores(name, day, usual, learner))
    rng = np.random.default_rng((seed, 8))
    judged = max(len(days) - 1, 0)
    return judged, {
        name: _mean(precursors.alarms_a_day(of, DAY_S), rng)
        for name, of in counts.items()
        if judged
    }


def found_precursors(
    markets: Sequence[str], sizes: Sizes, lake: Path | None, seed: int, tell: Callable[[str], None]
) -> TrialReport:
    """The trial of all markets, and of their tapes in a lake; `tell` is given a line on the way."""
    if sizes.withdrawals < 1 or sizes.days < 1:
        raise ConfigError(
            "at least one calm day and one withdrawal",
            f"{sizes.days} and {sizes.withdrawals}",
            "ask for more",
        )
    presets = {one.name: one for one in map(registry.load, markets)}
    symbols = {symbol for _, symbol, _ in (one.key for one in Lake(lake).list())} if lake else set()
    learned = {}
    for name, one in presets.items():
        shown, calm = sizes.fitted + sizes.chosen, sizes.calm + sizes.threshold
        tell(f"{name}: learning from {shown} withdrawals and {calm} calm days")
        learned[name] = learned_in(one, sizes, seed)
    shares = {
        learner: float(np.mean([one.shares[learner] for one in learned.values()]))
        for learner in LEARNERS
    }
    learner = max(LEARNERS, key=lambda name: shares[name])
    verdicts, tapes = {}, {}
    for name, here in learned.items():
        tell(
            f"{name}: judging {sizes.withdrawals} withdrawals and {sizes.days} calm days of another seed"
        )
        verdicts[name] = judged_in(here, learner, sizes, seed + 1)
        if lake and here.market.symbol in symbols:
            tell(f"{name}: days of {here.market.symbol} on tape")
            tapes[name] = on_tape(here, learner, lake, seed)
    body = {
        "markets": {name: {method: asdict(one) for method, one in of.items()} for name, of in verdicts.items()},
        "tapes": {
            name: {"days": days, "alarms_a_day": {method: asdict(one) for method, one in of.items()}}
            for name, (days, of) in tapes.items()
        },
        "learner": learner, "shares_of_learners": shares, "false_alarms_a_day": RATE, "seed": seed, **asdict(sizes),
    }  # fmt: skip
    notes = _notes(sizes, learner, shares, verdicts, tapes)
    example = _example(learned[next(iter(learned))], learner, sizes, seed + 1)
    tables = [_table(verdicts), *([_tapes(tapes)] if tapes else [])]
    return TrialReport(
        "Precursors of withdrawals", notes[-1], tables, notes, [example], body | {"notes": notes}
    )


def _table(verdicts: dict[str, dict[str, Verdict]]) -> Table:
    rows = [
        (
            name, method, format_interval(one.before_half.times(100), digits=0), f"{100 * one.alarmed:.0f}",
            " / ".join(format_number(lead, 0) for lead in one.lead_s), format_interval(one.false_alarms_a_day),
            "" if method == METHODS[1] else format_interval(one.hazard_less_it.times(100), signed=True, digits=0),
        )
        for name, of in verdicts.items()
        for method, one in of.items()
    ]  # fmt: skip
    headings = (
        "market", "method", "before half, %", "alarmed, %", "lead to the half, s", "false alarms a day",
        "hazard less it, %",
    )  # fmt: skip
    return Table("Planted withdrawals and calm days", headings, rows, left=(1,))


def _tapes(tapes: dict[str, tuple[int, dict[str, Estimate]]]) -> Table:
    rows = [
        (name, days, *(format_interval(of.get(method)) for method in METHODS))
        for name, (days, of) in tapes.items()
    ]
    return Table("Alarms a day on tape", ("market", "days", *METHODS), rows)


def _notes(
    sizes: Sizes, learner: str, shares: dict[str, float], verdicts: Any, tapes: Any
) -> list[str]:
    chosen = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    notes = [
        f"The hazard is {learner}, which saw more before half the depth was gone of {sizes.chosen} withdrawals a "
        f"market that are neither learned nor judged ({chosen}).",
        f"Thresholds give {RATE} false alarms a day on {sizes.threshold} calm days that are not judged, but for the "
        "risk state as set.",
    ]
    if tapes:
        notes.append(
            "On tape no one knows which alarms are false: all are counted, at the thresholds of the market."
        )
    ahead = [name for name, of in verdicts.items() if _ahead(of)]
    noisy = [
        name
        for name, (days, of) in tapes.items()
        if days and of[METHODS[1]].mean > of[METHODS[2]].mean
    ]
    clearly = len(ahead) == len(verdicts) and not noisy
    notes.append(
        "The hazard sees significantly more before the half than the anomaly score and the inputs of the risk state, and keeps "
        f"to the false alarms allowed, in {len(ahead)} of {len(verdicts)} markets"
        + (
            f"; on tape it sounds more often than those inputs on {len(noisy)} of {len(tapes)}"
            if tapes
            else ""
        )
        + (": it beats them." if clearly else ": no case for putting it into the risk state.")
    )
    return notes


def _ahead(of: dict[str, Verdict]) -> bool:
    """Whether the hazard beats both rivals, and its false alarms are not significantly above `RATE`."""
    gains = (of[rival].hazard_less_it.ci_low for rival in (METHODS[0], METHODS[2]))
    return (
        all((gain or 0.0) > 0 for gain in gains)
        and (of[METHODS[1]].false_alarms_a_day.ci_low or 0.0) <= RATE
    )


def _example(here: Learned, learner: str, sizes: Sizes, seed: int) -> Figure:
    seconds, planted = next(_planted(here.source, here.power, 1, seed, 0, sizes.planted_s))
    scores, half = (
        here.scores(METHODS[1], seconds, here.usual, learner),
        precursors.half_of(seconds, planted),
    )
    alarm = precursors.first_alarm(scores, planted, half)
    low, high = max(planted.onset - 600, 0), min(planted.end + 600, len(seconds))
    x, marks = (
        np.arange(low, high, dtype=np.float64),
        {"onset": planted.onset, "half": half, "end": planted.end},
    )
    at = None if np.isnan(alarm.lead_s) else int(half - alarm.lead_s)
    return figures.withdrawal(x, depth_of(seconds)[low:high], scores[low:high], marks, at)
