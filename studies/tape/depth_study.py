"""Whether the cost of commands on recorded orders lies between the bounds of the same commands on depth made of them.

Commands are recorded on days of single orders, where the place of each own order in its queue is known, and sent again
into the same days as feeds of depth would have shown them: the best levels at regular times, and the prints. Two replays
bound what each command filled. The optimistic one lets every cancel be ahead of own orders, and the other side's totals rise
as soon as they can and fall as late; the pessimistic one lets all that is shown at an own order's price be ahead, and the
other side's totals fall as soon as they can and rise as late.

A fill more is not always a lower cost: an order that fills before the price goes its way was too early. So the bounds on a
cost are the least and the largest that any mixture of the two replays' fills gives (`cost_bounds`). All costs are
measured from the exact mid at arrival.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from studies.tape.commands_again import Commands, Sent, record_commands, send_again
from studies.tape.thin import Early, Snapshots, snapshots_of
from tercel import Market, Task
from tercel.core import Bools, Floats, Ints
from tercel.execution import BPS, Costs, step
from tercel.execution.strategies import WRITTEN, build
from tercel.lab.evaluation import Plan, Scenario, build_market, window_row
from tercel.market import compile_day
from tercel.market.simulator import (
    OPTIMISTIC,
    PESSIMISTIC,
    TapeDay,
    source_of,
    with_depth_bound,
    with_strict_bound,
)
from tercel.market.tape import Events, Instrument, Lake

QUEUE = "power_prob"
"""The model between the bounds."""
ROUNDING_BPS = 1e-9
ALL = "all"
_NS, _PRICE, _LOTS, _PASSIVE, _FORCED = 0, 1, 2, 5, 6
"""Columns of own fills."""


@dataclass(frozen=True, eq=False)
class ExactOrders:
    """Orders on recorded days of single orders, worked by each strategy.

    Parameters
    ----------
    days : list of (Instrument, Events)
        The days.
    task : Task
    plan : Plan
        The orders, one an episode.
    strategies : tuple of str
    commands : list of list of Commands
        By strategy and order.
    kind, strict : list of Costs
        By strategy, with the exact place in the queue: trades at an own order's price fill it once nothing is ahead, or
        never.
    """

    days: list[tuple[Instrument, Events]]
    task: Task
    plan: Plan
    strategies: tuple[str, ...]
    commands: list[list[Commands]]
    kind: list[Costs]
    strict: list[Costs]

    def bps(self, costs: Sequence[Costs]) -> Floats:
        """Costs in bps by strategy and order, float64 (strategies, orders), from the exact mid at arrival."""
        exact = self.kind[0]
        moved = [
            exact.side * (each.arrival_mid2 - exact.arrival_mid2) * exact.qty for each in costs
        ]
        sums = [each.shortfall + part for each, part in zip(costs, moved, strict=True)]
        return BPS * np.stack(sums) / exact.denominator


@dataclass(frozen=True, eq=False)
class DepthCosts:
    """Costs of the same commands, bps, float64 (strategies, orders) each.

    Parameters
    ----------
    kind, strict
        On single orders (`ExactOrders`).
    low, high
        Bounds on depth.
    model
        On depth, by the queue model.
    bounded : bool (strategies, orders)
        Where no command took all that was shown: what is beyond has no bounds.
    """

    kind: Floats
    strict: Floats
    low: Floats
    high: Floats
    model: Floats
    bounded: Bools

    @classmethod
    def join(cls, parts: Sequence["DepthCosts"]) -> "DepthCosts":
        """Costs of several sets of orders."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts], axis=1)
                for name in (field.name for field in fields(cls))
            )
        )


@dataclass(frozen=True)
class DepthRow:
    """The same commands on depth of so many levels each so many ms, beside the exact costs.

    Parameters
    ----------
    symbol : str
        `ALL` for all of them.
    levels, every_ms : int
    bounded : float
        Share of the orders in which no command took all that was shown. All that follows is of these.
    between_kind, between_strict : float or None
        Shares of the orders whose exact cost lies between the bounds; None without any.
    means_between : float or None
        Share of the strategies whose mean exact cost (`kind`) lies between the means of the bounds.
    width_bps, exact_width_bps : float or None
        Median distance of the bounds, and of `kind` and `strict`, of the orders in which these two differ.
    width_ratio : float or None
        Median of the one over the other, order by order; None where `kind` and `strict` differ nowhere.
    model_error_bps : float or None
        Median distance of the queue model's cost from the exact one.
    """

    symbol: str
    levels: int
    every_ms: int
    bounded: float
    between_kind: float | None
    between_strict: float | None
    means_between: float | None
    width_bps: float | None
    exact_width_bps: float | None
    width_ratio: float | None
    model_error_bps: float | None


