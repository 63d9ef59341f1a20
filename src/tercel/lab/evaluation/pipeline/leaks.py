"""Leak checks: recorded days that a policy, or a market that it was trained in, has seen."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from tercel.core.errors import ConfigError, TercelError
from tercel.core.report.formatting import format_minute
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution import step as kernels
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tape_split import OTHER_HOURS, cut_of, judged_hours, split_dates
from tercel.market.flow import Preset, registry as presets
from tercel.market.tape import Lake
from tercel.market.tape.lake import TRAINING_SHARE
from tercel.market.tape.local_times import midnight_ns

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPAN = re.compile(r"(\d{4}-\d{2}-\d{2}) to (\d{4}-\d{2}-\d{2})")
_FIRST_PART = "first two thirds"
_EXCLUDED = re.compile(rf"{OTHER_HOURS} than (\S+ to \d\d:\d\d(?::\d\d)?)")
SEEN: Final = "Seen days"
"""First words of the note on policies trained on evaluated days."""
ALLOW: Final = ", or judge all the same: `allow_seen_days=True`"
ROUNDING_S = 1.0
"""Cards tell hours in whole seconds."""


FORMER_PRESETS: Final[dict[str, tuple[str, tuple[str, ...], float | None]]] = {
    "csco": ("CSCO", ("2003-01-14", "2003-01-15", "2003-01-16", "2003-01-17"), None),
    "es": ("ESH4", ("2023-12-25",), 1800.0),
    "btc-spot": ("BTCUSDT", ("2024-08-08",), 170.0),
}
"""Presets that are not shipped any more, on cards of saved policies: symbol, days calibrated on, seconds used of each."""


@dataclass(frozen=True)
class SeenDays:
    """A span of recorded days that a policy learned from.

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
    description : str
        In words.
    excluded_hours : str
        Hours by the clock that were left out of each day.
    """

    symbol: str
    first: str
    last: str
    until_s: float
    share: float
    description: str
    excluded_hours: str = ""


@dataclass(frozen=True)
class JudgedDays:
    """Recorded days that are judged, and the time from which the first of them is judged.

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

    def seen_until_s(self, seen: SeenDays) -> float:
        """Seconds after the opening up to which the only day was seen in training."""
        return min(seen.until_s, seen.share * self.session_s)

    def overlaps(self, seen: SeenDays) -> bool:
        """Whether seen days include judged ones; of a single day cut in two, whether hours after the cut were seen."""
        return bool(self.seen_days(seen)) and (
            not self.after_s or self.seen_until_s(seen) > self.after_s + ROUNDING_S
        )

    def seen_days(self, seen: SeenDays) -> list[str]:
        """Judged days, and real days that they are made of, in a span of seen days; none of another symbol.

        None either if training left out the judged hours.
        """
        if (seen.symbol and seen.symbol != self.symbol) or (
            self.hours and seen.excluded_hours == self.hours
        ):
            return []
        return [day for day in (*self.days, *self.made_of) if seen.first <= day <= seen.last]

    def format_local_time(self, seconds: float) -> str:
        """Local time of the exchange, `seconds` after the opening, as text."""
        return format_minute(self.opening_s + seconds)

    def __str__(self) -> str:
        """Text such as "AMZN, 2012-06-21 to 2012-06-22"; of a day cut in two with the judged hours, else without
        `hours`.
        """
        if self.after_s:
            first, last = map(self.format_local_time, (self.after_s, self.session_s))
            return f"{self.symbol}, {self.days[0]} {first} to {last}"
        origin = (
            f", simulated days made of {self.made_of[0]} to {self.made_of[-1]}"
            if self.made_of
            else ""
        )
        return (
            f"{self.symbol}, {self.days[0]}"
            + (f" to {self.days[-1]}" if len(self.days) > 1 else "")
            + origin
        )


def seen_days_of(policy: Candidate) -> list[SeenDays]:
    """Recorded days that a policy, its forecaster or the preset it learned in was trained on, according to their cards."""
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
    seen_days = [
        SeenDays(
            name,
            first,
            last,
            inf,
            TRAINING_SHARE if _FIRST_PART in text else 1.0,
            f"was trained on {text}",
            _excluded_hours(text),
        )
        for name, value in by_symbol
        for text in _texts(value)
        for first, last in _spans(text)
    ]
    for name in _texts(trained_on.get("market", "")) + _texts(trained_on.get("markets", "")):
        seen_days += calibrated_on(name)
    learned_on = {} if policy.forecaster is None else policy.forecaster.seen
    for name, days in learned_on.items():
        description = f"listens to a forecaster that was trained on {name}, {days[0]} to {days[-1]}"
        seen_days += [SeenDays(name, day, day, inf, 1.0, description) for day in days]
    return seen_days


def _excluded_hours(text: str) -> str:
    """Hours excluded from training in a card's text, as text; empty without any."""
    match = _EXCLUDED.search(text)
    return match[1] if match else ""


