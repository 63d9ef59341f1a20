"""``tercel.estimate``: what an order will cost, before it trades, and how to work it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.errors import UnknownNameError, refuse_if, split_commas, suggest_name
from tercel.core.estimate import Estimate
from tercel.core.report import palette
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_money,
    format_number,
    format_percent,
)
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.core.serialization import to_jsonable
from tercel.core.stats import weighted_interval
from tercel.core.stats.clusters import LEAST_CLUSTERS
from tercel.execution.costs import BPS
from tercel.execution.market import TAPE_LAW, Market
from tercel.execution.orders import Order
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy
from tercel.execution.strategies import KNOWN, MarketEstimates, build
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.pipeline.candidates import PLACEHOLDER_ESTIMATES, policies_of
from tercel.lab.evaluation.pipeline.leaks import JudgedDays, policies_that_saw
from tercel.lab.pretrade.closed_form import ScheduleCost
from tercel.lab.pretrade.like_orders import LikeCosts, load_days, run_like_orders
from tercel.lab.pretrade.next_day import LEVEL, day_means, predict
from tercel.market.tape import Lake

STRATEGIES: Final = ("default", "guarded", "twap_take", "pov", "immediate")
"""Estimated where no others are named."""
SCHEDULES: Final = {"twap_take": 0.0, "almgren_chriss": 2.0, "immediate": 600.0}
"""Urgency kappa T of the strategies that the closed form estimates."""
DAYS: Final = 20
MOST_UNFILLED: Final = 0.05
"""Share of like orders that a strategy may leave lots unfilled in and still be ranked by its cost."""
HEADINGS: Final = (
    "strategy",
    "cost [90 % of days]",
    "sd",
    "worst",
    "spread",
    "impact",
    "timing",
    "passive 0",
    "orders unfilled",
    "money",
)
LARGE_SHARE: Final = 0.3
"""Share of the volume above which impact laws were fitted to few orders."""
LARGE: Final = ", fitted to smaller orders than this"


@dataclass(frozen=True)
class StrategyEstimate:
    """What an order will cost when a strategy works it, bps of its value at arrival.

    Parameters
    ----------
    name : str
    expected : Estimate
        Mean, and the interval that holds the mean cost of 90 % of days.
    standard_error : float
        Of the mean; NaN in closed form.
    sd, worst : float
        Standard deviation of one order; the cost that 95 % of orders stay below.
    spread, impact, timing : float
        Parts of the mean.
    still : float
        Mean if resting fills moved no price.
    unfilled : float
        Share of like orders of which some lots found no counterparty.
    behind : Estimate
        What it costs more than the cheapest, with its 90 % interval over days; without one in closed form.
    """

    name: str
    expected: Estimate
    standard_error: float
    sd: float
    worst: float
    spread: float
    impact: float
    timing: float
    still: float
    unfilled: float
    behind: Estimate


@dataclass(frozen=True)
class OrderEstimate:
    """What an order will cost, and how strategies rank.

    Parameters
    ----------
    order : Order
    days : tuple of str
        Recorded days that it rests on.
    like_orders : int
    share : float
        The order over the volume expected in its time.
    value : float
        Of the order at the last recorded price of its hour, in the currency of the quotes.
    strategies : tuple of StrategyEstimate
        The cheapest first; those that may leave lots unfilled behind the others.
    frontier : tuple of ScheduleCost
        Schedules of takes by urgency in closed form, bps.
    closed_form : str
        Why the closed form stands in for like orders; "" where it does not.
    seen : str
        Policies that learned from the recorded days; "" if none did.
    left_out : tuple of str
        Strategies that were asked for and that the closed form says nothing of.

    >>> order = Order("2012-06-21 10:00", "AMZN", "buy", 500, "30min")
    >>> schedule = ScheduleCost(0.0, 2.0, 1.5, 12.0)
    >>> cost = Estimate(3.5, 1.0, 6.0)
    >>> row = StrategyEstimate("twap_take", cost, nan, 12.0, 24.0, 2.0, 1.5, 0.0, 3.5, 0.0, cost)
    >>> found = OrderEstimate(order, ("2012-06-20",), 0, 0.04, 110_000.0, (row,), (schedule,), "of a test")
    >>> found.title
    'buy 500 AMZN, 10:00 to 10:30: 4.0 % of the volume expected; bps'
    >>> found.money(3.5)
    '38.50'
    """

    order: Order
    days: tuple[str, ...]
    like_orders: int
    share: float
    value: float
    strategies: tuple[StrategyEstimate, ...]
    frontier: tuple[ScheduleCost, ...]
    closed_form: str = ""
    seen: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The order in a line, with its share of the volume."""
        order = self.order
        hours = Task(quantity=1, start=order.clock, horizon=order.horizon_s).hours
        return (
            f"{'buy' if order.side > 0 else 'sell'} {order.quantity:,} {order.symbol}, {hours}: "
            f"{format_percent(self.share, 1)} of the volume expected; bps"
        )

    headings = HEADINGS

    def money(self, bps: float) -> str:
        """A cost in the currency of the quotes, as text."""
        return format_money(bps / BPS * self.value)

    def rows(self) -> list[list[str]]:
        """Cells of the table, a row a strategy, by `HEADINGS`."""
        return [
            [
                row.name,
                format_interval(row.expected, digits=1),
                *(
                    format_number(value, 1)
                    for value in (row.sd, row.worst, row.spread, row.impact, row.timing, row.still)
                ),
                format_percent(row.unfilled),
                self.money(row.expected.mean),
            ]
            for row in self.strategies
        ]

    def sentences(self) -> list[str]:
        """What it costs and on what that rests, in five sentences at most."""
        best, *others = self.strategies
        least = min(self.strategies, key=lambda row: row.still)
        lines = [
            f"{best.name} costs least: {best.expected.mean:.1f} bps expected"
            f"{'' if self.closed_form else f' (sampling error {best.standard_error:.1f})'}, of which {best.impact:.1f} "
            f"are impact by an assumed law{LARGE * (self.share > LARGE_SHARE)}; {self.money(best.expected.mean)} of "
            f"{format_money(self.value)} in the currency of the quotes, without fees.",
            f"On nine days of ten such orders cost {best.expected.ci_low:.1f} to "
            f"{best.expected.ci_high:.1f} bps on average; one order in twenty costs more "
            f"than {best.worst:.1f} bps ({self.money(best.worst)}).",
        ]
        if others:
            gap = others[0].behind
            open_text = (
                ": no significant difference" if gap.ci_low is not None and gap.ci_low <= 0 else ""
            )
            lines.append(
                f"It saves {format_interval(gap, digits=1)} bps on {others[0].name}, on the same orders{open_text}."
            )
        if self.closed_form:
            names = ", ".join(self.left_out)
            return [
                *lines,
                f"All is computed in closed form, for takes alone, as {self.closed_form}; its interval holds the doubt on "
                f"the law of impact.{f' It says nothing of {names}.' if names else ''}",
            ]
        return [
            *lines,
            f"If resting fills moved no price (passive 0), {least.name} would cost least, {least.still:.1f} bps; nobody has "
            "measured what they move.",
            f"From {format_count(self.like_orders, 'like order')} on {format_count(len(self.days), 'day')}, {self.days[0]} "
            f"to {self.days[-1]}: this one, bought and sold, at its hour and, if the day is open, half an hour before and after"
            f"{f'; {self.seen}, so its row says nothing of other days' if self.seen else ''}.",
        ]

    def figure(self) -> Figure:
        """Expected cost against risk: schedules of takes by urgency, and the strategies."""
        curve = [(point.sd, point.mean) for point in self.frontier]
        with sketch(3.6) as drawing:
            panel = drawing.subplots()
            panel.plot(*zip(*curve, strict=True), "-", color=palette.SOFT.token, zorder=1)
            for text, point in (("even takes", curve[0]), ("at once", curve[-1])):
                panel.annotate(text, point, textcoords="offset points", xytext=(4, -11))
            colours = palette.series_colours([row.name for row in self.strategies])
            for row in self.strategies:
                panel.plot([row.sd], [row.expected.mean], "o", color=colours[row.name].token)
                panel.annotate(
                    row.name, (row.sd, row.expected.mean), textcoords="offset points", xytext=(5, 4)
                )
            panel.set(xlabel="standard deviation of one order, bps", ylabel="expected cost, bps")
            panel.margins(0.15)
        text = "; ".join(
            f"{row.name} {row.expected.mean:.1f} at {row.sd:.1f}" for row in self.strategies
        )
        return finish_figure(
            drawing,
            "frontier",
            f"Expected cost, bps, against its standard deviation. {text}.",
            "The line is the closed form, from even takes to all at once; the points are the strategies of the table.",
        )

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain values, never rounded."""
        order = self.order.to_dict() | {"start": self.order.clock}
        return dict(
            to_jsonable(
                {name: getattr(self, name) for name in self.__dataclass_fields__}
                | {"order": order, "title": self.title, "sentences": self.sentences()}
            )
        )

    def page(self) -> str:
        """The page with table and figure: one HTML text that fetches nothing."""
        sections = [
            Section(
                "Strategies", self.sentences(), plain_table(HEADINGS, self.rows()), [self.figure()]
            )
        ]
        return render_page(f"Estimate: {self.title}", self.sentences()[0], sections)


def estimate(
    symbol: str,
    side: str | int,
    quantity: int,
    *,
    lake: str | Path,
    start: str,
    horizon: float | str,
    days: int = DAYS,
    venue: str = "",
    strategies: Sequence[str] | str = STRATEGIES,
    impact: str = TAPE_LAW,
    seed: int = 1,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> OrderEstimate:
    """Estimate what an order will cost and rank strategies, from like orders on the last recorded days.

    The order is bought and sold on each day, at its hour and half an hour before and after it, by every strategy. Below
    five days, and for an order larger than the volume of every recorded window, a closed form stands in.

    Parameters
    ----------
    symbol : str
    side : str or int
        buy or sell; the price's drift is taken to be 0, so both cost the same.
    quantity : int
        Lots; of US equities shares.
    lake : str or Path
    start : str
        Arrival by the clock of the exchange: HH:MM after the last recorded day, or ``2012-06-21 10:30``, of which
        days before it are used.
    horizon : float or str
        Seconds, or text such as ``2h``.
    days : int
        Recorded days at most, the last ones.
    venue : str
        If the lake has the symbol at several.
    strategies : sequence of str, or str
        Rules and policies, also as one text with commas.
    impact : str
        Law of impact: square_root, propagator, none.
    seed : int
    progress : callable, optional
        Called with the number of finished strategies, and their total.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        No order, strategy, day or room for it: :func:`tercel.lab.pretrade.load_days` lists what is refused.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.market.simulator.days import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     _ = simulated_lake(Path(folder), 0.5)
    ...     found = estimate("SIM", "buy", 100, lake=folder, start="09:45", horizon="5min")
    >>> [row.name for row in found.strategies], found.closed_form
    (['twap_take', 'almgren_chriss', 'immediate'], 'there are fewer than 5 days')
    """
    tapes = Lake.existing(lake)
    refuse_if(days < 1, "a day or more", f"`days={days}`", "such as `days=20`")
    order = Order(start, tapes.match_case(symbol), side, quantity, horizon)  # type: ignore[arg-type]
    known = tapes.days(order.symbol, venue or None)
    dates = [date for date in known if not order.date or date < order.date][-days:]
    refuse_if(
        not dates,
        f"recorded days before {order.date}",
        f"none; the first of {order.symbol} is {known[0]}",
        "import earlier days, or give a later `start=`",
    )
    names = split_commas(strategies) if isinstance(strategies, str) else list(strategies)
    refuse_if(not names, "a strategy to estimate", "none", "such as `strategies=default,twap_take`")
    for name in names:
        _strategy_of(name, PLACEHOLDER_ESTIMATES)
    market = Market(lake=str(lake), symbol=order.symbol, impact=impact)
    task = Task(quantity=order.quantity, start=order.clock, horizon=order.horizon_s)
    found = load_days(tapes, market, dates, task, venue or None, seed)
    dates = [dates[day] for day in np.unique(found.plan.cluster).tolist()]
    few = len(dates) < LEAST_CLUSTERS
    large = order.quantity > int(found.volumes.max())
    last = tapes.instrument(order.symbol, dates[-1], venue or None)
    mid_ticks = float(np.median(found.mids[-1])) / 2
    schedules = [one.times(BPS / mid_ticks) for one in found.schedules(few)]
    costs = (
        {}
        if few or large
        else run_like_orders(
            found, {name: _strategy_of(name, found.estimates) for name in names}, progress
        )
    )
    rows = (
        _from_like_orders(costs)
        if costs
        else _in_closed_form({one.urgency: one for one in schedules})
    )
    return OrderEstimate(
        order,
        tuple(dates),
        len(costs[names[0]].bps) if costs else len(found.plan),
        order.quantity / max(found.estimates.expected_volume, 1.0),
        order.quantity * last.lot * mid_ticks * last.tick,
        tuple(sorted(rows, key=_rank)),
        tuple(schedules),
        f"there are fewer than {LEAST_CLUSTERS} days"
        if few
        else "no recorded window traded as much" * large,
        _seen_by(names, order.symbol, dates, tapes, venue or None),
        tuple(name for name in names if (few or large) and name not in SCHEDULES),
    )


def _seen_by(
    names: Sequence[str], symbol: str, dates: Sequence[str], lake: Lake, venue: str | None
) -> str:
    """Which of the named policies learned from recorded days, as text; "" if none did."""
    policies = policies_of([name for name in names if name.partition("+")[0] not in KNOWN])
    judged = JudgedDays(symbol, tuple(dates), made_of=tuple(lake.real_dates(symbol, dates, venue)))
    seen = policies_that_saw(policies, judged)
    return f"{', '.join(seen)} learned from some of these days" if seen else ""


def _strategy_of(name: str, estimates: MarketEstimates) -> Strategy:
    """The rule or policy of a name; raises for an unknown one."""
    if name.split("+", maxsplit=1)[0] in KNOWN:
        return build(name, estimates)
    try:
        return policy_strategy(resolve_policy(name), name)
    except UnknownNameError as error:
        expected = f"rules, such as guarded or twap_take, or {error.expected}"
        raise UnknownNameError(expected, error.received, suggest_name(name, KNOWN)) from None


def _rank(row: StrategyEstimate) -> tuple[bool, float]:
    """Place of a strategy: those that often leave lots unfilled come last, the others by what they cost."""
    return row.unfilled > MOST_UNFILLED, row.expected.mean


def _from_like_orders(costs: Mapping[str, LikeCosts]) -> list[StrategyEstimate]:
    """Rows of strategies by what they cost on the same like orders."""
    rows = []
    for name, run in costs.items():
        found = predict(run.bps, run.day, run.side)
        spread, impact, timing, still = (
            float(day_means(part, run.day, run.side)[0].mean())
            for part in (run.spread, run.impact, run.timing, run.still_bps)
        )
        rows.append(
            StrategyEstimate(
                name,
                Estimate(found.mean, found.low, found.high),
                found.standard_error,
                found.sd,
                found.worst,
                spread,
                impact,
                timing,
                still,
                float(run.unfilled.mean()),
                Estimate(0.0, None, None),
            )
        )
    best = costs[min(rows, key=_rank).name]
    for number, row in enumerate(rows):
        more = costs[row.name].bps - best.bps
        gaps = day_means(more, best.day, best.side)[0].tolist()
        mean, half = weighted_interval(gaps, [1.0] * len(gaps), LEVEL)
        if mean is not None and half is not None:
            rows[number] = replace(row, behind=Estimate(mean, mean - half, mean + half))
    return rows


def _in_closed_form(schedules: Mapping[float, ScheduleCost]) -> list[StrategyEstimate]:
    """Rows of schedules of takes in closed form; their intervals hold the price's moves and the doubt on the law."""
    cheapest = min(schedules[urgency].mean for urgency in SCHEDULES.values())
    rows = []
    for name, urgency in SCHEDULES.items():
        one = schedules[urgency]
        half = one.half_width
        interval = Estimate(one.mean, one.mean - half, one.mean + half)
        behind = Estimate(one.mean - cheapest, None, None)
        parts = (one.spread, one.impact, 0.0, one.mean)
        rows.append(
            StrategyEstimate(name, interval, nan, one.sd, one.mean + half, *parts, 0.0, behind)
        )
    return rows
