"""Market of a run: its training and judged episodes, and the estimates that rules may know."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from tercel.core.ahead import compile_ahead
from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import BUY, FOREVER_NS
from tercel.execution import step as kernels
from tercel.execution.market import Market, in_words as venue_words
from tercel.execution.outside import terms_in
from tercel.execution.strategies import MarketEstimates
from tercel.execution.task import Task, size_in_words
from tercel.lab.evaluation.episodes import Plan, Sampler, bank_sampler, seeded_plan, sides_of
from tercel.lab.evaluation.orders import Order, placed
from tercel.lab.evaluation.runs import PILOT_EPISODES, Waiting, pilot, settled, waits
from tercel.lab.evaluation.scenario import EPISODES, VALIDATION_SEED, Scenario
from tercel.lab.evaluation.windows import NO_HOURS, Hours, orders_plan, tape_plan, tape_sampler
from tercel.market.dealers.panel import DRAWN, load_panel
from tercel.market.flow import Preset, preset as presets
from tercel.market.flow.calibrate import calibrate, census_of
from tercel.market.flow.census import CURVE_BINS
from tercel.market.impact.fitted import tape_law
from tercel.market.regimes.choice import chosen
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source, replay
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.lake import TRAINING_SHARE, learned_on
from tercel.market.tape.schema import EXECUTE, LEVEL_SET, TRADE, TRADE_HIDDEN

FEW = 60
"""Judged orders of a tape below which its figures tell little apart: two days of half hours, bought and sold."""
OTHER_HOURS = "other hours"
"""Last words of a training span if orders at set times are judged."""
TRAINING_STEP_NS = 60 * 10**9
"""Distance of the arrivals that training draws from."""


@dataclass(frozen=True, eq=False)
class BuiltMarket:
    """A market built for a run: source, plans, estimates.

    Parameters
    ----------
    name : str
        As the result says it.
    training, judged : Source
        Where agents learn and where all strategies are judged.
    sampler : Sampler
        Training episodes.
    plan : Plan
        Judged episodes.
    estimates : MarketEstimates
        From training episodes alone.
    cluster : str
        Name of the unit that is drawn independently.
    notes : tuple of str
        Notes for the table.
    facts : dict
        For the report and the policies' cards.
    task : Task
        The task under evaluation.
    """

    name: str
    training: Source
    judged: Source
    sampler: Sampler
    plan: Plan
    estimates: MarketEstimates
    cluster: str
    notes: tuple[str, ...]
    facts: dict[str, object]
    task: Task = field(default_factory=Task)


def looked_up(market: Market) -> dict[str, Market]:
    """The markets of one symbol in a market, by name, once everything is looked up that it names.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A preset, regime, symbol or day that does not exist.
    """
    each = market.each()
    for one in each.values():
        if one.on_tape:
            split_dates(Lake(one.lake), one.symbol, one.days)
        elif one.regimes:
            chosen(one.regimes, presets.load(one.preset))
    return each


def build_market(scenario: Scenario, *, quick: bool = False) -> BuiltMarket:
    """The market of a scenario; the same values give the same market in every process.

    Parameters
    ----------
    scenario : Scenario
    quick : bool
        Whether a small bank and a short pilot will do.
    """
    market, task = scenario.market, scenario.task
    model = sim.REPLAY if market.on_tape else presets.load(market.preset).code
    compile_ahead(*kernels.needed(model))
    built = _on_tape(scenario) if market.on_tape else _simulated(scenario, quick)
    training = replace(built.training, fees=market.fees)
    judged = replace(built.judged, fees=market.fees, waiting=training.waiting)
    built = replace(
        built,
        task=task,
        training=training,
        judged=judged,
        notes=(
            *built.notes,
            *impact_in_words(judged),
            *limit_in_words(scenario),
            *hindsight_in_words(scenario),
            *venue_words(market.fees, task.latency, task.feed_latency),
        ),
    )
    if scenario.validation and market.on_tape:
        drawn = built.sampler(-1 - VALIDATION_SEED, 0, max(scenario.episodes, 1))
        return replace(built, judged=training, plan=drawn)
    return built


cached_market = lru_cache(maxsize=2)(build_market)
"""The market of a scenario, the last two cached; `cache_clear` where a lake may have grown."""


def impact_in_words(market: Source) -> list[str]:
    """Sentence on the law of impact of own trades, for readers of the table."""
    law = market.impact
    if law is None:
        return []
    if law.law == "weights":
        return ["Impact: own flow leans on the weights of public market orders."]
    shape = (
        "linear in own volume"
        if law.exponent == 1.0
        else f"own volume to the power {law.exponent:g}"
    )
    return [
        f"Impact: the book is translated, {shape}; {law.scale_ticks:.3g} ticks after one mean trade of "
        f"{law.mean_trade_lots:.3g} lots. The law is a prior."
    ]


def limit_in_words(settings: Scenario) -> list[str]:
    """Sentence on an order's limit price, or on the number of listed orders with one; empty without a limit."""
    words, limit = "", settings.task.limit_price
    if settings.orders:
        several = sum(order.limit_price is not None for order in settings.orders)
        words = f"{several} of {len(settings.orders)} orders have one" if several else ""
    elif limit is not None:
        words = f"{limit} beyond the mid at arrival" if isinstance(limit, str) else f"{limit}"
    left = "what it leaves unfilled is booked at the price of the next lot plus the law for the whole order"
    return [f"Limit: {words}; {left}."] if words else []


