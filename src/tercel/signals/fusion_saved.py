"""A trained fusion as a folder: weights as JSON, what models learned as arrays (npz), each with its hash in a card.

Nothing in it can run code when it is read: numbers, texts and arrays without objects, whoever wrote them.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.messages import Alpha
from tercel.core.written import file_hash
from tercel.signals.alpha import AlphaScale
from tercel.signals.fusion import Fusion
from tercel.signals.fusion_walk import BaseModel
from tercel.signals.gate import FusionGate, GatedFusion, TrainedGate
from tercel.signals.zoo import family

CARD = "card.json"
WEIGHTS = "fusion.json"
STATES = "gate.npz"
FORMAT = 2
"""1 had files of joblib, which run code when they are loaded: such folders are refused unread."""
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile)
"""What reading a file raises that is none."""
AGAIN = "train it again: tercel signals train CONFIG.toml `out=FOLDER`"
GATED = "gated.json"


def save(
    folder: Path, fusion: Fusion, models: list[BaseModel], about: Mapping[str, Any], gate: TrainedGate | None = None
) -> dict[str, Any]:
    """Write a trained fusion; the card last, so that a folder without one was cut short. Returns the card."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / CARD, *folder.glob("*.joblib")):
        stale.unlink(missing_ok=True)
    (folder / WEIGHTS).write_text(json.dumps(fusion.to_json(), indent=1) + "\n", encoding="utf-8")
    parts = []
    for number, one in enumerate(models):
        file = folder / f"{number:02d}-{one.family}.npz"
        np.savez_compressed(file, allow_pickle=False, **one.model.kept())
        parts.append({
            "source": one.source, "family": one.family, "features": list(one.names), "used": one.used.tolist(),
            "medians": one.medians.tolist(), "parameters": _plain(one.model.get_params()), "file": file.name,
            "sha256": file_hash(file),
        })  # fmt: skip
    weights = {"file": WEIGHTS, "sha256": file_hash(folder / WEIGHTS)}
    card = {"format": FORMAT, **about, "parts": parts, "fusion": weights, "gate": _save_gate(folder, gate)}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def load(folder: Path) -> tuple[Fusion, list[BaseModel], dict[str, Any]]:
    """A trained fusion, its parts and its card.

    Raises
    ------
    DataError
        When there is none, it is of another format, or a file is not the one that the card names.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card["format"] != FORMAT:
            what = f"format {card['format']} in {folder}, whose files may run code and were not opened"
            raise DataError(f"a trained model of format {FORMAT}, arrays alone", what, AGAIN)
        fusion = Fusion.from_json(json.loads(_checked(folder, card["fusion"])))
        models = [_part(folder, raw) for raw in card["parts"]]
    except OSError as error:
        raise DataError("the folder of a trained model", f"{folder}: {error.strerror}", "train it") from error
    except DAMAGED as error:
        raise DataError("a model as it was trained", f"{folder}: {type(error).__name__} {error}", AGAIN) from error
    return fusion, models, card


def _save_gate(folder: Path, gate: TrainedGate | None) -> dict[str, Any] | None:
    """Write the gate's two files; returns what the card says of them."""
    if gate is None:
        return None
    np.savez_compressed(folder / STATES, allow_pickle=False, **gate.regimes.kept())
    fusions = [part.to_json() for part in gate.fusion.parts]
    (folder / GATED).write_text(json.dumps(fusions, indent=1) + "\n", encoding="utf-8")
    return {
        **asdict(gate.gate), "usual": gate.usual.tolist(), "file": STATES, "sha256": file_hash(folder / STATES),
        "fusions": {"file": GATED, "sha256": file_hash(folder / GATED)},
    }  # fmt: skip


def load_gate(folder: Path, card: Mapping[str, Any]) -> TrainedGate | None:
    """The gate of a model that :func:`load` has read, None where it has none.

    Raises
    ------
    DataError
        When a file is not the one that the card names.
    """
    raw = card.get("gate")
    if raw is None:
        return None
    try:
        gate = FusionGate(tuple(raw["columns"]), raw["kind"], raw["states"], raw["seed"])
        regimes = gate.make().put_back(_arrays(folder, raw))
        parts = json.loads(_checked(folder, raw["fusions"]))
    except (OSError, *DAMAGED) as error:
        raise DataError("a gate as it was trained", f"{folder}: {type(error).__name__} {error}", AGAIN) from error
    return TrainedGate(gate, regimes, GatedFusion(tuple(map(Fusion.from_json, parts))), np.array(raw["usual"]))


def forecast(fusion: Fusion, models: list[BaseModel], features: Mapping[str, ArrayLike]) -> tuple[Floats, Floats]:
    """Value and standard deviation (n,) from columns by name; a column that is not there is missing."""
    return fusion.combine(forecasts_of(models, features))


def alphas(
    fusion: Fusion,
    models: list[BaseModel],
    scale: AlphaScale,
    features: Mapping[str, ArrayLike],
    instruments: Sequence[str],
    at_ns: int,
) -> list[Alpha]:
    """A message per instrument of one cross-section; a column that is not there, or NaN in all of a source, is missing.

    Raises
    ------
    DataError
        When columns and instruments do not match, or a forecast is no number.
    """
    by_model = forecasts_of(models, features)
    if len(by_model) != len(instruments):
        raise DataError("a row per instrument", f"{len(by_model)} rows, {len(instruments)} instruments", "line them up")
    value, sd = fusion.combine(by_model)
    found = []
    for row, instrument in enumerate(instruments):
        sources = [m.source for k, m in enumerate(models) if fusion.weights[k] > 0 and not np.isnan(by_model[row, k])]
        found.append(
            Alpha(
                instrument, at_ns, scale.horizon_ns, scale.unit_bps * float(value[row] - fusion.base),
                scale.sd_bps * float(sd[row]) / scale.full_sd, scale.half_life_ns, tuple(dict.fromkeys(sources)),
            )
        )  # fmt: skip
    return found


def forecasts_of(models: list[BaseModel], features: Mapping[str, ArrayLike]) -> Floats:
    """Forecasts of each base model, float64 (n, K), from columns by name."""
    rows = max((np.size(column) for column in features.values()), default=0)
    by_model, gap = np.full((rows, len(models)), np.nan), np.full(rows, np.nan)
    for k, model in enumerate(models):
        x = np.stack([np.asarray(features.get(name, gap), np.float64) for name in model.names], axis=1)
        by_model[:, k] = model.predict(x)
    return by_model


def _part(folder: Path, raw: Mapping[str, Any]) -> BaseModel:
    model = family(raw["family"]).make(**raw["parameters"]).put_back(_arrays(folder, raw))
    used, medians = np.array(raw["used"], np.intp), np.array(raw["medians"], np.float64)
    return BaseModel(raw["source"], raw["family"], tuple(raw["features"]), used, medians, model)


def _arrays(folder: Path, raw: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays of a file; one that holds objects is refused."""
    with np.load(io.BytesIO(_checked(folder, raw)), allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def _checked(folder: Path, raw: Mapping[str, Any]) -> bytes:
    """The bytes of a file, which are those that the card names."""
    file = folder / Path(str(raw["file"])).name
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != raw["sha256"]:
        raise DataError("the file that the card names", f"{file}, which was changed", AGAIN)
    return data


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if isinstance(value, bool | int | float | str | None)}
