"""Figures of replications on recorded days: what published methods save there, beside what they saved at home."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tercel.core.report import Figure, finish_figure, palette, sketch


def savings(
    found: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any], name: str
) -> Figure:
    """Cost saved on submit and leave, setting by setting, and the published band.

    Parameters
    ----------
    found, published : mapping
        As `python -m replications nevmyvaka --json` prints them.
    """
    band = published["private_over_submit_and_leave_percent"]
    least = published["all_over_submit_and_leave_percent"]["at_least"]
    kinds = (
        ("private_over_submit_and_leave_percent", "time and inventory", palette.SERIES[1]),
        ("all_over_submit_and_leave_percent", "and four market variables", palette.SERIES[0]),
    )

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        at = np.arange(len(found))
        panel.axhspan(
            band["low"], band["high"], color=palette.SERIES[1].token, alpha=0.15, linewidth=0
        )
        panel.axhline(least, color=palette.SERIES[0].token, linestyle="--", linewidth=1.0)
        panel.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
        for number, (key, label, colour) in enumerate(kinds):
            rows = [ours[key] for ours in found.values()]
            mean = np.array([row["mean"] for row in rows])
            low, high = (
                np.array([row[k] if row[k] is not None else row["mean"] for row in rows])
                for k in _BOUNDS
            )
            panel.errorbar(
                at + 0.16 * (number - 0.5), mean, [mean - low, high - mean], fmt="o", color=colour.token, capsize=3,
                label=label,
            )  # fmt: skip
        panel.set_xticks(at, list(found))
        panel.set_ylabel("% of cost saved on submit and leave")
        panel.legend(loc="best")

    summary = "; ".join(f"{key}: {ours[kinds[0][0]]['mean']:.0f} and {ours[kinds[1][0]]['mean']:.0f} %"
                     for key, ours in found.items())  # fmt: skip
    return finish_figure(
        drawing,
        name,
        f"Cost saved on submit and leave by a swept table, private state and with market variables: {summary}.",
        "Dots: ours, with 95 % intervals over half hours. Band: published for time and inventory; dashed: the least "
        "published with market variables.",
    )


def gains(
    found: Mapping[str, Mapping[str, Any]], published: Mapping[str, Any], name: str
) -> Figure:
    """Gain over TWAP, one way of judging a row, and the published span.

    Parameters
    ----------
    found, published : mapping
        As `python -m replications ning --json` prints them.
    """
    band = published["gain_bps"]

    with sketch(3.2) as drawing:
        panel = drawing.subplots()
        at = np.arange(len(found))[::-1]
        rows = [ours["gain_bps"] for ours in found.values()]
        mean = np.array([row["mean"] for row in rows])
        low, high = (
            np.array([row[k] if row[k] is not None else row["mean"] for row in rows])
            for k in _BOUNDS
        )
        panel.axvspan(
            band["low"], band["high"], color=palette.SERIES[1].token, alpha=0.15, linewidth=0
        )
        panel.axvline(0.0, color=palette.SOFT.token, linewidth=0.9)
        panel.errorbar(
            mean,
            at,
            xerr=[mean - low, high - mean],
            fmt="o",
            color=palette.SERIES[0].token,
            capsize=3,
        )
        panel.set_yticks(at, list(found))
        panel.set_xlabel("gain over TWAP, bps")

    summary = "; ".join(f"{key}: {ours['gain_bps']['mean']:.1f}" for key, ours in found.items())
    return finish_figure(
        drawing,
        name,
        f"Gain of a double DQN over TWAP, bps, by how it is judged: {summary}.",
        "Dots: ours, with 95 % intervals over days and training seeds. Band: published, nine symbols.",
    )


_BOUNDS = ("ci_low", "ci_high")
