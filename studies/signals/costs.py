"""``python -m studies costs FILE``: after costs have tripled, how soon does a book trade as if it had been told?

A portfolio is followed by rules that learn costs from their own fills, and by the same rules told the true cost. Weeks
are counted from the change until what is believed, and the rate or width that is chosen by it, stay near the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tercel.cli import print_json, print_table, say
from tercel.core import DataError, Floats, progress_bar as progress
from tercel.core.report import Figure, finish_figure, format_number, palette, sketch
from tercel.signals import (
    REBALANCE_RULES as RULES,
    Backtest,
    BookTargets,
    CostBelief,
    Traded,
    fill_information,
    on_paper,
    trade_rebalanced as trade,
)
from tercel.signals.runs import back_after, open_portfolio, read_config

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR: Final = 26
"""Weeks within which a book is to be back."""
SHOWN: Final = slice(-26, 105)
"""Weeks around the change that are drawn."""
HEADINGS: Final = (
    "rule", "half-life", "cost within 20 %, weeks", "within 10 %", f"in {BAR} weeks", f"s.e. of {BAR} weeks' fills",
    "rate or width other, weeks", "Sharpe, learned - true",
)  # fmt: skip


def tripled(sought: BookTargets, day: str, times: float) -> tuple[BookTargets, int]:
    """The same with costs that are `times` as high from a day on, and the number of its first date.

    Raises
    ------
    DataError
        Not a year of dates behind the day and half of one before it.
    """
    since = int(np.searchsorted(sought.walk.time_ns, np.datetime64(day, "ns").astype(np.int64)))
    if not BAR <= since <= len(sought.level) - 2 * BAR:
        first, last = (
            str(np.datetime64(int(ns), "ns"))[:10] for ns in sought.walk.time_ns[[0, -1]]
        )
        raise DataError(
            f"a day with {BAR} dates before and {2 * BAR} after",
            f"{day} in {first} to {last}",
            "name another: `on=DAY`",
        )
    level = sought.level.copy()
    level[since:] *= times
    return replace(sought, level=level), since


def said_of(sought: BookTargets, book: Backtest, at: slice) -> float:
    """Standard error of the cost by the fills of some dates alone, of its size: what no way to learn it can beat."""
    moved, square = np.nan_to_num(sought.walk.outcome), 0.0
    for t in range(at.start, at.stop):
        held = book.weights[t - 1] * (1.0 + moved[t - 1]) / (1.0 + book.net[t - 1])
        square += fill_information(sought, t, book.weights[t] - held)
    return float(1.0 / (square**0.5 * sought.level[at.start]))


def followed(
    sought: BookTargets, since: int, name: str, half_life: float, prior: float, seeds: Sequence[int],
    paper: tuple[Floats, Floats],
) -> list[dict[str, Any]]:  # fmt: skip
    """A row a seed: weeks from the change on, the Sharpe ratio from then on against that of the true cost, and what is
    drawn.
    """

    def of(belief: CostBelief | None, seed: int = 0) -> Traded:
        return trade(sought, RULES[name], belief, seed=seed, paper=paper)

    def sharpe(one: Traded) -> float:
        net = one.book.net[since:]
        return float(net.mean() / net.std(ddof=1) * sought.periods**0.5)

    true, rows = of(None), []
    for seed in seeds:
        one = of(CostBelief(prior * float(sought.level[0]), learns=True, half_life=half_life), seed)
        other = np.abs(one.chosen[since:] - true.chosen[since:]) > 0.1 * true.chosen[since:]
        rows.append({
            "seed": seed, "near_20": back_after(one.believed[since:], sought.level[since:]),
            "near_10": back_after(one.believed[since:], sought.level[since:], 0.1),
            "said": said_of(sought, one.book, slice(since, since + BAR)), "other": int(other.sum()),
            "sharpe": sharpe(one), "sharpe_true": sharpe(true),
            "believed": (one.believed / sought.level[-1])[since + SHOWN.start : since + SHOWN.stop].tolist(),
            "chosen": one.chosen[since + SHOWN.start : since + SHOWN.stop].tolist(),
            "chosen_true": true.chosen[since + SHOWN.start : since + SHOWN.stop].tolist(),
        })  # fmt: skip
    return rows


def measured(
    file: Path, days: Sequence[str], times: float, half_lives: Sequence[float], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """A row a rule, half-life of what is believed, and day of the change; each with a row a seed."""
    config = read_config(file)
    found, rows = open_portfolio(config, file.resolve().parent).targets, list[dict[str, Any]]()
    names = [name for name in ("all_at_once", "rate", "zone") if name in config.rules.names]
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task("costs that change", total=len(names) * len(half_lives) * len(days))
        for name in names:
            paper = on_paper(found, RULES[name])
            for half_life in half_lives:
                for day in days:
                    sought, since = tripled(found, day, times)
                    of = followed(sought, since, name, half_life, config.cost.prior, seeds, paper)
                    rows.append({"rule": name, "half_life": half_life, "day": day, "seeds": of})
                    bar.advance(task)
    return rows


def table_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A row a rule and half-life over all days and seeds: median and worst."""
    out = list[tuple[str, ...]]()
    for name, half_life in dict.fromkeys((row["rule"], row["half_life"]) for row in rows):
        runs = [
            one
            for row in rows
            if (row["rule"], row["half_life"]) == (name, half_life)
            for one in row["seeds"]
        ]
        in_time = sum(one["near_20"] is not None and one["near_20"] <= BAR for one in runs)
        lost = np.array([one["sharpe"] - one["sharpe_true"] for one in runs])
        near = [_spread([one[key] for one in runs]) for key in ("near_20", "near_10")]
        chooses = len(RULES[name].parameters) > 1
        out.append((
            name, f"{half_life:g}", *near, f"{in_time} of {len(runs)}",
            f"{100 * float(np.median([one['said'] for one in runs])):.0f} %",
            _spread([one["other"] for one in runs]) if chooses else "",
            f"{format_number(lost.mean())} ({format_number(lost.min())} to {format_number(lost.max())})" if chooses else "",
        ))  # fmt: skip
    return out


