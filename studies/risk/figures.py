"""Figures of the risk tables: each takes plain arrays and hands back a picture for a page."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from tercel.core import Bools, Floats
from tercel.core.report import Figure, finish_figure, palette, sketch


def through_time(
    name: str,
    title: str,
    days: Sequence[date],
    lines: Mapping[str, Floats],
    unit: str,
    log: bool = False,
) -> Figure:
    """Lines over days, the first one drawn as dots: what happened, and what was forecast of it."""
    x: Any = np.asarray(days, "datetime64[D]")

    with sketch(3.2) as drawing:
        panel = drawing.subplots()
        names = list(lines)
        panel.plot(
            x, lines[names[0]], ".", color=palette.SOFT.token, markersize=2.5, label=names[0]
        )
        for key, colour in zip(names[1:], palette.SERIES, strict=False):
            panel.plot(x, lines[key], color=colour.token, linewidth=1.1, label=key)
        if log:
            panel.set_yscale("log")
        panel.set_ylabel(unit)
        panel.margins(x=0)
        drawing.legend(loc="outside upper right", ncols=len(names))

    return finish_figure(drawing, name, f"{title}: {', '.join(lines)} over {len(days)} days.", "")


def regimes(days: Sequence[date], returns: Floats, probability: Floats, state: Bools) -> Figure:
    """Returns with the turbulent state shaded, and the filtered probability under them."""
    x: Any = np.asarray(days, "datetime64[D]")

    with sketch(4.2) as drawing:
        above, below = drawing.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        above.plot(x, 100 * returns, color=palette.SERIES[1].token, linewidth=0.6)
        for panel in (above, below):
            panel.fill_between(x, 0, 1, where=state, color=palette.SERIES[0].token, alpha=0.18, linewidth=0,
                               transform=panel.get_xaxis_transform())  # fmt: skip
            panel.margins(x=0)
        below.plot(x, probability, color=palette.INK.token, linewidth=0.7)
        above.set_ylabel("daily return, %")
        below.set_ylabel("probability")

    summary = f"turbulent on {100 * float(state.mean()):.0f} % of {len(state)} days"
    return finish_figure(
        drawing,
        "regimes",
        f"Daily returns and the filtered regime: {summary}.",
        "Shaded: turbulent.",
    )


def withdrawal(
    seconds: Floats, depth: Floats, score: Floats, marks: Mapping[str, int], alarm: int | None
) -> Figure:
    """Depth and score around one planted withdrawal: onset, trough, and when the alarm came."""

    with sketch(4.0) as drawing:
        above, below = drawing.subplots(2, 1, sharex=True)
        above.plot(seconds / 60, depth, color=palette.SERIES[1].token)
        below.plot(seconds / 60, score, color=palette.INK.token)
        below.axhline(1.0, color=palette.BAD.token, linestyle="--", linewidth=1)
        for panel in (above, below):
            for (key, at), colour in zip(
                marks.items(), (palette.SOFT, palette.SERIES[0], palette.SOFT), strict=False
            ):
                panel.axvline(
                    at / 60, color=colour.token, linewidth=1, label=key if panel is above else None
                )
            if alarm is not None:
                panel.axvline(
                    alarm / 60,
                    color=palette.BAD.token,
                    linewidth=1.4,
                    label="alarm" if panel is above else None,
                )
            panel.margins(x=0)
        above.set_ylabel("lots on 5 + 5 levels")
        below.set(ylabel="score / alarm", xlabel="minute of the day")
        drawing.legend(loc="outside upper right", ncols=4)

    outcome = "no alarm" if alarm is None else f"alarm {alarm - marks['onset']} s after the onset"
    alt = f"One planted withdrawal: depth and score; {outcome}."
    return finish_figure(drawing, "withdrawal", alt, "Depth: mean of the last ten seconds.")


def histogram(name: str, title: str, values: Floats, unit: str) -> Figure:
    """How often each value occurred."""

    with sketch(2.4) as drawing:
        panel = drawing.subplots()
        panel.hist(values, bins=min(40, max(8, len(values) // 5)), color=palette.SERIES[1].token)
        panel.axvline(0, color=palette.BAD.token, linewidth=1.2)
        panel.set(xlabel=unit, ylabel="withdrawals")

    summary = f"median {np.median(values):.0f}, {len(values)} of them" if len(values) else "none"
    return finish_figure(
        drawing, name, f"{title}: {summary}.", "Right of zero: the alarm came before the trough."
    )


def posture(inputs: Mapping[str, Floats], series: Mapping[str, Floats]) -> Figure:
    """What was measured each second, and under it what the posture made of it."""
    minutes = np.arange(len(next(iter(inputs.values())))) / 60

    with sketch(1.5 * (len(inputs) + 1)) as drawing:
        panels = drawing.subplots(len(inputs) + 1, 1, sharex=True)
        for panel, (key, values), colour in zip(
            panels, inputs.items(), palette.SERIES[1:], strict=False
        ):
            panel.plot(minutes, values, color=colour.token)
            panel.set_title(key)
            panel.margins(x=0)
        for (key, values), colour in zip(series.items(), palette.SERIES, strict=False):
            panels[-1].step(
                minutes, values, where="post", color=colour.token, label=key.replace("_", " ")
            )
        panels[-1].set(title="risk state", ylim=(-0.05, 1.05), xlabel="minute")
        panels[-1].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(series))

    summary = "; ".join(
        f"{key} from {np.nanmin(v):.2g} to {np.nanmax(v):.2g}" for key, v in series.items()
    )
    return finish_figure(
        drawing, "posture", f"A stress and the risk state that answers it: {summary}.", ""
    )
