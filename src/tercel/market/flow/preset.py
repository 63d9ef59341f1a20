"""Markets by name: the presets that are shipped, and how a preset's file is read."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import nearest
from tercel.core.parsed import parse_json
from tercel.market.flow.cheridito_weiss.preset import CheriditoWeissPreset
from tercel.market.flow.hawkes.preset import HawkesPreset
from tercel.market.flow.port import Preset
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.resampled import ResampledPreset
from tercel.market.flow.santa_fe_preset import SantaFePreset

DEFAULT = "csco"
"""The market of `tercel run` when none is named."""
FOLDER = Path(__file__).parent / "presets"
MODELS: Final[dict[str, type[Preset]]] = {
    "santa_fe": SantaFePreset,
    "queue_reactive": QueueReactivePreset,
    "hawkes": HawkesPreset,
    "cheridito_weiss": CheriditoWeissPreset,
    "resampled": ResampledPreset,
}
"""Flow models that a preset file can be of."""


def names() -> list[str]:
    """Names of shipped presets.

    >>> "csco-santa-fe" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str | Path) -> Preset:
    """A shipped preset by name, or a preset file by path (anything that ends in ``.json``).

    Raises
    ------
    UnknownNameError
        No such preset; the nearest names are offered.
    ConfigError
        A file that is missing, no JSON, or no preset.

    >>> load("csco-santa-fe").symbol
    'CSCO'
    """
    path = Path(name)
    if path.suffix == ".json":
        return _read(path)
    known = names()
    if str(name) not in known:
        near = nearest(name, known, 2)
        raise UnknownNameError(
            "the name of a preset market, or the path of a preset file (.json)",
            f"'{name}'",
            f"use {' or '.join(near)} (all: {', '.join(known)})"
            if near
            else f"use one of {', '.join(known)}",
        )
    return _read(FOLDER / f"{name}.json", _shipped)


def _of(raw: bytes, path: Path) -> Preset:
    return _class_of(raw, path).model_validate_json(raw)


_shipped = lru_cache(maxsize=8)(_of)
"""Nothing in it changes, and each server and exchange asks for it again; files of users may tell of days that do."""


def _read(path: Path, of: Callable[[bytes, Path], Preset] = _of) -> Preset:
    try:
        return of(path.read_bytes(), path)
    except OSError as error:
        raise ConfigError("a preset file", f"{path}: {error.strerror}", "check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the preset"
        raise ConfigError(
            "a valid preset file",
            f"{path}, {field}: {first['msg']}",
            "write it again with `tercel market calibrate`",
        ) from error


def _class_of(raw: bytes, path: Path) -> type[Preset]:
    """The class that reads this file: by its `model`."""
    try:
        parsed = parse_json(raw)
        model = parsed.get("model") if isinstance(parsed, dict) else None
    except ValueError as error:
        raise ConfigError(
            "a valid preset file",
            f"{path}: {error}",
            "write it again with `tercel market calibrate`",
        ) from error
    if (kind := MODELS.get(str(model))) is None:
        raise ConfigError(
            f"a preset of model {', '.join(MODELS)}",
            f"{path}, model: {model!r}",
            "write it again with this version",
        )
    return kind
