"""A desk's file as people write it: the desk, and what is planted in the markets of its simulated exchange.

[[instrument]]         drift: planted informed flow
[[instrument.change]]  a planted change of regime: at_round, depth, activity, buy_share
[signals]              news, news_flips: how good the planted score is, and from which round on it misleads
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from tercel.core.toml import changed, parse_toml, read_toml
from tercel.core.validated import TomlTable, validated
from tercel.desk.rounds.config import OFF, DeskConfig, InstrumentSection, SignalsSection
from tercel.desk.rounds.forecasts import PACKAGED, model_of
from tercel.desk.rounds.running import refuse
from tercel.desk.rounds.targets import names_to_trade
from tercel.execution.foresight.forecaster import packaged

DEMO: Final = "demo.toml"
HELP: Final = "see tercel trade run `show_demo=True`"


class PlantedChange(TomlTable):
    """A change planted in an instrument's market, which the desk never reads."""

    at_round: float = Field(ge=0)
    depth: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of limit orders: what rests follows it."""
    activity: float = Field(default=1.0, gt=0, le=10)
    """Factor on the rate of market orders."""
    buy_share: float = Field(default=0.5, ge=0.05, le=0.95)
    """Share of market orders that buy; 0.5 is no drift."""


class PlantedInstrument(InstrumentSection):
    """An instrument of the simulated exchange, or a listing of another venue."""

    drift: float = Field(default=0.0, ge=0, le=0.45)
    """Planted informed flow: each round buyers and sellers are out of balance by up to this, at random."""
    change: tuple[PlantedChange, ...] = ()


class PlantedSignals(SignalsSection):
    """Which way, and a score that hints at it."""

    news: float = Field(default=0.6, ge=-1, le=1)
    """Correlation of the synthetic news score with the planted drift; where none is planted there is no score."""
    news_flips: int = Field(default=0, ge=0)
    """Round from which on the score says the opposite; 0: never."""


class DemoConfig(DeskConfig):
    """A whole desk."""

    instrument: tuple[PlantedInstrument, ...] = Field(min_length=1)
    signals: PlantedSignals = PlantedSignals()


def read_config(path: Path | None) -> DemoConfig:
    """The desk that a file describes; None: the packaged one, which `tercel trade run` shows as its demo.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    """
    return described(path, {})[0]


def described(path: Path | None, settings: Mapping[str, Any]) -> tuple[DemoConfig, str]:
    """Desk of a file (the packaged one without a file) with other values for dotted keys; and its text.

    Raises
    ------
    ConfigError
        As :func:`read_config`.
    """
    raw = (
        parse_toml(demo_text(), DEMO, HELP)
        if path is None
        else read_toml(path, HELP, "a desk file")
    )
    text = demo_text() if path is None else path.read_text(encoding="utf-8")
    told = _with_instruments(changed(raw, settings), path)
    config = validated(DemoConfig, told, DEMO if path is None else str(path), "a desk")
    config = config if path is None else _placed(config, path.parent)
    return config, "".join(
        f"# changed: {key} = {value!r}\n" for key, value in settings.items()
    ) + text


def _with_instruments(raw: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """A desk that names no instrument trades those of its file of targets."""
    signals = raw.get("signals")
    if (
        path is None
        or "instrument" in raw
        or not isinstance(signals, dict)
        or signals.get("orders") != "targets"
    ):
        return raw
    names = names_to_trade(
        *(path.parent / str(signals.get(key, "")) for key in ("targets", "model"))
    )
    return {**raw, "instrument": [{"name": name} for name in names]}


def _placed(config: DemoConfig, folder: Path) -> DemoConfig:
    """The same with its models and its targets from the folder of its file."""
    section = config.signals
    where = {
        key: str(folder / said) for key in ("model", "targets") if (said := getattr(section, key))
    }
    if section.model == OFF or section.model.startswith(PACKAGED):
        where.pop("model")
    if section.flow != OFF and section.flow not in packaged():
        where["flow"] = str(folder / section.flow)
    return config.model_copy(update={"signals": section.model_copy(update=where)})


def demo_text() -> str:
    """The packaged desk's file, to start one's own from."""
    return (files("tercel.api.demo") / DEMO).read_text(encoding="utf-8")


def parse_config(text: str, name: str) -> DemoConfig:
    """As :func:`read_config`, from text; `name` is how errors call it."""
    return validated(DemoConfig, parse_toml(text, name, HELP, "a desk file"), name, "a desk")


def check_file(path: Path) -> None:
    """Refuse a desk's file that cannot be read as one, or that no desk can be opened with; and a model that does not
    load, without which a desk would trade.

    Raises
    ------
    TercelError
    """
    config = read_config(path)
    refuse(config, path.parent)
    if config.signals.model != OFF:
        model_of(config.signals.model)
