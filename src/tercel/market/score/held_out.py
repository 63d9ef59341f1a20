"""Held-out days of tape in compact form: the reference of a realism score, small enough for a preset's card."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.serialization import to_jsonable
from tercel.market.flow.port import Card, Preset
from tercel.market.observed import Observed
from tercel.market.score.distance import Reference, StoredReference, mean14
from tercel.market.score.dynamics import TapeFigure, sums_of, tape_figures
from tercel.market.score.realism_gates import gate_values
from tercel.market.score.sample import Sample, sample
from tercel.market.score.scored_days import Stretch, half_hours

DIGITS: Final = 5


@dataclass(frozen=True)
class Floor:
    """Floors of one statistic, L1 between real days: to another day, and to all of them pooled."""

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
        """Held-out tape in compact form from observed events and samples of test and train days."""
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
            gates=gate_values(test_samples),
            gates_train=gate_values(train_samples) if train_samples else {},
            dynamics=tape_figures([sums_of(o) for o in test], [sums_of(o) for o in train]),
            notes=tuple(_notes(labels, test, bool(train))),
        )

    def to_card(self) -> Card:
        """The tape as an entry of a preset's card: figures of five digits, bins exact."""
        figures = {
            "interleaved_floor_mean_l1": self.interleaved_floor_mean_l1,
            "floors": self.floors,
            "gates": self.gates,
            "gates_train": self.gates_train,
            "dynamics": self.dynamics,
        }
        return {
            "stretches": [asdict(stretch) for stretch in self.stretches],
            "clock_ns": self.clock_ns,
            "hours": list(self.hours),
            **round_values(to_jsonable(figures), DIGITS),
            "notes": list(self.notes),
            "references": [reference.to_json() for reference in self.references],
            "odd": None if self.odd is None else self.odd.to_json(),
        }

    @classmethod
    def from_card(cls, preset: Preset) -> "HeldOutTape":
        """The tape that is stored in a preset's card.

        Raises
        ------
        ConfigError
            The card carries no tape, or one that cannot be read.
        """
        entry = preset.card.get("scored_tape")
        remedy = "score it on days (`lake=`, `date=`), or keep them with `write=`"
        if entry is None:
            raise ConfigError(
                "days to score on", f"none, and no tape on the card of {preset.name}", remedy
            )
        try:
            stored = msgspec.convert(entry, _StoredTape, strict=False)
            return cls(
                stretches=stored.stretches,
                clock_ns=stored.clock_ns,
                hours=stored.hours,
                references=tuple(Reference.of_json(reference) for reference in stored.references),
                odd=None if stored.odd is None else Reference.of_json(stored.odd),
                interleaved_floor_mean_l1=stored.interleaved_floor_mean_l1,
                floors=stored.floors,
                gates=_floats(stored.gates),
                gates_train=_floats(stored.gates_train),
                dynamics=stored.dynamics,
                notes=stored.notes,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "a card with a tape as `tercel market score` keeps it with `write=`",
                f"{preset.name}: {error!r}",
                remedy,
            ) from error


def half_sample(observed: Sequence[Observed], clock_ns: int, odd: bool) -> Sample | None:
    """Every other half hour of some stretches (the odd or the even ones) as one sample; None if there is too little."""
    try:
        return sample(half_hours(observed, odd), clock_ns)
    except ConfigError:
        return None


def mean_of(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def round_values(value: Any, digits: int) -> Any:
    """The numbers of a table rounded to `digits` significant digits; NaN and infinity become None."""
    if isinstance(value, Mapping):
        return {key: round_values(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [round_values(item, digits) for item in value]
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
    """A table of numbers in which None becomes NaN."""
    return {name: float("nan") if value is None else float(value) for name, value in given.items()}


def _notes(labels: Sequence[str], test: Sequence[Observed], floors: bool) -> list[str]:
    """Notes for people on the days of a score: halts, gaps, missing floors."""
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
