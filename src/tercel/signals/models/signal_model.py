"""A trained model (`SignalModel`): fusion, parts, scale, card, forecasts and journal; `model_folder` saves and loads it.

`fusion.json` holds the weights, an npz what each part learned, `walk.parquet` the forecasts out of sample,
`updates.jsonl` how parameters moved where they learn online, `card.json` all else: the configuration, seed, scale, and
the hash of every file and of itself. `served.jsonl` continues `updates.jsonl` with what was learned since training.
"""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import DataError, refuse_if, suggest_name
from tercel.core.messages import Alpha
from tercel.signals.models.fusion import BaseModel, Fusion
from tercel.signals.models.skill import AlphaScale, Skill

if TYPE_CHECKING:
    import polars as pl

CARD: Final = "card.json"
WEIGHTS: Final = "fusion.json"
WALK: Final = "walk.parquet"
UPDATES: Final = "updates.jsonl"
SERVED: Final = "served.jsonl"
BASE: Final = "base"
"""Key of a card: the folder that its configuration's paths are taken from, seen from the card; no part of any hash."""
MODEL: Final = "model"
"""Name of the model folder in a run's folder."""
FORMAT: Final = 4
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile)
"""Errors of reading a damaged file."""
AGAIN: Final = "train it again: tercel signals train CONFIG.toml `out=FOLDER`"


class NamedFile(msgspec.Struct, frozen=True):
    """A file of the folder, and its hash."""

    file: str
    sha256: str


class StoredPart(NamedFile, frozen=True):
    """Source, family and settings of a part; its file has the fitted arrays."""

    source: str
    family: str
    features: tuple[str, ...]
    used: list[int]
    medians: list[float]
    parameters: dict[str, Any]


class SignalModelCard(msgspec.Struct, frozen=True):
    """Fields of a card that programs read."""

    inputs: str = "panel"
    name: str = ""
    note: str = ""
    unjudged: str = ""
    seed: int = 0
    config: dict[str, Any] | None = None
    base: str = ""
    panel: dict[str, str] = {}
    ic: dict[str, Any] | None = None
    alpha: AlphaScale | None = None
    parts: tuple[StoredPart, ...] = ()
    fusion: NamedFile | None = None
    walk: NamedFile | None = None
    updates: NamedFile | None = None


