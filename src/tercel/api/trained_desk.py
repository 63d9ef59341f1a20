"""The desk file that a training writes: its agent, with the market and order size of its card."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tercel.api.desk_file import read_config
from tercel.core.files import write_atomic
from tercel.desk.engine.config import CLOSING_S
from tercel.execution.observation import is_own_name
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.strategies.event_clock import span_of
from tercel.market.flow import names
from tercel.market.tape import Lake

FILE: Final = "desk.toml"
ROUNDS: Final = 2
# Default order size, as a share of a round's volume, for a card without one.
SHARE: Final = 0.10
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
    """The folder of the policy that did best on its validation episodes."""

    def merit(folder: Path) -> float:
        return float(read_card(folder / CARD).scores.get("validation", {}).get("merit", 0.0))

    return max(policies, key=merit)


def how_to_trade(
    folder: Path, policy: Path, recorded: RecordedMarket | None = None, preset: Path | None = None
) -> str:
    """Write the desk file of a policy; return the command that trades it, or why there is none.

    Parameters
    ----------
    folder : Path
        Where the file lies, and the policy below it.
    policy : Path
        Its folder.
    recorded : RecordedMarket, optional
        Recorded days that it was trained on, if any: one of them is replayed.
    preset : Path, optional
        Market file to trade in, if there is one: calibrated to these days, or the user's own.
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
