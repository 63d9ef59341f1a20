"""The page of a judged run: the table, who stands where, what it cost, when it traded, how it learned.

One HTML file that opens offline, made with the report room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.written import write_whole
from tercel.evaluation.result import MEANINGS, PEERS, JudgedRun
from tercel.execution.costs import BPS, Costs, attribute, displacement
from tercel.report import figures
from tercel.report.ladder import book_around_trades
from tercel.report.page import Section, render
from tercel.report.svg import Figure
from tercel.report.tables import COLUMNS, plain_table, verdict_sentence
from tercel.stats import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Curves = Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]]
"""Learner -> one (frames, value) pair of arrays per training seed."""

TAIL = 0.05
"""Share of the worst episodes whose mean cost is shown."""


@dataclass(frozen=True, eq=False)
class BookExample:
    """One episode of one strategy, recorded densely enough to draw the book around its trades.

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

    @cached_property
    def figure(self) -> Figure:
        """The price ladder through time with own fills on it."""
        return book_around_trades(
            time_s=self.time_s,
            price_ticks=self.price_ticks,
            lots=self.lots,
            fill_time_s=self.fill_time_s,
            fill_price_ticks=self.fill_price_ticks,
            fill_lots=self.fill_lots,
            fill_passive=self.fill_passive,
            side=self.side,
            best_bid_ticks=self.best_bid_ticks,
            best_ask_ticks=self.best_ask_ticks,
            tick=self.tick,
            title=f"{self.strategy}, {'buying' if self.side > 0 else 'selling'}",
        )


def write_report(
    path: Path,
    result: JudgedRun,
    costs: Mapping[str, Sequence[Costs]],
    *,
    twin_mid2_grid: Ints | None = None,
    grid_s: ArrayLike,
    learning_curves: Curves | None = None,
    book_examples: Sequence[BookExample] = (),
    facts: Mapping[str, object] | None = None,
    footer: str = "",
) -> Path:
    """Write the page, whole or not at all.

    Parameters
    ----------
    path : Path
        The HTML file; its folder exists.
    result : JudgedRun
    costs : mapping of name to sequence of Costs
        The judged episodes of each strategy, one Costs per training seed.
    twin_mid2_grid : int64 (n, G) or None
        As the judge got it.
    grid_s : array_like (G,)
        Times of the cost grid, seconds since arrival.
    learning_curves : mapping, optional
        Learner -> (frames, mean cost in bps) of each training seed.
    book_examples : sequence of BookExample
    facts : mapping of str to object, optional
        Short facts for the top, beside market, task and seeds.
    footer : str
        Last line; the caller's, as nothing here reads a clock.

    Returns
    -------
    Path
        `path`.
    """
    text = render(
        f"{result.market}: who executes at what cost",
        lead(result),
        [
            Section("The judged table", html=result.shown().html()),
            _standing(result),
            _composition(result, costs),
            _timing(result, costs, twin_mid2_grid, grid_s),
            *_book(book_examples),
            *_learning(result, learning_curves),
            _method(result),
        ],
        facts={"market": result.market} | _flat(result) | dict(facts or {}),
        footer=footer,
    )
    write_whole(path, text)
    return path


def lead(result: JudgedRun) -> str:
    """What was found, for a reader who stops here."""
    best = result.strategies[result.best_baseline]["is_bps"]
    words = f"The cheapest written strategy is {result.best_baseline}"
    words += f", at {best.mean:.2f} bps." if best is not None else "."
    for name in (name for name, kind in result.kinds.items() if kind == "learned"):
        words += " " + verdict_sentence(name, result.paired_vs_best_baseline[name].to_json(), result.best_baseline)
    return words


def left_to_do(costs: Costs) -> Floats:
    """Share of each order still to do when each grid bucket opens, float64 (n, G): 1 at the first.

    What the last bucket and the horizon order fill lies behind the last time shown.
    """
    done = np.cumsum(costs.lots_grid, axis=1) - costs.lots_grid
    shares: Floats = 1.0 - done / costs.qty[:, None]
    return shares


