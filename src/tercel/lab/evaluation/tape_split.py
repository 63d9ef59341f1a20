"""Split of recorded days into training days and judged days, or of the hours of the same days."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.vocabulary import BUY
from tercel.execution.orders import Order, assign_days
from tercel.execution.task import Task
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.windows import Hours
from tercel.market.flow.census import CURVE_BINS
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.lake import TRAINING_SHARE, count_training_days
from tercel.market.tape.recorded_rules import recorded_hours, trading_times
from tercel.market.tape.schema import EXECUTE, LEVEL_SET, TRADE

OTHER_HOURS = "other hours"
"""Text for the training hours if orders with set times are judged."""


@dataclass(frozen=True, eq=False)
class Split:
    """Training days and judged days of a tape, and the cut time if a single day is both."""

    train: list[str]
    test: list[str]
    cut_ns: int
    days: list[tuple[Instrument, Events]]
    hours: Hours = field(default_factory=dict)
    """Judged hours by date; agents learn from the other hours."""
    hindsight: bool = False
    """Whether no other hours exist, so that estimates are of the judged hours too."""

    @property
    def spans(self) -> tuple[str, str]:
        """Texts for the training part and for the judged part."""
        if self.cut_ns:
            return f"{self.train[0]}, first two thirds", f"{self.train[0]}, the rest"
        if self.hours:
            suffix = "" if self.train == self.test else f" of {_format_span(self.test)}"
            return (
                f"{_format_span(self.train)}, {'all hours' if self.hindsight else OTHER_HOURS}",
                f"hours by the clock{suffix}",
            )
        return _format_span(self.train), _format_span(self.test)

    @property
    def curve(self) -> list[float]:
        """Mean lots traded in each thirteenth of the session on the training days; of a day that is cut, its mean rate.
        ConfigError without trades.
        """
        if self.hours and not self.hindsight:
            return self._curve_of_other_hours()
        curve = np.mean(
            [curve_lots(instrument, events) for instrument, events in self.days], axis=0
        )
        if curve.sum() <= 0:
            raise ConfigError(
                "training days of a book that trades",
                f"none in {self.spans[0]}",
                "import more days; orders, levels or quotes with the trades, where there are trades alone",
            )
        if (
            self.cut_ns
        ):  # the rest of the day is not known: its rate is taken to be that of the part seen
            curve = np.full(len(curve), curve.sum() / len(curve) / TRAINING_SHARE)
        return [float(lots) for lots in curve]

    def _curve_of_other_hours(self) -> list[float]:
        """Mean lots in each thirteenth of the session, over the days on which it has no judged hours; ConfigError
        without trades there.

        A thirteenth without such a day has the mean of all others.
        """
        parts = []
        for instrument, events in self.days:
            lots = curve_lots(instrument, events)
            for begin, end in self.hours.get(instrument.date, ()):
                first, last = _thirteenths_of(instrument, events, np.array([begin, end - 1]))
                lots[first : last + 1] = np.nan
            parts.append(lots)
        table = np.stack(parts)
        if not np.nansum(table) > 0:
            raise ConfigError(
                "hours that trade and are not judged",
                f"none in {_format_span(self.train)}",
                "import more days",
            )
        counts = (~np.isnan(table)).sum(axis=0)
        means = np.where(
            counts > 0, np.nansum(table, axis=0) / np.maximum(counts, 1), np.nanmean(table)
        )
        return [float(lots) for lots in means]


def _format_span(dates: Sequence[str]) -> str:
    """First and last of some dates as text, or the only date."""
    return f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else dates[0]


def has_level_totals(events: Events) -> bool:
    """Whether a tape has level totals and prints, and no single orders."""
    return bool(np.any(events.kind == LEVEL_SET))


def curve_lots(instrument: Instrument, events: Events) -> Floats:
    """Lots traded in each thirteenth of a session's trading time, float64 (13,)."""
    opening, closing = session_of(instrument, events)
    kind = TRADE if has_level_totals(events) else EXECUTE
    inside = (events.kind == kind) & (np.clip(events.exch_ns, opening, closing) == events.exch_ns)
    parts = np.minimum(_thirteenths_of(instrument, events, events.exch_ns[inside]), CURVE_BINS - 1)
    return np.asarray(np.bincount(parts, events.qty_lots[inside], CURVE_BINS), np.float64)


def _thirteenths_of(instrument: Instrument, events: Events, ns: Ints) -> Ints:
    """Thirteenths of a session's trading time that times lie in, from 0; the close and later ones lie in none of them."""
    opening, closing = session_of(instrument, events)
    hours = recorded_hours(instrument)
    times = trading_times(hours, opening, np.append(ns, closing))
    return times[:-1] * CURVE_BINS // max(int(times[-1]), 1)


