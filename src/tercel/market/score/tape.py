"""Held-out tape in compact form for a preset's card, so that a market can be scored without the days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.market.flow.port import Preset
from tercel.market.observed import Observed
from tercel.market.score.days import Stretch, half_hours
from tercel.market.score.distance import Reference, mean14, numbers
from tercel.market.score.dynamics import Dynamics, of_tape, sums_of
from tercel.market.score.sample import Sample, sample

DIGITS: Final = 5


@dataclass(frozen=True, eq=False)
class HeldOutTape:
    """Held-out days with reference figures of the calibration days.

    Attributes
    ----------
    stretches : tuple of Stretch
        Held out.
    clock_ns : int
        What waits are measured with.
    hours : tuple of float
        Calibrated on, and held out.
    references : tuple of Reference
        One for each stretch.
    odd : Reference, optional
        Every other half hour of all stretches together; None where there is too little of it.
    interleaved_floor_mean_l1 : float, optional
        MEAN14 of the other half hours against these.
    floors : dict of str to dict
        "floor_l1" and "pooled_floor_l1" of each statistic, means over stretches; None without days calibrated on.
    gates, gates_train : dict of str to float
        What gates compare, held out and calibrated on (empty without).
    dynamics : dict of str to dict
        See :mod:`tercel.market.score.dynamics`.
    notes : tuple of str
        What has to be known about the days.
    """

    stretches: tuple[Stretch, ...]
    clock_ns: int
    hours: tuple[float, float]
    references: tuple[Reference, ...]
    odd: Reference | None
    interleaved_floor_mean_l1: float | None
    floors: dict[str, dict[str, float | None]]
    gates: dict[str, float]
    gates_train: dict[str, float]
    dynamics: Dynamics
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
                name: {
                    "floor_l1": mean_of(row[name] for row in single),
                    "pooled_floor_l1": mean_of(row[name] for row in pooled),
                }
                for name in references[0].l1(test_samples[0])
            },
            gates=numbers(test_samples),
            gates_train=numbers(train_samples) if train_samples else {},
            dynamics=of_tape([sums_of(o) for o in test], [sums_of(o) for o in train]),
            notes=tuple(_notes(labels, test, bool(train))),
        )

    def to_card(self) -> dict[str, Any]:
        """Its entry in a preset's card: figures of five digits, bins exact."""
        figures = rounded(
            {
                name: getattr(self, name)
                for name in (
                    "interleaved_floor_mean_l1",
                    "floors",
                    "gates",
                    "gates_train",
                    "dynamics",
                )
            },
            DIGITS,
        )
        return {
            "stretches": [asdict(one) for one in self.stretches],
            "clock_ns": self.clock_ns,
            "hours": list(self.hours),
            **figures,
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
            return cls(
                stretches=tuple(Stretch(**one) for one in given["stretches"]),
                clock_ns=int(given["clock_ns"]),
                hours=(float(given["hours"][0]), float(given["hours"][1])),
                references=tuple(Reference.of_json(one) for one in given["references"]),
                odd=None if given["odd"] is None else Reference.of_json(given["odd"]),
                gates=_floats(given["gates"]),
                gates_train=_floats(given["gates_train"]),
                notes=tuple(given["notes"]),
                **{
                    name: given[name]
                    for name in ("interleaved_floor_mean_l1", "floors", "dynamics")
                },
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
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
    """A table with its numbers rounded to so many digits; what is not a number becomes None."""
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if np.isfinite(value) else None
    return value


def _floats(given: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else float(value) for name, value in given.items()}


def _notes(labels: Sequence[str], test: Sequence[Observed], floors: bool) -> list[str]:
    """What a reader of the score has to know about its days."""
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
