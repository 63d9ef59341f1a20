"""Realism score of a preset against held-out tape: simulated stretches, distances to the tape, and the score card.

`score` gives a `ScoreCard`, the JSON of `tercel market score`, with what real days are apart beside every figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tercel.core.grouping import group_values
from tercel.core.serialization import to_jsonable
from tercel.market.flow.port import Card, Preset
from tercel.market.observed import Observed, split_at_breaks
from tercel.market.score.card_rows import (
    agreement_row,
    check_rows,
    distance_row,
    worst_first,
)
from tercel.market.score.ceilings import Ceilings, RecordedStretch
from tercel.market.score.classifier import classifier_auc
from tercel.market.score.conditional import ConditionalReference
from tercel.market.score.distance import mean14, mean_of
from tercel.market.score.dynamics import DynamicFigure, judge_figures, sums_of
from tercel.market.score.held_out import HeldOutTape, round_values
from tercel.market.score.realism_gates import (
    LevelGate,
    ScoreGate,
    gate_values,
    gates,
    gates_at_level,
)
from tercel.market.score.sample import Sample, clock_of, sample
from tercel.market.score.scored_days import (
    Day,
    check_one_market,
    half_sample,
    simulate_stretch,
)
from tercel.market.score.stored_scores import (
    CardRow,
    StoredScores,
    stored_lessons,
    stored_prediction,
)
from tercel.market.tape.recorded_rules import recorded_hours

SEEDS = (1, 2, 3)


IMPACT_KEYS: Final = (
    "exponent_size",
    "exponent_participation",
    "exponent_time",
    "level_2T",
    "level_3T",
)
JUDGED_MODEL: Final = "queue_reactive"
JUDGED_HOURS: Final = 2.0
"""The bars bind presets of the default model with this much tape to calibrate on and this much to hold out."""
BY_CARD: Final = (
    "compared with the tape on its card: Wasserstein, distances given the spread and the half hour, and the classifier "
    "need the days themselves, of a lake"
)
SECONDARY: Final = (
    "conditional",
    "gates_train",
    "gates_level",
    "calibrated_on",
    "ceilings",
    "preset",
    "prediction",
    "teaches",
)


@dataclass(frozen=True, eq=False)
class SimulatedStretches:
    """Simulated stretches: `observed[d][s]` and `samples[d][s]` for stretch d of the tape and seed s."""

    observed: list[list[Observed]]
    samples: list[list[Sample]]

    @classmethod
    def simulate(
        cls, tape: HeldOutTape, preset: Preset, seeds: Sequence[int] = SEEDS
    ) -> "SimulatedStretches":
        """One path for each stretch of the tape and each seed; whole days of tape are another for each stretch."""
        paths = [
            [preset.path_seed(seed, number) for seed in seeds]
            for number in range(len(tape.stretches))
        ]
        observed = [
            [simulate_stretch(preset, seed, stretch) for seed in row]
            for stretch, row in zip(tape.stretches, paths, strict=True)
        ]
        return cls(observed, [[sample(o, tape.clock_ns) for o in row] for row in observed])


class ScoreDraw:
    """Days of tape and simulated stretches of which a score is computed, observed and sampled once.

    Parameters
    ----------
    preset : Preset
    test, train : sequence of Day
        Held out, and calibrated on; one with breaks counts as several stretches.
    seeds : sequence of int
        One simulated path each and stretch held out.

    Attributes
    ----------
    test_observed, train_observed, sim_observed : lists of Observed
        `sim_observed[d][s]` of test day d and seed s.
    test, train, sims : lists of Sample
        By the tape's clock.
    tape : Tape
    simulated : SimulatedStretches
    """

    def __init__(
        self,
        preset: Preset,
        test: Sequence[Day],
        train: Sequence[Day],
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        check_one_market(preset, test)
        self.preset = preset
        tested_parts, trained_parts = (
            [
                (day, part)
                for day in days
                for part in split_at_breaks(day.observe(), recorded_hours(day.instrument))
            ]
            for days in (test, train)
        )
        self.test_observed = [part for _, part in tested_parts]
        self.train_observed = [part for _, part in trained_parts]
        self.clock_ns = max(clock_of(o) for o in [*self.test_observed, *self.train_observed])
        tested, trained = (
            [RecordedStretch(day, o, sample(o, self.clock_ns), sums_of(o)) for day, o in parts]
            for parts in (tested_parts, trained_parts)
        )
        self.test, self.train = ([one.sample for one in some] for some in (tested, trained))
        self.tape = HeldOutTape.of(tested, trained, self.clock_ns)
        self.simulated = SimulatedStretches.simulate(self.tape, preset, seeds)
        self.sim_observed = self.simulated.observed
        self.sims = self.simulated.samples


@dataclass(frozen=True)
class Distance:
    """Distances of one statistic to the tape, means over test days and seeds, and their floors."""

    l1: float | None
    wasserstein: float | None
    floor_l1: float | None
    pooled_floor_l1: float | None


@dataclass(frozen=True)
class GivenDistance:
    """L1 of one statistic given the spread or the half hour, and that of real days pooled."""

    l1: float | None
    pooled_floor_l1: float | None


@dataclass(frozen=True)
class ScoreCard:
    """Realism of a market, with floors of real days; its fields are what `tercel market score` prints as JSON.

    `gates_train` are the gates against the days calibrated on, `gates_level` those of the test days with their level
    taken out: where a gate is missed on the test days and passed on the others, the day has changed and not the model
    failed. `impact` has the figures of an impact card, None where it was not measured; `prediction` and `teaches` are
    the preset's own, for :func:`stored_prediction` and :func:`stored_lessons`. `rows` are the whole card, the worst three
    first; `ceilings` what recorded days reach against each other.
    """

    model: str
    preset: str
    calibrated_on: list[str]
    scored_on: list[str]
    judged: bool
    distances: dict[str, Distance]
    mean_l1: float | None
    floor_mean_l1: float | None
    pooled_floor_mean_l1: float | None
    interleaved_mean_l1: float | None
    interleaved_floor_mean_l1: float | None
    gates: dict[str, ScoreGate]
    gates_train: dict[str, ScoreGate]
    gates_level: dict[str, LevelGate]
    dynamics: dict[str, DynamicFigure]
    conditional: dict[str, GivenDistance]
    classifier_auc: float | None
    classifier_auc_real: float | None
    impact: dict[str, Any]
    prediction: Any
    teaches: Any
    seeds: int
    notes: list[str]
    ceilings: Ceilings | None
    rows: list[CardRow]


def distance_table(tape: HeldOutTape, made: SimulatedStretches) -> dict[str, Distance]:
    """Distances of every statistic, means over test days and seeds."""
    pairs = [(r, s) for r, sims in zip(tape.references, made.samples, strict=True) for s in sims]
    l1_rows = [r.l1(s) for r, s in pairs]
    wasserstein_rows = [r.wasserstein(s) for r, s in pairs]
    return {
        name: Distance(
            mean_of(row[name] for row in l1_rows),
            mean_of(row[name] for row in wasserstein_rows),
            floors.floor_l1,
            floors.pooled_floor_l1,
        )
        for name, floors in tape.floors.items()
    }


def _mean14(column: Mapping[str, float | None]) -> float | None:
    """MEAN14 of one column, None where it is empty."""
    known = {name: value for name, value in column.items() if value is not None}
    return mean14(known) if "spread" in known else None


def interleaved_l1(tape: HeldOutTape, made: SimulatedStretches) -> float | None:
    """MEAN14 of every other simulated half hour against the tape's half hours between, days together; mean over seeds.

    The tape's own such half hours are `tape.interleaved_floor_mean_l1` away: days that differ among themselves forgive
    nothing here.
    """
    if tape.odd is None:
        return None
    halves = [half_sample(days, tape.clock_ns, False) for days in zip(*made.observed, strict=True)]
    return mean_of(mean14(tape.odd.l1(half)) for half in halves if half is not None)


def score(
    stretches: ScoreDraw,
    *,
    classifier: bool = True,
    impact: Mapping[str, Any] | None = None,
    conditional: bool = True,
    fills: Sequence[CardRow] = (),
) -> ScoreCard:
    """Score a preset against days of tape; without `classifier` or `conditional` these figures are None, or left out.

    Parameters
    ----------
    stretches : ScoreDraw
        Real and simulated stretches.
    classifier : bool
        Train the classifier (needs scikit-learn).
    impact : mapping, optional
        Results of an impact card; its keys are None without.
    conditional : bool
        Distances given the spread and the time of day.
    fills : sequence of CardRow
        Rows of fills that were measured; default: those on the preset's card.
    """
    simulated, real = classifier_scores(stretches) if classifier else (None, None)
    card = replace(
        _score_without_days(stretches.preset, stretches.tape, stretches.simulated, impact),
        conditional=conditional_table(stretches) if conditional else {},
        classifier_auc=simulated,
        classifier_auc_real=real,
    )
    return with_rows(card, fills)


def score_by_card(preset: Preset, seeds: Sequence[int]) -> ScoreCard:
    """Score a preset against the held-out tape in its card, as far as a card allows.

    Raises
    ------
    ConfigError
        The card carries no tape.
    """
    tape = HeldOutTape.from_card(preset)
    card = _score_without_days(
        preset,
        tape,
        SimulatedStretches.simulate(tape, preset, seeds),
        preset.card.get("scores", {}).get("impact"),
    )
    fills = [row for row in StoredScores.of(preset).rows if row.measure.startswith("fills")]
    return with_rows(replace(card, notes=[*card.notes, BY_CARD]), fills)


def _score_without_days(
    preset: Preset, tape: HeldOutTape, made: SimulatedStretches, impact: Mapping[str, Any] | None
) -> ScoreCard:
    """The fields of a score that do not need the days of tape."""
    table = distance_table(tape, made)
    sims = gate_values([s for row in made.samples for s in row])
    return ScoreCard(
        model=preset.model,
        preset=preset.name,
        calibrated_on=calibrated_on(preset),
        scored_on=[*dict.fromkeys(stretch.label for stretch in tape.stretches)],
        judged=preset.model == JUDGED_MODEL and min(tape.hours) >= JUDGED_HOURS,
        distances=table,
        mean_l1=_mean14({name: row.l1 for name, row in table.items()}),
        floor_mean_l1=_mean14({name: row.floor_l1 for name, row in table.items()}),
        pooled_floor_mean_l1=_mean14({name: row.pooled_floor_l1 for name, row in table.items()}),
        interleaved_mean_l1=interleaved_l1(tape, made),
        interleaved_floor_mean_l1=tape.interleaved_floor_mean_l1,
        gates=gates(tape.gates, sims),
        gates_train=gates(tape.gates_train, sims) if tape.gates_train else {},
        gates_level=gates_at_level(tape.gates, tape.gates_train, sims) if tape.gates_train else {},
        dynamics=judge_figures(tape.dynamics, [sums_of(o) for row in made.observed for o in row]),
        conditional={},
        classifier_auc=None,
        classifier_auc_real=None,
        impact={key: (impact or {}).get(key) for key in IMPACT_KEYS},
        prediction=preset.card.get("prediction"),
        teaches=preset.card.get("teaches"),
        seeds=len(made.observed[0]),
        notes=[*preset.card.get("limits", ()), *tape.notes],
        ceilings=tape.ceilings,
        rows=[],
    )


def with_rows(card: ScoreCard, fills: Sequence[CardRow]) -> ScoreCard:
    """The score with a row for all that it knows, and for `fills`; if they are empty those on the preset's card stand."""
    known = card.ceilings or Ceilings()
    rows = [
        *_kept_rows(card, not fills),
        *fills,
        *check_rows("flow", card.gates, known.flow),
        *check_rows("dynamics", card.dynamics, known.dynamics),
        distance_row("mean of 14", card.mean_l1, _mean14(known.distances)),
        distance_row(
            "mean of 14, half hours", card.interleaved_mean_l1, card.interleaved_floor_mean_l1
        ),
        *(
            distance_row(name, row.l1, known.distances.get(name))
            for name, row in card.distances.items()
        ),
        agreement_row(
            "classifier: 1 - AUC",
            _error_of(card.classifier_auc),
            _error_of(card.classifier_auc_real),
        ),
        *(
            agreement_row(f"impact: {name}", estimate["mean"], None)
            for name, estimate in card.impact.items()
            if estimate
        ),
    ]
    return replace(
        card,
        rows=worst_first(
            [row for row in rows if row.simulated is not None or row.ceiling is not None]
        ),
    )


