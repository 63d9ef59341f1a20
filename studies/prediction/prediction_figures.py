"""The figures of a prediction: simulated against tape, by strategy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.prediction.prediction import PredictedRow
from tercel.core.report import Figure, finish_figure, palette, sketch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

Rows = Mapping[str, PredictedRow]
COLOURS = {True: palette.SERIES[1].token, False: palette.SERIES[0].token}
PLACES = ("simulated", "tape")
LABELS = {True: "mostly rests, here or there", False: "mostly takes"}


def costs(rows: Rows, symbol: str) -> Figure:
    """Simulated against tape cost with intervals, and rank against rank, each point a strategy."""
    x, y = (np.array([row.interval_bps[where].mean for row in rows.values()]) for where in PLACES)

    with sketch(4.4) as drawing:
        left, right = drawing.subplots(1, 2)
        for row in rows.values():
            _cross(left, row)
        _diagonal(left, np.concatenate([x, y]))
        left.set(xlabel="simulated, bps", ylabel="on tape, bps")
        for one, row in rows.items():
            at = row.rank["simulated"], row.rank["tape"]
            right.plot(*at, "o", color=COLOURS[row.resting], markersize=4.5)
            right.annotate(
                one, at, (5, -2.5), textcoords="offset points", fontsize=7, color=palette.INK.token
            )
        _diagonal(right, np.array([1, len(rows)]))
        right.set(
            xlim=(0, len(rows) * 1.35),
            xlabel="rank in simulation, 1 the cheapest",
            ylabel="rank on tape",
        )
        _legend(drawing, left)

    summary = ", ".join(
        f"{one} {here:.1f} / {there:.1f}" for one, here, there in zip(rows, x, y, strict=True)
    )
    alt = f"{symbol}: cost in simulation and on tape, bps: {summary}."
    return finish_figure(
        drawing, "predicted-costs", alt, "Bars are 95 % intervals. On the line both are the same."
    )


def shares(rows: Rows, symbol: str) -> Figure:
    """Passive and late shares, simulated against tape."""
    keys = {"passive_share": "filled while resting", "late_share": "forced at the horizon"}

    with sketch(3.6) as drawing:
        panels = drawing.subplots(1, 2)
        for panel, (key, title) in zip(panels, keys.items(), strict=True):
            panel.set_title(title)
            for row in rows.values():
                _point(panel, row, [getattr(row, key)[where] for where in PLACES])
            _diagonal(panel, np.array([0.0, 1.0]))
            panel.set(xlabel="share, simulated", ylabel="share on tape")
        _legend(drawing, panels[0])

    summary = ", ".join(
        f"{one} {row.passive_share['simulated']:.2f} / {row.passive_share['tape']:.2f}"
        for one, row in rows.items()
    )
    alt = f"{symbol}: share filled while resting, simulated and on tape: {summary}."
    return finish_figure(
        drawing, "predicted-shares", alt, "Each point is a strategy. On the line both are the same."
    )


def _cross(panel: "Axes", row: PredictedRow) -> None:
    """A strategy's point with its intervals."""
    x, y = (row.interval_bps[where] for where in PLACES)
    for cell, line, at in ((x, panel.hlines, y.mean), (y, panel.vlines, x.mean)):
        if cell.ci_low is not None and cell.ci_high is not None:
            line(at, cell.ci_low, cell.ci_high, color=COLOURS[row.resting], linewidth=1.0)
    _point(panel, row, (x.mean, y.mean))


def _point(panel: "Axes", row: PredictedRow, at: Sequence[float]) -> None:
    panel.plot(*at, "o", color=COLOURS[row.resting], markersize=4.5, label=LABELS[row.resting])


def _diagonal(panel: "Axes", values: Any) -> None:
    ends = [float(np.min(values)), float(np.max(values))]
    panel.plot(ends, ends, color=palette.SOFT.token, linewidth=0.9, zorder=0)


def _legend(drawing: "Drawing", panel: "Axes") -> None:
    """Each kind once."""
    handles, labels = panel.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    drawing.legend(once.values(), once.keys(), loc="outside lower center", ncols=2)
