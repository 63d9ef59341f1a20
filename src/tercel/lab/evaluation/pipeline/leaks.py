"""Leak checks: recorded days that a policy, or a market that it was trained in, has seen."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from tercel.core.errors import ConfigError, TercelError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.market import OTHER_HOURS, cut_of, judged_hours, split_dates
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow import Preset, preset as presets
from tercel.market.tape import Lake
from tercel.market.tape.events import midnight_ns
from tercel.market.tape.lake import TRAINING_SHARE

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPAN = re.compile(r"(\d{4}-\d{2}-\d{2}) to (\d{4}-\d{2}-\d{2})")
_PART = "first two thirds"
_APART = re.compile(rf"{OTHER_HOURS} than (\S+ to \d\d:\d\d(?::\d\d)?)")
SEEN: Final = "Seen days"
"""First words of the note on policies trained on evaluated days."""
ALLOW: Final = ", or judge all the same: `allow_seen_days=True`"
ROUNDING_S = 1.0
"""Cards tell hours in whole seconds."""


@dataclass(frozen=True)
class SeenDays:
    """A stretch of recorded days that a policy learned from.

    Parameters
    ----------
    symbol : str
        Empty: not known.
    first, last : str
        Dates, both inclusive.
    until_s : float
        Seconds after the opening that were used of each day, at most.
    share : float
        Share of each session that was used, at most.
    how : str
        In words.
    apart : str
        Hours by the clock that were left out of each day.
    """

    symbol: str
    first: str
    last: str
    until_s: float
    share: float
    how: str
    apart: str = ""


@dataclass(frozen=True)
class JudgedDays:
    """Recorded days that are judged, and from when on.

    Parameters
    ----------
    symbol : str
    days : tuple of str
        Dates.
    after_s : float
        Seconds after the opening: of the only day the rest is judged; 0: whole days are.
    session_s : float
        From opening to close of the only day.
    opening_s : float
        Seconds after midnight at which it opens, local time of the exchange.
    hours : str
        By the clock, where orders have a time of their own.
    made_of : tuple of str
        Real days that resampled ones among them are made of.
    """

    symbol: str
    days: tuple[str, ...]
    after_s: float = 0.0
    session_s: float = 0.0
    opening_s: float = 0.0
    hours: str = ""
    made_of: tuple[str, ...] = ()

    def until(self, seen: SeenDays) -> float:
        """Seconds after the opening that were seen of the only day."""
        return min(seen.until_s, seen.share * self.session_s)

    def overlaps(self, seen: SeenDays) -> bool:
        """Whether a policy saw any judged hours."""
        return bool(self.same_day(seen)) and (
            not self.after_s or self.until(seen) > self.after_s + ROUNDING_S
        )

    def same_day(self, seen: SeenDays) -> list[str]:
        """Judged days of which some hours were seen."""
        if (seen.symbol and seen.symbol != self.symbol) or (
            self.hours and seen.apart == self.hours
        ):
            return []
        return [day for day in (*self.days, *self.made_of) if seen.first <= day <= seen.last]

    def clock(self, seconds: float) -> str:
        """Local time of the exchange so long after the opening."""
        minutes = round((self.opening_s + seconds) / 60)
        return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"

    def __str__(self) -> str:
        if self.after_s:
            return f"{self.symbol}, {self.days[0]} {self.clock(self.after_s)} to {self.clock(self.session_s)}"
        of = (
            f", simulated days made of {self.made_of[0]} to {self.made_of[-1]}"
            if self.made_of
            else ""
        )
        return (
            f"{self.symbol}, {self.days[0]}"
            + (f" to {self.days[-1]}" if len(self.days) > 1 else "")
            + of
        )


def seen_by(policy: Candidate) -> list[SeenDays]:
    """Recorded days that a policy learned from, or the forecaster that it listens to, as far as their cards say."""
    trained_on = policy.card.trained_on
    symbol = str(trained_on.get("symbol", ""))
    learned_from = [
        value for key, value in trained_on.items() if key.startswith(("trained", "days", "train"))
    ]
    by_symbol = [(symbol, value) for value in learned_from if not isinstance(value, dict)]
    by_symbol += [
        (symbol if _DATE.search(name) else name, {name: days})
        for value in learned_from
        if isinstance(value, dict)
        for name, days in value.items()
    ]
    found = [
        SeenDays(
            name,
            first,
            last,
            inf,
            TRAINING_SHARE if _PART in text else 1.0,
            f"was trained on {text}",
            _apart(text),
        )
        for name, value in by_symbol
        for text in _texts(value)
        for first, last in _spans(text)
    ]
    for name in _texts(trained_on.get("market", "")) + _texts(trained_on.get("markets", "")):
        found += calibrated_on(name)
    learned_on = {} if policy.forecaster is None else policy.forecaster.seen
    for name, days in learned_on.items():
        how = f"listens to a forecaster that was trained on {name}, {days[0]} to {days[-1]}"
        found += [SeenDays(name, day, day, inf, 1.0, how) for day in days]
    return found


def _apart(text: str) -> str:
    found = _APART.search(text)
    return found[1] if found else ""


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


def _loaded(name: str) -> Preset | None:
    try:
        return presets.load(name)
    except TercelError:
        return None


def calibrated_on(name: str) -> list[SeenDays]:
    """The days behind a market."""
    preset = _loaded(name)
    if preset is None:
        return []
    _, end = preset.stretch_s
    until_s = inf if end is None else end
    return [
        SeenDays(
            preset.symbol,
            str(day),
            str(day),
            until_s,
            1.0,
            f"was trained in {name}, a market calibrated on {day}",
        )
        for day in preset.card.get("days", [])
    ]


def refuse_leaks(
    policies: Sequence[Candidate], scenarios: Iterable[Scenario], *, allowed: bool | None = None
) -> list[str]:
    """Refuse policies that learned from judged days or hours; what was checked, in words.

    Parameters
    ----------
    policies : sequence of Candidate
    scenarios : iterable of Scenario
        Where they are judged.
    allowed : bool, optional
        True: such policies are named in a note that begins with `SEEN`, and judged. None: the caller cannot
        allow it, and the error offers no way.

    Raises
    ------
    ConfigError
        With the first day that a policy has seen.
    """
    return [
        note
        for one in scenarios
        if one.market.on_tape
        for note in _checked(policies, judged_days(one), allowed)
    ]


def _checked(
    policies: Sequence[Candidate], judged: JudgedDays, allowed: bool | None
) -> Iterator[str]:
    earlier, known = list[str](), list[str]()
    hours = "hours" if judged.after_s else "days"
    for policy in policies:
        for seen in seen_by(policy):
            if judged.overlaps(seen) and allowed:
                known.append(f"{policy.key} {seen.how}")
            elif judged.overlaps(seen):
                raise ConfigError(
                    f"judged {hours} that no policy learned from",
                    f"{policy.key} {seen.how}; judged: {judged}",
                    "judge on later days with `date=`, or train on others"
                    + ALLOW * (allowed is not None),
                )
            elif judged.same_day(seen):
                earlier.append(f"{policy.key} {seen.how}, up to {judged.clock(judged.until(seen))}")
    if known:
        yield (
            f"{SEEN}: {'; '.join(dict.fromkeys(known))}; judged all the same: {judged}. What such a policy saves "
            "here is no evidence of what it saves on other days."
        )
    sentence = (
        f"Leaks: no {'other ' * bool(known)}policy learned from the judged {hours} ({judged})"
    )
    if earlier:
        sentence += f", but from earlier hours of that day: {'; '.join(dict.fromkeys(earlier))}"
    unknown = [policy.key for policy in policies if not days_are_known(policy)]
    yield sentence + (f". What {', '.join(unknown)} learned from is not known." if unknown else ".")


def refuse_one_source(settings: Scenario) -> None:
    """Refuse to train on a market of resampled days whose judged days are made of real days that are learned on.

    Raises
    ------
    ConfigError
        With those days; before anything is trained.
    """
    lake, symbol = Lake(settings.market.lake), settings.market.symbol
    parts = split_dates(lake, symbol, settings.market.days) if settings.market.on_tape else ([], [])
    if (
        both := ", ".join(
            sorted(set.intersection(*(set(lake.behind(symbol, one)) for one in parts)))
        )
    ) and not judged_hours(settings):
        raise ConfigError(
            "a market whose days to learn on and to judge on are resampled from different real days",
            f"simulated days of {symbol} that are all resampled from {both}",
            "calibrate it on two days or more; or evaluate rule-based strategies in it: docs/tutorials/first_run.md",
        )


def days_are_known(policy: Candidate) -> bool:
    """Whether a card says which days a policy learned from, if any: it names days, or markets that are known here."""
    trained_on = policy.card.trained_on
    names = _texts(trained_on.get("market", "")) + _texts(trained_on.get("markets", ""))
    return bool(seen_by(policy)) or any(_loaded(name) is not None for name in names)


def judged_days(settings: Scenario) -> JudgedDays:
    """Days that a run on tape judges: its judged days, or the rest of the only one."""
    lake, symbol = Lake(settings.market.lake), settings.market.symbol
    if hours := judged_hours(settings):
        apart, dates = "" if settings.orders else settings.task.hours, tuple(sorted(hours))
        return JudgedDays(symbol, dates, hours=apart, made_of=tuple(lake.behind(symbol, dates)))
    train, judged = split_dates(lake, symbol, settings.market.days)
    made_of = tuple(lake.behind(symbol, judged))
    if train != judged:
        return JudgedDays(symbol, tuple(judged), made_of=made_of)
    instrument, events = lake.read(symbol, judged[0])
    opening, closing, cut = cut_of(instrument, events)
    midnight = midnight_ns(instrument.date, instrument.timezone)
    after_s, session_s, opening_s = (
        ns / NS_PER_SECOND for ns in (cut - opening, closing - opening, opening - midnight)
    )
    return JudgedDays(symbol, tuple(judged), after_s, session_s, opening_s, made_of=made_of)


def refuse_trained_seeds(scenario: Scenario, plan: Plan) -> None:
    """Refuse negative seeds for judging: training and tuning draw from them.

    Raises
    ------
    ConfigError
        A judged episode with such a seed.
    """
    seeds = plan.rows[:, kernels.E_SEED]
    if not scenario.validation and (seeds < 0).any():
        raise ConfigError(
            "seeds of judged episodes from 0",
            f"{int(seeds.min())} among the judged ones",
            "negative seeds belong to training",
        )
