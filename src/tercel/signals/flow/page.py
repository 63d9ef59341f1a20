"""Tables and page of a forecaster's card."""

from collections.abc import Mapping, Sequence
from typing import Any

from tercel.core.report import svg
from tercel.core.report.svg import Figure, Section, finished, render, sketch, small_panels
from tercel.core.report.tables import fixed, plain_table
from tercel.execution.foresight.features import HORIZONS
from tercel.execution.foresight.forecaster import TABLE, WAITING

Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows."""


def trained_table(found: Mapping[str, Any]) -> Table:
    """How a training did on later days and on symbols that it never saw."""
    rows = []
    for symbol, one in found["symbols"].items():
        for what, said in (("later days", one["forward"]), ("never seen", one["stranger"])):
            rows += [(symbol, what, f"{h} s", *_figures(each)) for h, each in said.items()]
    return "out of sample", ("symbol", "on", "ahead", "R², %", "AUC", "slope"), rows


def slopes_table(found: Mapping[str, Any]) -> Table:
    """Slopes of recalibrated symbols, a row a symbol and horizon."""
    rows: list[tuple[Any, ...]] = []
    for symbol, one in found[TABLE].items():
        for at, h in ((one[str(h)], h) for h in HORIZONS):
            figures = (fixed(at[key], 2) for key in ("slope", "se", "low"))
            rows.append(
                (
                    symbol,
                    f"{h} s",
                    len(one["days"]),
                    *figures,
                    "yes" if at["speaks"] else "no",
                    fixed(one.get(WAITING) or None, 2),
                )
            )
    return (
        "slope of moves on forecasts",
        ("symbol", "ahead", "days", "slope", "s.e.", "at least", "used", "waiting / half spread"),
        rows,
    )


def scored_table(found: Mapping[str, Any]) -> Table:
    """The card of a forecaster, a row a symbol and horizon."""
    rows = []
    for symbol, one in found["symbols"].items():
        for h, each in one["horizons"].items():
            r2, area, slope = _figures(each)
            coverage = ", ".join(f"{100 * share:.0f}" for share in each["coverage"].values())
            rows.append(
                (
                    symbol,
                    f"{h} s",
                    f"{r2}{_range(each['r2_ci'], 100)}",
                    f"{area}{_range(each['auc_ci'], 1)}",
                    fixed(each["queue_auc"], 3),
                    slope,
                    coverage,
                )
            )
    heads = ("symbol", "ahead", "R², %", "AUC", "queue's AUC", "slope", "inside 80, 95 %")
    return f"forecaster {found['model']} on days that it was not trained on", heads, rows


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What the card says, and what of it."""
    said = []
    for symbol, one in found["symbols"].items():
        t = "" if one["choice_t"] is None else f", t {one['choice_t']:.1f}"
        gain = f"{one['choice_bps']:+.2f} bps{t}"
        said.append(
            f"{symbol}: {'none' if one['worth_bps'] is None else 'it is worth something'} ({gain})."
        )
    head = "Worth of one free choice, now or 30 s later, carried out 1 s late: " + " ".join(said)
    tail = "Intervals are over days; AUC counts moves alone; the queue's AUC is the imbalance at the touch alone."
    return [head, tail]


def flow_page(found: Mapping[str, Any]) -> str:
    """HTML page of a forecaster's card."""
    title, heads, rows = scored_table(found)
    best = max(found["symbols"].items(), key=lambda item: item[1]["horizons"]["10"]["auc"] or 0.0)
    area, many = fixed(best[1]["horizons"]["10"]["auc"], 3), len(found["symbols"])
    lead = f"{best[0]}: AUC {area} of the next 10 s, its best of {many}."
    sections = [
        Section("What it forecasts and what came", figures=[reliability_figure(found["symbols"])]),
        Section(title, sentences(found), plain_table(heads, rows)),
    ]
    facts = {
        "model": found["model"],
        "days left out": sum(one["left_out"] for one in found["symbols"].values()),
    }
    return render(
        "Forecasts of the next seconds",
        lead,
        sections,
        facts,
        "printed by: tercel signals flow score",
    )


def reliability_figure(symbols: Mapping[str, Any]) -> Figure:
    """Forecast against outcome in ten bins, a panel a symbol, with the line on which both are equal."""
    columns = min(4, len(symbols))
    with sketch(0.6 + 2.1 * -(-len(symbols) // columns)) as drawing:
        for panel, (name, one) in zip(
            small_panels(drawing, len(symbols), columns), symbols.items(), strict=False
        ):
            x, y = ([each[key] for each in one["reliability"]] for key in ("forecast", "outcome"))
            ends = [min(*x, *y), max(*x, *y)]
            panel.plot(ends, ends, color=svg.RULE.token, linewidth=0.8)
            panel.plot(x, y, color=svg.INK.token, marker="o", markersize=3, linewidth=1.0)
            panel.set_title(name)
        drawing.supxlabel("forecast of 10 s, half spreads", fontsize=9.5, color=svg.SOFT.token)
        drawing.supylabel("outcome, half spreads", fontsize=9.5, color=svg.SOFT.token)
    alt = "Forecast and mean outcome in ten bins: " + "; ".join(
        f"{name} from {one['reliability'][0]['outcome']:+.2f} to {one['reliability'][-1]['outcome']:+.2f}"
        for name, one in symbols.items()
    )
    return finished(
        drawing, "reliability", alt, "On the line a forecast is as large as what comes."
    )


def _figures(one: Mapping[str, Any]) -> Sequence[str]:
    return fixed(100 * one["r2"], 1), fixed(one["auc"], 3), fixed(one["slope"], 2)


def _range(ends: Sequence[float] | None, factor: float) -> str:
    digits = 1 if factor > 1 else 3
    return (
        "" if ends is None else f" [{factor * ends[0]:.{digits}f}, {factor * ends[1]:.{digits}f}]"
    )
