"""Functions to read, check and describe (JSON schema) a desk's file, and to write one that trades a trained policy."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tercel.api.simulated_desk import DEMO, MarketScenario, demo_text, scenario_of
from tercel.core.bounded_parsing import JsonSchema, Tables
from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic
from tercel.core.instrument_rules import load_rules
from tercel.core.json_schema import schema_of
from tercel.core.secrets import refuse_inline_secrets
from tercel.core.toml import override_tables, parse_toml, read_toml
from tercel.core.validation import row_note, validate_model
from tercel.desk.engine.config import CLOSING_S, OFF, AgentSection, DeskConfig, InstrumentSection
from tercel.desk.engine.forecasts import PACKAGED, model_of
from tercel.desk.engine.order_arrivals import names_to_trade
from tercel.desk.engine.runtime import check_desk
from tercel.execution.foresight.forecaster import packaged_forecasters
from tercel.execution.observation import is_user_name
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.registry.resolve import POLICY
from tercel.execution.strategies.order_size import span_of
from tercel.market.flow import names
from tercel.market.tape import Lake
from tercel.venues.address import SIMULATED

EMAIL_NOTE: Final = "[alerts.email]: no mail was sent; to try it, kill an agent of a simulated desk that has an order"
HELP: Final = "see tercel trade run `show_demo=True`"


FILE: Final = "desk.toml"
ROUNDS: Final = 2
SHARE: Final = 0.10
"""Default order size, as a share of a round's volume, for a card without one."""
TEXT: Final = """\
# A desk of this agent: {command}
# Every key is in the packaged desk's file, which tercel trade run shows.
# Another [[agent]], such as strategy = "twap_take", shares the orders.

[desk]
name = "{agent}"
{stage}rounds = {rounds}
round_s = {round_s:g}
decision_s = {decision_s:g}
{data}
[[instrument]]
name = {name}
market = {market}                # by which its volume is expected

[[agent]]
name = "{agent}"
strategy = "policy:{policy}"
alpha = false                  # it forecasts for itself, or not at all

[order_arrivals]
side = "random"
share = {share:g}

[limits.changed]
{limits}
"""


def read_config(path: Path | None) -> DeskConfig:
    """Read a desk's file; None: the packaged one, the demo of `tercel trade run`.

    Raises
    ------
    ConfigError
        An invalid file; the error has the file, the key and the nearest known one.
    """
    return read_config_and_text(path, {})[0]


def read_config_and_text(path: Path | None, settings: Mapping[str, Any]) -> tuple[DeskConfig, str]:
    """Configuration of a desk file (None: the packaged one) with overridden dotted keys, and the file's text.
    The text begins with a comment on each overridden key.

    Raises
    ------
    ConfigError
        As :func:`read_config`.
    """
    if path is None:
        text = demo_text()
        raw = override_tables(parse_toml(text, DEMO, HELP), settings)
        if not _uses_packaged_scenario(raw, settings):
            raw.pop("scenario")
    else:
        raw = override_tables(read_toml(path, HELP, "a desk file"), settings)
        text = path.read_text(encoding="utf-8")
        raw = _with_market_files(_with_instruments(raw, path), path.parent)
    config = _read(raw, str(path or DEMO))
    config = config if path is None else _resolve_paths(config, path.parent)
    return config, "".join(
        f"# changed: {key} = {value!r}\n" for key, value in settings.items()
    ) + text


