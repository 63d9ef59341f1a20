"""Report sections on costs and timing of strategies, and the tables that explain columns and order."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Floats, Ints
from tercel.core.report import figures
from tercel.core.report.formatting import format_percent
from tercel.core.report.judged_table import COLUMNS
from tercel.core.report.page import Section
from tercel.core.report.tables import plain_table
from tercel.core.stats import Estimate
from tercel.execution.costs import BPS, Costs, displacement
from tercel.execution.task import describe_size
from tercel.lab.evaluation.cost_rows import MEANINGS

TAIL = 0.05
"""Share of the worst episodes whose mean cost is shown."""


def remaining_shares(costs: Costs) -> Floats:
    """Share of each order still to fill at each grid time, float64 (n, G), 1 at the first.

    What the last bucket and the horizon order fill lies behind the last time shown.
    """
    done = np.cumsum(costs.lots_grid, axis=1) - costs.lots_grid
    return 1.0 - done / costs.qty[:, None]


def distribution_row(name: str, costs: Sequence[Costs], best: Sequence[Costs]) -> list[object]:
    """Table row of a strategy: name; 5 %, 50 %, 95 % quantile and mean of the worst 5 % of its cost, bps; share of
    episodes in which it is cheaper than `best` (None if `costs` is `best`).

    Cheaper than the best baseline; None for that baseline itself.

    Parameters
    ----------
    name : str
    costs, best : sequence of Costs
        Runs of this strategy and of the best baseline over the same episodes.
    """
    values = np.concatenate([run.shortfall_bps for run in costs])
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    worst = np.sort(values)[-max(1, round(TAIL * len(values))) :].mean()
    best_mean = np.mean([run.shortfall_bps for run in best], axis=0)
    win_share = (
        None
        if costs is best
        else float(np.mean([np.mean(run.shortfall_bps < best_mean) for run in costs]))
    )
    return [name, float(low), float(median), float(high), float(worst), win_share]


def composition(
    costs: Mapping[str, Sequence[Costs]],
    strategies: Mapping[str, Mapping[str, Estimate]],
    best: str,
    plotted: Sequence[str],
    highlighted: Collection[str] = (),
) -> Section:
    """Report section on the parts of the cost and the spread of costs over episodes.

    Parameters
    ----------
    costs : mapping of name to sequence of Costs
        The judged episodes of each strategy, one Costs per training seed; in the order of the table.
    strategies : mapping of name to mapping of key to Estimate
    best : str
        The best baseline.
    plotted : sequence of str
        Whose distribution is drawn.
    highlighted : collection of str
        Strategies drawn boldest.
    """
    headings = ("strategy", "5 %", "median", "95 %", "mean of worst 5 %", f"cheaper than {best}")
    rows: list[list[object]] = []
    for name, runs in costs.items():
        _, *bps, wins = distribution_row(name, runs, costs[best])
        rows.append(
            [
                name,
                *(f"{value:.2f}" for value in bps),
                format_percent(wins) if isinstance(wins, float) else wins,
            ]
        )
    caption = "Shortfall of single episodes, bps; the last column is a share of episodes."
    shortfalls = {
        name: np.concatenate([run.shortfall_bps for run in costs[name]]) for name in plotted
    }
    return Section(
        "What it cost",
        html=plain_table(headings, rows, caption=caption),
        figures=[
            figures.decomposition(strategies),
            figures.cost_distributions(shortfalls, "distribution", highlighted=highlighted),
        ],
    )


def timing(
    costs: Mapping[str, Sequence[Costs]],
    twin_mid2_grid: Ints | None,
    grid_s: ArrayLike,
    highlighted: Collection[str] = (),
) -> Section:
    """Report section on when each strategy traded, and how far its trading moved the mid.

    Parameters
    ----------
    costs : mapping of name to sequence of Costs
    twin_mid2_grid : int64 (n, G) or None
        Mids of the same episodes without own orders; None where nothing answers.
    grid_s : array_like (G,)
        Times of the cost grid, seconds since arrival.
    highlighted : collection of str
        Strategies drawn boldest.
    """
    remaining = {
        name: np.concatenate([remaining_shares(run) for run in runs])
        for name, runs in costs.items()
    }
    plots = [figures.trajectories(grid_s, remaining, highlighted=highlighted)]
    if twin_mid2_grid is not None:
        scale = BPS / float(next(iter(costs.values()))[0].arrival_mid2.mean())
        displacements = {
            name: scale * np.mean([displacement(run, twin_mid2_grid) for run in runs], axis=0)
            for name, runs in costs.items()
        }
        plots.append(figures.impact_paths(grid_s, displacements, highlighted=highlighted))
    return Section("When it traded", figures=plots, folded=True)


def meanings_table() -> str:
    """HTML table that explains each column of the judged table."""
    headings = {column.key: column.heading for column in COLUMNS}
    rows = [[headings[key], key, meaning] for key, meaning in MEANINGS.items()]
    return plain_table(("column", "key in the JSON", "meaning"), rows, prose=True)


def order_facts(task: Mapping[str, Any]) -> dict[str, object]:
    """Facts of a task's order as labels and texts; other keys keep their values, None and empty ones are left out.

    >>> order_facts({"side": 0, "share": 0.1, "horizon_s": 1800.0, "clock": "time", "decisions": 60, "clock_step": 0})
    {'side': 'buys and sells alternate', 'order': '10 % of the volume expected', 'horizon': '30 min', 'decisions': '60'}
    """
    sides: dict[object, str] = {1: "buy", -1: "sell", 0: "buys and sells alternate"}
    facts: dict[str, object] = {}
    for key, value in task.items():
        if key == "side":
            facts["side"] = sides.get(value, value)
        elif key in ("share", "quantity") and value:
            facts["order"] = describe_size(task.get("share"), task.get("quantity") or 0)
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
            facts["order latency"] = _format_latency(value)
        elif key not in (
            "clock",
            "clock_step",
            "grid_points",
            "share",
            "quantity",
        ) and value not in (None, ""):
            facts[key.replace("_", " ")] = value
    return facts


def _format_latency(law: Mapping[str, object]) -> str:
    """Text in ms of a latency law in ns, such as "uniform, 1 to 2.5 ms"; "none" for a constant of 0.

    >>> _format_latency({"kind": "uniform", "a_ns": 1_000_000, "b_ns": 2_500_000})
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
