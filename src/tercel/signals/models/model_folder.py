"""A trained model as a folder: what `signals train` writes, and `signals predict` and a desk read.

    model = load(Path("o/model"))
    model.alphas({"daily.ret_5": [0.1, -0.2]}, ["AAA", "BBB"], at_ns)     one `Alpha` a name

`fusion.json` holds the weights, an npz what each part learned, `walk.parquet` the forecasts out of sample,
`updates.jsonl` how parameters moved where they learn online, `card.json` all else: the configuration, seed, scale, and
the hash of every file and of itself. Nothing in it can run code when it is read. Training writes the card last: a
folder without one was cut short. `served.jsonl` continues `updates.jsonl` with what was learned since.

Families of models, each behind scikit-learn's interface.
"""

import hashlib
import importlib
import importlib.util
import inspect
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, DataError, check_known, offer, refuse_if
from tercel.core.extras import entry_point, entry_point_names
from tercel.core.files import file_hash
from tercel.core.messages import Alpha
from tercel.core.serialization import parse_json
from tercel.core.toml import fitting
from tercel.signals.models.fusion import BOUNDED, BaseModel, BoundedLinear, Fusion
from tercel.signals.models.skill import AlphaScale, Skill

if TYPE_CHECKING:
    import polars as pl


# -- port -----------------------------------------------------------------------------------------
# The port: families of models, each a card that says what makes its models.
#
# To add a family: a class in `signals.models.regressors`, a row of `FAMILIES`, and a test class that inherits
# :class:`certify.kits.signal_model.SignalModelConformance`. A package of one's own names its card in the entry
# point group ``tercel.families``; `studies` so gives support vector machines and sequence networks.

GROUP: Final = "tercel.families"


