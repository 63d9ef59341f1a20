"""Figures of a desk's run: shares of the flow, costs by round, risk postures, simulated cost bounds."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tercel.api.desk.bound_scores import SLACK_BPS, score_bounds
from tercel.core.messages import Posture
from tercel.core.report import palette
from tercel.core.report.formatting import format_percent
from tercel.core.report.svg import Figure, finish_figure, sketch

MINUTE_NS = 60e9


def share_of_flow(
    path: Sequence[tuple[int, str, Mapping[str, float]]], name: str = "shares"
) -> Figure:
    """Figure of the agents' shares of the flow through the rounds, a panel per instrument.

    Parameters
    ----------
    path : sequence of (ns, instrument, shares)
    """
    instruments = list(dict.fromkeys(instrument for _, instrument, _ in path))
    agents = list(dict.fromkeys(agent for *_, shares in path for agent in shares))

    with sketch(3.0) as drawing:
        panels = drawing.subplots(1, max(len(instruments), 1), sharey=True, squeeze=False).ravel()
        colours = palette.series_colours(agents)
        for panel, instrument in zip(panels, instruments, strict=False):
            rows = [
                (ns / MINUTE_NS, shares)
                for ns, row_instrument, shares in path
                if row_instrument == instrument
            ]
            panel.stackplot(
                [minutes for minutes, _ in rows],
                [[100 * shares.get(agent, 0.0) for _, shares in rows] for agent in agents],
                labels=agents,
                colors=[colours[agent].token for agent in agents],
                alpha=0.75,
            )
            panel.set_title(instrument)
            panel.set_ylim(0, 100)
            panel.margins(x=0)
            panel.set_xlabel("venue time, minutes")
        panels[0].set_ylabel("% of the flow")
        panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)

    last_shares = path[-1][2] if path else {}
    text = ", ".join(f"{agent} {format_percent(share)}" for agent, share in last_shares.items())
    return finish_figure(
        drawing,
        name,
        f"Share of the flow of each agent after every round. At the end: {text}.",
        "What an agent's part of the incoming orders cost in a round moves its part of the next (expert aggregation). "
        "Venue time is the clock of the exchange, or of its simulation.",
    )


def short_reasons(reasons: Iterable[str]) -> str:
    """What reasons of a risk state begin with, each once.

    >>> short_reasons(["depth thin: depth is 0.33", "depth thin: depth is 0.2", "anomaly: score is 1.4"])
    'depth thin, anomaly'
    """
    return ", ".join(dict.fromkeys(reason.split(":")[0] for reason in reasons)) or "calm"


def cost_through_rounds(
    costs: Mapping[str, Sequence[Sequence[float]]],
    name: str = "recovery",
    at_round: float | None = None,
) -> Figure:
    """Figure of the cumulative cost of the requested quantities by round: mean over runs with a 95 % band.

    Parameters
    ----------
    costs : mapping of desk to (runs, rounds)
        Bps of the arrival value.
    at_round : float, optional
        Round in which a synthetic change begins.
    """

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        colours = palette.series_colours(costs)
        for desk, runs in costs.items():
            values = np.asarray(runs, np.float64)
            rounds = np.arange(1, values.shape[1] + 1)
            mean = values.mean(axis=0)
            colour = colours[desk].token
            panel.plot(
                rounds, mean, color=colour, linewidth=2.4 if desk == "desk" else 1.4, label=desk
            )
            if len(values) > 1:
                error = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
                panel.fill_between(
                    rounds, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0
                )
        if at_round is not None:
            panel.axvline(at_round, color=palette.INK.token, linewidth=1, linestyle=":")
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)
        panel.set_xlabel("rounds over")
        panel.set_ylabel("cost so far, bps")
        panel.legend(frameon=False)
        panel.margins(x=0.01)

    final_costs = ", ".join(
        f"{desk} {float(np.mean(np.asarray(runs)[:, -1])):.1f}" for desk, runs in costs.items()
    )
    captions = (
        "Line: mean over seeds; band: 95 % of the mean."
        if any(len(runs) > 1 for runs in costs.values())
        else "One run: mostly luck.",
        "Dotted: the synthetic change." if at_round is not None else "",
        "From the arrival of the incoming orders, waiting included.",
    )
    return finish_figure(
        drawing,
        name,
        f"Cumulative cost of the requested quantities, by round. At the end, bps: {final_costs}.",
        " ".join(filter(None, captions)),
    )


def postures(
    path: Sequence[tuple[int, str, Posture]], until_ns: int, name: str = "postures"
) -> Figure:
    """Figure of the risk state through time: size multiplier, urgency, cap on participation, a panel per instrument."""
    instruments = list(dict.fromkeys(instrument for _, instrument, _ in path))

    with sketch(0.8 + 1.7 * max(1, len(instruments))) as drawing:
        panels = drawing.subplots(max(len(instruments), 1), 1, sharex=True, squeeze=False).ravel()
        for panel, instrument in zip(panels, instruments, strict=False):
            rows = [
                (ns / MINUTE_NS, posture)
                for ns, row_instrument, posture in path
                if row_instrument == instrument
            ]
            minutes = [*(ns for ns, _ in rows), until_ns / MINUTE_NS]
            for label, colour, value in (
                ("size", palette.SERIES[1], [posture.size_multiplier for _, posture in rows]),
                ("urgency", palette.SERIES[0], [posture.urgency for _, posture in rows]),
                (
                    "cap on participation",
                    palette.SERIES[2],
                    [posture.max_participation for _, posture in rows],
                ),
            ):
                panel.step(
                    minutes,
                    [*value, value[-1]],
                    where="post",
                    color=colour.token,
                    label=label,
                    linewidth=1.6,
                )
            panel.set_ylim(-0.05, 1.05)
            panel.set_title(instrument)
        panels[0].legend(frameon=False, ncols=3, loc="lower right")
        panels[-1].set_xlabel("venue time, minutes")

    text = "; ".join(
        f"{instrument}: {short_reasons(reason for _, name, posture in path if name == instrument for reason in posture.reasons)}"
        for instrument in instruments
    )
    return finish_figure(
        drawing,
        name,
        f"Risk state of each instrument through time. {text}.",
        "1 is what the task asks for; lower size and caps are restraint, higher urgency is haste.",
    )


def bounds_and_fills(
    bounds: Mapping[str, Sequence[float]], realised: Mapping[str, float], name: str = "bounds"
) -> Figure:
    """Figure of simulated cost bounds less realised costs, one line per parent, in bps; a line across 0 holds the cost.

    Parameters
    ----------
    bounds : mapping of str to (float, float)
    realised : mapping of str to float
    """
    names = sorted(
        (parent for parent in bounds if parent in realised), key=lambda parent: realised[parent]
    )
    low, high = (np.array([pick(bounds[parent]) for parent in names]) for pick in (min, max))
    cost = np.array([realised[parent] for parent in names])
    with sketch(3.0) as drawing:
        panel = drawing.subplots()
        positions = np.arange(len(names))
        missed = dict(score_bounds(bounds, realised).misses)
        inside = np.array([parent not in missed for parent in names], bool)
        middle = (low + high) / 2 - cost
        for label, marker, colour, mask in (
            ("cost between", ".", palette.SOFT.token, inside),
            ("outside", "x", palette.BAD.token, ~inside),
        ):
            panel.vlines(
                positions[mask],
                (low - cost)[mask],
                (high - cost)[mask],
                colors=colour,
                linewidth=1.0,
            )
            panel.plot(
                positions[mask], middle[mask], marker, color=colour, markersize=4, label=label
            )
        panel.axhline(0.0, color=palette.INK.token, linewidth=0.8)
        panel.set_yscale("symlog", linthresh=2.0)
        panel.yaxis.set_major_formatter(lambda bps, _: f"{bps:+g}" if bps else "0")
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)
        panel.set_xlabel("parents, the cheapest first")
        panel.set_ylabel("bounds less cost, bps")
        drawing.legend(loc="outside upper left", ncols=2, frameon=False)
    text = f"{int(inside.sum())} of {len(names)} parents have costs between their bounds"
    caption = (
        "Bounds: cancelled orders were ahead of ours or not, and how far our orders move the price."
    )
    caption += f" Between: give or take {SLACK_BPS} bps. The scale is a logarithm's beyond 2 bps."
    return finish_figure(drawing, name, text, caption)