def split_dates(lake: Lake, symbol: str, judged: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Days to train on and days to judge on: the earlier two thirds and the rest, or by `judged` dates; ConfigError if
    one is not recorded or none is earlier.

    With `judged`, all days before the first of these train. The only day of a lake is both.

    Raises
    ------
    ConfigError
        A day that the lake does not hold, or none before the first.
    """
    dates = list(lake.days(symbol))
    if not judged:
        training_count = count_training_days(len(dates))
        return dates[:training_count], dates[training_count:] if len(dates) > 1 else dates
    judged_dates = sorted(set(judged))
    for date in judged_dates:
        if date not in dates:
            raise ConfigError(
                f"days of {symbol} in the lake: {', '.join(dates)}", date, "name some of those"
            )
    train = [date for date in dates if judged_dates and date < judged_dates[0]]
    refuse_if(
        not train,
        f"a day of {symbol} before the judged ones",
        f"none before {','.join(judged)}",
        "judge on later days: schedules learn their volume curve from days before",
    )
    return train, judged_dates


def session_of(instrument: Instrument, events: Events) -> tuple[int, int]:
    """Opening and close of a session, ns; first and last event of the tape where the feed does not state them."""
    return instrument.session_open_ns or int(events.exch_ns[0]), instrument.session_close_ns or int(
        events.exch_ns[-1]
    )


def cut_of(instrument: Instrument, events: Events) -> tuple[int, int, int]:
    """Opening and close of a session, and the time that cuts its trading time into training and judged part, ns."""
    opening, closing = session_of(instrument, events)
    hours = recorded_hours(instrument)
    training_ns = int(opening + TRAINING_SHARE * hours.trading_ns(opening, closing)) - opening
    return opening, closing, hours.ends_ns(opening, training_ns)


def judged_hours(scenario: Scenario) -> Hours:
    """Judged hours (begin, end), ns, by date, of orders with set times; empty if days are split instead.

    Agents learn from the hours that are left. Where these hold no window of a task's order, days are split as for any
    other; listed orders are judged all the same.
    """
    lake = Lake(scenario.market.lake)
    task = scenario.task
    symbol = scenario.market.symbol
    if not scenario.by_clock:
        return {}
    instruments = {date: lake.instrument(symbol, date) for date in lake.days(symbol)}
    hours: dict[str, list[tuple[int, int]]] = {}
    for order in scenario.orders or assign_days(
        [Order(task.start, symbol, BUY, 1, task.horizon_s)], lake
    ):
        [instrument] = order.days(instruments)
        hours.setdefault(instrument.date, []).append(order.hours(instrument))
    return hours if scenario.orders or _has_window(hours, instruments.values(), task) else {}


def _has_window(hours: Hours, instruments: Iterable[Instrument], task: Task) -> bool:
    """Whether some session has room for a window of the task outside of the hours `hours`."""
    for instrument in instruments:
        free_from_ns = instrument.session_open_ns
        for begin, end in [
            *sorted(hours.get(instrument.date, ())),
            (instrument.session_close_ns, instrument.session_close_ns),
        ]:
            if (
                recorded_hours(instrument).trading_ns(free_from_ns, begin)
                >= task.horizon_ns + task.warmup_ns
            ):
                return True
            free_from_ns = max(free_from_ns, end)
    return False


def has_other_hours(scenario: Scenario) -> bool:
    """Whether the lake has hours outside of the judged ones with room for a window of the task."""
    lake = Lake(scenario.market.lake)
    symbol = scenario.market.symbol
    instruments = [lake.instrument(symbol, date) for date in lake.days(symbol)]
    return _has_window(judged_hours(scenario), instruments, scenario.task)


def split_by_clock(scenario: Scenario) -> Split | None:
    """Split by hours: orders with set times are judged, the other hours of all days train; None if days are split."""
    hours = judged_hours(scenario)
    if not hours:
        return None
    lake = Lake(scenario.market.lake)
    symbol = scenario.market.symbol
    days = [lake.read(symbol, date) for date in lake.days(symbol)]
    return Split(
        [instrument.date for instrument, _ in days],
        sorted(hours),
        0,
        days,
        hours,
        not has_other_hours(scenario),
    )


def split_days(lake: Lake, symbol: str, judged: Sequence[str] = ()) -> Split:
    """Split by days: earlier days train, later days are judged; a single day is cut at two thirds of its session."""
    train, test = split_dates(lake, symbol, judged)
    days = [lake.read(symbol, date) for date in train]
    if train != test:
        return Split(train, test, 0, days)
    instrument, events = days[0]
    opening, _, cut = cut_of(instrument, events)
    part = events.slice(0, int(np.searchsorted(events.exch_ns, cut)))
    return Split(
        train,
        test,
        cut,
        [(replace(instrument, session_open_ns=opening, session_close_ns=cut), part)],
    )