def _uses_packaged_scenario(raw: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the packaged desk, with these overrides, still trades the markets that its scenario is written for."""
    if any(key.partition(".")[0] == "scenario" for key in settings):
        return True
    desk = raw.get("desk")
    data = raw.get("data", {})
    if not (isinstance(desk, dict) and isinstance(data, dict)):
        return True  # which is refused as no section of a desk
    simulated = desk.get("venue", SIMULATED) == SIMULATED and not data.get("lake")
    return simulated and "instrument" not in settings


def _read(raw: Mapping[str, Any], name: str) -> DeskConfig:
    """Validated configuration of a desk from the tables of its file; ConfigError if they, or the scenario, are invalid."""
    refuse_inline_secrets({"alerts": raw.get("alerts")}, name, partial(row_note, name))
    config = validate_model(DeskConfig, raw, name, "a desk")
    scenario_of(config, name)
    return config


def _with_instruments(raw: Tables, path: Path) -> Tables:
    """The tables of a desk file; where it names no instrument, with those of its file of targets."""
    signals = raw.get("signals")
    if "instrument" in raw or not isinstance(signals, dict) or signals.get("orders") != "targets":
        return raw
    names = names_to_trade(
        path.parent / str(signals.get("targets", "")),
        path.parent / str(signals.get("model", "")),
        signals.get("columns", {}),
    )
    return {**raw, "instrument": [{"name": name} for name in names]}


def _with_market_files(raw: Tables, folder: Path) -> Tables:
    """The tables of a desk file with markets that are files in its folder by their paths: a market's own path is the shell's."""
    instruments = raw.get("instrument")
    if not isinstance(instruments, list):
        return raw
    return {
        **raw,
        "instrument": [
            {**row, "market": str(folder / row["market"])}
            if isinstance(row, dict) and (folder / str(row.get("market", "."))).is_file()
            else row
            for row in instruments
        ],
    }


def _resolve_paths(config: DeskConfig, folder: Path) -> DeskConfig:
    """The configuration with paths of models, policies, markets and targets relative to the folder of its file."""
    signals = config.signals
    paths = {
        key: str(folder / value) for key in ("model", "targets") if (value := getattr(signals, key))
    }
    if signals.model == OFF or signals.model.startswith(PACKAGED):
        paths.pop("model")
    if signals.flow != OFF and signals.flow not in packaged_forecasters():
        paths["flow"] = str(folder / signals.flow)
    sections = {
        "instrument": tuple(_resolve_rules(instrument, folder) for instrument in config.instrument),
        "agent": tuple(_resolve_policies(agent, folder) for agent in config.agent),
        "experiment": tuple(
            one.model_copy(
                update={
                    "strategies": tuple(_resolve_policy(name, folder) for name in one.strategies)
                }
            )
            for one in config.experiment
        ),
    }
    return config.model_copy(update={"signals": signals.model_copy(update=paths), **sections})


def _resolve_rules(section: InstrumentSection, folder: Path) -> InstrumentSection:
    """The instrument's section with the path of its rules resolved, where they are a file in the folder."""
    if section.rules:
        load_rules(section.rules, folder)  # refuses what is none
    is_file = section.rules.endswith(".toml")
    return section.model_copy(update={"rules": str(folder / section.rules)} if is_file else {})


def _resolve_policies(section: AgentSection, folder: Path) -> AgentSection:
    """The agent's section with its policies' paths resolved, where they are folders in the folder."""
    paths = {
        "strategy": _resolve_policy(section.strategy, folder),
        "challenger": _resolve_policy(section.challenger, folder),
        "alternatives": tuple(_resolve_policy(name, folder) for name in section.alternatives),
    }
    return section.model_copy(update=paths)


def _resolve_policy(strategy: str, folder: Path) -> str:
    """A strategy's name with its policy's path resolved, where that is a folder in the folder."""
    name, plus, wrappers = strategy.partition("+")
    policy_folder = folder / name.removeprefix(POLICY)
    is_there = name.startswith(POLICY) and policy_folder.is_dir()
    return f"{POLICY}{policy_folder}{plus}{wrappers}" if is_there else strategy


def parse_config(text: str, name: str) -> DeskConfig:
    """Configuration of a desk from the text of a file; `name` is the file's name in errors."""
    return _read(parse_toml(text, name, HELP, "a desk file"), name)


def check_file(path: Path) -> list[str]:
    """Raise a TercelError for a desk's file that is invalid, that no desk can be opened with, or whose model does not
    load; returns notes on what can be tried by running a desk alone.

    Raises
    ------
    TercelError
    """
    config = read_config(path)
    check_desk(config, path.parent)
    if config.signals.model != OFF:
        model_of(config.signals.model)
    if (email := config.alerts.email) is None:
        return []
    try:
        email.read_password(path.parent)
    except ConfigError as error:
        return [f"[alerts.email]: {error}", EMAIL_NOTE]
    return [EMAIL_NOTE]


def schema() -> JsonSchema:
    """The JSON schema of a desk's file, with that of its table `[scenario]`."""
    desk_schema = schema_of(DeskConfig, "a desk")
    scenario_schema = schema_of(MarketScenario, "a scenario")
    desk_schema["$defs"] |= scenario_schema.pop("$defs", {}) | {"MarketScenario": scenario_schema}
    desk_schema["properties"]["scenario"] = {"$ref": "#/$defs/MarketScenario"}
    return desk_schema


@dataclass(frozen=True)
class RecordedMarket:
    """Recorded days of a symbol that a policy was trained on."""

    lake: str
    symbol: str


def best_policy(policies: Sequence[Path]) -> Path:
    """Folder of the policy with the best validation result."""

    def merit(folder: Path) -> float:
        """Validation merit in the card of a policy folder; 0 if the card has none."""
        return float(read_card(folder / CARD).scores.get("validation", {}).get("merit", 0.0))

    return max(policies, key=merit)


def write_desk_file(
    folder: Path, policy: Path, recorded: RecordedMarket | None = None, preset: Path | None = None
) -> str:
    """Write a desk file that trades a policy (another one there becomes desk.old); return the command to run it, or,
    with nothing written, why no desk can trade the policy.

    Parameters
    ----------
    folder : Path
        Folder of the file; the policy is below it.
    policy : Path
        Its folder.
    recorded : RecordedMarket, optional
        Recorded days of its training, if any: one of them is replayed.
    preset : Path, optional
        Market file to trade in, or by which the volume of recorded days is expected: calibrated to these, or the user's own.
    """
    card = read_card(policy / CARD)
    file = folder / FILE
    if is_user_name(card.observation):
        return (
            f"a desk runs no code of a policy's folder, and this one observes by {card.observation}"
        )
    horizon_s, decision_s = _task_times(card)
    values: dict[str, Any] = {"rounds": ROUNDS, "round_s": horizon_s + CLOSING_S}
    packaged_homes = [home for home in card.markets if home in names()]
    market = (packaged_homes or ["csco-santa-fe"])[0]
    name = "AAA"
    stage = ""
    data = ""
    if preset is not None and preset.is_file():
        is_inside = preset.resolve().is_relative_to(folder.resolve())
        market = (
            preset.resolve().relative_to(folder.resolve()).as_posix()
            if is_inside
            else str(preset.resolve())
        )
    if recorded is not None:
        lake = Lake(Path(recorded.lake))
        name = recorded.symbol
        warmup_s = 60.0
        span_s = lake.span_s(name, lake.longest(name, None), None)
        values["rounds"] = min(int((span_s - warmup_s) // values["round_s"]), ROUNDS)
        if values["rounds"] < 1:
            return f"no day of {name} is long enough for a round of {values['round_s']:g} s"
        stage = f'stage = "replay"\nwarmup_s = {warmup_s:g}\n'
        data = f"\n[data]\nlake = {json.dumps(str(Path(recorded.lake).resolve()))}\n"
    share = span_of(card.limits.get("share"), 1.0)
    changed_limits = read_config(None).limits.changed
    command = shlex.join(["tercel", "trade", "run", str(file)])
    text = TEXT.format(
        **values,
        agent=re.sub(r"[^A-Za-z0-9_-]", "-", card.name)[:24].strip("-_") or "agent",
        command=command,
        stage=stage,
        data=data,
        decision_s=decision_s,
        name=json.dumps(name),
        market=json.dumps(market),
        policy=policy.relative_to(folder).as_posix(),
        share=SHARE if share is None else 0.9 * share[1],
        limits="\n".join(f"{json.dumps(key)} = {value}" for key, value in changed_limits.items()),
    )
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        file.replace(file.with_suffix(".old"))  # its owner may have changed it
    write_atomic(file, text)
    return command


def _task_times(card: Card) -> tuple[float, float]:
    """Horizon and seconds between decisions of a policy's task."""
    horizon_s = float(card.task.get("horizon_s", 1800.0))
    return horizon_s, horizon_s / int(card.task.get("decisions", 60))
