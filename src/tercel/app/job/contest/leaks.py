"""Whether a policy has seen what it is judged on: recorded days, directly or through a market calibrated on them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tercel.app.job.contest.contenders import Contender
from tercel.app.job.contest.places import Place
from tercel.app.job.market import TRAINING_SHARE, split_dates
from tercel.app.job.settings import RunSettings
from tercel.core.errors import ConfigError, TercelError
from tercel.evaluation.episodes import Plan
from tercel.execution import step as kernels
from tercel.market.flow import preset as presets
from tercel.market.tape import Lake

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPAN = re.compile(r"(\d{4}-\d{2}-\d{2}) to (\d{4}-\d{2}-\d{2})")
_PART = "first two thirds"
SESSION_S = 23_400.0


@dataclass(frozen=True)
class Seen:
    """A stretch of recorded days that a policy learned from.

    Parameters
    ----------
    symbol : str
        Empty: not known.
    first, last : str
        Dates, both inclusive.
    early : bool
        Whether only the part of the day was used that a run trains on when it has one day.
    how : str
        In words.
    """

    symbol: str
    first: str
    last: str
    early: bool
    how: str


def seen_by(policy: Contender) -> list[Seen]:
    """Recorded days that a policy learned from, as far as its card says."""
    told = policy.card.trained_on
    symbol = str(told.get("symbol", ""))
    found = [
        Seen(symbol, first, last, _PART in text, f"was trained on {text}")
        for key, value in told.items()
        if key.startswith(("trained", "days", "train"))
        for text in _texts(value)
        for first, last in _spans(text)
    ]
    for name in _texts(told.get("market", "")) + _texts(told.get("markets", "")):
        found += _calibrated_on(name)
    return found


def _texts(value: Any) -> list[str]:
    """Every text in a plain value; a mapping says its keys too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) and value else []


def _spans(text: str) -> list[tuple[str, str]]:
    spans = [(str(first), str(last)) for first, last in _SPAN.findall(text)]
    return spans or [(date, date) for date in _DATE.findall(text)]


def _calibrated_on(name: str) -> list[Seen]:
    """The days behind a market."""
    try:
        preset = presets.load(name)
    except TercelError:
        return []
    _, end = preset.card.get("window_s") or (None, preset.card.get("to_s"))
    early = end is not None and float(end) <= TRAINING_SHARE * SESSION_S + 1.0
    return [
        Seen(preset.symbol, str(day), str(day), early, f"was trained in {name}, a market calibrated on {day}")
        for day in preset.card.get("days", [])
    ]


def refuse_leaks(policies: Sequence[Contender], places: Iterable[RunSettings]) -> list[str]:
    """Refuse policies that learned from judged days; what was checked, in words.

    Raises
    ------
    ConfigError
        With the first day that a policy has seen.
    """
    said = []
    for settings in places:
        if not settings.on_tape:
            continue
        judged, cut = judged_days(settings)
        for policy in policies:
            for seen in seen_by(policy):
                days = [day for day in judged if seen.first <= day <= seen.last]
                if not days or (seen.early and cut) or (seen.symbol and seen.symbol != settings.symbol):
                    continue
                raise ConfigError(
                    "judged days that no policy learned from",
                    f"{policy.key} {seen.how}; judged: {settings.symbol} on {days[0]}",
                    "judge on later days with --date, or train on others",
                )
        told = judged[0] if len(judged) == 1 else f"{judged[0]} to {judged[-1]}"
        said.append(f"Leaks: no policy learned from the judged days ({settings.symbol}, {told}).")
    return said


def judged_days(settings: RunSettings) -> tuple[list[str], bool]:
    """Dates that a run on tape judges, and whether that is the rest of the only day."""
    train, judged = split_dates(Lake(settings.lake), settings.symbol, settings.judged)
    return judged, train == judged


def refuse_trained_seeds(place: Place, plan: Plan) -> None:
    """Training and tuning draw from negative seeds alone; judged episodes must not.

    Raises
    ------
    ConfigError
        A judged episode with such a seed.
    """
    seeds = plan.rows[:, kernels.E_SEED]
    if not place.validation and (seeds < 0).any():
        received = f"{int(seeds.min())} among the judged ones"
        raise ConfigError("seeds of judged episodes from 0", received, "negative seeds belong to training")