@dataclass(frozen=True)
class FamilyCard:
    """Card of a family of models: its libraries, classes and limits, known before it is tried.

    Parameters
    ----------
    name : str
        As in tables and configurations.
    about : str
        One line.
    needs : tuple of str
        Modules that it imports.
    model : str
        ``module:Class`` of its forecast.
    settings : mapping
        Parameters that set it apart from other families of the same classes.
    extra : str
        Of `tercel`, that brings `needs`.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: str = "signals"

    def make(self, seed: int = 0, **settings: Any) -> Any:
        """An unfitted model of this family.

        Raises
        ------
        ConfigError
            When a library is absent (the extra is named), or the family does not know a setting or cannot be so.
        """
        if (lacking := absent(self)) is not None:
            raise ConfigError(
                f"the extra [{self.extra}]",
                f"no module {lacking}",
                f"pip install 'tercel[{self.extra}]'",
            )
        module, _, kind = self.model.partition(":")
        made = getattr(importlib.import_module(module), kind)
        known = inspect.signature(made).parameters
        for key in settings:
            check_known(key, known, f"settings of {self.name}:")
        fitting(made, settings, f"settings of {self.name}")
        seeded = {"random_state": seed} if "random_state" in known else {}
        return made(**{**seeded, **self.settings, **settings})


FAMILIES: Final = {
    card.name: card
    for card in (
        FamilyCard(
            "linear", "ridge regression", ("sklearn",), "tercel.signals.models.regressors:Ridge"
        ),
        FamilyCard(
            "forest",
            "random forest, 150 trees",
            ("sklearn",),
            "tercel.signals.models.regressors:ForestRegressor",
        ),
        FamilyCard(
            "boosting",
            "gradient boosting, LightGBM",
            ("lightgbm", "sklearn"),
            "tercel.signals.models.regressors:BoostingRegressor",
        ),
    )
}


def families() -> tuple[str, ...]:
    """Names of all families, those of installed packages last; their libraries may be absent."""
    return (*FAMILIES, *entry_point_names(GROUP))


def family(name: str) -> FamilyCard:
    """The card of a family; a package cannot take the name of one of these.

    Raises
    ------
    UnknownNameError
        No such family; the nearest name is offered, or the folder of a clone that has it.
    """
    if name in FAMILIES:
        return FAMILIES[name]
    card: FamilyCard = entry_point(GROUP, name, FAMILIES, "one of", f"family {name!r}")
    return card


def absent(card: FamilyCard) -> str | None:
    """The first library of `card` that is not installed, None when all are."""
    return next((name for name in card.needs if importlib.util.find_spec(name) is None), None)


CARD: Final = "card.json"
WEIGHTS: Final = "fusion.json"
WALK: Final = "walk.parquet"
UPDATES: Final = "updates.jsonl"
SERVED: Final = "served.jsonl"
BASE: Final = "base"
"""Key of a card: the folder that its configuration's paths are taken from, seen from the card; no part of any hash."""
MODEL: Final = "model"
"""Name of the model folder in a run's folder."""
RUNS: Final = Path("runs")
FORMAT: Final = 4
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile)
"""Errors of reading a damaged file."""
AGAIN: Final = "train it again: tercel signals train CONFIG.toml `out=FOLDER`"
SHIPPED: Final = Path(__file__).parent / "packaged"


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
    """A line of the journal: the old and the new value of each parameter of a source that moved at a date.

    `model` is the id of the model that was served when it moved; empty in training.
    """

    at: str
    source: str
    moved: dict[str, tuple[float | None, float]]
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """The line as it is written."""
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
        return (
            "No source is statistically significant out of sample: all have weight 0, every forecast is 0, and a desk "
            "trades as without a forecast"
            if not self.fusion.weights.any()
            else ""
            if self.scale.unit_bps > 0
            else "The slope of returns on the fused forecast is not above 0 out of sample: every forecast is 0, and a "
            "desk trades as without a forecast"
        )

    @property
    def online(self) -> bool:
        """Whether its parameters move from date to date."""
        return self.facts.updates is not None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features that it reads."""
        return tuple(dict.fromkeys(name for one in self.models for name in one.names))

    def part_forecasts(self, features: Mapping[str, ArrayLike]) -> Floats:
        """Forecasts of each part, float64 (n, K), from columns by name; a column that is not there is missing."""
        rows = max((np.size(column) for column in features.values()), default=0)
        by_model, gap = np.full((rows, len(self.models)), np.nan), np.full(rows, np.nan)
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
        """A message per instrument of one cross-section; a column that is not there, or NaN in all of a source, is
        missing.

        Raises
        ------
        DataError
            When columns and instruments do not match.
        ConfigError
            When a forecast is no number.
        """
        by_model, scale = self.part_forecasts(features), self.scale
        refuse_if(
            len(by_model) != len(instruments),
            "a row per instrument",
            f"{len(by_model)} rows, {len(instruments)} instruments",
            "line them up",
            DataError,
        )
        value, sd = self.fusion.combine(by_model)
        speaks = (self.fusion.weights * scale.unit_bps > 0) & ~np.isnan(by_model)
        expected, deviation = self.bps(value), scale.sd_bps * sd / scale.full_sd
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
                        one.source
                        for one, said in zip(self.models, speaks[row], strict=True)
                        if said
                    )
                ),
            )
            for row, instrument in enumerate(instruments)
        ]

    def bps(self, value: Floats) -> Floats:
        """Basis points of fused values (n,): of a panel, what a name is expected to do beyond its cross-section."""
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
        known = self.features
        for name, value in features.items():
            if name not in known:
                raise DataError(
                    f"features of model {self.name!r}",
                    repr(name),
                    offer(name, known, "leave it out"),
                )
            if value is not None and not math.isfinite(value):
                raise DataError(
                    "features that are numbers, or None",
                    f"{value} in {name} of {instrument} at {at_ns}",
                    "send None where a fact is missing",
                )
        columns = {
            name: [math.nan if (value := features.get(name)) is None else value] for name in known
        }
        return self.alphas(columns, [instrument], at_ns)[0]

    def walk(self) -> "pl.DataFrame":
        """Forecasts out of sample, one row per name and date: time, start, end, name, value, sd, expected_bps, outcome, y;
        basis points by the scale that was known when the row's test block began, NaN in the first.

        Raises
        ------
        DataError
            When the folder has none.
        """
        import polars as pl

        if self.facts.walk is None:
            raise DataError(f"forecasts out of sample in {self.folder}", f"no {WALK}", AGAIN)
        return pl.read_parquet(io.BytesIO(_checked(self.folder, self.facts.walk)))

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
        """:meth:`updates`, and what to say of a last line that was cut short, which is no part of them."""
        if self.facts.updates is None:
            raise DataError(
                f"a journal of updates in {self.folder}",
                f"no {UPDATES}",
                "set train.update and train again",
            )
        trained = _checked(self.folder, self.facts.updates).splitlines()
        lines = [msgspec.convert(parse_json(line), ParameterMove) for line in trained]
        known = {(one.source, name): new for one in lines for name, (_, new) in one.moved.items()}
        last, file = {one.source: one.at for one in lines}, self.folder / SERVED
        *whole, rest = (file.read_bytes() if file.is_file() else b"").split(b"\n")
        cut = ""
        try:
            parse_json(rest.decode() or "0")
        except ValueError:
            cut = f"row {len(whole) + 1} of {file} was cut short: it is left out, and learned again"
        for row, text in enumerate([*whole, *[rest] * bool(rest and not cut)], 1):
            try:
                one = msgspec.convert(parse_json(text.decode()), ParameterMove)
                follows = one.model == self.id and one.at >= last[one.source]
                for name, (old, new) in one.moved.items():
                    follows &= known[one.source, name] == old
                    known[one.source, name] = new
            except DAMAGED:
                follows = False
            if not follows:
                raise DataError(
                    "a line that continues the journal of this model",
                    f"row {row} of {file}",
                    "remove it and all after it, or the file: predict learns them again",
                )
            lines.append(one)
            last[one.source] = one.at
        return lines, cut


def save(
    folder: Path,
    model: SignalModel,
    about: Mapping[str, Any],
    walk: "pl.DataFrame | None" = None,
    updates: Sequence[ParameterMove] = (),
) -> SignalModel:
    """Write a trained fusion, the card last; `about` goes into the card. Returns the model as it is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / CARD, folder / UPDATES, folder / SERVED):
        stale.unlink(missing_ok=True)
    (folder / WEIGHTS).write_text(
        json.dumps(model.fusion.to_json(), indent=1) + "\n", encoding="utf-8"
    )
    parts = []
    for number, one in enumerate(model.models):
        file = folder / f"{number:02d}-{one.family}.npz"
        np.savez_compressed(file, allow_pickle=False, **one.model.to_arrays())
        parts.append(
            {
                "source": one.source,
                "family": one.family,
                "features": list(one.names),
                "used": one.used.tolist(),
                "medians": one.medians.tolist(),
                "parameters": {
                    key: value
                    for key, value in one.model.get_params().items()
                    if isinstance(value, bool | int | float | str | None)
                },
                **_named(file),
            }
        )
    if walk is not None:
        walk.write_parquet(folder / WALK)
    card = {
        "format": FORMAT,
        "inputs": "panel",
        **about,
        "alpha": asdict(model.scale),
        "parts": parts,
        "fusion": _named(folder / WEIGHTS),
        "walk": None if walk is None else _named(folder / WALK),
    }
    if updates:
        (folder / UPDATES).write_text(
            "".join(f"{json.dumps(line.to_json())}\n" for line in updates), encoding="utf-8"
        )
        card["updates"] = _named(folder / UPDATES)
    whole = card | {"sha256": _digest(card)}
    (folder / CARD).write_text(
        json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    return load(folder)


def load(folder: Path) -> SignalModel:
    """The model in a folder.

    Raises
    ------
    DataError
        If the folder has none, its format differs, or a file does not match its hash on the card.
    """
    try:
        card = parse_json((folder / CARD).read_bytes())
        if card["format"] != FORMAT:
            raise DataError(
                f"a trained model of format {FORMAT}, arrays alone",
                f"format {card['format']} in {folder}, whose files were not opened",
                AGAIN,
            )
        if card.get("sha256") != _digest(card):
            raise DataError("a card as it was written", f"{folder / CARD}, which was edited", AGAIN)
        facts = msgspec.convert(card, SignalModelCard)
        fusion = Fusion.from_json(parse_json(_checked(folder, facts.fusion)))
        models = tuple(_part(folder, raw) for raw in facts.parts)
        if fusion.sources != tuple(one.name for one in models):
            raise DataError(
                "a fusion of the model's parts", f"{', '.join(fusion.sources)} in {folder}", AGAIN
            )
        for file in filter(None, (facts.walk, facts.updates)):
            _checked(folder, file)
        if facts.alpha is None:
            raise ValueError("no alpha")
    except OSError as error:
        raise DataError("the folder of a trained model", f"{folder}: {error}", AGAIN) from error
    except DAMAGED as error:
        raise DataError(
            "a model as it was trained", f"{folder}, cut off or edited: {error}", AGAIN
        ) from error
    return SignalModel(fusion, models, facts.alpha, card, folder, _digest(card)[:12])


def folder_at(path: Path, seed: int = 1) -> Path:
    """The model folder that a person means: itself, the folder of the run above it, or a configuration that was trained
    where `signals train` puts it.

    Raises
    ------
    DataError, ConfigError
        If the path has no model, or a file is no configuration.
    """
    tried = [path, path / MODEL]
    if path.is_file() and path.name != CARD:
        refuse_if(
            path.suffix == ".json",
            "the folder of a trained model",
            f"{path}, a file",
            f"name its folder, or {AGAIN}",
            DataError,
        )
        from tercel.signals.runs.config import read_config

        tried = [RUNS / f"signals-{read_config(path).name}-{seed}" / MODEL]
    elif path.name == CARD:
        tried = [path.parent]
    for folder in tried:
        if (folder / CARD).is_file():
            return folder
    raise DataError(
        "the folder of a trained model",
        f"{path}: no {CARD} in {' or '.join(map(str, tried))}",
        "train one: tercel signals train CONFIG.toml `out=FOLDER`",
    )


def seen_from(folder: Path, base: Path) -> Path:
    """Path of files for the card of a model folder: relative to that folder, so that a copied project reads its own
    files; absolute for files outside the project, the folder that holds the run's folder or its `runs`.

    >>> seen_from(Path("/home/me/project/o/model"), Path("/home/me/project/data")).as_posix()
    '../../data'
    >>> seen_from(Path("/home/me/project/o/model"), Path("/data")).as_posix()
    '/data'
    """
    if not base.is_absolute():
        return base
    folder, base = folder.resolve(), Path(os.path.normpath(base))
    tree = folder.parent.parent if folder.parent.parent.name != RUNS.name else folder.parents[2]
    common = Path(os.path.commonpath([folder, base]))
    near = common.is_relative_to(tree) or common == base
    return Path(os.path.relpath(base, folder)) if near and common.name else base


def packaged() -> tuple[str, ...]:
    """Names of the pre-trained models, trained from synthetic material alone; NumPy is all they need to run."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}")))


def load_packaged(name: str) -> SignalModel:
    """A pre-trained model, by name.

    Raises
    ------
    UnknownNameError
        No such model; the nearest name is offered.
    """
    check_known(name, packaged(), said=f"model {name!r}")
    return load(SHIPPED / name)


def _part(folder: Path, raw: StoredPart) -> BaseModel:
    with np.load(
        io.BytesIO(_checked(folder, raw)), allow_pickle=False
    ) as stored:  # one that holds objects is refused
        arrays = {name: stored[name] for name in stored.files}
    if raw.family == BOUNDED:
        model: Any = BoundedLinear(**arrays | {"intercept": float(arrays["intercept"])})
    else:
        model = family(raw.family).make(**raw.parameters).from_arrays(arrays)
    used, medians = np.array(raw.used, np.intp), np.array(raw.medians, np.float64)
    return BaseModel(raw.source, raw.family, raw.features, used, medians, model)


def _checked(folder: Path, named: NamedFile | None) -> bytes:
    """The bytes of a file, which are those that the card names."""
    if named is None:
        raise ValueError("a file that is not named")
    file = folder / Path(named.file).name
    refuse_if(
        not file.is_file(),
        "the file that the card names",
        f"{file}, which is gone",
        AGAIN,
        DataError,
    )
    data = file.read_bytes()
    refuse_if(
        hashlib.sha256(data).hexdigest() != named.sha256,
        "the file that the card names",
        f"{file}, which was changed",
        AGAIN,
        DataError,
    )
    return data


def _named(file: Path) -> dict[str, str]:
    return {"file": file.name, "sha256": file_hash(file)}


def _digest(card: Mapping[str, Any]) -> str:
    """Hash of a card without its own and without the folder where its files lie."""
    body = {key: value for key, value in card.items() if key not in ("sha256", BASE)}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
