"""Realism score of a preset against held-out tape: the tape in compact form, simulated stretches, and the card.

`score` gives a `ScoreCard`, the JSON of `tercel market score`, with a real-against-real floor beside every figure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

import msgspec
import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.serialization import to_jsonable
from tercel.market.flow.port import Card, Preset
from tercel.market.observed import Observed
from tercel.market.score.calibrated import Day, Stretch, half_hours, of_one_market, simulated
from tercel.market.score.distance import (
    ConditionalReference,
    LevelGate,
    Reference,
    ScoreGate,
    StoredReference,
    at_level,
    classifier_auc,
    gates,
    mean14,
    numbers,
)
from tercel.market.score.dynamics import DynamicFigure, TapeFigure, judge, of_tape, sums_of
from tercel.market.score.sample import Sample, clock_of, sample

# -- realism ---------------------------------------------------------------------------------------
# Realism card: a preset against held-out tape, with a real-against-real floor beside every figure.

SEEDS = (1, 2, 3)


# -- tape ------------------------------------------------------------------------------------------
# Held-out tape in compact form for a preset's card, so that a market can be scored without the days.

DIGITS: Final = 5


@dataclass(frozen=True)
class Floor:
    """L1 of one statistic between real days: of another day, and of all of them pooled."""

    floor_l1: float | None
    pooled_floor_l1: float | None


@dataclass(frozen=True, eq=False)
class HeldOutTape:
    """Held-out days with reference figures of the calibration days.

    Attributes
    ----------
    stretches : tuple of Stretch
        Held out.
    clock_ns : int
        Clock for waits, ns.
    hours : tuple of float
        Calibrated on, and held out.
    references : tuple of Reference
        One for each stretch.
    odd : Reference, optional
        Every other half hour of all stretches together; None if they are too few.
    interleaved_floor_mean_l1 : float, optional
        MEAN14 of the other half hours against these.
    floors : dict of str to Floor
        Of each statistic, means over stretches; None without days calibrated on.
    gates, gates_train : dict of str to float
        Statistics of the gates, held out and calibrated on (empty without).
    dynamics : dict of str to TapeFigure
        See :mod:`tercel.market.score.dynamics`.
    notes : tuple of str
        Notes about the days.
    """

    stretches: tuple[Stretch, ...]
    clock_ns: int
    hours: tuple[float, float]
    references: tuple[Reference, ...]
    odd: Reference | None
    interleaved_floor_mean_l1: float | None
    floors: dict[str, Floor]
    gates: dict[str, float]
    gates_train: dict[str, float]
    dynamics: dict[str, TapeFigure]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        labels: Sequence[str],
        test: Sequence[Observed],
        train: Sequence[Observed],
        test_samples: Sequence[Sample],
        train_samples: Sequence[Sample],
        clock_ns: int,
    ) -> "HeldOutTape":
        """From days: their observed events and samples."""
        references = tuple(Reference.of(s) for s in test_samples)
        pool = sample(train, clock_ns) if train else None
        single = [r.l1(s) for r in references for s in train_samples]
        pooled = [r.l1(pool) for r in references] if pool else []
        odd, even = (half_sample(test, clock_ns, odd) for odd in (True, False))
        halves = None if odd is None else Reference.of(odd)
        return cls(
            stretches=tuple(
                Stretch(label, o.from_s, o.seconds, o.window)
                for label, o in zip(labels, test, strict=True)
            ),
            clock_ns=clock_ns,
            hours=(sum(o.seconds for o in train) / 3600.0, sum(o.seconds for o in test) / 3600.0),
            references=references,
            odd=halves,
            interleaved_floor_mean_l1=None
            if halves is None or even is None
            else mean14(halves.l1(even)),
            floors={
                name: Floor(
                    mean_of(row[name] for row in single), mean_of(row[name] for row in pooled)
                )
                for name in references[0].l1(test_samples[0])
            },
            gates=numbers(test_samples),
            gates_train=numbers(train_samples) if train_samples else {},
            dynamics=of_tape([sums_of(o) for o in test], [sums_of(o) for o in train]),
            notes=tuple(_notes(labels, test, bool(train))),
        )

    def to_card(self) -> Card:
        """Its entry in a preset's card: figures of five digits, bins exact."""
        figures = {
            "interleaved_floor_mean_l1": self.interleaved_floor_mean_l1,
            "floors": self.floors,
            "gates": self.gates,
            "gates_train": self.gates_train,
            "dynamics": self.dynamics,
        }
        return {
            "stretches": [asdict(one) for one in self.stretches],
            "clock_ns": self.clock_ns,
            "hours": list(self.hours),
            **rounded(to_jsonable(figures), DIGITS),
            "notes": list(self.notes),
            "references": [one.to_json() for one in self.references],
            "odd": None if self.odd is None else self.odd.to_json(),
        }

    @classmethod
    def of_card(cls, preset: Preset) -> "HeldOutTape":
        """The tape in a preset's card.

        Raises
        ------
        ConfigError
            The card carries no tape, or one that cannot be read.
        """
        given, way = (
            preset.card.get("scored_tape"),
            "score it on days (`lake=`, `date=`), or keep them with `write=`",
        )
        if given is None:
            raise ConfigError(
                "days to score on", f"none, and no tape on the card of {preset.name}", way
            )
        try:
            found = msgspec.convert(given, _StoredTape, strict=False)
            return cls(
                stretches=found.stretches,
                clock_ns=found.clock_ns,
                hours=found.hours,
                references=tuple(Reference.of_json(one) for one in found.references),
                odd=None if found.odd is None else Reference.of_json(found.odd),
                interleaved_floor_mean_l1=found.interleaved_floor_mean_l1,
                floors=found.floors,
                gates=_floats(found.gates),
                gates_train=_floats(found.gates_train),
                dynamics=found.dynamics,
                notes=found.notes,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "a card with a tape as `tercel market score` keeps it with `write=`",
                f"{preset.name}: {error!r}",
                way,
            ) from error


