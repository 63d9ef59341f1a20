"""Registry of flow models and market presets by name, and reading of preset files; their classes are in `port`."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

from pydantic import ValidationError

from tercel.core.bounded_parsing import parse_json
from tercel.core.entry_points import entry_point_names, load_entry_point
from tercel.core.errors import ConfigError, UnknownNameError, nearest_names
from tercel.market.flow.port import FlowModel, Preset
from tercel.market.flow.queue_reactive.preset import QueueReactivePreset
from tercel.market.flow.resampled import ResampledPreset
from tercel.market.flow.santa_fe import SantaFePreset
from tercel.market.simulator.layout import FOREIGN

DEFAULT = "goog"
"""The market of `tercel run` when none is named."""
FOLDER = Path(__file__).parent / "presets"
GROUP: Final = "tercel.flows"
"""Entry points of other packages' flow models."""
MODELS: Final = {
    model.kind: model
    for model in (
        FlowModel(SantaFePreset, calibrate="tercel.market.flow.calibrate:calibrate"),
        FlowModel(
            QueueReactivePreset, calibrate="tercel.market.flow.queue_reactive.calibrate:calibrate"
        ),
        FlowModel(ResampledPreset, calibrate="tercel.market.flow.resampled:calibrate"),
    )
}
"""Flow models of the package."""
_STUDIES: Final = ("hawkes", "*-hawkes", "cheridito_weiss", "cw-*")
"""Names of models and presets that the studies give."""


def models() -> dict[str, FlowModel]:
    """Flow models by name: the package's, then those that installed packages give.

    Raises
    ------
    ConfigError
        One of another package that cannot be imported.
    """
    return MODELS | {
        kind: model_of(kind) for kind in entry_point_names(GROUP) if kind not in MODELS
    }


def model_of(kind: str, received: str = "") -> FlowModel:
    """A flow model by its name; `received` is what the error says was received, if not the name alone.

    Raises
    ------
    ConfigError
        No installed package gives it, or it cannot be imported.
    """
    if (shipped := MODELS.get(kind)) is not None:
        return shipped
    for entry in entry_points(group=GROUP, name=kind):
        loaded = load_entry_point(entry)
        if isinstance(loaded, FlowModel) and loaded.kind == kind:
            return loaded
        raise ConfigError(
            f"a FlowModel whose presets are of model {kind} at {entry.value}",
            repr(loaded),
            "correct the package that gives it",
        )
    known = ", ".join((*MODELS, *entry_point_names(GROUP)))
    remedy = _install(kind) or "take one of these, or install the package that gives it"
    raise ConfigError(f"a flow model: {known}", received or repr(kind), remedy)


def _install(name: str) -> str:
    """Install command for a model or preset of the studies; empty for any other name."""
    is_of_studies = any(fnmatch(name, pattern) for pattern in _STUDIES)
    return "pip install tercel-studies" if is_of_studies else ""


def event_of(number: int) -> Any:
    """Kernel of another package's model, by its number beyond `FOREIGN`.

    Raises
    ------
    ConfigError
        No installed package gives it, or two models have one number.
    """
    matching = [model for model in models().values() if model.code == FOREIGN + number]
    if len(matching) != 1:
        received = " and ".join(model.kind for model in matching) or "none"
        raise ConfigError(
            f"one flow model of number {number}",
            received,
            "install the package that gives it, or rename one of two",
        )
    return resolve_name(matching[0].event)


def names() -> list[str]:
    """Names of presets: those that are shipped, and those of installed packages.

    >>> "csco-santa-fe" in names()
    True
    """
    return sorted(_files({FOLDER, *_folders()}))


def _folders() -> set[Path]:
    """Folders of installed packages' presets."""
    return {model.presets for model in models().values() if model.presets is not None}


def _files(folders: Iterable[Path]) -> dict[str, Path]:
    """Files of presets by name."""
    return {path.stem: path for folder in folders for path in folder.glob("*.json")}


def load(name: str | Path) -> Preset:
    """A preset by name, or a preset file by path (anything that ends in ``.json``).

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
    return _read(path) if path.suffix == ".json" else _read(file_of(str(name)), _parse_shipped)


def file_of(name: str) -> Path:
    """File of a preset by name.

    Raises
    ------
    UnknownNameError
        No such preset; the nearest names are offered.
    """
    file = _files([FOLDER]).get(name) or _files(_folders()).get(name)
    if file is None:
        known = names()
        near = " or ".join(nearest_names(name, known, 2))
        all_names = ", ".join(known)
        remedy = f"use {near} (all: {all_names})" if near else f"use one of {all_names}"
        raise UnknownNameError(
            "the name of a preset market, or the path of a preset file (.json)",
            f"'{name}'",
            _install(name) or remedy,
        )
    return file


def _parse_preset(raw: bytes, path: Path) -> Preset:
    """Preset from the bytes of its file, by the class of its model."""
    return _class_of(raw, path).model_validate_json(raw)


_parse_shipped = lru_cache(maxsize=8)(_parse_preset)
"""Nothing in it changes, and each server and exchange asks for it again; files of users may tell of days that do."""


def _read(path: Path, parse: Callable[[bytes, Path], Preset] = _parse_preset) -> Preset:
    """Read and parse a preset's file; a file that cannot be read is a ConfigError."""
    try:
        return parse(path.read_bytes(), path)
    except OSError as error:
        raise ConfigError("a preset file", f"{path}: {error.strerror}", "check the path") from error
    except ValidationError as error:
        first_error = error.errors()[0]
        field = ".".join(str(part) for part in first_error["loc"]) or "the preset"
        raise ConfigError(
            "a valid preset file",
            f"{path}, {field}: {first_error['msg']}",
            "write it again with `tercel market calibrate`",
        ) from error


def _class_of(raw: bytes, path: Path) -> type[Preset]:
    """Class of the preset in a file, by its field `model`."""
    try:
        parsed = parse_json(raw)
        model = parsed.get("model") if isinstance(parsed, dict) else None
    except ValueError as error:
        raise ConfigError(
            "a valid preset file",
            f"{path}: {error}",
            "write it again with `tercel market calibrate`",
        ) from error
    return model_of(str(model), f"{path}, model: {model!r}").preset