def record_exactly(
    lake: Path,
    symbol: str,
    dates: Sequence[str],
    task: Task,
    orders: int,
    strategies: Sequence[str] = WRITTEN,
) -> ExactOrders:
    """Record the commands of strategies on days of single orders, and their costs under `kind` and `strict`.

    Raises
    ------
    ConfigError, TapeError
        Days that the lake does not hold or that show level totals alone, or in which no order fits.
    """
    market = Market(lake=str(lake), symbol=symbol, days=tuple(dates), impact="none", bound="kind")
    built = build_market(Scenario(market, task, episodes=orders))
    with_theirs = with_strict_bound(built.judged)
    recorded = [
        record_commands(built.judged, task, built.plan, build(name, built.estimates))
        for name in strategies
    ]
    commands = [found for found, _ in recorded]
    return ExactOrders(
        list(_days_of(Lake(lake), symbol, built.plan)),
        task,
        built.plan,
        tuple(strategies),
        commands,
        [costs for _, costs in recorded],
        [sent.costs for sent in send_again(with_theirs, task, built.plan, commands)],
    )


def _days_of(lake: Lake, symbol: str, plan: Plan) -> Iterator[tuple[Instrument, Events]]:
    """Days of a lake in which some order of a plan arrives."""
    starts = plan.rows[:, step.E_START_NS]
    for date in lake.days(symbol):
        instrument = lake.instrument(symbol, date)
        inside = (starts >= instrument.session_open_ns) & (starts < instrument.session_close_ns)
        if inside.any():
            yield lake.read(symbol, date)


def costs_on_depth(exact: ExactOrders, levels: int, every_ns: int, phase_ns: int) -> DepthCosts:
    """Costs of the recorded commands on the thinned days, beside the exact ones.

    Raises
    ------
    ConfigError, TapeError
        As `snapshots_of`.
    """
    recorded = [snapshots_of(*day, levels, every_ns, phase_ns) for day in exact.days]
    modelled = _send_to(exact, recorded, (), np.arange(len(exact.plan)))
    low, high = (np.zeros((len(exact.strategies), len(exact.plan))) for _ in range(2))
    bounded = np.ones(low.shape, np.bool_)
    sides = exact.plan.rows[:, step.E_SIDE]
    mid2, quantity = exact.kind[0].arrival_mid2, exact.kind[0].qty
    for side in np.unique(sides).tolist():
        here = np.flatnonzero(sides == side)
        # what is cautious for a buy is not for a sell
        early = {OPTIMISTIC: [(-side, 1), (side, -1)], PESSIMISTIC: [(-side, -1)]}
        best, worst = (_send_to(exact, recorded, early[bound], here, bound) for bound in early)
        for strategy in range(len(exact.strategies)):
            bounded[strategy, here] = ~(best[strategy].emptied | worst[strategy].emptied)
            for place, order in enumerate(here.tolist()):
                fills = best[strategy].fills[place], worst[strategy].fills[place]
                commands = exact.commands[strategy][order]
                paid = cost_bounds(*fills, side, int(quantity[order]), commands)
                value = int(mid2[order] * quantity[order])
                for bound, amount in zip((low, high), paid, strict=True):
                    bound[strategy, order] = BPS * (2 * amount / value - side)
    return DepthCosts(
        exact.bps(exact.kind),
        exact.bps(exact.strict),
        low,
        high,
        exact.bps([sent.costs for sent in modelled]),
        bounded,
    )


def _send_to(
    exact: ExactOrders, recorded: Sequence[Snapshots], early: Early, orders: Ints, bound: str = ""
) -> list[Sent]:
    """Send the commands of some orders to recordings of depth, under a bound or, without one, the queue model."""
    source, days = source_of([compile_day(*one.tape(early)) for one in recorded], QUEUE)
    if bound:
        source = with_depth_bound(source, bound)
    commands = [[by_order[n] for n in orders] for by_order in exact.commands]
    return send_again(
        source, exact.task, plan_on(exact.plan.take(orders), days, exact.task), commands
    )


def plan_on(plan: Plan, days: Sequence[TapeDay], task: Task) -> Plan:
    """The same orders on other recordings of the same days."""
    columns = [step.E_START_NS, step.E_SIDE, step.E_QUANTITY, step.E_SEED, step.E_INDEX]
    rows = [
        window_row(next(day for day in days if day.open_ns <= row[0] <= day.close_ns), task, *row)
        for row in plan.rows[:, columns].tolist()
    ]
    return Plan(np.array(rows, np.int64), plan.cluster)


