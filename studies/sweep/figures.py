"""Figures of a search over settings: how it went, where the good ones lie, which settings matter."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.core import Bools, Floats
from tercel.core.report import Figure, finished, sketch, svg

if TYPE_CHECKING:
    pass


TOP = 3
"""Trials that stand out among the parallel coordinates."""


def history(values: Floats, complete: Bools, unit: str) -> Figure:
    """Value by trial and the best so far; those cut short hollow."""

    with sketch(2.8) as drawing:
        panel = drawing.subplots()
        numbers = np.arange(len(values))
        known = complete & np.isfinite(values)
        panel.scatter(
            numbers[known], values[known], color=svg.GOOD.token, s=22, label="complete", zorder=3
        )
        cut = ~complete & np.isfinite(values)
        if cut.any():
            panel.scatter(
                numbers[cut],
                values[cut],
                facecolors="none",
                edgecolors=svg.SOFT.token,
                s=22,
                label="cut short",
            )
        best = np.fmax.accumulate(np.where(known, values, np.nan))
        panel.step(
            numbers, best, where="post", color=svg.INK.token, linewidth=1.2, label="best so far"
        )
        panel.set(xlabel="trial", ylabel=unit)
        drawing.legend(loc="outside upper right", ncols=3)

    top = f"{np.nanmax(np.where(complete, values, np.nan)):.2f}" if complete.any() else "none"
    return finished(drawing, "history", f"Value of each of {len(values)} trials; best {top}.", "")


def parallel(
    settings: Mapping[str, Sequence[Any]], log: Mapping[str, bool], values: Floats, unit: str
) -> Figure:
    """Parallel coordinates: one axis a setting, one line a complete trial, the best on top.

    Parameters
    ----------
    settings : mapping of name to n values
        Numbers, or anything else, which is then an axis of steps.
    log : mapping of name to bool
        Axes with a logarithmic scale.
    values : float64 (n,)
        What the trials were worth; the last axis.
    unit : str
        Of the values.
    name : str
    """
    axes = [_axis(list(found), log.get(key, False)) for key, found in settings.items()]
    axes.append(_axis([float(value) for value in values], False))
    names = [*settings, unit]
    order = np.argsort(values)
    top = set(order[-TOP:].tolist())

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        for i in order:
            good = int(i) in top
            panel.plot(
                range(len(axes)),
                [heights[i] for heights, _ in axes],
                color=(svg.GOOD if good else svg.SOFT).token,
                linewidth=2.0 if good else 0.9,
                alpha=1.0 if good else 0.45,
                zorder=3 if good else 2,
            )
        for at, (_, ticks) in enumerate(axes):
            panel.axvline(at, color=svg.RULE.token, linewidth=1.0, zorder=1)
            for height, text in ticks:
                paper = {"facecolor": svg.PAPER.token, "edgecolor": "none", "pad": 1.0}
                panel.annotate(
                    text,
                    (at, height),
                    (4, 0),
                    "data",
                    "offset points",
                    fontsize=8,
                    va="center",
                    zorder=4,
                    bbox=paper,
                )
        panel.set_xticks(range(len(axes)), [each.replace(".", ".\n") for each in names])
        panel.set_yticks([])
        panel.set_xlim(-0.15, len(axes) - 0.55)
        panel.grid(visible=False)

    return finished(
        drawing,
        "parallel",
        f"Parallel coordinates of {len(values)} complete trials over {', '.join(names)}.",
        f"One line per complete trial; the best {min(TOP, len(values))} stand out.",
    )


def _axis(found: list[Any], log: bool) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights between 0 and 1 of the values of one axis, and its labels at heights."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        known = sorted({json.dumps(value) for value in found})
        steps = {text: i / max(len(known) - 1, 1) for i, text in enumerate(known)}
        return [steps[json.dumps(value)] for value in found], [
            (at, text) for text, at in steps.items()
        ]
    numbers = np.array(found, np.float64)
    scaled = np.log(numbers) if log else numbers
    low, high = float(scaled.min()), float(scaled.max())
    if low == high:
        return [0.5] * len(found), [(0.5, f"{numbers[0]:.3g}")]
    heights = (scaled - low) / (high - low)
    return heights.tolist(), [(0.0, f"{numbers.min():.3g}"), (1.0, f"{numbers.max():.3g}")]


def importance(shares: Mapping[str, float]) -> Figure:
    """Bars of how well each setting separates good trials from the rest."""
    ordered = sorted(shares.items(), key=lambda item: item[1])

    with sketch(0.9 + 0.3 * len(ordered)) as drawing:
        panel = drawing.subplots()
        panel.barh(
            range(len(ordered)),
            [100 * share for _, share in ordered],
            color=svg.GOOD.token,
            height=0.6,
        )
        panel.set_yticks(range(len(ordered)), [key for key, _ in ordered])
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("importance, %")

    summary = ", ".join(f"{key} {share:.0%}" for key, share in reversed(ordered))
    return finished(drawing, "importance", f"Importance of settings: {summary}.", "")