def half_sample(seen: Sequence[Observed], clock_ns: int, odd: bool) -> Sample | None:
    """Every other half hour of some stretches as one sample; None if there is too little."""
    try:
        return sample(half_hours(seen, odd), clock_ns)
    except ConfigError:
        return None


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the given values."""
    given = [value for value in values if value is not None]
    return float(np.mean(given)) if given else None


def rounded(value: Any, digits: int) -> Any:
    """Round the numbers of a table to `digits` significant digits; nan and infinity become None."""
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if np.isfinite(value) else None
    return value


class _StoredTape(msgspec.Struct):
    """Entry of a card as :meth:`HeldOutTape.to_card` writes it."""

    stretches: tuple[Stretch, ...]
    clock_ns: int
    hours: tuple[float, float]
    interleaved_floor_mean_l1: float | None
    floors: dict[str, Floor]
    gates: dict[str, float | None]
    gates_train: dict[str, float | None]
    dynamics: dict[str, TapeFigure]
    notes: tuple[str, ...]
    references: tuple[StoredReference, ...]
    odd: StoredReference | None


def _floats(given: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else float(value) for name, value in given.items()}


def _notes(labels: Sequence[str], test: Sequence[Observed], floors: bool) -> list[str]:
    """Notes about the days of a score: halts, gaps, missing floors."""
    seen = list(zip(labels, (o.counts for o in test), strict=True))
    lines = [f"{label}: {n['halts']} halts, left out" for label, n in seen if n["halts"]]
    lines += [
        f"{label}: the book was cleared {n['clears']} times, each a gap"
        for label, n in seen
        if n["clears"]
    ]
    if not floors:
        lines.append("no day of its calibration is in the lake: no floors")
    window = max(o.window for o in test)
    if window:
        lines.append(
            f"the feed shows {window} levels: the simulated market is read through as many"
        )
    return lines


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated stretches: `seen[d][s]` and `samples[d][s]` for stretch d of the tape and seed s."""

    seen: list[list[Observed]]
    samples: list[list[Sample]]

    @classmethod
    def like(cls, tape: HeldOutTape, preset: Preset, seeds: Sequence[int] = SEEDS) -> "Simulated":
        """One path for each stretch of the tape and each seed; whole days of tape are another for each stretch."""
        paths = [
            [preset.path(seed, number) for seed in seeds] for number in range(len(tape.stretches))
        ]
        seen = [
            [simulated(preset, seed, one) for seed in row]
            for one, row in zip(tape.stretches, paths, strict=True)
        ]
        return cls(seen, [[sample(o, tape.clock_ns) for o in row] for row in seen])


