"""A saved alpha model: one linear forecast per source, fused; a JSON file that says where it comes from.

    model = load_packaged("demo")
    model.alpha({"ofi": 120.0, "imbalance": 0.3, "news": None, ...}, "AAA", at_ns)  -> Alpha

A feature that is None makes its source missing: the forecast goes on without it, less sure. NaN is refused: it is a
defect of whoever measured, not a missing fact.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.messages import Alpha
from tercel.core.names import check_known, offer
from tercel.core.written import write_whole
from tercel.signals.alpha import to_alpha
from tercel.signals.fusion import Fusion

FORMAT = 1


@dataclass(frozen=True, eq=False)
class SourceModel:
    """The linear forecast of one source, in bps.

    Parameters
    ----------
    features : tuple of str, length F
    low, high : float64 (F,)
        Values beyond are taken as these: what training never saw is not extrapolated.
    coef : float64 (F,)
    intercept : float
    """

    features: tuple[str, ...]
    low: Floats
    high: Floats
    coef: Floats
    intercept: float

    def forecast(self, values: Floats) -> float:
        """The forecast for values (F,); NaN where one is missing."""
        return float(np.clip(values, self.low, self.high) @ self.coef + self.intercept)


@dataclass(frozen=True, eq=False)
class AlphaModel:
    """A model that turns features into `Alpha`.

    Parameters
    ----------
    name : str
    sources : mapping of str to SourceModel
        In the order of the fusion.
    fusion : Fusion
        Of the sources' forecasts, in bps.
    horizon_ns, half_life_ns : int
    card : mapping
        What it was trained on, by which command, and how good it was out of sample.
    """

    name: str
    sources: Mapping[str, SourceModel]
    fusion: Fusion
    horizon_ns: int
    half_life_ns: int
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features that the model reads."""
        return tuple(name for source in self.sources.values() for name in source.features)

    def alpha(self, features: Mapping[str, float | None], instrument: str, at_ns: int) -> Alpha:
        """The `Alpha` of one instrument at one moment.

        Parameters
        ----------
        features : mapping of str to float or None
            None, or a feature that is not there: its source is missing. If all are, the forecast is the mean of
            the training and says of no source that it was heard.
        instrument : str
        at_ns : int

        Raises
        ------
        DataError
            For a feature that is NaN, infinite or not known to the model.
        """
        known = self.features
        for name, value in features.items():
            if name not in known:
                raise DataError(f"features of model {self.name!r}", repr(name), offer(name, known, "leave it out"))
            if value is not None and not math.isfinite(value):
                text = f"{value} in {name} of {instrument} at {at_ns}"
                raise DataError("features that are numbers, or None", text, "send None where a fact is missing")
        forecasts = [self._forecast(source, features) for source in self.sources.values()]
        return to_alpha(
            self.fusion, forecasts, instrument=instrument, at_ns=at_ns, horizon_ns=self.horizon_ns,
            half_life_ns=self.half_life_ns,
        )  # fmt: skip

    @staticmethod
    def _forecast(source: SourceModel, features: Mapping[str, float | None]) -> float:
        values = [features.get(name) for name in source.features]
        return math.nan if None in values else source.forecast(np.array(values, dtype=np.float64))

    def to_json(self) -> dict[str, Any]:
        """As plain values, with a hash of all that forecasts."""
        sources = {
            name: {
                "features": list(one.features), "low": one.low.tolist(), "high": one.high.tolist(),
                "coef": one.coef.tolist(), "intercept": one.intercept,
            }
            for name, one in self.sources.items()
        }  # fmt: skip
        numbers = {"horizon_ns": self.horizon_ns, "half_life_ns": self.half_life_ns}
        body = {"format": FORMAT, "name": self.name, **numbers, "sources": sources, "fusion": self.fusion.to_json()}
        return {**body, "sha256": _digest(body), "card": dict(self.card)}

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_whole(path, json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n")


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def load_model(path: Path) -> AlphaModel:
    """The model in a file.

    Raises
    ------
    DataError
        When the file is no model, was edited, or is of another format.
    """
    return _read(path.read_text(encoding="utf-8"), str(path))


def packaged() -> tuple[str, ...]:
    """Names of the alpha models that ship."""
    here = files("tercel.signals.models_packaged")
    return tuple(sorted(one.name.removesuffix(".json") for one in here.iterdir() if one.name.endswith(".json")))


def load_packaged(name: str) -> AlphaModel:
    """An alpha model that ships, by name.

    Raises
    ------
    UnknownNameError
        No such model; the nearest name is offered.
    """
    check_known(name, packaged(), said=f"model {name!r}")
    return _read((files("tercel.signals.models_packaged") / f"{name}.json").read_text(encoding="utf-8"), name)


def _read(text: str, where: str) -> AlphaModel:
    remedy = "train it again: tercel signals train"
    try:
        raw = json.loads(text)
        body = {key: raw[key] for key in ("format", "name", "horizon_ns", "half_life_ns", "sources", "fusion")}
        if raw["format"] != FORMAT:
            raise DataError(f"an alpha model of format {FORMAT}", f"format {raw['format']} in {where}", remedy)
        if raw["sha256"] != _digest(body):
            raise DataError("a model as it was trained", f"{where}, which was edited", remedy)
        sources = {
            name: SourceModel(
                tuple(one["features"]), np.array(one["low"], np.float64), np.array(one["high"], np.float64),
                np.array(one["coef"], np.float64), float(one["intercept"]),
            )
            for name, one in raw["sources"].items()
        }  # fmt: skip
        fusion = Fusion.from_json(raw["fusion"])
        if fusion.sources != tuple(sources):
            raise DataError("a fusion of the model's sources", f"{fusion.sources} in {where}", remedy)
        return AlphaModel(
            raw["name"], sources, fusion, int(raw["horizon_ns"]), int(raw["half_life_ns"]), raw.get("card", {})
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("an alpha model", f"{where}: {type(error).__name__} {error}", remedy) from error