def cost_bounds(
    optimistic: Ints, pessimistic: Ints, side: int, quantity: int, commands: Commands
) -> tuple[float, float]:
    """Least and largest amount that an order of `quantity` lots may have paid, ticks x lots (received: below 0).

    Each of its commands, and the order at the horizon, filled as many lots as in one of two replays, or a number between.

    Parameters
    ----------
    optimistic, pessimistic : int64 (f, 7)
        Own fills in the two replays, `quantity` lots each.
    commands : list of Command
        Those of the order, by time.

    >>> from studies.tape.commands_again import Command
    >>> rests = np.array([[5, 100, 5, 0, 0, 1, 0]])
    >>> waits = np.array([[9, 103, 5, 0, 0, 0, 1]])
    >>> cost_bounds(rests, waits, 1, 5, [Command(1, 0, True, 100, 5, False, False)])
    (500.0, 515.0)
    """
    rested: dict[int, list[int]] = {}
    for command in commands:
        if command.is_new and not command.immediate:
            rested.setdefault(command.price, []).append(command.ns)
    parts = [_lots_and_prices(fills, rested) for fills in (optimistic, pessimistic)]
    items = []
    for key in sorted({*parts[0], *parts[1]}):
        lots = [part[key][0] if key in part else 0 for part in parts]
        prices = [side * part[key][1] / part[key][0] for part in parts if key in part]
        items.append((min(lots), max(lots), prices))
    found = []
    for cheapest in (True, False):
        # as many lots as in both, then those of the best price, or of the worst
        priced = sorted(
            ((min(prices) if cheapest else max(prices)), least, most)
            for least, most, prices in items
        )
        left = quantity - sum(least for _, least, _ in priced)
        amount = sum(price * least for price, least, _ in priced)
        for price, least, most in priced if cheapest else reversed(priced):
            more = min(left, most - least)
            amount += price * more
            left -= more
        found.append(float(amount))
    return found[0], found[1]


def _lots_and_prices(
    fills: Ints, rested: Mapping[int, list[int]]
) -> dict[tuple[int, int, int], tuple[int, int]]:
    """Lots, and lots x price, of what filled an order: the last order that came to rest at a price (`rested` has the times
    by price), a take, the order at the horizon."""
    found: dict[tuple[int, int, int], tuple[int, int]] = {}
    for row in fills.tolist():
        ns, price = row[_NS], row[_PRICE]
        if row[_FORCED]:
            key = (2, 0, 0)
        elif row[_PASSIVE]:
            key = (1, price, bisect_right(rested[price], ns))
        else:
            key = (0, ns, 0)
        lots, amount = found.get(key, (0, 0))
        found[key] = lots + row[_LOTS], amount + row[_LOTS] * row[_PRICE]
    return found


def compare_depth(
    recorded: Mapping[str, ExactOrders],
    seed: int,
    levels: Sequence[int],
    every_ms: Sequence[int],
) -> Iterator[DepthRow]:
    """Rows for each number of levels and distance of snapshots, whose first moment the seed draws: all symbols, then each."""
    rng = np.random.default_rng(seed)
    for count in levels:
        for ms in every_ms:
            phase_ns = int(rng.integers(ms * 1_000_000))
            parts = {
                symbol: costs_on_depth(exact, count, ms * 1_000_000, phase_ns)
                for symbol, exact in recorded.items()
            }
            yield depth_row(ALL, count, ms, DepthCosts.join([*parts.values()]))
            for symbol, costs in parts.items():
                yield depth_row(symbol, count, ms, costs)


def depth_row(symbol: str, levels: int, every_ms: int, costs: DepthCosts) -> DepthRow:
    """The figures of some orders."""
    bounded = costs.bounded
    apart = np.abs(costs.kind - costs.strict)
    differs = bounded & (apart > ROUNDING_BPS)
    widths, exact_widths = (costs.high - costs.low)[differs], apart[differs]
    within = [
        _is_between(exact, costs.low, costs.high)[bounded] for exact in (costs.kind, costs.strict)
    ]
    some = bounded.any(axis=1)
    means = [
        np.where(bounded, values, 0.0)[some].sum(axis=1) / bounded[some].sum(axis=1)
        for values in (costs.kind, costs.low, costs.high)
    ]
    return DepthRow(
        symbol,
        levels,
        every_ms,
        float(bounded.mean()),
        _mean(within[0]),
        _mean(within[1]),
        _mean(_is_between(means[0], means[1], means[2])),
        _median(widths),
        _median(exact_widths),
        _median(widths / exact_widths),
        _median(np.abs(costs.model - costs.kind)[bounded]),
    )


def _mean(values: Bools) -> float | None:
    """Share of the true ones; None without any value."""
    return float(values.mean()) if values.size else None


def _median(values: Floats) -> float | None:
    """Median; None without any value."""
    return float(np.median(values)) if values.size else None


def _is_between(values: Floats, low: Floats, high: Floats) -> Bools:
    """Mask of the values between two bounds, rounding allowed for."""
    return (values >= low - ROUNDING_BPS) & (values <= high + ROUNDING_BPS)