class ScoreDraw:
    """Input of a score, drawn once.

    Parameters
    ----------
    preset : Preset
    test, train : sequence of Day
        Held out, and calibrated on.
    seeds : sequence of int
        One simulated path each and test day.

    Attributes
    ----------
    test_seen, train_seen, sim_seen : lists of Observed
        `sim_seen[d][s]` of test day d and seed s.
    test, train, sims : lists of Sample
        By the tape's clock.
    tape : Tape
    made : Simulated
    """

    def __init__(
        self,
        preset: Preset,
        test: Sequence[Day],
        train: Sequence[Day],
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        of_one_market(preset, test)
        self.preset = preset
        self.test_seen = [day.seen() for day in test]
        self.train_seen = [day.seen() for day in train]
        self.clock_ns = max(clock_of(o) for o in [*self.test_seen, *self.train_seen])
        self.test, self.train = (
            [sample(o, self.clock_ns) for o in seen] for seen in (self.test_seen, self.train_seen)
        )
        labels = [day.label for day in test]
        self.tape = HeldOutTape.of(
            labels, self.test_seen, self.train_seen, self.test, self.train, self.clock_ns
        )
        self.made = Simulated.like(self.tape, preset, seeds)
        self.sim_seen = self.made.seen
        self.sims = self.made.samples


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
    """Realism of a market; its fields are what `tercel market score` prints as JSON.

    `gates_train` are the gates against the days calibrated on, `gates_level` those of the test days with their level
    taken out: where a gate is missed on the test days and passed on the others, the day has changed and not the model
    failed. `impact` has the figures of an impact card, None where it was not measured; `prediction` and `teaches` are
    the preset's own, for :func:`stored_prediction` and :func:`stored_lessons`.
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


def distance_table(tape: HeldOutTape, made: Simulated) -> dict[str, Distance]:
    """Distances of every statistic, means over test days and seeds."""
    pairs = [(r, s) for r, sims in zip(tape.references, made.samples, strict=True) for s in sims]
    found, moved = [r.l1(s) for r, s in pairs], [r.wasserstein(s) for r, s in pairs]
    return {
        name: Distance(
            mean_of(row[name] for row in found),
            mean_of(row[name] for row in moved),
            floors.floor_l1,
            floors.pooled_floor_l1,
        )
        for name, floors in tape.floors.items()
    }


def _mean14(column: Mapping[str, float | None]) -> float | None:
    """MEAN14 of one column, None where it is empty."""
    known = {name: value for name, value in column.items() if value is not None}
    return mean14(known) if "spread" in known else None


def interleaved(tape: HeldOutTape, made: Simulated) -> float | None:
    """MEAN14 of every other simulated half hour against the tape's half hours between, days together; mean over seeds.

    The tape's own such half hours are `tape.interleaved_floor_mean_l1` away: days that differ among themselves forgive
    nothing here.
    """
    if tape.odd is None:
        return None
    drawn = [half_sample(days, tape.clock_ns, False) for days in zip(*made.seen, strict=True)]
    return mean_of(mean14(tape.odd.l1(one)) for one in drawn if one is not None)


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


def score(
    drawn: ScoreDraw,
    *,
    classifier: bool = True,
    impact: Mapping[str, Any] | None = None,
    conditional: bool = True,
) -> ScoreCard:
    """Score a preset against days of tape.

    Parameters
    ----------
    drawn : ScoreDraw
        Real and simulated stretches.
    classifier : bool
        Train the classifier (needs scikit-learn).
    impact : mapping, optional
        Results of an impact card; its keys are None without.
    conditional : bool
        Distances given the spread and the time of day.
    """
    simulated, real = classifier_scores(drawn) if classifier else (None, None)
    return replace(
        _described(drawn.preset, drawn.tape, drawn.made, impact),
        conditional=conditional_table(drawn) if conditional else {},
        classifier_auc=simulated,
        classifier_auc_real=real,
    )


def score_by_card(preset: Preset, seeds: Sequence[int]) -> ScoreCard:
    """Score a preset against the held-out tape in its card, as far as a card allows.

    Raises
    ------
    ConfigError
        The card carries no tape.
    """
    tape = HeldOutTape.of_card(preset)
    found = _described(
        preset,
        tape,
        Simulated.like(tape, preset, seeds),
        preset.card.get("scores", {}).get("impact"),
    )
    return replace(found, notes=[*found.notes, BY_CARD])


BY_CARD: Final = (
    "compared with the tape on its card: Wasserstein, distances given the spread and the half hour, and the classifier "
    "need the days themselves, of a lake"
)


def _described(
    preset: Preset, tape: HeldOutTape, made: Simulated, impact: Mapping[str, Any] | None
) -> ScoreCard:
    """A score without what needs the days."""
    table = distance_table(tape, made)
    sims = numbers([s for row in made.samples for s in row])
    return ScoreCard(
        model=preset.model,
        preset=preset.name,
        calibrated_on=calibrated_on(preset),
        scored_on=[one.label for one in tape.stretches],
        judged=preset.model == JUDGED_MODEL and min(tape.hours) >= JUDGED_HOURS,
        distances=table,
        mean_l1=_mean14({name: row.l1 for name, row in table.items()}),
        floor_mean_l1=_mean14({name: row.floor_l1 for name, row in table.items()}),
        pooled_floor_mean_l1=_mean14({name: row.pooled_floor_l1 for name, row in table.items()}),
        interleaved_mean_l1=interleaved(tape, made),
        interleaved_floor_mean_l1=tape.interleaved_floor_mean_l1,
        gates=gates(tape.gates, sims),
        gates_train=gates(tape.gates_train, sims) if tape.gates_train else {},
        gates_level=at_level(tape.gates, tape.gates_train, sims) if tape.gates_train else {},
        dynamics=judge(tape.dynamics, [sums_of(o) for row in made.seen for o in row]),
        conditional={},
        classifier_auc=None,
        classifier_auc_real=None,
        impact={key: (impact or {}).get(key) for key in IMPACT_KEYS},
        prediction=preset.card.get("prediction"),
        teaches=preset.card.get("teaches"),
        seeds=len(made.seen[0]),
        notes=list(tape.notes),
    )


def keep(preset: Preset, tape: HeldOutTape, card: ScoreCard) -> Preset:
    """The preset with its scores, and the tape they were taken on, in its card."""
    return preset.model_copy(
        update={"card": {**preset.card, "scores": compact(card), "scored_tape": tape.to_card()}}
    )


def calibrated_on(preset: Preset) -> list[str]:
    """Calibration days of a preset's card, with the stretch where it is not the whole session."""
    card = preset.card
    start, end = card.get("window_s") or (card.get("from_s"), card.get("to_s"))
    days = [str(day) for day in card.get("days", [])]
    if start is None and end is None:
        return days
    return [
        f"{day} [{start or 0:g} to {'the close' if end is None else f'{end:g} s'}]" for day in days
    ]


def classifier_scores(drawn: ScoreDraw) -> tuple[float | None, float | None]:
    """Mean AUC of simulated against real, and of real train days against real test days."""
    simulated = [
        classifier_auc(seen, sims[i % len(sims)], drawn.clock_ns)
        for i, (seen, sims) in enumerate(zip(drawn.test_seen, drawn.sim_seen, strict=True))
    ]
    train = drawn.train_seen
    real = [
        classifier_auc(seen, train[i % len(train)], drawn.clock_ns)
        for i, seen in enumerate(drawn.test_seen)
        if train
    ]
    return mean_of(simulated), mean_of(real)


def conditional_table(drawn: ScoreDraw) -> dict[str, GivenDistance]:
    """Distances given the spread and given the time of day, means over test days and seeds."""
    found: list[dict[str, float | None]] = []
    floor: list[dict[str, float | None]] = []
    for seen, sims in zip(drawn.test_seen, drawn.sim_seen, strict=True):
        reference = ConditionalReference(seen, drawn.clock_ns)
        found += [reference.l1([o]) for o in sims]
        floor += [reference.l1(drawn.train_seen)] if drawn.train_seen else []
    return {
        name: GivenDistance(mean_of(f[name] for f in found), mean_of(f[name] for f in floor))
        for name in found[0]
    }


SECONDARY: Final = (
    "conditional",
    "gates_train",
    "gates_level",
    "calibrated_on",
    "preset",
    "prediction",
    "teaches",
)


def compact(card: ScoreCard, digits: int = 4) -> Card:
    """A score reduced for a preset's card: figures rounded, secondary tables dropped."""
    short = {name: value for name, value in vars(card).items() if name not in SECONDARY}
    short["dynamics"] = {
        name: ScoreGate(row.value, row.real, row.passed) for name, row in card.dynamics.items()
    }
    found: Card = rounded(to_jsonable(short), digits)
    return found


# -- what cards keep -------------------------------------------------------------------------------
# Parts of a preset's card that programs read.


@dataclass(frozen=True)
class StoredScores:
    """Scores on a card as :func:`compact` writes them, without fields that no table shows."""

    judged: bool = False
    mean_l1: float | None = None
    floor_mean_l1: float | None = None
    pooled_floor_mean_l1: float | None = None
    classifier_auc: float | None = None
    gates: Mapping[str, ScoreGate] = field(default_factory=dict)
    dynamics: Mapping[str, ScoreGate] = field(default_factory=dict)

    @classmethod
    def of(cls, preset: Preset) -> Self:
        """Read a preset's card; all fields are empty if it was never scored."""
        return msgspec.convert(preset.card.get("scores") or {}, cls)


class RankCorrelation(msgspec.Struct):
    """Spearman's correlation of simulated and tape costs, its interval, and the tape's with itself."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    ceiling: float | None


class Signs(msgspec.Struct):
    """Pairs of strategies that differ significantly on tape, and the share of them that simulation orders alike."""

    told: int
    agree: float | None


class StoredPrediction(msgspec.Struct):
    """Prediction on a card as `tercel market predict` writes it, without fields that no table shows."""

    days: list[str]
    strategies: int
    spearman: RankCorrelation
    spearman_resting: RankCorrelation
    signs: Signs


class Beside(msgspec.Struct):
    """A figure simulated, and on tape."""

    simulated: float | None
    tape: float | None


class StoredLessons(msgspec.Struct):
    """Result of `tercel market fills` on a card: by seconds, shares filled, mark-outs and R²."""

    carry: float | None = None
    filled: dict[str, Beside] | None = None
    markouts_bps: dict[str, Beside] | None = None
    horizons: dict[str, Beside] | None = None


def stored_prediction(card: Any) -> StoredPrediction | None:
    """The prediction that a score or a preset's card has."""
    return msgspec.convert(card, StoredPrediction) if card else None


def stored_lessons(card: Any) -> StoredLessons | None:
    """Result of `tercel market fills` in a score or on a preset's card; None if missing."""
    return msgspec.convert(card, StoredLessons) if card else None
