"""Figures of risk: each takes plain arrays and hands back a picture for a page."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.report import style
from tercel.core.report.svg import PAGE, Figure, finished, sketch


def bars(
    name: str, title: str, values: Mapping[str, float], unit: str, caption: str = "Lower is better."
) -> Figure:
    """One bar a name, the lowest on top."""
    order = sorted(values, key=lambda key: values[key])

    with sketch(0.8 + 0.3 * len(order), PAGE) as drawing:
        panel = drawing.subplots()
        panel.barh(order, [values[key] for key in order], color=style.SERIES[1].token, height=0.6)
        for row, key in enumerate(order):
            panel.text(
                values[key],
                row,
                f" {values[key]:.3g}",
                va="center",
                fontsize=9,
                color=style.INK.token,
            )
        panel.invert_yaxis()
        panel.grid(axis="y", visible=False)
        panel.margins(x=0.12)
        panel.set_xlabel(unit)

    summary = ", ".join(f"{key} {values[key]:.4g}" for key in order)
    return finished(drawing, name, f"{title}: {summary}.", caption)


def tails(days: Sequence[date], returns: Floats, var: Mapping[str, Floats]) -> Figure:
    """Daily returns, the negative VaR of some models, and the days on which it was exceeded; one panel a model."""
    x: Any = np.asarray(days, "datetime64[D]")

    with sketch(0.5 + 2.0 * len(var), PAGE) as drawing:
        panels = drawing.subplots(len(var), 1, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, (key, level) in zip(panels, var.items(), strict=True):
            hit = returns < -level
            panel.plot(x, 100 * returns, ".", color=style.RULE.token, markersize=2)
            panel.plot(x, -100 * level, color=style.SERIES[1].token, linewidth=1)
            panel.plot(x[hit], 100 * returns[hit], "x", color=style.BAD.token, markersize=5)
            panel.set_title(f"{key}: {int(hit.sum())} hits")
            panel.margins(x=0)
        drawing.supylabel("daily return, %", fontsize=9.5, color=style.SOFT.token)

    summary = "; ".join(f"{key} {int((returns < -level).sum())} hits" for key, level in var.items())
    caption = "Line: minus VaR; crosses: days beyond it. A model that waits for its window has its hits in clusters."
    return finished(drawing, "tails", f"Daily returns against 99 % VaR. {summary}.", caption)