def _texts(value: Any) -> list[str]:
    """All texts in a plain value of dicts and lists, keys of dicts included."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) and value else []


def _spans(text: str) -> list[tuple[str, str]]:
    """Spans of dates (first, last) in a text; single dates if it has no span."""
    spans = [(str(first), str(last)) for first, last in _SPAN.findall(text)]
    return spans or [(date, date) for date in _DATE.findall(text)]


def find_preset(name: str) -> Preset | None:
    """Preset by name; None if it cannot be loaded."""
    try:
        return presets.load(name)
    except TercelError:
        return None


def calibrated_on(name: str) -> list[SeenDays]:
    """Recorded days that a preset market, also a former one, was calibrated on; empty for a name that is no preset."""
    if (preset := find_preset(name)) is None:
        return _seen_in(name, *FORMER_PRESETS.get(name, ("", (), None)))
    return _seen_in(name, preset.symbol, preset.card.get("days", []), preset.stretch_s[1])


def _seen_in(
    market: str, symbol: str, days: Iterable[str], until_s: float | None
) -> list[SeenDays]:
    """Days that a market was calibrated on, each until so many seconds after its opening (None: whole)."""
    until = inf if until_s is None else until_s
    return [
        SeenDays(
            symbol,
            str(day),
            str(day),
            until,
            1.0,
            f"was trained in {market}, a market calibrated on {day}",
        )
        for day in days
    ]


def refuse_leaks(
    policies: Sequence[Candidate], scenarios: Iterable[Scenario], *, allowed: bool | None = None
) -> list[str]:
    """Refuse policies that learned from days or hours judged on tape, unless `allowed`; returns sentences on the check.

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
        for scenario in scenarios
        if scenario.market.on_tape
        for note in leak_notes(policies, judged_days(scenario), allowed)
    ]


def policies_that_saw(policies: Sequence[Candidate], judged: JudgedDays) -> list[str]:
    """Names of the policies that learned from judged days."""
    return [one.key for one in policies if any(map(judged.overlaps, seen_days_of(one)))]


def leak_notes(
    policies: Sequence[Candidate], judged: JudgedDays, allowed: bool | None
) -> Iterator[str]:
    """Sentences on the seen days of policies; raises for judged days that were seen, unless `allowed`."""
    earlier = list[str]()
    leaks = list[str]()
    hours = "hours" if judged.after_s else "days"
    for policy in policies:
        for seen in seen_days_of(policy):
            if judged.overlaps(seen) and allowed:
                leaks.append(f"{policy.key} {seen.description}")
            elif judged.overlaps(seen):
                raise ConfigError(
                    f"judged {hours} that no policy learned from",
                    f"{policy.key} {seen.description}; judged: {judged}",
                    "judge on later days with `date=`, or train on others"
                    + ALLOW * (allowed is not None),
                )
            elif judged.seen_days(seen):
                earlier.append(
                    f"{policy.key} {seen.description}, up to {judged.format_local_time(judged.seen_until_s(seen))}"
                )
    if leaks:
        yield (
            f"{SEEN}: {'; '.join(dict.fromkeys(leaks))}; judged all the same: {judged}. What such a policy saves "
            "here is no evidence of what it saves on other days."
        )
    sentence = (
        f"Leaks: no {'other ' * bool(leaks)}policy learned from the judged {hours} ({judged})"
    )
    if earlier:
        sentence += f", but from earlier hours of that day: {'; '.join(dict.fromkeys(earlier))}"
    unknown = [policy.key for policy in policies if not days_are_known(policy)]
    yield sentence + (f". What {', '.join(unknown)} learned from is not known." if unknown else ".")


def refuse_one_source(scenario: Scenario) -> None:
    """Refuse to train on a market of resampled days if its judged days are resampled from the same real days.

    Raises
    ------
    ConfigError
        With those days; before anything is trained.
    """
    lake = Lake(scenario.market.lake)
    symbol = scenario.market.symbol
    parts = split_dates(lake, symbol, scenario.market.days) if scenario.market.on_tape else ([], [])
    if (
        shared_days := ", ".join(
            sorted(set.intersection(*(set(lake.real_dates(symbol, dates)) for dates in parts)))
        )
    ) and not judged_hours(scenario):
        raise ConfigError(
            "a market whose days to learn on and to judge on are resampled from different real days",
            f"simulated days of {symbol} that are all resampled from {shared_days}",
            "calibrate it on two days or more; or evaluate rule-based strategies in it: docs/tutorials/first_run.md",
        )


def days_are_known(policy: Candidate) -> bool:
    """Whether a policy's card says which recorded days it learned from, or that there are none."""
    trained_on = policy.card.trained_on
    names = _texts(trained_on.get("market", "")) + _texts(trained_on.get("markets", ""))
    return bool(seen_days_of(policy)) or any(find_preset(name) is not None for name in names)


def judged_days(scenario: Scenario) -> JudgedDays:
    """Days that a scenario on tape judges, with hours for orders by the clock; of a single day the part after the cut."""
    lake = Lake(scenario.market.lake)
    symbol = scenario.market.symbol
    if hours := judged_hours(scenario):
        excluded_hours = "" if scenario.orders else scenario.task.hours
        dates = tuple(sorted(hours))
        return JudgedDays(
            symbol, dates, hours=excluded_hours, made_of=tuple(lake.real_dates(symbol, dates))
        )
    train, judged = split_dates(lake, symbol, scenario.market.days)
    made_of = tuple(lake.real_dates(symbol, judged))
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
    """Refuse a judged plan, unless it is for validation, with negative seeds, from which training and tuning draw.

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
