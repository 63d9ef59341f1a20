"""Held-out days of tape in compact form: the reference of a realism score, small enough for a preset's card."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.serialization import to_jsonable
from tercel.market.flow.port import Card, Preset
from tercel.market.observed import Observed
from tercel.market.score.ceilings import Ceilings, RecordedStretch, recorded_ceilings
from tercel.market.score.distance import Reference, StoredReference, mean14, mean_of
from tercel.market.score.dynamics import TapeFigure, tape_figures
from tercel.market.score.realism_gates import gate_values
from tercel.market.score.sample import sample
from tercel.market.score.scored_days import Stretch, half_sample

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
    ceilings : Ceilings, optional
        Recorded days against recorded days; None on cards of before, and where too little was recorded.
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
    ceilings: Ceilings | None
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, test: Sequence[RecordedStretch], train: Sequence[RecordedStretch], clock_ns: int
    ) -> "HeldOutTape":
        """Held-out tape in compact form from the stretches of test and train days.

        Ceilings are of all stretches of the test days' symbol, each moment once.

        Raises
        ------
        ConfigError
            Test days of two symbols, or one of them twice.
        """
        train_seen = [stretch.observed for stretch in train]
        train_samples = [stretch.sample for stretch in train]
        more = [
            stretch
            for stretch in train
            if stretch.day.instrument.symbol == test[0].day.instrument.symbol
            and not any(map(stretch.overlaps, test))
        ]
        references = tuple(Reference.of(one.sample) for one in test)
        pool = sample(train_seen, clock_ns) if train else None
        single = [r.l1(s) for r in references for s in train_samples]
        pooled = [r.l1(pool) for r in references] if pool else []
        seen = [stretch.observed for stretch in test]
        odd, even = (half_sample(seen, clock_ns, odd) for odd in (True, False))
        halves = None if odd is None else Reference.of(odd)
        return cls(
            stretches=tuple(
                Stretch(
                    one.day.label, one.observed.from_s, one.observed.seconds, one.observed.window
                )
                for one in test
            ),
            clock_ns=clock_ns,
            hours=(
                sum(o.seconds for o in train_seen) / 3600.0,
                sum(o.seconds for o in seen) / 3600.0,
            ),
            references=references,
            odd=halves,
            interleaved_floor_mean_l1=None
            if halves is None or even is None
            else mean14(halves.l1(even)),
            floors={
                name: Floor(
                    mean_of(row[name] for row in single), mean_of(row[name] for row in pooled)
                )
                for name in references[0].l1(test[0].sample)
            },
            gates=gate_values([one.sample for one in test]),
            gates_train=gate_values(train_samples) if train_samples else {},
            dynamics=tape_figures([one.sums for one in test], [one.sums for one in train]),
            ceilings=recorded_ceilings([*test, *more], clock_ns),
            notes=tuple(_notes([one.day.label for one in test], seen, bool(train))),
        )

    def to_card(self) -> Card:
        """The tape as an entry of a preset's card: figures of five digits, bins exact."""
        figures = {
            "interleaved_floor_mean_l1": self.interleaved_floor_mean_l1,
            "floors": self.floors,
            "gates": self.gates,
            "gates_train": self.gates_train,
            "dynamics": self.dynamics,
            "ceilings": self.ceilings,
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
                ceilings=stored.ceilings,
                notes=stored.notes,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "a card with a tape as `tercel market score` keeps it with `write=`",
                f"{preset.name}: {error!r}",
                remedy,
            ) from error


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
    ceilings: Ceilings | None = None


def _floats(given: Mapping[str, float | None]) -> dict[str, float]:
    """A table of numbers in which None becomes NaN."""
    return {name: float("nan") if value is None else float(value) for name, value in given.items()}


def _notes(labels: Sequence[str], test: Sequence[Observed], floors: bool) -> list[str]:
    """Notes for people on the days of a score: halts, gaps, missing ceilings."""
    seen = list(zip(labels, (o.counts for o in test), strict=True))
    lines = [f"{label}: halts, left out: {n['halts']}" for label, n in seen if n["halts"]]
    lines += [
        f"{label}: the book was cleared {n['clears']} times, each a gap"
        for label, n in seen
        if n["clears"]
    ]
    if not floors:
        lines.append("no day of its calibration is in the lake: no ceilings of distances")
    window = max(o.window for o in test)
    if window:
        lines.append(
            f"the feed shows {window} levels: the simulated market is read through as many"
        )
    return [*dict.fromkeys(lines)]