def _error_of(auc: float | None) -> float | None:
    """Error of a classifier: how often it ranks a recorded window and a simulated one wrongly, 1 - AUC."""
    return None if auc is None else 1.0 - auc


def _kept_rows(card: ScoreCard, with_fills: bool) -> list[CardRow]:
    """Rows of costs, of forecasts and (`with_fills`) of fills that the preset's card keeps."""
    rows = []
    if prediction := stored_prediction(card.prediction):
        ranks = {
            "all strategies": prediction.spearman,
            "mostly passive": prediction.spearman_resting,
        }
        rows += [
            *(
                agreement_row(f"costs: Spearman, {which}", rank.mean, rank.ceiling)
                for which, rank in ranks.items()
            ),
            agreement_row("costs: pairs of the same sign", prediction.signs.agree, None),
        ]
    if lessons := stored_lessons(card.teaches):
        rows += [
            agreement_row(f"forecast of {key} s: R² on recorded days", pair.simulated, pair.tape)
            for key, pair in (lessons.horizons or {}).items()
        ]
        if with_fills:
            figures = {"filled in": lessons.filled, "mark-out, bps,": lessons.markouts_bps}
            rows += lessons.rows or [
                CardRow("figure", f"fills: {words} {key} s", pair.simulated, pair.tape, None, None)
                for words, pairs in figures.items()
                for key, pair in (pairs or {}).items()
            ]
    return rows


