"""Figures of an ablation: what each variant costs more than the whole recipe, and how each learned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tercel.core import Floats
from tercel.core.report import Figure, finish_figure, name_rows, palette, sketch, small_panels

Curve = tuple[Floats, Floats]
"""Frames and mean cost in bps, float64 (L,) each."""
COLUMNS = 4


def differences(rows: Sequence[Mapping[str, Any]], name: str = "differences") -> Figure:
    """Difference of each variant to the whole recipe with its interval, the most expensive on top.

    Parameters
    ----------
    rows : sequence of {"name", "called", "difference_bps": {"mean", "ci_low", "ci_high"}}
        ``called``: more expensive, cheaper or open, after the correction.
    """
    ordered = sorted(rows, key=lambda row: -float(row["difference_bps"]["mean"]))
    colours = {"more expensive": palette.BAD.token, "cheaper": palette.GOOD.token}

    with sketch(0.8 + 0.26 * max(1, len(ordered))) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=palette.SOFT.token, linewidth=1)
        for at, row in enumerate(ordered):
            summary, colour = row["difference_bps"], colours.get(row["called"], palette.SOFT.token)
            if summary["ci_low"] is not None:
                panel.hlines(at, summary["ci_low"], summary["ci_high"], color=colour, linewidth=2.2)
            panel.plot([summary["mean"]], [at], "o", markersize=5, color=colour)
        name_rows(panel, [row["name"] for row in ordered], (0.5, 0.5))
        panel.set_xlabel("costs more than the whole recipe, bps (right: more expensive)")

    summary = "; ".join(f"{row['name']} {row['difference_bps']['mean']:+.2f}" for row in ordered)
    return finish_figure(
        drawing,
        name,
        f"What each variant costs more than the whole recipe, bps. {summary}.",
        "Bars: 95 % intervals over training seeds and episodes. Red: more expensive, green: cheaper after the correction for "
        "all variants; grey: no significant difference.",
    )


def curves(found: Mapping[str, Sequence[Curve]], whole: str, name: str = "curves") -> Figure:
    """Validation cost while learning, a panel for each variant, the recipe's mean curve in each.

    Parameters
    ----------
    found : mapping of variant to its curves, one a training seed
    whole : str
        Which of them is the recipe.
    """
    variants = [key for key in found if key != whole] or [whole]
    columns = min(COLUMNS, len(variants))
    lines = -(-len(variants) // columns)
    common = mean_curve(found[whole])
    late = np.concatenate([cost[len(cost) // 2 :] for one in found.values() for _, cost in one])
    low, high = min(late.min(), common[1].min()), max(np.quantile(late, 0.9), common[1].max())
    edge = 0.1 * max(float(high - low), 1e-9)

    with sketch(0.7 + 1.5 * lines) as drawing:
        panels = small_panels(drawing, len(variants), columns, sharex=True, sharey=True)
        for panel, key in zip(panels, variants, strict=False):
            panel.plot(
                common[0] / 1e3,
                common[1],
                color=palette.SOFT.token,
                linestyle=(0, (4, 3)),
                linewidth=1.2,
            )
            for frames, cost in found[key]:
                panel.plot(
                    frames / 1e3, cost, color=palette.SERIES[1].token, linewidth=0.8, alpha=0.5
                )
            frames, cost = mean_curve(found[key])
            panel.plot(frames / 1e3, cost, color=palette.SERIES[1].token, linewidth=1.8)
            panel.set_title(key, fontsize=8.5)
        panels[0].set_ylim(low - edge, high + edge)
        drawing.supxlabel("thousand decisions", fontsize=9.5, color=palette.SOFT.token)
        drawing.supylabel("validation cost, bps", fontsize=9.5, color=palette.SOFT.token)

    ends = ", ".join(f"{key} {mean_curve(one)[1][-1]:.2f}" for key, one in found.items())
    return finish_figure(
        drawing,
        name,
        f"Cost of the greedy policy on validation episodes while learning. At the end: {ends}.",
        "Thin: each training seed; strong: their mean; dashed: the whole recipe. What is more expensive than the upper edge is "
        "cut off. Each is judged on its own training's validation episodes, in its own markets and at its own task.",
    )


def mean_curve(seeds: Sequence[Curve]) -> Curve:
    """Mean over seeds of curves that look at the same frames; of unequal lengths as far as all go.

    >>> frames = np.array([0.0, 10.0])
    >>> mean_curve([(frames, np.array([4.0, 2.0])), (frames, np.array([6.0, 3.0]))])[1].tolist()
    [5.0, 2.5]
    """
    length = min(len(frames) for frames, _ in seeds)
    mean: Floats = np.mean([cost[:length] for _, cost in seeds], axis=0)
    return seeds[0][0][:length], mean