def _spread(weeks: Sequence[int | None]) -> str:
    known = [np.inf if one is None else one for one in weeks]
    middle, worst = float(np.median(known)), max(known)
    return f"{middle:g}, worst {worst if np.isfinite(worst) else 'never'}"


def figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What is believed of costs and the parameter chosen by it around the first change, a line a seed."""
    drawn = {
        row["rule"]: row["seeds"]
        for row in reversed(rows)
        if len(RULES[row["rule"]].parameters) > 1
    }
    with sketch(4.6) as drawing:
        panels = drawing.subplots(2, len(drawn), sharex=True, squeeze=False)
        for column, (name, seeds) in enumerate(sorted(drawn.items())):
            _believed(panels[0, column], seeds)
            _chosen(panels[1, column], seeds)
            panels[0, column].set_title(name)
            panels[1, column].set_xlabel("weeks after costs tripled")
        panels[0, 0].set_ylabel("cost believed, of the true one")
        panels[1, 0].set_ylabel("rate, or width, chosen")
        drawing.legend(
            *panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2
        )
    weeks = {
        name: ", ".join(str(one["near_20"]) for one in seeds)
        for name, seeds in sorted(drawn.items())
    }
    told = "; ".join(f"{name} {one}" for name, one in weeks.items())
    return finish_figure(
        drawing,
        "costs-triple",
        f"Weeks until what is believed is within 20 %, a seed each: {told}.",
    )


def _believed(panel: "Axes", seeds: Sequence[Mapping[str, Any]]) -> None:
    weeks = np.arange(SHOWN.start, SHOWN.start + len(seeds[0]["believed"]))
    panel.axhspan(0.8, 1.2, color=palette.RULE.token, linewidth=0)
    panel.axvline(BAR, color=palette.SOFT.token, linewidth=0.9, linestyle=":")
    panel.plot(weeks, np.where(weeks < 0, 1 / 3, 1.0), color=palette.INK.token, linewidth=1.4)
    for one in seeds:
        panel.plot(weeks, one["believed"], color=palette.SERIES[1].token, linewidth=0.9)
    panel.set_ylim(0, None)
    panel.margins(x=0.01)


def _chosen(panel: "Axes", seeds: Sequence[Mapping[str, Any]]) -> None:
    weeks = np.arange(SHOWN.start, SHOWN.start + len(seeds[0]["chosen"]))
    for k, one in enumerate(seeds):
        label = "cost learned, one line per seed" if k == 0 else None
        panel.step(
            weeks,
            one["chosen"],
            where="post",
            color=palette.SERIES[1].token,
            linewidth=0.9,
            label=label,
        )
    true = seeds[0]["chosen_true"]
    panel.step(
        weeks,
        true,
        where="post",
        color=palette.INK.token,
        linewidth=1.4,
        linestyle="--",
        label="cost known",
    )
    panel.axvline(BAR, color=palette.SOFT.token, linewidth=0.9, linestyle=":")
    panel.set_ylim(0, None)
    panel.margins(x=0.01)


def run(
    file: Path, days: Sequence[str], times: float, half_lives: Sequence[float], seeds: Sequence[int],
    picture: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Print one table; write the picture where it is wanted."""
    rows = measured(file, days, times, half_lives, seeds)
    if picture is not None:
        figure(rows).save(picture)
    if as_json:
        print_json({"file": file, "times": times, "rows": rows})
        return
    print_table(
        f"costs times {times:g} on {', '.join(days)}; {len(seeds)} seeds each",
        HEADINGS,
        table_of(rows),
    )
    say(
        "Median over all runs, and the worst. A cost is back when it stays near for four dates. Rates and widths are"
    )
    say(
        "other while more than 10 % from those that the true cost gives. Sharpe ratios are of all dates after it."
    )