def _simulated(scenario: Scenario, quick: bool) -> BuiltMarket:
    market, task = scenario.market, scenario.task
    preset = presets.load(market.preset)
    quantity = task.lots(preset.volume_per_s)
    judged, training, known = settled(preset, market, task, quantity, quick)
    if market.dealers:
        drawn = market.dealers == DRAWN
        panel = load_panel("equity" if drawn else market.dealers)
        mid = float(judged.worlds_k[:, sim.MID2].mean()) / 2.0
        terms = terms_in(panel, preset.volume_per_s, judged.impact, mid, drawn)
        judged = replace(judged, outside=terms)
    share, minutes = task.share or quantity / (preset.volume_per_s * task.horizon_s), _minutes(task)
    sampler = bank_sampler(task, quantity, len(training.worlds_b))
    parts = np.array_split(np.arange(scenario.episodes or EPISODES), len(scenario.seeds))
    plans = [
        seeded_plan(task, quantity, seed, 0, len(part))
        for seed, part in zip(scenario.seeds, parts, strict=True)
        if len(part)
    ]
    rows = np.concatenate([plan.rows for plan in plans])
    # a buy and a sell on one stream are one cluster
    pairs = np.unique(rows[:, [kernels.E_SEED, kernels.E_INDEX]], axis=0, return_inverse=True)[1]
    return BuiltMarket(
        preset.name,
        waits(training, task, sampler),
        judged,
        sampler,
        Plan(rows, pairs.ravel().astype(np.int64)),
        replace(known, market=preset.name),
        "episode seed",
        (
            f"The order: {size_in_words(share, quantity)} in {minutes}, {quantity:,} {_units(preset.lot)}.",
            *((f"Regimes in training and judging: {market.regimes}.",) if market.regimes else ()),
        ),
        {
            "symbol": preset.symbol,
            "order, lots": quantity,
            "tick": preset.tick,
            "shares in a lot": preset.lot,
        },
    )


@dataclass(frozen=True, eq=False)
class Split:
    """Days for training, days for judging, and where one day is cut when there is only one."""

    train: list[str]
    test: list[str]
    cut_ns: int
    days: list[tuple[Instrument, Events]]
    hours: Hours = field(default_factory=dict)
    """Judged hours by date, where agents learn from the others."""
    hindsight: bool = False
    """Whether none are left to learn from: what strategies know is of the judged hours too."""

    @property
    def spans(self) -> tuple[str, str]:
        """Training and judged part in words."""
        if self.cut_ns:
            return f"{self.train[0]}, first two thirds", f"{self.train[0]}, the rest"
        if self.hours:
            of = "" if self.train == self.test else f" of {_span(self.test)}"
            return (
                f"{_span(self.train)}, {'all hours' if self.hindsight else OTHER_HOURS}",
                f"hours by the clock{of}",
            )
        return _span(self.train), _span(self.test)

    @property
    def curve(self) -> list[float]:
        """Mean lots traded in each thirteenth of the session on the training days."""
        if self.hours and not self.hindsight:
            return self._curve_of_other_hours()
        curve = np.mean(
            [curve_lots(instrument, events) for instrument, events in self.days], axis=0
        )
        if curve.sum() <= 0:
            raise ConfigError(
                "training days that trade", f"no trades in {self.spans[0]}", "import more days"
            )
        if (
            self.cut_ns
        ):  # the rest of the day is not known: its rate is taken to be that of the part seen
            curve = np.full(len(curve), curve.sum() / len(curve) / TRAINING_SHARE)
        return [float(lots) for lots in curve]

    def _curve_of_other_hours(self) -> list[float]:
        """The mean over days of parts without judged hours; where no day has one, the mean of all parts that have."""
        parts = []
        for instrument, events in self.days:
            lots = curve_lots(instrument, events).astype(
                np.float64
            )  # counts of levels are integers
            edges = np.linspace(*session_of(instrument, events), len(lots) + 1)
            for begin, end in self.hours.get(instrument.date, ()):
                lots[(edges[:-1] < end) & (edges[1:] > begin)] = np.nan
            parts.append(lots)
        table = np.stack(parts)
        if not np.nansum(table) > 0:
            raise ConfigError(
                "hours that trade and are not judged",
                f"none in {_span(self.train)}",
                "import more days",
            )
        counts = (~np.isnan(table)).sum(axis=0)
        means = np.where(
            counts > 0, np.nansum(table, axis=0) / np.maximum(counts, 1), np.nanmean(table)
        )
        return [float(lots) for lots in means]


