"""Page of a backtest: the newest forecast and what it would be held as, then what such books earned after costs."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import numpy as np

from tercel.core.report import style
from tercel.core.report.page import Section, render
from tercel.core.report.svg import Figure, finished, sketch
from tercel.core.report.tables import fixed, plain_table, spelt_cell

SHOWN: Final = 5
"""Names of each leg in the first screen."""
WIDE: Final = 3.0
"""Range of an equity from which its scale is that of ratios."""


def backtest_page(found: Mapping[str, Any]) -> str:
    """HTML page of what `tercel.signals.runs.backtest.backtested` found."""
    first, *rest = found["sentences"]
    ic = found["ic"]
    facts = {
        "Sharpe net": spelt_cell(found["sharpe_net_interval"]), "gross": f"{found['sharpe_gross']:.2f}",
        "rank IC": f"{ic['mean']:.4f}, t {ic['t']:.1f}", "half-turns a date": f"{found['turnover']:.2f}",
        "worst drawdown": f"{100 * found['drawdown']:.1f} %", "book": found["book"],
    }  # fmt: skip
    held = [row for row in found["weights"] if row["weight"]]
    heads = ("name", "weight, %", "expected, bps", "sd, bps")
    all_weights = [(row["name"], 100 * row["weight"], row["expected_bps"], row["sd_bps"]) for row in held]
    cells = ("year", "dates", "IC", "gross %", "cost %", "net %", "Sharpe", "half-turns", "drawdown %")
    by_year = [
        (str(row["year"]), row["dates"], fixed(row["ic"], 4), *(fixed(100 * row[k], 1) for k in ("gross", "cost",
         "net")), fixed(row["sharpe_net"]), fixed(row["turnover"]), fixed(100 * row["drawdown"], 1))
        for row in found["years"]
    ]  # fmt: skip
    sections = [
        Section(f"Forecast of {found['at'][:10]}", found["warnings"], both_legs(held, found["weights"])),
        Section("Equity after costs", [*rest[:2], *rest[3:]], figures=[equity(found["curve"])]),
        Section("Skill through time", rest[2:3], figures=[skill_through_time(found["curve"], found["dates_a_year"])]),
        Section("Turnover and cost", figures=[turnover(found["curve"])]),
        Section("By year", html=plain_table(cells, by_year)),
        Section(f"All weights of {found['at'][:10]}: {len(held)}", html=plain_table(heads, all_weights),
            folded=len(held) > 30),
        Section("How it is measured", [f"Cost: {found['cost']}; {found['definition']}.",
            "Books are rebuilt on dates whose labels do not overlap. Sharpe ratios are annualised by their spacing, "
            f"{found['dates_a_year']:.1f} a year; intervals are 95 %, drawn over blocks of dates."]),
    ]  # fmt: skip
    return render(f"{found['name']}: {title(held)}", first, sections, facts, "printed by: tercel signals backtest")


def title(held: Sequence[Mapping[str, Any]]) -> str:
    """The newest book in a few words.

    >>> title([{"name": "A", "weight": 1.0}, {"name": "B", "weight": -1.0}])
    'long A, short B'
    """
    longs, shorts = [row for row in held if row["weight"] > 0], [row for row in held[::-1] if row["weight"] < 0]
    parts = [(word, [row["name"] for row in leg]) for word, leg in (("long", longs), ("short", shorts))]
    said = [f"{word} {', '.join(names[:3])}{' ...' * (len(names) > 3)}" for word, names in parts if names]
    return ", ".join(said) or "no book"


def both_legs(held: Sequence[Mapping[str, Any]], ranked: Sequence[Mapping[str, Any]]) -> str:
    """The ends of both legs side by side: names with their forecast and weight."""
    rows, blank = [], ("", "", "")
    legs = ([row for row in held if row["weight"] > 0], [row for row in held[::-1] if row["weight"] < 0])
    for pair in zip_longest(*(leg[:SHOWN] for leg in legs)):
        cells = ((row["name"], fixed(row["expected_bps"], 1, True), fixed(100 * row["weight"], 1)) if row else blank
                 for row in pair)  # fmt: skip
        rows.append([cell for leg in cells for cell in leg])
    caption = f"Largest of {len(held)} weights among {len(ranked)} names"
    return plain_table(("long", "bps", "% held", "short", "bps ", "% held "), rows, caption)


def _dates(curve: Sequence[Mapping[str, Any]]) -> Any:
    return np.array([row["at"].removesuffix("Z") for row in curve], "datetime64[s]")


def _column(curve: Sequence[Mapping[str, Any]], key: str) -> Any:
    return np.array([np.nan if row[key] is None else row[key] for row in curve], np.float64)


def equity(curve: Sequence[Mapping[str, Any]]) -> Figure:
    """Equity net and gross of costs, and below it the drawdown of the net one."""
    at, net, fallen = _dates(curve), _column(curve, "equity"), _column(curve, "drawdown")
    gross = np.cumprod(1.0 + _column(curve, "gross"))
    with sketch(4.2) as drawing:
        top, low = drawing.subplots(2, 1, sharex=True, height_ratios=(2.4, 1.0))
        top.axhline(1.0, color=style.SOFT.token, linewidth=0.9)
        top.plot(at, gross, color=style.SERIES[9].token, linewidth=1.2, label="before costs")
        top.plot(at, net, color=style.SERIES[1].token, linewidth=2.0, label="after costs")
        top.set_ylabel("equity, 1 at the start")
        if gross.max() > WIDE * net.min():
            top.set_yscale("log", subs=[2, 5])
            top.yaxis.set_major_formatter("{x:g}")
            top.yaxis.set_minor_formatter("{x:g}")
        top.legend(loc="upper left")
        low.fill_between(at, -100 * fallen, 0.0, color=style.BAD.token, alpha=0.45, linewidth=0)
        low.set_ylabel("drawdown, %")
        low.margins(x=0.01)
    alt = f"Equity from 1 to {net[-1]:.2f} after costs, {gross[-1]:.2f} before; drawdown to {100 * fallen.max():.1f} %."
    return finished(drawing, "equity", alt, "Profits stay in the book. Below: loss from the highest equity so far.")


def skill_through_time(curve: Sequence[Mapping[str, Any]], periods: float) -> Figure:
    """Rank IC as a mean over about a year of dates, with its interval, and by date behind it."""
    at, ic = _dates(curve), _column(curve, "ic")
    known = np.flatnonzero(np.isfinite(ic))
    at, ic = at[known], ic[known]
    over = int(min(max(round(periods) if np.isfinite(periods) else 20, 10), max(len(ic) // 2, 2)))
    sums, squares = (np.convolve(each, np.ones(over), "valid") for each in (ic, ic**2))
    mean = sums / over
    half = 1.96 * np.sqrt(np.maximum(squares / over - mean**2, 0.0) / max(over - 1, 1))
    with sketch(2.8) as drawing:
        panel = drawing.subplots()
        panel.axhline(0.0, color=style.INK.token, linewidth=0.9)
        last, blue = at[over - 1 :], style.SERIES[1].token
        panel.fill_between(last, mean - half, mean + half, color=blue, alpha=0.18, linewidth=0)
        panel.plot(last, mean, color=blue, linewidth=1.8, label=f"mean of {over} dates")
        panel.axhline(ic.mean(), color=style.SERIES[0].token, linewidth=1.2, linestyle="--", label="mean of all")
        panel.set_ylabel("rank IC")
        panel.legend(loc="upper right", ncols=2)
        panel.margins(x=0.01)
    ends = f"from {mean.min():.3f} to {mean.max():.3f}"
    alt = f"Rank IC through time, mean of {over} dates: {ends}; of all {ic.mean():.4f}."
    caption = f"Line: the mean of the last {over} dates; band: 1.96 standard errors of it, dates taken as independent."
    return finished(drawing, "skill", alt, caption)


def turnover(curve: Sequence[Mapping[str, Any]]) -> Figure:
    """Half-turns of each date, and what they cost so far."""
    at, paid = _dates(curve), 100 * np.cumsum(_column(curve, "cost"))
    lines = {"half-turns": _column(curve, "turnover"), "cost so far, % of equity": paid}
    with sketch(2.6) as drawing:
        for panel, (title, line), colour in zip(
            drawing.subplots(1, 2), lines.items(), style.SERIES[2::-2], strict=True
        ):
            panel.plot(at, line, color=colour.token, linewidth=1.0)
            panel.set(title=title, ylim=(0, None))
            panel.margins(x=0.01)
    alt = f"Half-turns a date: {lines['half-turns'].mean():.2f} on average; costs add up to {paid[-1]:.1f} % of equity."
    return finished(drawing, "turnover", alt, "A half-turn is the sum of |change of weight|, both legs.")
