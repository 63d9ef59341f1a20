"""Saving and loading of a trained model as a folder, and packaged models by name; the model's class is in `signal_model`.

    model = load(Path("o/model"))
    model.alphas({"daily.ret_5": [0.1, -0.2]}, ["AAA", "BBB"], at_ns)     one `Alpha` a name

Nothing in a folder can run code when it is read. Training writes the card last: a folder without one was cut short.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import DataError, check_known, refuse_if
from tercel.core.files import atomic_path, file_hash
from tercel.signals.models.family_cards import family
from tercel.signals.models.fusion import BOUNDED, BaseModel, BoundedLinear, Fusion
from tercel.signals.models.signal_model import (
    AGAIN,
    BASE,
    CARD,
    DAMAGED,
    FORMAT,
    MODEL,
    SERVED,
    UPDATES,
    WALK,
    WEIGHTS,
    ParameterMove,
    SignalModel,
    SignalModelCard,
    StoredPart,
    read_verified,
)

if TYPE_CHECKING:
    import polars as pl

RUNS: Final = Path("runs")
SHIPPED: Final = Path(__file__).parent / "packaged"


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
    for number, part in enumerate(model.models):
        file = folder / f"{number:02d}-{part.family}.npz"
        np.savez_compressed(file, allow_pickle=False, **part.model.to_arrays())
        parts.append(
            {
                "source": part.source,
                "family": part.family,
                "features": list(part.names),
                "used": part.used.tolist(),
                "medians": part.medians.tolist(),
                "parameters": {
                    key: value
                    for key, value in part.model.get_params().items()
                    if isinstance(value, bool | int | float | str | None)
                },
                **_file_entry(file),
            }
        )
    if walk is not None:
        with atomic_path(folder / WALK) as walk_part:
            walk.write_parquet(walk_part)
    card = {
        "format": FORMAT,
        "inputs": "panel",
        **about,
        "alpha": asdict(model.scale),
        "parts": parts,
        "fusion": _file_entry(folder / WEIGHTS),
        "walk": None if walk is None else _file_entry(folder / WALK),
    }
    if updates:
        (folder / UPDATES).write_text(
            "".join(f"{json.dumps(line.to_json())}\n" for line in updates), encoding="utf-8"
        )
        card["updates"] = _file_entry(folder / UPDATES)
    hashed_card = card | {"sha256": _digest(card)}
    (folder / CARD).write_text(
        json.dumps(hashed_card, indent=1, allow_nan=False) + "\n", encoding="utf-8"
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
        fusion = Fusion.from_json(parse_json(read_verified(folder, facts.fusion)))
        models = tuple(_load_part(folder, raw) for raw in facts.parts)
        if fusion.sources != tuple(part.name for part in models):
            raise DataError(
                "a fusion of the model's parts", f"{', '.join(fusion.sources)} in {folder}", AGAIN
            )
        for file in filter(None, (facts.walk, facts.updates)):
            read_verified(folder, file)
        if facts.alpha is None:
            raise ValueError("no alpha")
    except OSError as error:
        raise DataError("the folder of a trained model", f"{folder}: {error}", AGAIN) from error
    except DAMAGED as error:
        raise DataError(
            "a model as it was trained", f"{folder}, cut off or edited: {error}", AGAIN
        ) from error
    return SignalModel(fusion, models, facts.alpha, card, folder, _digest(card)[:12])


def find_model_folder(path: Path, seed: int = 1) -> Path:
    """Model folder for a path: the folder itself, that of the run above, or that of a trained configuration.

    Raises
    ------
    DataError, ConfigError
        If the path has no model, or a file is no configuration.
    """
    candidates = [path, path / MODEL]
    if path.is_file() and path.name != CARD:
        refuse_if(
            path.suffix == ".json",
            "the folder of a trained model",
            f"{path}, a file",
            f"name its folder, or {AGAIN}",
            DataError,
        )
        from tercel.signals.runs.config import read_config

        candidates = [RUNS / f"signals-{read_config(path).name}-{seed}" / MODEL]
    elif path.name == CARD:
        candidates = [path.parent]
    for folder in candidates:
        if (folder / CARD).is_file():
            return folder
    raise DataError(
        "the folder of a trained model",
        f"{path}: no {CARD} in {' or '.join(map(str, candidates))}",
        "train one: tercel signals train CONFIG.toml `out=FOLDER`",
    )


def relative_base(folder: Path, base: Path) -> Path:
    """Path of files for the card of a model folder: relative to that folder, so that a copied project reads its own
    files; absolute for files outside the project, the folder that holds the run's folder or its `runs`.

    >>> relative_base(Path("/home/me/project/o/model"), Path("/home/me/project/data")).as_posix()
    '../../data'
    >>> relative_base(Path("/home/me/project/o/model"), Path("/data")).as_posix()
    '/data'
    """
    if not base.is_absolute():
        return base
    folder = folder.resolve()
    base = Path(os.path.normpath(base))
    tree = folder.parent.parent if folder.parent.parent.name != RUNS.name else folder.parents[2]
    common = Path(os.path.commonpath([folder, base]))
    near = common.is_relative_to(tree) or common == base
    return Path(os.path.relpath(base, folder)) if near and common.name else base


def packaged_names() -> tuple[str, ...]:
    """Names of the pre-trained models, trained from synthetic material alone; NumPy is all they need to run."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}")))


def load_packaged(name: str) -> SignalModel:
    """A pre-trained model, by name.

    Raises
    ------
    UnknownNameError
        No such model; the nearest name is offered.
    """
    check_known(name, packaged_names(), received=f"model {name!r}")
    return load(SHIPPED / name)


def _load_part(folder: Path, raw: StoredPart) -> BaseModel:
    """A part of a model: its family's model restored from the arrays of its file, whose hash is checked."""
    with np.load(
        io.BytesIO(read_verified(folder, raw)), allow_pickle=False
    ) as stored:  # one that holds objects is refused
        arrays = {name: stored[name] for name in stored.files}
    if raw.family == BOUNDED:
        model: Any = BoundedLinear(**arrays | {"intercept": float(arrays["intercept"])})
    else:
        model = family(raw.family).make(**raw.parameters).from_arrays(arrays)
    used = np.array(raw.used, np.intp)
    medians = np.array(raw.medians, np.float64)
    return BaseModel(raw.source, raw.family, raw.features, used, medians, model)


def _file_entry(file: Path) -> dict[str, str]:
    """Name and SHA-256 of a file, as a model's card lists the file."""
    return {"file": file.name, "sha256": file_hash(file)}


def _digest(card: Mapping[str, Any]) -> str:
    """SHA-256 of a card without its own hash and without the folder of its files."""
    body = {key: value for key, value in card.items() if key not in ("sha256", BASE)}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