def with_scores(preset: Preset, tape: HeldOutTape, card: ScoreCard) -> Preset:
    """The preset with its scores, and the tape they were taken on, in its card."""
    return preset.model_copy(
        update={"card": {**preset.card, "scores": compact(card), "scored_tape": tape.to_card()}}
    )


def calibrated_on(preset: Preset) -> list[str]:
    """Calibration days of a preset's card, with the stretch where it is not the whole session."""
    card = preset.card
    start, end = card.get("window_s") or (card.get("from_s"), card.get("to_s"))
    days = [str(day) for day in card.get("days", [])]
    if part := card.get("part_of_day"):
        return [f"{day} [{part}]" for day in days]
    if start is None and end is None:
        return days
    return [
        f"{day} [{start or 0:g} to {'the close' if end is None else f'{end:g} s'}]" for day in days
    ]


def classifier_scores(stretches: ScoreDraw) -> tuple[float | None, float | None]:
    """Mean AUC of simulated against real, and of real train days against real test days, by as many rows.

    Stretches of one day are told apart together.
    """
    by_day = group_values(
        (stretch.label, number) for number, stretch in enumerate(stretches.tape.stretches)
    )
    simulated = []
    real = []
    train = stretches.train_observed
    for i, numbers in enumerate(by_day.values()):
        seen = [stretches.test_observed[n] for n in numbers]
        made = [stretches.sim_observed[n][i % len(stretches.sim_observed[n])] for n in numbers]
        others = [train[(i + k) % len(train)] for k in range(min(len(numbers), len(train)))]
        simulated.append(classifier_auc(seen, made, stretches.clock_ns, others))
        real.append(classifier_auc(seen, others, stretches.clock_ns, made) if others else None)
    return mean_of(simulated), mean_of(real)


def conditional_table(stretches: ScoreDraw) -> dict[str, GivenDistance]:
    """Distances given the spread and given the time of day, means over test days and seeds."""
    distances: list[dict[str, float | None]] = []
    floor_distances: list[dict[str, float | None]] = []
    for seen, sims in zip(stretches.test_observed, stretches.sim_observed, strict=True):
        reference = ConditionalReference(seen, stretches.clock_ns)
        distances += [reference.l1([o]) for o in sims]
        floor_distances += (
            [reference.l1(stretches.train_observed)] if stretches.train_observed else []
        )
    return {
        name: GivenDistance(
            mean_of(f[name] for f in distances), mean_of(f[name] for f in floor_distances)
        )
        for name in distances[0]
    }


def compact(card: ScoreCard, digits: int = 4) -> Card:
    """A score reduced for a preset's card: figures rounded, secondary tables dropped."""
    kept = {name: value for name, value in vars(card).items() if name not in SECONDARY}
    kept["dynamics"] = {
        name: ScoreGate(row.value, row.real, row.passed) for name, row in card.dynamics.items()
    }
    rounded_card: Card = round_values(to_jsonable(kept), digits)
    return rounded_card
