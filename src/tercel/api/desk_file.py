"""A desk's file as people write it: read whole, placed in its folder, or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tercel.api.demo.markets import DEMO, MarketScenario, demo_text, scenario_of
from tercel.core.toml import changed, parse_toml, read_toml, schema_of, validated
from tercel.desk.engine.config import OFF, AgentSection, DeskConfig, InstrumentSection
from tercel.desk.engine.forecasts import PACKAGED, model_of
from tercel.desk.engine.order_arrivals import names_to_trade
from tercel.desk.engine.runtime import refuse
from tercel.execution.foresight.forecaster import packaged
from tercel.execution.market import Market
from tercel.execution.registry.resolve import POLICY
from tercel.venues.address import SIMULATED

HELP: Final = "see tercel trade run `show_demo=True`"


def read_config(path: Path | None) -> DeskConfig:
    """The desk that a file describes; None: the packaged one, which `tercel trade run` shows as its demo.

    Raises
    ------
    ConfigError
        With the file, the key and the nearest known one.
    """
    return described(path, {})[0]


def described(path: Path | None, settings: Mapping[str, Any]) -> tuple[DeskConfig, str]:
    """Desk of a file (the packaged one without a file) with other values for dotted keys; and its text.

    Raises
    ------
    ConfigError
        As :func:`read_config`.
    """
    if path is None:
        text = demo_text()
        raw = changed(parse_toml(text, DEMO, HELP), settings)
        if not _planted_in(raw, settings):
            raw.pop("scenario")
    else:
        raw = changed(read_toml(path, HELP, "a desk file"), settings)
        text = path.read_text(encoding="utf-8")
    config = _read(_with_instruments(raw, path), str(path or DEMO))
    config = config if path is None else _placed(config, path.parent)
    return config, "".join(
        f"# changed: {key} = {value!r}\n" for key, value in settings.items()
    ) + text


def _planted_in(raw: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the packaged desk, changed so, has the simulated markets that its own scenario is written for."""
    if any(key.partition(".")[0] == "scenario" for key in settings):
        return True
    desk, data = raw.get("desk"), raw.get("data", {})
    if not (isinstance(desk, dict) and isinstance(data, dict)):
        return True  # which is refused as no section of a desk
    simulated = desk.get("venue", SIMULATED) == SIMULATED and not data.get("lake")
    return simulated and "instrument" not in settings


def _read(raw: Mapping[str, Any], name: str) -> DeskConfig:
    config = validated(DeskConfig, raw, name, "a desk")
    scenario_of(config, name)
    return config


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


def _placed(config: DeskConfig, folder: Path) -> DeskConfig:
    """The same with its models, policies, markets and targets from the folder of its file."""
    section = config.signals
    where = {
        key: str(folder / said) for key in ("model", "targets") if (said := getattr(section, key))
    }
    if section.model == OFF or section.model.startswith(PACKAGED):
        where.pop("model")
    if section.flow != OFF and section.flow not in packaged():
        where["flow"] = str(folder / section.flow)
    more = {
        "instrument": tuple(_market_placed(one, folder) for one in config.instrument),
        "agent": tuple(_policy_placed(one, folder) for one in config.agent),
    }
    return config.model_copy(update={"signals": section.model_copy(update=where), **more})


def _market_placed(section: InstrumentSection, folder: Path) -> InstrumentSection:
    """An instrument whose market is a file in the folder."""
    if not (file := folder / section.market.preset).is_file():
        return section
    return section.model_copy(update={"market": Market(str(file))})


def _policy_placed(section: AgentSection, folder: Path) -> AgentSection:
    """An agent whose policies are folders in the folder."""
    found = {}
    for key in ("strategy", "challenger"):
        name, plus, wrappers = getattr(section, key).partition("+")
        if name.startswith(POLICY) and (inside := folder / name.removeprefix(POLICY)).is_dir():
            found[key] = f"{POLICY}{inside}{plus}{wrappers}"
    return section.model_copy(update=found)


def parse_config(text: str, name: str) -> DeskConfig:
    """As :func:`read_config`, from text; `name` is how errors call it."""
    return _read(parse_toml(text, name, HELP, "a desk file"), name)


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


def schema() -> dict[str, Any]:
    """The JSON schema of a desk's file, with that of its table `[scenario]`."""
    found = schema_of(DeskConfig, "a desk")
    inner = schema_of(MarketScenario, "a scenario")
    found["$defs"] |= inner.pop("$defs", {}) | {"MarketScenario": inner}
    found["properties"]["scenario"] = {"$ref": "#/$defs/MarketScenario"}
    return found
