"""Desk files: read, written into a desk's folder, checked."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tercel.api.demo import DEMO, MarketScenario, demo_text, scenario_of
from tercel.core.files import write_atomic
from tercel.core.serialization import JsonSchema, Tables
from tercel.core.toml import changed, parse_toml, read_toml, schema_of, validated
from tercel.desk.engine.config import CLOSING_S, OFF, AgentSection, DeskConfig, InstrumentSection
from tercel.desk.engine.forecasts import PACKAGED, model_of
from tercel.desk.engine.order_arrivals import names_to_trade
from tercel.desk.engine.runtime import refuse
from tercel.execution.foresight.forecaster import packaged
from tercel.execution.market import Market
from tercel.execution.observation import is_own_name
from tercel.execution.policies.policy import CARD, Card, read_card
from tercel.execution.registry.resolve import POLICY
from tercel.execution.strategies.event_clock import span_of
from tercel.market.flow import names
from tercel.market.tape import Lake
from tercel.venues.address import SIMULATED

HELP: Final = "see tercel trade run `show_demo=True`"


def read_config(path: Path | None) -> DeskConfig:
    """Read a desk's file; None: the packaged one, the demo of `tercel trade run`.

    Raises
    ------
    ConfigError
        An invalid file; the error has the file, the key and the nearest known one.
    """
    return described(path, {})[0]


def described(path: Path | None, settings: Mapping[str, Any]) -> tuple[DeskConfig, str]:
    """Desk of a file (or the packaged one) with other values for dotted keys; and its text.

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


def _with_instruments(raw: Tables, path: Path | None) -> Tables:
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
        path.parent / str(signals.get("targets", "")),
        path.parent / str(signals.get("model", "")),
        signals.get("columns", {}),
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
    """As :func:`read_config`, from text; `name` is its name in errors."""
    return _read(parse_toml(text, name, HELP, "a desk file"), name)


def check_file(path: Path) -> None:
    """Refuse a desk's file that is invalid or that no desk can be opened with; also one whose model does not load.

    Raises
    ------
    TercelError
    """
    config = read_config(path)
    refuse(config, path.parent)
    if config.signals.model != OFF:
        model_of(config.signals.model)


def schema() -> JsonSchema:
    """The JSON schema of a desk's file, with that of its table `[scenario]`."""
    found = schema_of(DeskConfig, "a desk")
    inner = schema_of(MarketScenario, "a scenario")
    found["$defs"] |= inner.pop("$defs", {}) | {"MarketScenario": inner}
    found["properties"]["scenario"] = {"$ref": "#/$defs/MarketScenario"}
    return found


FILE: Final = "desk.toml"
ROUNDS: Final = 2
SHARE: Final = 0.10
"""Default order size, as a share of a round's volume, for a card without one."""
TEXT: Final = """\
# The agent of this training at a desk: {command}
# Every key is in the packaged desk's file, which tercel trade run shows.
# Another [[agent]], such as strategy = "twap_take", shares the orders.

[desk]
name = "trained"
{stage}rounds = {rounds}
round_s = {round_s:g}
decision_s = {decision_s:g}
{data}
[[instrument]]
name = {name}
market = {market}                # by which its volume is expected

[[agent]]
name = "trained"
strategy = "policy:{policy}"
alpha = false                  # it was trained without forecasts

[order_arrivals]
side = "random"
share = {share:g}

[limits.changed]
{limits}
"""


@dataclass(frozen=True)
class RecordedMarket:
    """Recorded days of a symbol that a policy was trained on."""

    lake: str
    symbol: str


def best_of(policies: Sequence[Path]) -> Path:
    """Folder of the policy with the best validation result."""

    def merit(folder: Path) -> float:
        return float(read_card(folder / CARD).scores.get("validation", {}).get("merit", 0.0))

    return max(policies, key=merit)


def how_to_trade(
    folder: Path, policy: Path, recorded: RecordedMarket | None = None, preset: Path | None = None
) -> str:
    """Write the desk file of a policy; return the command that trades it, or the reason why no desk can.

    Parameters
    ----------
    folder : Path
        Folder of the file; the policy is below it.
    policy : Path
        Its folder.
    recorded : RecordedMarket, optional
        Recorded days of its training, if any: one of them is replayed.
    preset : Path, optional
        Market file to trade in, if any: calibrated to these days, or the user's own.
    """
    card, file = read_card(policy / CARD), folder / FILE
    if is_own_name(card.observation):
        return (
            f"a desk runs no code of a policy's folder, and this one observes by {card.observation}"
        )
    horizon_s, decision_s = _times(card)
    values: dict[str, Any] = {"rounds": ROUNDS, "round_s": horizon_s + CLOSING_S}
    homes = [one for one in card.markets if one in names()]
    market, name, stage, data = (homes or ["csco-santa-fe"])[0], "AAA", "", ""
    if preset is not None and preset.is_file():
        inside = preset.resolve().is_relative_to(folder.resolve())
        market = (
            preset.resolve().relative_to(folder.resolve()).as_posix()
            if inside
            else str(preset.resolve())
        )
    elif recorded is not None:
        lake = Lake(Path(recorded.lake))
        name, warmup_s = recorded.symbol, 60.0
        span_s = lake.span_s(name, lake.longest(name, None), None)
        values["rounds"] = min(int((span_s - warmup_s) // values["round_s"]), ROUNDS)
        if values["rounds"] < 1:
            return f"no day of {name} is long enough for a round of {values['round_s']:g} s"
        stage = f'stage = "replay"\nwarmup_s = {warmup_s:g}\n'
        data = f"\n[data]\nlake = {json.dumps(str(Path(recorded.lake).resolve()))}\n"
    share = span_of(card.limits.get("share"), 1.0)
    lots = read_config(None).limits.changed
    command = shlex.join(["tercel", "trade", "run", str(file)])
    text = TEXT.format(
        **values,
        command=command,
        stage=stage,
        data=data,
        decision_s=decision_s,
        name=json.dumps(name),
        market=json.dumps(market),
        policy=policy.relative_to(folder).as_posix(),
        share=SHARE if share is None else 0.9 * share[1],
        limits="\n".join(f"{json.dumps(key)} = {value}" for key, value in lots.items()),
    )
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        file.replace(file.with_suffix(".old"))  # its owner may have changed it
    write_atomic(file, text)
    return command


def _times(card: Card) -> tuple[float, float]:
    """Horizon and seconds between decisions of a policy's task."""
    horizon_s = float(card.task.get("horizon_s", 1800.0))
    return horizon_s, horizon_s / int(card.task.get("decisions", 60))