def _span(dates: Sequence[str]) -> str:
    return f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else dates[0]


def by_level(events: Events) -> bool:
    """Whether a tape shows level totals and prints, and no single orders."""
    return bool(np.any(events.kind == LEVEL_SET))


def curve_lots(instrument: Instrument, events: Events) -> Floats:
    """Lots traded in each thirteenth of a session."""
    if not by_level(events):
        return census_of(instrument, events).curve_lots
    opening, closing = session_of(instrument, events)
    printed = events.kind == TRADE
    edges = np.linspace(opening, closing, CURVE_BINS + 1)
    return np.histogram(
        events.exch_ns[printed], edges, weights=events.qty_lots[printed].astype(np.float64)
    )[0]


def split_dates(lake: Lake, symbol: str, judged: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Days to train on and days to judge on: the earlier two thirds and the rest, or the `judged` dates and all days
    before the first of these. The only day of a lake is both.

    Raises
    ------
    ConfigError
        A day that the lake does not hold, or none before the first.
    """
    dates = list(lake.days(symbol))
    if not judged:
        first = learned_on(len(dates))
        return dates[:first], dates[first:] if len(dates) > 1 else dates
    wanted = sorted(set(judged))
    for date in wanted:
        if date not in dates:
            raise ConfigError(
                f"days of {symbol} in the lake: {', '.join(dates)}", date, "name some of those"
            )
    train = [date for date in dates if wanted and date < wanted[0]]
    if not train:
        raise ConfigError(
            f"a day of {symbol} before the judged ones",
            f"none before {','.join(judged)}",
            "judge on later days: schedules learn their volume curve from days before",
        )
    return train, wanted


def session_of(instrument: Instrument, events: Events) -> tuple[int, int]:
    """Opening and close of a session, of the tape where the feed does not say, ns."""
    return instrument.session_open_ns or int(events.exch_ns[0]), instrument.session_close_ns or int(
        events.exch_ns[-1]
    )


def cut_of(instrument: Instrument, events: Events) -> tuple[int, int, int]:
    """Opening and close of a session, and where it is cut when it is the only one, ns."""
    opening, closing = session_of(instrument, events)
    return opening, closing, int(opening + TRAINING_SHARE * (closing - opening))


def judged_hours(settings: Scenario) -> Hours:
    """Hours of orders with set times, by date; empty if days are split instead.

    Agents learn from the hours that are left. Where these hold no window of a task's order, days are split as for any
    other; listed orders are judged all the same.
    """
    lake, task, symbol = Lake(settings.market.lake), settings.task, settings.market.symbol
    if not settings.by_clock:
        return {}
    about = {date: lake.instrument(symbol, date) for date in lake.days(symbol)}
    hours: dict[str, list[tuple[int, int]]] = {}
    for order in settings.orders or placed(
        [Order(task.start, symbol, BUY, 1, task.horizon_s)], lake
    ):
        [day] = order.days(about)
        hours.setdefault(day.date, []).append(order.hours(day))
    return hours if settings.orders or _leave_room(hours, about.values(), task) else {}


def _leave_room(hours: Hours, about: Iterable[Instrument], task: Task) -> bool:
    """Whether some session holds a window of the task outside some hours."""
    for one in about:
        free = one.session_open_ns
        for begin, end in [
            *sorted(hours.get(one.date, ())),
            (one.session_close_ns, one.session_close_ns),
        ]:
            if begin - free >= task.horizon_ns + task.warmup_ns:
                return True
            free = max(free, end)
    return False


def hindsight_in_words(settings: Scenario) -> list[str]:
    """Warning if listed orders leave no other hours to learn from; else empty."""
    if not settings.orders or _has_other_hours(settings):
        return []
    symbol = settings.market.symbol
    return [
        f"What strategies know of {symbol} beforehand is of the judged hours too: there are no others."
    ]


def _has_other_hours(settings: Scenario) -> bool:
    lake, symbol = Lake(settings.market.lake), settings.market.symbol
    about = [lake.instrument(symbol, date) for date in lake.days(symbol)]
    return _leave_room(judged_hours(settings), about, settings.task)


def split_by_clock(settings: Scenario) -> Split | None:
    """All days, orders at times of their own judged, the other hours to train; None where days are split instead."""
    hours = judged_hours(settings)
    if not hours:
        return None
    lake, symbol = Lake(settings.market.lake), settings.market.symbol
    days = [lake.read(symbol, date) for date in lake.days(symbol)]
    return Split(
        [one.date for one, _ in days], sorted(hours), 0, days, hours, not _has_other_hours(settings)
    )


def waiting_on(lake: Lake, symbol: str, dates: Sequence[str]) -> float:
    """Cost of waiting in a symbol on some recorded days (`View.waiting`), by orders of half an hour and 10 %; 0, not
    known, if none fits into them.
    """
    held = Market(lake=str(lake.root), symbol=symbol)
    source, days = replay(lake, symbol, dates, queue=held.queue, bound=held.bound)
    read = Split([*dates], [], 0, [lake.read(symbol, date) for date in dates])
    try:
        plan = tape_plan(days, Task(), read.curve, every_ns=TRAINING_STEP_NS)
    except ConfigError:
        return 0.0
    return Waiting(source, Task(), tape_sampler(plan)).value


def split_days(lake: Lake, symbol: str, judged: Sequence[str] = ()) -> Split:
    """Earlier days to train, later days to judge; a single day is cut at two thirds of its session."""
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


def _on_tape(settings: Scenario) -> BuiltMarket:
    seed = max(settings.seeds[0], 0)
    lake, task, symbol = Lake(settings.market.lake), settings.task, settings.market.symbol
    split = split_by_clock(settings) or split_days(lake, symbol, settings.market.days)
    curve, one_source = split.curve, split.cut_ns or split.hours
    queue, law = settings.market.queue, tape_law(split.days, settings.market.impact)
    recorded = partial(replay, lake, symbol, queue=queue, impact=law, bound=settings.market.bound)
    training, training_days = recorded(split.train)
    judged, judged_days = (training, training_days) if one_source else recorded(split.test)
    judged_days = [day for day in judged_days if day.instrument.date in split.test]
    # in other hours agents learn without a start by the clock, and without a price as limit
    limit = task.limit_price if isinstance(task.limit_price, str) else None
    anytime = replace(task, start="", limit_price=limit)
    drawn = tape_plan(
        training_days,
        anytime if split.hours else task,
        curve,
        every_ns=TRAINING_STEP_NS,
        seed=seed,
        latest_ns=split.cut_ns or FOREVER_NS,
        apart=NO_HOURS if split.hindsight else split.hours,
    )
    if settings.orders:
        plan = orders_plan(judged_days, task, settings.orders, seed)
    else:
        plan = tape_plan(judged_days, task, curve, seed=seed, earliest_ns=split.cut_ns)
    # Other hours and later days train the policy; the cost of waiting, which decides on takes, is of earlier days
    # alone.
    begins = split.cut_ns or judged_days[0].open_ns
    earlier = drawn.take(np.flatnonzero(drawn.rows[:, kernels.E_START_NS] < begins))
    if len(earlier):
        training = waits(training, task, tape_sampler(earlier))
    instrument = judged_days[0].instrument
    quantities = plan.rows[:, kernels.E_QUANTITY]
    one_day = len(judged_days) == 1
    guessed = any(by_level(events) for _, events in split.days)
    seen, unseen = split.spans
    of, learned = (lake.behind(symbol, part) for part in (split.test, split.train))
    both = ", trained on too" if set(of) & set(learned) else ""
    seen += f", simulated days made of {learned[0]} to {learned[-1]}" if learned else ""
    return BuiltMarket(
        f"{symbol} replay",
        training,
        judged,
        tape_sampler(drawn),
        thinned(plan, settings.episodes) if settings.episodes and not settings.orders else plan,
        pilot(training, task, thinned(drawn, PILOT_EPISODES, once=True)),
        "30-minute block" if settings.orders or one_day else "day",
        (
            f"Trained on {seen}, judged on {unseen}.",
            *(
                (
                    f"Days are simulated, made of {of[0]} to {of[-1]}, {len(of)} in all{both}: no word on others.",
                )
                if of
                else ()
            ),
            _order_words(task, quantities, instrument.lot, of_list=len(settings.orders)),
            *(("Judged on one day: whether it holds on others is not known.",) if one_day else ()),
            *_hidden_words(judged),
            *(
                ()
                if len(earlier)
                else (
                    "No earlier day tells what waiting costs: a policy that goes by it is `guarded` here.",
                )
            ),
            *(
                (
                    f"The tape shows level totals: places in queues are guessed by the model {queue}.",
                )
                if guessed
                else ()
            ),
        ),
        {
            "symbol": symbol,
            "trained on": seen,
            "judged on": unseen,
            "tick": instrument.tick,
            "shares in a lot": instrument.lot,
        },
    )


def preset_of(settings: Scenario) -> Preset | None:
    """The market that the training days of a tape calibrate to; None where they show no single orders, or where other
    hours of the judged days are trained on."""
    if judged_hours(settings):
        return None
    split = split_days(Lake(settings.market.lake), settings.market.symbol, settings.market.days)
    if any(by_level(events) for _, events in split.days):
        return None
    return calibrate(
        split.days,
        name=f"{settings.market.symbol.lower()}-{split.train[0]}-{split.train[-1]}",
        date=split.train[-1],
    )


def _hidden_words(judged: Source) -> list[str]:
    """Sentence on the share of a tape's volume executed against hidden orders, which fill no own orders; else empty."""
    kinds, lots = judged.tape[:, sim.T_KIND], judged.tape[:, sim.T_LOTS]
    hidden = int(lots[kinds == TRADE_HIDDEN].sum())
    shown = int(lots[(kinds == EXECUTE) | (kinds == TRADE)].sum())
    if not hidden:
        return []
    return [
        f"Executed against hidden orders: {hidden / (hidden + shown):.1%} of the lots; no own order fills there."
    ]


def _minutes(task: Task) -> str:
    return f"{task.horizon_s / 60:g} minutes"


def _units(lot: int) -> str:
    """Unit of a quantity in lots."""
    return "shares" if lot == 1 else f"lots of {lot} shares"


def _order_words(task: Task, quantities: Ints, lot: int, of_list: int) -> str:
    """Sentence on the size of the orders in a tape's windows."""
    unit = "1 share" if lot == 1 else f"{lot} shares"
    if of_list:
        return f"The orders: {of_list} of a list, {quantities.min():,} to {quantities.max():,} lots of {unit}."
    size, minutes = size_in_words(task.share, task.quantity), _minutes(task)
    if task.share is None:
        return f"The orders: {size} of {unit} in {minutes}."
    least, most = quantities.min(), quantities.max()
    if least == most:
        return f"The orders: {size} in {minutes}, {least:,} lots of {unit} at any time of day."
    return f"The orders: {size} in {minutes} at that time of day, {least:,} to {most:,} lots of {unit}."


def validated(requested: int, judged: int) -> int:
    """Number of validation episodes for `judged` orders on tape: the requested number, at most 16 per order, or 64 if
    that is more.

    >>> validated(1000, 6), validated(1000, 120), validated(32, 6)
    (96, 1000, 32)
    """
    return min(requested, max(16 * judged, 64))


def judged_words(name: str, judged: int) -> str:
    """Sentence on how many orders of a tape are judged, and what to think of few.

    >>> judged_words("SIM replay", 6)
    'SIM replay: 6 orders are judged, which tells little: more days in the lake tell more'
    """
    few = ", which tells little: more days in the lake tell more" if judged < FEW else ""
    return f"{name}: {judged} orders are judged{few}"


def thinned(plan: Plan, most: int, once: bool = False) -> Plan:
    """At most so many of a plan's episodes, evenly spread; a window that is bought and sold in stays both, or with
    `once` is one of the two, in turn."""
    each = sides_of(plan)
    once = once and each == 2
    if len(plan) <= most and not once:
        return plan
    count = min(max(most if once else most // each, 1), len(plan) // each)
    windows = np.linspace(0, len(plan) // each - 1, count).astype(np.int64)
    sides = np.arange(count)[:, None] % 2 if once else np.arange(each)
    which: Ints = (each * windows[:, None] + sides).ravel()
    return plan.take(which)
