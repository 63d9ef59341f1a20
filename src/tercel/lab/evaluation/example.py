"""Figures of an evaluation, and one example episode in them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Int32, Ints
from tercel.core.report import figures
from tercel.core.report.evaluation_figures import OwnFills, book_around_trades
from tercel.core.report.svg import Figure, Section
from tercel.core.report.tables import COLUMNS, plain_table
from tercel.core.stats import Estimate
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.costs import BPS, Costs, attribute, displacement
from tercel.execution.strategy import Strategy
from tercel.execution.task import size_in_words
from tercel.lab.evaluation.comparisons import MEANINGS
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.runs import markets_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    LEVEL_SET,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
)

# -- report ---------------------------------------------------------------------------------------
# Sections of a judged run's page: costs, timing, the book around the fills, learning curves.

TAIL = 0.05
"""Share of the worst episodes whose mean cost is shown."""


@dataclass(frozen=True, eq=False)
class BookExample:
    """Recorded episode of one strategy, dense enough to draw the book around its trades.

    Parameters
    ----------
    strategy : str
        Its name.
    side : int
        +1 buy, -1 sell.
    time_s : float (T,)
        Seconds since arrival, evenly spaced.
    price_ticks : int (P,)
        Consecutive rising prices, ticks.
    lots : int (T, P)
        Displayed lots, positive where they bid, negative where they ask.
    best_bid_ticks, best_ask_ticks : float (T,)
        The touch, NaN where a side is empty.
    fill_time_s, fill_price_ticks, fill_lots, fill_passive : (F,)
        Own fills; passive where the own order rested.
    tick : float
        Price units per tick.
    name : str
        Of the picture, unique in a page.
    """

    strategy: str
    side: int
    time_s: ArrayLike
    price_ticks: ArrayLike
    lots: ArrayLike
    best_bid_ticks: ArrayLike
    best_ask_ticks: ArrayLike
    fill_time_s: ArrayLike
    fill_price_ticks: ArrayLike
    fill_lots: ArrayLike
    fill_passive: ArrayLike
    tick: float = 1.0
    name: str = "book"

    @cached_property
    def figure(self) -> Figure:
        """The price ladder through time with own fills on it."""
        own = OwnFills(self.fill_time_s, self.fill_price_ticks, self.fill_lots, self.fill_passive)
        names = (
            one.name
            for one in fields(self)
            if one.name != "strategy" and not one.name.startswith("fill_")
        )
        given = {name: getattr(self, name) for name in names}
        return book_around_trades(
            own=own, **given, title=f"{self.strategy}, {'buying' if self.side > 0 else 'selling'}"
        )


def left_to_do(costs: Costs) -> Floats:
    """Shares of each order still to do when each grid bucket opens, float64 (n, G): 1 at the first.

    What the last bucket and the horizon order fill lies behind the last time shown.
    """
    done = np.cumsum(costs.lots_grid, axis=1) - costs.lots_grid
    return 1.0 - done / costs.qty[:, None]


def distribution(name: str, costs: Sequence[Costs], best: Sequence[Costs]) -> list[object]:
    """Row of quantiles, worst episodes, and how often a strategy was cheaper than the best baseline.

    Parameters
    ----------
    name : str
    costs, best : sequence of Costs
        Runs of this strategy and of the best baseline over the same episodes.
    """
    values = np.concatenate([_shortfall(one) for one in costs])
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    worst = np.sort(values)[-max(1, round(TAIL * len(values))) :].mean()
    rival = np.mean([_shortfall(one) for one in best], axis=0)
    wins = (
        None
        if costs is best
        else float(np.mean([np.mean(_shortfall(one) < rival) for one in costs]))
    )
    return [name, float(low), float(median), float(high), float(worst), wins]


def composition(
    costs: Mapping[str, Sequence[Costs]],
    strategies: Mapping[str, Mapping[str, Estimate]],
    best: str,
    drawn: Sequence[str],
    own: Collection[str] = (),
) -> Section:
    """Section on the parts of the cost and their spread over episodes.

    Parameters
    ----------
    costs : mapping of name to sequence of Costs
        The judged episodes of each strategy, one Costs per training seed; in the order of the table.
    strategies : mapping of name to mapping of key to Estimate
    best : str
        The best baseline.
    drawn : sequence of str
        Whose distribution is drawn.
    own : collection of str
        Strategies drawn boldest.
    """
    headings = ("strategy", "5 %", "median", "95 %", "mean of worst 5 %", f"cheaper than {best}")
    rows: list[list[object]] = []
    for name, runs in costs.items():
        _, *bps, wins = distribution(name, runs, costs[best])
        rows.append(
            [
                name,
                *(f"{value:.2f}" for value in bps),
                wins if wins is None else f"{wins:.0%}".replace("%", " %"),
            ]
        )
    caption = "Shortfall of single episodes, bps; the last column is a share of episodes."
    shortfalls = {name: np.concatenate([_shortfall(one) for one in costs[name]]) for name in drawn}
    return Section(
        "What it cost",
        html=plain_table(headings, rows, caption=caption),
        figures=[
            figures.decomposition(strategies),
            figures.cost_distributions(shortfalls, "distribution", own=own),
        ],
        folded=True,
    )


def timing(
    costs: Mapping[str, Sequence[Costs]],
    twin_mid2_grid: Ints | None,
    grid_s: ArrayLike,
    own: Collection[str] = (),
) -> Section:
    """Section on when each strategy traded, and how far that moved the mid.

    Parameters
    ----------
    costs : mapping of name to sequence of Costs
    twin_mid2_grid : int64 (n, G) or None
        Mids of the same episodes without own orders; None where nothing answers.
    grid_s : array_like (G,)
        Times of the cost grid, seconds since arrival.
    own : collection of str
        Strategies drawn boldest.
    """
    left = {name: np.concatenate([left_to_do(one) for one in runs]) for name, runs in costs.items()}
    drawn = [figures.trajectories(grid_s, left, own=own)]
    if twin_mid2_grid is not None:
        scale = BPS / float(next(iter(costs.values()))[0].arrival_mid2.mean())
        moved = {
            name: scale * np.mean([displacement(one, twin_mid2_grid) for one in runs], axis=0)
            for name, runs in costs.items()
        }
        drawn.append(figures.impact_paths(grid_s, moved, own=own))
    return Section("When it traded", figures=drawn, folded=True)


def meanings() -> str:
    """Table of what each column means."""
    headings = {column.key: column.heading for column in COLUMNS}
    rows = [[headings[key], key, meaning] for key, meaning in MEANINGS.items()]
    return plain_table(("column", "key in the JSON", "meaning"), rows, prose=True)


def order_facts(task: Mapping[str, Any]) -> dict[str, object]:
    """Facts of a task's order for people; unknown ones are shown as they are.

    >>> order_facts({"side": 0, "share": 0.1, "horizon_s": 1800.0, "clock": "time", "decisions": 60, "clock_step": 0})
    {'side': 'buys and sells alternate', 'order': '10 % of the volume expected', 'horizon': '30 min', 'decisions': '60'}
    """
    sides: dict[object, str] = {1: "buy", -1: "sell", 0: "buys and sells alternate"}
    facts: dict[str, object] = {}
    for key, value in task.items():
        if key == "side":
            facts["side"] = sides.get(value, value)
        elif key in ("share", "quantity") and value:
            facts["order"] = size_in_words(task.get("share"), task.get("quantity") or 0)
        elif key in ("horizon_s", "warmup_s"):
            facts[key.removesuffix("_s").replace("warmup", "warm-up")] = (
                f"{float(str(value)) / 60:g} min"
            )
        elif key == "decisions":
            clock = task.get("clock", "time")
            facts["decisions"] = (
                str(value)
                if clock == "time"
                else f"{value} at most, every {task['clock_step']} {clock}"
            )
        elif key == "latency" and isinstance(value, Mapping):
            facts["order latency"] = _latency(value)
        elif key not in (
            "clock",
            "clock_step",
            "grid_points",
            "share",
            "quantity",
        ) and value not in (None, ""):
            facts[key.replace("_", " ")] = value
    return facts


def _latency(law: Mapping[str, object]) -> str:
    """A latency law in milliseconds.

    >>> _latency({"kind": "uniform", "a_ns": 1_000_000, "b_ns": 2_500_000})
    'uniform, 1 to 2.5 ms'
    """
    low, high = (float(str(law[key])) / 1e6 for key in ("a_ns", "b_ns"))
    if law["kind"] == "constant":
        return f"{low:g} ms" if low else "none"
    return (
        f"{law['kind']}, {low:g} to {high:g} ms"
        if law["kind"] == "uniform"
        else f"{low:g} ms + mean {high:g} ms"
    )


def _shortfall(costs: Costs) -> Floats:
    return attribute(costs, None)["is_bps"]


# -- example --------------------------------------------------------------------------------------
# One episode in full, for the report: the book around a strategy's trades.

RECORD_ROWS = 1 << 20
TIMES = 240
MOST_PRICES = 60


def book_example(
    settings: Scenario, market: BuiltMarket, strategy: Strategy, episode: int = 0
) -> BookExample:
    """Run one judged episode with its record on and lay the public book out over time."""
    plan = market.plan.take(slice(episode, episode + 1))
    episodes = markets_of(strategy, market.judged, settings.task, plan, 4096, RECORD_ROWS)
    levels = levels_of(episodes.books[0])
    start = int(episodes.states[0, sim.START_NS])
    first = int(episodes.states[0, sim.RECORD])
    while episodes.working.any():
        episodes.work(strategy)
    fills = episodes.fills(0)
    times = np.linspace(0, settings.task.horizon_s, TIMES)
    rows = episodes.record(0)[first:]
    centre = np.array([int(episodes.states[0, sim.ARRIVAL_MID2]) // 2])
    _, bid, ask = _replay_levels(dict(levels), rows, start, times, centre)
    met = np.concatenate([centre, fills[:, 1], bid[np.isfinite(bid)], ask[np.isfinite(ask)]])
    lowest, highest = int(met.min()) - MOST_PRICES // 3, int(met.max()) + MOST_PRICES // 3
    step = max((highest - lowest) // (4 * MOST_PRICES), 1)
    prices = np.arange(lowest, highest + 1)
    lots, bid, ask = _replay_levels(levels, rows, start, times, prices)
    return BookExample(
        strategy.name,
        int(episodes.states[0, sim.SIDE]),
        times,
        prices[::step] if step > 1 else prices,
        lots[:, ::step] if step > 1 else lots,
        bid,
        ask,
        (fills[:, 0] - start) / NS_PER_SECOND,
        fills[:, 1],
        fills[:, 2],
        fills[:, 5] != 0,
        market.judged.tick,
    )


def levels_of(b: Int32) -> dict[tuple[int, int], int]:
    """Public lots by (side, price) of a packed book."""
    total = int(b[lay.ORDERS]) + 2 * int(b[lay.OWN])
    records = b[lay.HEADER : lay.HEADER + total * lay.ORDER].reshape(-1, lay.ORDER)
    own = range(int(b[lay.ORDERS]), int(b[lay.ORDERS]) + int(b[lay.OWN]))
    levels = Counter[tuple[int, int]]()
    for slot in np.flatnonzero(records[:, lay.QTY] > 0).tolist():
        if slot not in own:
            levels[int(records[slot, lay.SIDE]), int(records[slot, lay.PRICE])] += int(
                records[slot, lay.QTY]
            )
    return levels


def _replay_levels(
    levels: dict[tuple[int, int], int],
    rows: Ints,
    start: int,
    times: Floats,
    prices: Ints,
) -> tuple[Floats, Floats, Floats]:
    """Signed lots (T, P) and touches (T,) at the given times."""
    lots = np.zeros((len(times), len(prices)))
    bid, ask = np.full(len(times), np.nan), np.full(len(times), np.nan)
    at = 0
    for t, when in enumerate(times.tolist()):
        until = start + int(when * NS_PER_SECOND)
        while at < len(rows) and rows[at, sim.R_NS] <= until:
            apply_row(levels, rows[at].tolist())
            at += 1
        bids = [p for (s, p), q in levels.items() if s > 0 and q > 0]
        asks = [p for (s, p), q in levels.items() if s < 0 and q > 0]
        bid[t], ask[t] = max(bids, default=NO_BID), min(asks, default=NO_ASK)
        for (side, price), q in levels.items():
            if prices[0] <= price <= prices[-1]:
                lots[t, price - prices[0]] = side * q
    bid[bid == NO_BID], ask[ask == NO_ASK] = np.nan, np.nan
    return lots, bid, ask


def apply_row(levels: dict[tuple[int, int], int], row: list[int]) -> None:
    """One recorded row on public lots by (side, price)."""
    kind, side, price, lots = row[sim.R_KIND], row[sim.R_SIDE], row[sim.R_PRICE], row[sim.R_LOTS]
    key = (side, price)
    if kind in (ADD, ROLL_IN):
        levels[key] = levels.get(key, 0) + lots
    elif kind in (REDUCE, DELETE, EXECUTE):
        levels[key] = max(levels.get(key, 0) - lots, 0)
    elif kind == LEVEL_SET:
        levels[key] = lots
    elif kind == ROLL_OUT:
        levels.pop(key, None)
    elif kind == CLEAR:
        levels.clear()
    elif kind == sim.SHIFTED:  # the law moved every public order
        moved = {(s, p + price): q for (s, p), q in levels.items()}
        levels.clear()
        levels.update(moved)