@dataclass(frozen=True)
class ParameterMove:
    """A line of the journal: old and new value of each parameter of a source that moved at a date.

    `model` is the id of the model that was served when it moved; empty in training.
    """

    at: str
    source: str
    moved: dict[str, tuple[float | None, float]]
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Fields of the line by name, empty ones left out."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True, eq=False)
class SignalModel:
    """A trained fusion with its parts and scale.

    Parameters
    ----------
    fusion : Fusion
    models : tuple of BaseModel, length K
        In the order of the fusion.
    scale : AlphaScale
    card : mapping
    folder : Path, optional
    id : str
        The first 12 hex digits of the hash of the card: the same for the same files and settings in any folder.
    """

    fusion: Fusion
    models: tuple[BaseModel, ...]
    scale: AlphaScale
    card: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()
    id: str = ""

    @cached_property
    def facts(self) -> SignalModelCard:
        """Fields of the card that programs read."""
        return msgspec.convert(self.card, SignalModelCard)

    @property
    def inputs(self) -> str:
        """`panel`: features from files; `market`: features that a desk measures live, a forecast in bps."""
        return self.facts.inputs

    @property
    def name(self) -> str:
        """Name of its configuration."""
        return self.facts.name

    @property
    def note(self) -> str:
        """Note for every number of its panel: bias, lags."""
        return self.facts.note

    @property
    def ic(self) -> Skill | None:
        """Rank IC out of sample as training measured it; None where dates were too few."""
        return None if self.facts.ic is None else Skill.of(self.facts.ic)

    @property
    def silent(self) -> str:
        """Why every forecast is 0; empty where it is not."""
        nothing = "has a rank IC above 0" if self.fusion.given else "is statistically significant"
        return (
            f"No source {nothing} out of sample: all have weight 0, every forecast is 0, and a desk trades as without a "
            "forecast"
            if not self.fusion.weights.any()
            else ""
            if self.scale.unit_bps > 0
            else "The slope of returns on the fused forecast is not above 0 out of sample: every forecast is 0, and a "
            "desk trades as without a forecast"
        )

    @property
    def ranks(self) -> bool:
        """Whether its scores make a book: a forecast above 0, or weights that were given and are not all 0."""
        return not self.silent or (self.fusion.given and bool(self.fusion.weights.any()))

    @property
    def warnings(self) -> list[str]:
        """What to say beside every figure: weights that were not judged, and why every forecast is 0."""
        return [*filter(None, (self.facts.unjudged, self.silent))]

    @property
    def online(self) -> bool:
        """Whether its parameters move from date to date."""
        return self.facts.updates is not None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features that it reads."""
        return tuple(dict.fromkeys(name for model in self.models for name in model.names))

    def part_forecasts(self, features: Mapping[str, ArrayLike]) -> Floats:
        """Forecasts of each part, float64 (n, K), from columns by name; a column that is not there is missing."""
        rows = max((np.size(column) for column in features.values()), default=0)
        by_model = np.full((rows, len(self.models)), np.nan)
        gap = np.full(rows, np.nan)
        for k, model in enumerate(self.models):
            x = np.stack(
                [np.asarray(features.get(name, gap), np.float64) for name in model.names], axis=1
            )
            by_model[:, k] = model.predict(x)
        return by_model

    def forecast(self, features: Mapping[str, ArrayLike]) -> tuple[Floats, Floats]:
        """Value and standard deviation (n,), in units of the labels that it was fitted to."""
        return self.fusion.combine(self.part_forecasts(features))

    def alphas(
        self, features: Mapping[str, ArrayLike], instruments: Sequence[str], at_ns: int
    ) -> list[Alpha]:
        """An `Alpha` (bps, deviation, sources with a weight) per instrument of one cross-section; a column that is not
        there, or NaN in all of a source, is missing.

        Raises
        ------
        DataError
            When columns and instruments do not match.
        ConfigError
            When a forecast is no number.
        """
        by_model = self.part_forecasts(features)
        scale = self.scale
        refuse_if(
            len(by_model) != len(instruments),
            "a row per instrument",
            f"{len(by_model)} rows, {len(instruments)} instruments",
            "line them up",
            DataError,
        )
        value, sd = self.fusion.combine(by_model)
        speaks = (self.fusion.weights * scale.unit_bps > 0) & ~np.isnan(by_model)
        expected = self.bps(value)
        deviation = scale.sd_bps * sd / scale.full_sd
        return [
            Alpha(
                instrument,
                at_ns,
                scale.horizon_ns,
                float(expected[row]),
                float(deviation[row]),
                scale.half_life_ns,
                tuple(
                    dict.fromkeys(
                        part.source
                        for part, has_weight in zip(self.models, speaks[row], strict=True)
                        if has_weight
                    )
                ),
            )
            for row, instrument in enumerate(instruments)
        ]

    def bps(self, value: Floats) -> Floats:
        """Fused values (n,), less the fusion's base unless inputs are a market's, in basis points."""
        return self.scale.unit_bps * (
            value - (0.0 if self.inputs == "market" else self.fusion.base)
        )

    def alpha(self, features: Mapping[str, float | None], instrument: str, at_ns: int) -> Alpha:
        """The `Alpha` of one instrument at one moment.

        Parameters
        ----------
        features : mapping of str to float or None
            None, or a feature that is not there: its source is missing. If all are, the forecast is the mean of
            the training and has no source with a weight.
        instrument : str
        at_ns : int

        Raises
        ------
        DataError
            For a feature that is NaN, infinite or not known to the model: a defect of the measurement, not a missing
            fact.
        """
        feature_names = self.features
        for name, value in features.items():
            if name not in feature_names:
                raise DataError(
                    f"features of model {self.name!r}",
                    repr(name),
                    suggest_name(name, feature_names, "leave it out"),
                )
            if value is not None and not math.isfinite(value):
                raise DataError(
                    "features that are numbers, or None",
                    f"{value} in {name} of {instrument} at {at_ns}",
                    "send None where a fact is missing",
                )
        columns = {
            name: [math.nan if (value := features.get(name)) is None else value]
            for name in feature_names
        }
        return self.alphas(columns, [instrument], at_ns)[0]

    def walk(self) -> "pl.DataFrame":
        """Table of forecasts out of sample, one row per name and date.

        Columns: time, start, end, name, value, sd, expected_bps, outcome, y; basis points by the scale that was known when the
        row's test block began, NaN in the first.

        Raises
        ------
        DataError
            When the folder has none.
        """
        import polars as pl

        if self.facts.walk is None:
            raise DataError(f"forecasts out of sample in {self.folder}", f"no {WALK}", AGAIN)
        return pl.read_parquet(io.BytesIO(read_verified(self.folder, self.facts.walk)))

    @cached_property
    def walked_ns(self) -> tuple[Ints, int]:
        """Dates that training forecast, in order, and when the last outcome was known; none and 0 without a walk."""
        if self.facts.walk is None:
            return np.zeros(0, np.int64), 0
        times, ends = self.walk().select("time", "end")
        return times.dt.epoch("ns").unique().sort().to_numpy(), int(ends.dt.epoch("ns").max())  # type: ignore[arg-type]

    def updates(self) -> list[ParameterMove]:
        """The journal of a model that learns online, one line per date and source: what training learned, and then what was
        learned when it was served.

        Raises
        ------
        DataError
            When the folder has none; for a line that does not go on from those before it.
        """
        return self.journal()[0]

    def journal(self) -> tuple[list[ParameterMove], str]:
        """Lines of :meth:`updates`, and a sentence on a last line that was cut short and left out, empty if none was."""
        if self.facts.updates is None:
            raise DataError(
                f"a journal of updates in {self.folder}",
                f"no {UPDATES}",
                "set train.update and train again",
            )
        trained = read_verified(self.folder, self.facts.updates).splitlines()
        lines = [msgspec.convert(parse_json(line), ParameterMove) for line in trained]
        values = {
            (line.source, name): new for line in lines for name, (_, new) in line.moved.items()
        }
        last_at = {line.source: line.at for line in lines}
        file = self.folder / SERVED
        *complete_rows, tail = (file.read_bytes() if file.is_file() else b"").split(b"\n")
        cut_note = ""
        try:
            parse_json(tail.decode() or "0")
        except ValueError:
            cut_note = f"row {len(complete_rows) + 1} of {file} was cut short: it is left out, and learned again"
        for row, text in enumerate([*complete_rows, *[tail] * bool(tail and not cut_note)], 1):
            try:
                move = msgspec.convert(parse_json(text.decode()), ParameterMove)
                continues = move.model == self.id and move.at >= last_at[move.source]
                for name, (old, new) in move.moved.items():
                    continues &= values[move.source, name] == old
                    values[move.source, name] = new
            except DAMAGED:
                continues = False
            if not continues:
                raise DataError(
                    "a line that continues the journal of this model",
                    f"row {row} of {file}",
                    "remove it and all after it, or the file: predict learns them again",
                )
            lines.append(move)
            last_at[move.source] = move.at
        return lines, cut_note


def read_verified(folder: Path, entry: NamedFile | None) -> bytes:
    """Bytes of a file that a model folder's card names; raises DataError if it is gone or its hash is not the card's."""
    if entry is None:
        raise ValueError("a file that is not named")
    file = folder / Path(entry.file).name
    refuse_if(
        not file.is_file(),
        "the file that the card names",
        f"{file}, which is gone",
        AGAIN,
        DataError,
    )
    data = file.read_bytes()
    refuse_if(
        hashlib.sha256(data).hexdigest() != entry.sha256,
        "the file that the card names",
        f"{file}, which was changed",
        AGAIN,
        DataError,
    )
    return data