def distribution(name: str, costs: Sequence[Costs], best: Sequence[Costs]) -> list[object]:
    """A row about single episodes: quantiles, the worst ones, and how often it was cheaper than the best baseline.

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
    wins = None if costs is best else float(np.mean([np.mean(_shortfall(one) < rival) for one in costs]))
    return [name, float(low), float(median), float(high), float(worst), wins]


def _standing(result: JudgedRun) -> Section:
    """The learned policies against everything, and, where there are several, seed by seed."""
    gains = {name: cell.to_json() for name, cell in result.paired_vs_best_baseline.items()}
    names = list(result.paired)
    rows: list[list[object]] = [
        [other, *(_told(result.paired[name].get(other)) for name in names)] for other in result.ranked()
    ]
    tables = plain_table(("against", *names), rows, "Mean [95 % interval], over all training seeds.") if names else ""
    if len(result.seeds) > 1:
        headings = ("by training seed", *map(str, result.seeds))
        by_seed: list[list[object]] = [
            [f"{name} against {other}", *map(_told, result.paired_by_seed[name][other])]
            for name in names
            if result.kinds[name] == "learned"
            for other in dict.fromkeys((result.best_baseline, *PEERS, f"{name}_untrained"))
            if other in result.paired_by_seed[name]
        ]
        tables += plain_table(headings, by_seed, "Seed by seed: an interval holds for that seed.") if by_seed else ""
    return Section(
        "Against the baselines",
        "Cost saved on the same episodes, bps: positive is better.",
        html=tables,
        figures=[figures.paired_differences(gains, result.best_baseline)] if gains else [],
    )


def _composition(result: JudgedRun, costs: Mapping[str, Sequence[Costs]]) -> Section:
    """What the cost is made of, and how it is spread over episodes."""
    names = [name for name in result.ranked() if name in costs]
    shortfalls = {name: np.concatenate([_shortfall(one) for one in costs[name]]) for name in names}
    best = costs[result.best_baseline]
    headings = ("strategy", "5 %", "median", "95 %", "mean of worst 5 %", f"cheaper than {result.best_baseline}")
    rows: list[list[object]] = []
    for name in names:
        _, *bps, wins = distribution(name, costs[name], best)
        rows.append(
            [name, *(f"{value:.2f}" for value in bps), wins if wins is None else f"{wins:.0%}".replace("%", " %")]
        )
    return Section(
        "What it cost",
        html=plain_table(
            headings, rows, caption="Shortfall of single episodes, bps; the last column is a share of episodes."
        ),
        figures=[figures.decomposition(result.intervals()), figures.cost_distributions(shortfalls)],
    )


def _timing(
    result: JudgedRun, costs: Mapping[str, Sequence[Costs]], twin_mid2_grid: Ints | None, grid_s: ArrayLike
) -> Section:
    """When each strategy traded, and how far that moved the mid."""
    names = [name for name in result.ranked() if name in costs]
    left = {name: np.concatenate([left_to_do(one) for one in costs[name]]) for name in names}
    drawn = [figures.trajectories(grid_s, left)]
    if twin_mid2_grid is not None:
        scale = BPS / float(costs[names[0]][0].arrival_mid2.mean())
        moved = {
            name: scale * np.mean([displacement(one, twin_mid2_grid) for one in costs[name]], axis=0) for name in names
        }
        drawn.append(figures.impact_paths(grid_s, moved))
    return Section("When it traded", figures=drawn)


def _book(examples: Sequence[BookExample]) -> list[Section]:
    if not examples:
        return []
    return [Section("The book around the trades", figures=[example.figure for example in examples])]


def _learning(result: JudgedRun, curves: Curves | None) -> list[Section]:
    if not curves:
        return []
    best = result.strategies[result.best_baseline]["is_bps"]
    levels = {result.best_baseline: best.mean} if best is not None else {}
    return [Section("How it learned", figures=[figures.learning_curves(curves, levels)])]


def _method(result: JudgedRun) -> Section:
    """What the numbers mean and how the intervals were made."""
    headings = {column.key: column.heading for column in COLUMNS}
    meanings = plain_table(
        ("column", "key in the JSON", "meaning"),
        [[headings[key], key, meaning] for key, meaning in MEANINGS.items()],
        prose=True,
    )
    seeds = "training seeds are a level of the bootstrap of their own" if len(result.seeds) > 1 else "one training seed"
    return Section(
        "How to read it",
        (
            f"Intervals: {100 * result.level:g} %, cluster bootstrap, {result.resamples:,} resamples; a cluster is one "
            f"{result.cluster}; {seeds}. Every strategy met the same episodes, so differences are paired.",
            "The best baseline is the written strategy that was cheapest on these very episodes, random not counted: "
            "a strict opponent, as its mean is flattered by the choice.",
        ),
        html=meanings,
    )


def _flat(result: JudgedRun) -> dict[str, object]:
    """Task and numbers as short facts, in words."""
    counted = {"episodes": f"{result.episodes:,}", "clusters": f"{result.clusters:,}"}
    seeds = {"training seeds": f"{len(result.seeds)} ({', '.join(map(str, result.seeds))})"} if result.seeds else {}
    return _order(result.task) | counted | seeds


def _order(task: Mapping[str, object]) -> dict[str, object]:
    """What a task asks for, as a person would say it; what is not known here is shown as it is.

    >>> _order({"side": 0, "share": 0.1, "horizon_s": 1800.0, "clock": "time", "decisions": 60, "clock_step": 0})
    {'side': 'buys and sells alternate', 'order': '10 % of expected volume', 'horizon': '30 min', 'decisions': '60'}
    """
    sides: dict[object, str] = {1: "buy", -1: "sell", 0: "buys and sells alternate"}
    told: dict[str, object] = {}
    for key, value in task.items():
        if key == "side":
            told["side"] = sides.get(value, value)
        elif key == "share" and value is not None:
            told["order"] = f"{100 * float(str(value)):g} % of expected volume"
        elif key == "quantity" and value:
            told["order"] = f"{value:,} lots"
        elif key in ("horizon_s", "warmup_s"):
            told[key.removesuffix("_s").replace("warmup", "warm-up")] = f"{float(str(value)) / 60:g} min"
        elif key == "decisions":
            clock = task.get("clock", "time")
            told["decisions"] = (
                str(value) if clock == "time" else f"{value} at most, every {task['clock_step']} {clock}"
            )
        elif key == "latency" and isinstance(value, Mapping):
            told["order latency"] = _latency(value)
        elif key not in ("clock", "clock_step", "grid_points", "share", "quantity") and value not in (None, ""):
            told[key.replace("_", " ")] = value
    return told


def _latency(law: Mapping[str, object]) -> str:
    """A latency law in milliseconds.

    >>> _latency({"kind": "uniform", "a_ns": 1_000_000, "b_ns": 2_500_000})
    'uniform, 1 to 2.5 ms'
    """
    low, high = (float(str(law[key])) / 1e6 for key in ("a_ns", "b_ns"))
    if law["kind"] == "constant":
        return f"{low:g} ms" if low else "none"
    return f"{law['kind']}, {low:g} to {high:g} ms" if law["kind"] == "uniform" else f"{low:g} ms + mean {high:g} ms"


def _shortfall(costs: Costs) -> Floats:
    return attribute(costs, None)["is_bps"]


def _told(cell: Estimate | None) -> str | None:
    """A gain and its interval in figures.

    >>> _told(Estimate(0.5, None, None)), _told(Estimate(0.5, 0.25, 0.75))
    ('+0.50', '+0.50 [+0.25, +0.75]')
    """
    if cell is None:
        return None
    interval = "" if cell.ci_low is None or cell.ci_high is None else f" [{cell.ci_low:+.2f}, {cell.ci_high:+.2f}]"
    return f"{cell.mean:+.2f}{interval}"
