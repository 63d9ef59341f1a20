"""Figures of replications: an efficient frontier with an agent on it; hedges and what they cost.

Each takes plain arrays and dictionaries and hands back a :class:`~tercel.core.report.svg.Figure`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.report import Figure, finish_figure, palette, sketch


def frontier(
    closed: tuple[ArrayLike, ArrayLike],
    agents: Sequence[tuple[ArrayLike, ArrayLike]],
    trajectories: Mapping[str, tuple[ArrayLike, Sequence[ArrayLike]]],
    name: str = "frontier",
) -> Figure:
    """Expected cost against its standard deviation, and trajectories beside.

    Parameters
    ----------
    closed : (sd, cost), arrays of shape (L,)
        The closed form's frontier, thousand $.
    agents : sequence of (sd, cost), arrays of shape (M,)
        One for each training seed.
    trajectories : mapping of label to (closed form (N + 1,), one (N + 1,) for each training seed)
        Shares left, in thousands.
    """

    with sketch(3.6) as drawing:
        left, right = drawing.subplots(1, 2)
        left.plot(*closed, color=palette.INK.token, linewidth=1.4, label="closed form")
        for number, (sd, cost) in enumerate(agents):
            left.plot(
                sd, cost, "o", color=palette.SERIES[0].token, markersize=4.5, alpha=0.7,
                label="agent, one dot a risk aversion" if number == 0 else None,
            )  # fmt: skip
        left.set_xlabel("standard deviation, thousand $")
        left.set_ylabel("expected cost, thousand $")
        left.legend(loc="upper right")
        for (label, (form, runs)), colour in zip(
            trajectories.items(), palette.SERIES[1:], strict=False
        ):
            days = np.arange(len(np.asarray(form)))
            right.plot(days, form, color=colour.token, linewidth=1.6, label=label)
            for run in runs:
                right.plot(days, run, "o", color=colour.token, markersize=4.5, alpha=0.6)
        right.set_xlabel("days")
        right.set_ylabel("thousand shares left")
        right.legend(loc="upper right")

    parts = ", ".join(label for label in trajectories)
    return finish_figure(
        drawing,
        name,
        f"Efficient frontier of the Almgren-Chriss example, the agent's schedules on it; trajectories for {parts}.",
        f"Lines: closed form. Dots: the agent's schedules, {len(agents)} training seeds, one network each for all risk "
        "aversions.",
    )


def hedges(
    spots: ArrayLike,
    deltas: Mapping[str, tuple[ArrayLike, Sequence[ArrayLike]]],
    costs: ArrayLike,
    prices: Mapping[str, ArrayLike],
    name: str = "hedges",
) -> Figure:
    """Hedge ratios without costs against the closed form, and the risk-averse price by proportional cost.

    Parameters
    ----------
    spots : array of shape (S,)
    deltas : mapping of time left to (closed form (S,), one (S,) for each training seed)
    costs : array of shape (C,)
        Proportional costs, bps.
    prices : mapping of strategy to array of shape (C,)
        What must be asked for the option; the network first.
    """

    with sketch(3.6) as drawing:
        left, right = drawing.subplots(1, 2)
        for (label, (form, runs)), colour in zip(deltas.items(), palette.SERIES[1:], strict=False):
            left.plot(spots, form, color=colour.token, linewidth=1.6, label=label)
            for run in runs:
                left.plot(spots, run, ":", color=colour.token, linewidth=1.8)
        left.set_xlabel("price of the underlying")
        left.set_ylabel("units held, no costs")
        left.legend(loc="upper left")
        colours = (palette.SERIES[0], palette.SERIES[1], palette.SERIES[2], palette.SERIES[3])
        for (label, values), colour in zip(prices.items(), colours, strict=False):
            right.plot(costs, values, color=colour.token, marker="o", markersize=3.5, label=label)
        right.set_xlabel("proportional cost, bps")
        right.set_ylabel("risk-averse price")
        right.legend(loc="upper left")

    text = "; ".join(
        f"{key}: {np.asarray(value)[0]:.3f} to {np.asarray(value)[-1]:.3f}"
        for key, value in prices.items()
    )
    return finish_figure(
        drawing,
        name,
        f"Left: units held by the price of the underlying, closed form and network. Right: risk-averse prices, {text}.",
        "Left: lines are the closed form, dots the network, one for each training seed. Right: expected shortfall of "
        "the hedged option, lower is better.",
    )
