"""The figures of a prediction: simulated against tape, by strategy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.core.report import style
from tercel.core.report.svg import Figure, finished, sketch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Rows = Mapping[str, Mapping[str, Any]]
"""Strategy -> `simulated_bps`, `tape_bps`, `interval_bps`, `rank`, `passive_share`, `late_share`, `resting`."""
COLOURS = {True: style.SERIES[1].token, False: style.SERIES[0].token}
LABELS = {True: "mostly rests, here or there", False: "mostly takes"}


def costs(rows: Rows, symbol: str) -> Figure:
    """Simulated against tape cost with intervals, and rank against rank, each point a strategy."""
    x, y = (np.array([row[key] for row in rows.values()]) for key in ("simulated_bps", "tape_bps"))

    with sketch(4.4) as drawing:
        left, right = drawing.subplots(1, 2)
        for number, row in enumerate(rows.values()):
            _cross(left, row, x[number], y[number])
        _diagonal(left, np.concatenate([x, y]))
        left.set(xlabel="simulated, bps", ylabel="on tape, bps")
        for one, row in rows.items():
            at = row["rank"]["simulated"], row["rank"]["tape"]
            right.plot(*at, "o", color=COLOURS[row["resting"]], markersize=4.5)
            right.annotate(one, at, (5, -2.5), textcoords="offset points", fontsize=7, color=style.INK.token)
        _diagonal(right, np.array([1, len(rows)]))
        right.set(xlim=(0, len(rows) * 1.35), xlabel="rank in simulation, 1 the cheapest", ylabel="rank on tape")
        _legend(drawing, left)

    summary = ", ".join(f"{one} {row['simulated_bps']:.1f} / {row['tape_bps']:.1f}" for one, row in rows.items())
    alt = f"{symbol}: cost in simulation and on tape, bps: {summary}."
    return finished(drawing, "predicted-costs", alt, "Bars are 95 % intervals. On the line both are the same.")


def shares(rows: Rows, symbol: str) -> Figure:
    """Passive and late shares, simulated against tape."""
    keys = {"passive_share": "filled while resting", "late_share": "forced at the horizon"}

    with sketch(3.6) as drawing:
        panels = drawing.subplots(1, 2)
        for panel, (key, title) in zip(panels, keys.items(), strict=True):
            panel.set_title(title)
            for row in rows.values():
                at = row[key]["simulated"], row[key]["tape"]
                panel.plot(*at, "o", color=COLOURS[row["resting"]], markersize=4.5, label=LABELS[row["resting"]])
            _diagonal(panel, np.array([0.0, 1.0]))
            panel.set(xlabel="share, simulated", ylabel="share on tape")
        _legend(drawing, panels[0])

    summary = ", ".join(
        f"{one} {row['passive_share']['simulated']:.2f} / {row['passive_share']['tape']:.2f}"
        for one, row in rows.items()
    )
    alt = f"{symbol}: share filled while resting, simulated and on tape: {summary}."
    return finished(drawing, "predicted-shares", alt, "Each point is a strategy. On the line both are the same.")


def _cross(panel: "Axes", row: Mapping[str, Any], x: float, y: float) -> None:
    """A strategy's point with its intervals."""
    colour, summary = COLOURS[row["resting"]], row["interval_bps"]
    for key, line in (("simulated", panel.hlines), ("tape", panel.vlines)):
        cell = summary[key]
        if cell["ci_low"] is not None:
            line(y if key == "simulated" else x, cell["ci_low"], cell["ci_high"], color=colour, linewidth=1.0)
    panel.plot([x], [y], "o", color=colour, markersize=4.5, label=LABELS[row["resting"]])


def _diagonal(panel: "Axes", values: Any) -> None:
    ends = [float(np.min(values)), float(np.max(values))]
    panel.plot(ends, ends, color=style.SOFT.token, linewidth=0.9, zorder=0)


def _legend(drawing: "Drawing", panel: "Axes") -> None:
    """Each kind once."""
    handles, labels = panel.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    drawing.legend(once.values(), once.keys(), loc="outside lower center", ncols=2)
