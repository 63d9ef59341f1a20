"""The figures of an impact card: paths of metaorders, impact against size and length, decay, response to trades.

Each takes plain dictionaries of lists, as the card has them, and hands back a :class:`~tercel.core.report.svg.Figure`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tercel.core.report import Figure, finish_figure, palette, sketch

Curve = Mapping[str, Sequence[float]]
"""`seconds`, `ticks`, `se`."""


def metaorder_paths(paths: Mapping[str, Curve], length_s: float) -> Figure:
    """Impact through time, one line for each size (a share of the public volume), with one standard error."""

    with sketch(3.2) as drawing:
        panel = drawing.subplots()
        panel.axvline(length_s / 60, color=palette.RULE.token, linewidth=1.0)
        labels = {key: f"{100 * float(key):g} %" for key in paths}
        colours = palette.series_colours(labels.values())
        for key, path in paths.items():
            minutes, ticks, se = (np.asarray(path[what]) for what in ("seconds", "ticks", "se"))
            colour = colours[labels[key]].token
            panel.fill_between(
                minutes / 60, ticks - se, ticks + se, color=colour, alpha=0.2, linewidth=0
            )
            panel.plot(minutes / 60, ticks, color=colour, linewidth=1.6, label=labels[key])
        panel.margins(x=0)
        panel.set(xlabel="minutes since arrival", ylabel="impact, ticks")
        drawing.legend(loc="outside right upper")

    summary = ", ".join(f"{key} {max(path['ticks']):.2f}" for key, path in paths.items())
    return finish_figure(
        drawing,
        "metaorders",
        f"Impact of metaorders of several sizes through time, largest values in ticks: {summary}.",
        "Shares of the public volume, executed evenly up to the line. Bands are one standard error.",
    )


def impact_by_size(
    sizes: Sequence[Mapping[str, float]], lengths: Sequence[Mapping[str, float]]
) -> Figure:
    """Impact at the end against size at one length, and against length at one participation, on logarithmic axes."""

    with sketch(3.0) as drawing:
        left, right = drawing.subplots(1, 2)
        for panel, rows, x, label in (
            (left, sizes, [100 * r["share"] for r in sizes], "size, % of the volume"),
            (right, lengths, [r["seconds"] / 60 for r in lengths], "length, minutes"),
        ):
            ticks, se = (np.array([r[what] for r in rows]) for what in ("ticks", "se"))
            panel.errorbar(
                x, ticks, yerr=se, fmt="o", color=palette.INK.token, markersize=4.5, linewidth=1.2
            )
            fine = [i for i, value in enumerate(ticks) if value > 0]
            if fine:
                root = ticks[fine[-1]] * np.sqrt(np.array(x) / x[fine[-1]])
                panel.plot(x, root, "--", color=palette.SOFT.token, linewidth=1.0)
            panel.set_xscale("log")
            panel.set_yscale("log")
            panel.set_xticks(x, [f"{value:g}" for value in x])
            low, high = (
                max(ticks.min() - se.max(), 0.5 * max(ticks.min(), 1e-3)),
                1.1 * (ticks + se).max(),
            )
            steps = [
                m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5) if low <= m * 10.0**e <= high
            ]
            panel.set_ylim(low, high)
            panel.set_yticks(steps, [f"{value:g}" for value in steps])
            panel.minorticks_off()
            panel.set_xlabel(label)
        left.set_ylabel("impact, ticks")

    summary = ", ".join(f"{100 * r['share']:g} %: {r['ticks']:.2f}" for r in sizes)
    return finish_figure(
        drawing,
        "impact-size",
        f"Impact at the end of a metaorder against its size and against its length. In ticks: {summary}.",
        "Dashed: a square root through the last point. Left: one length. Right: one participation.",
    )


def decay_and_response(
    decay: Mapping[str, Mapping[str, Any]], response: Mapping[str, Sequence[float]]
) -> Figure:
    """Level after the end relative to it, and the mean move of the mid after a public trade."""

    with sketch(2.8) as drawing:
        left, right = drawing.subplots(1, 2)
        for key, row in decay.items():
            if row["mean"] is not None:
                left.plot([float(key)], [row["mean"]], "o", color=palette.INK.token, markersize=4.5)
            if row["ci_low"] is not None:
                left.plot(
                    [float(key)] * 2,
                    [row["ci_low"], row["ci_high"]],
                    color=palette.INK.token,
                    linewidth=1.4,
                )
        left.axhline(1.0, color=palette.RULE.token, linewidth=0.9)
        left.set(xlabel="time, lengths of the execution", ylabel="level, end = 1")
        left.set_ylim(bottom=0)
        right.plot(
            response["lags"],
            response["ticks"],
            "o-",
            color=palette.INK.token,
            markersize=4.5,
            linewidth=1.2,
        )
        right.set(xlabel="public trades later", ylabel="response, ticks")
        right.set_ylim(bottom=0)

    summary = ", ".join(
        f"{key}: {row['mean']:.2f}" for key, row in decay.items() if row["mean"] is not None
    )
    return finish_figure(
        drawing,
        "impact-decay",
        f"Level of the impact at multiples of the length of the execution, relative to its end: {summary}.",
        "Left: decay with 95 % intervals. Right: mean signed move of the mid after a public trade.",
    )
