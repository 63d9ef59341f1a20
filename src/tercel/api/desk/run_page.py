"""Page of a desk's run."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tercel import __version__
from tercel.api.desk.day_page import count
from tercel.api.desk.shadow import SLACK_BPS, ShadowBounds, read_bounds, scored
from tercel.core.errors import ConfigError
from tercel.core.messages import Posture
from tercel.core.orders import summed
from tercel.core.ports import Entry
from tercel.core.report import svg
from tercel.core.report.cells import is_known
from tercel.core.report.svg import Figure, Section, finished, render, sketch
from tercel.core.report.tables import fixed, plain_table, without_idle
from tercel.core.vocabulary import BUY, SIDE_WORDS
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.forecasts import ForecastOutcome
from tercel.desk.engine.outcome import DeskOutcome, OpenParent, ParentOutcome
from tercel.desk.engine.runtime import BuiltDesk
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.store import JournalReader
from tercel.desk.trading.tca.figures import against_benchmarks, fills_in, markouts, path_with_fills
from tercel.desk.trading.tca.measure import AnalysedCost

MINUTE_NS = 60e9


def share_of_flow(
    path: Sequence[tuple[int, str, Mapping[str, float]]], name: str = "shares"
) -> Figure:
    """Shares of the flow through the rounds, a panel per instrument.

    Parameters
    ----------
    path : sequence of (ns, instrument, shares)
    """
    instruments = list(dict.fromkeys(instrument for _, instrument, _ in path))
    agents = list(dict.fromkeys(agent for *_, shares in path for agent in shares))

    with sketch(3.0) as drawing:
        panels = drawing.subplots(1, max(len(instruments), 1), sharey=True, squeeze=False).ravel()
        colours = svg.series_colours(agents)
        for panel, instrument in zip(panels, instruments, strict=False):
            rows = [(ns / MINUTE_NS, shares) for ns, of, shares in path if of == instrument]
            time = [ns for ns, _ in rows]
            panel.stackplot(
                time,
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

    last = path[-1][2] if path else {}
    text = ", ".join(f"{agent} {100 * share:.0f} %" for agent, share in last.items())
    return finished(
        drawing,
        name,
        f"Share of the flow of each agent after every round. At the end: {text}.",
        "Expert aggregation on realised cost: what an agent's slice cost in a round moves its share of the next.",
    )


def cost_through_rounds(
    costs: Mapping[str, Sequence[Sequence[float]]],
    name: str = "recovery",
    at_round: float | None = None,
) -> Figure:
    """Cumulative cost of the requested quantities by round: mean over runs with a 95 % band.

    Parameters
    ----------
    costs : mapping of desk to (runs, rounds)
        Bps of the arrival value.
    at_round : float, optional
        Round in which a synthetic change begins.
    """

    with sketch(3.4) as drawing:
        panel = drawing.subplots()
        colours = svg.series_colours(costs)
        for desk, runs in costs.items():
            values = np.asarray(runs, np.float64)
            rounds = np.arange(1, values.shape[1] + 1)
            mean, colour = values.mean(axis=0), colours[desk].token
            panel.plot(
                rounds, mean, color=colour, linewidth=2.4 if desk == "desk" else 1.4, label=desk
            )
            if len(values) > 1:
                error = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
                panel.fill_between(
                    rounds, mean - error, mean + error, color=colour, alpha=0.15, linewidth=0
                )
        if at_round is not None:
            panel.axvline(at_round, color=svg.INK.token, linewidth=1, linestyle=":")
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)
        panel.set_xlabel("rounds over")
        panel.set_ylabel("cost so far, bps")
        panel.legend(frameon=False)
        panel.margins(x=0.01)

    ends = ", ".join(
        f"{desk} {float(np.mean(np.asarray(runs)[:, -1])):.1f}" for desk, runs in costs.items()
    )
    many = any(len(runs) > 1 for runs in costs.values())
    caption = "Line: mean over seeds; band: 95 % of the mean." if many else "One run: mostly luck."
    caption += " Dotted: the synthetic change." if at_round is not None else ""
    return finished(
        drawing,
        name,
        f"Cumulative cost of the requested quantities, by round. At the end, bps: {ends}.",
        caption,
    )


def postures(
    path: Sequence[tuple[int, str, Posture]], until_ns: int, name: str = "postures"
) -> Figure:
    """Risk state through time: size multiplier and urgency, a panel per instrument."""
    instruments = list(dict.fromkeys(instrument for _, instrument, _ in path))

    with sketch(0.8 + 1.7 * max(1, len(instruments))) as drawing:
        panels = drawing.subplots(max(len(instruments), 1), 1, sharex=True, squeeze=False).ravel()
        for panel, instrument in zip(panels, instruments, strict=False):
            rows = [(ns / MINUTE_NS, posture) for ns, of, posture in path if of == instrument]
            time = [*(ns for ns, _ in rows), until_ns / MINUTE_NS]
            for label, colour, value in (
                ("size", svg.SERIES[1], [posture.size_multiplier for _, posture in rows]),
                ("urgency", svg.SERIES[0], [posture.urgency for _, posture in rows]),
                (
                    "cap on participation",
                    svg.SERIES[2],
                    [posture.max_participation for _, posture in rows],
                ),
            ):
                panel.step(
                    time,
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
        f"{of}: {', '.join(posture.reasons)}" for _, of, posture in path if posture.reasons
    )
    return finished(
        drawing,
        name,
        f"Risk state of each instrument through time. {text[:600]}",
        "1 is what the task asks for; lower size and caps are restraint, higher urgency is haste.",
    )


def bounds_and_fills(
    bounds: Mapping[str, Sequence[float]], realised: Mapping[str, float], name: str = "bounds"
) -> Figure:
    """Bounds of parents less what they cost, a line each that crosses zero where the cost lies between; bps.

    Parameters
    ----------
    bounds : mapping of str to (float, float)
    realised : mapping of str to float
    """
    names = sorted((one for one in bounds if one in realised), key=lambda one: realised[one])
    low, high = (np.array([pick(bounds[one]) for one in names]) for pick in (min, max))
    real = np.array([realised[one] for one in names])
    with sketch(3.0) as drawing:
        panel = drawing.subplots()
        place = np.arange(len(names))
        missed = dict(scored(bounds, realised).misses)
        inside = np.array([one not in missed for one in names], bool)
        middle = (low + high) / 2 - real
        for label, marker, colour, which in (
            ("cost between", ".", svg.SOFT.token, inside),
            ("outside", "x", svg.BAD.token, ~inside),
        ):
            panel.vlines(
                place[which],
                (low - real)[which],
                (high - real)[which],
                colors=colour,
                linewidth=1.0,
            )
            panel.plot(place[which], middle[which], marker, color=colour, markersize=4, label=label)
        panel.axhline(0.0, color=svg.INK.token, linewidth=0.8)
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
    return finished(drawing, name, text, caption)


def page(
    config: DeskConfig,
    opened: BuiltDesk,
    outcome: DeskOutcome,
    folder: Path,
    experiments: Sequence[Section],
) -> str:
    """HTML page of a desk's run: agents, costs, postures, analyses, results of experiments."""
    desk = opened.desk
    with closing(JournalReader(folder)) as journal:
        entries = {one.parent: one for _, one in journal.read(0, (kinds.TCA,))}
        alerts = [
            [e.ns / 1e9, e.body.get("code"), e.agent, e.body.get("text")]
            for _, e in journal.read(0, (kinds.ALERT,))
            if e.body.get("text") not in outcome.forecasts.targets  # reported above
        ]
    costs = [AnalysedCost.of(entry) for entry in entries.values()]
    sections = [
        Section("Agents", html=plain_table(*agent_rows(outcome))),
        *_example(opened, list(entries.values())),
        Section(
            "Cost through the rounds",
            figures=[cost_through_rounds({"desk": [desk.cost_path]}, "cost")],
        ),
        *_forecasts(outcome.forecasts),
        *experiments,
        Section("Share of the flow", figures=[share_of_flow(desk.share_path)], folded=True),
    ]
    if desk.posture_path:
        drawn = [postures(desk.posture_path, opened.session.now_ns)]
        sections.append(Section("Risk state", figures=drawn, folded=True))
    if costs:
        drawn = [against_benchmarks(costs), markouts(costs)]
        sections.append(Section("Cost analysis", figures=drawn, folded=True))
    keys = {
        "id": "parent",
        "side": "side",
        "quantity": "lots",
        "filled": "filled",
        "unfilled": "unfilled",
        "refused": "refused",
        "is_bps": "cost, bps",
        "opportunity_bps": "opportunity, bps",
        "alpha_bps": "alpha, bps",
        "posture": "risk state",
        "status": "state",
    }
    sections.append(
        Section(f"Parents: {len(outcome.parents)}", html=_rows(keys, outcome.parents), folded=True)
    )
    if outcome.open_parents:
        keys = {
            "id": "parent",
            "instrument": "instrument",
            "agent": "agent",
            "side": "side",
            "quantity": "lots",
            "left": "left",
            "at_venue": "at the venue",
            "reason": "why",
        }
        sections.append(
            Section("Open when the desk stopped", html=_rows(keys, outcome.open_parents))
        )
    table = plain_table(["venue s", "code", "agent", "text"], alerts, prose=True)
    sections.append(Section(f"Alerts: {len(alerts)}", html=table, folded=True))
    title, lead = _answer(config, outcome)
    facts = {
        "seed": outcome.seed,
        "rounds": config.desk.rounds,
        "fills": f"{outcome.fills:,}",
        "journal entries": f"{outcome.journal.events:,}",
    }
    return render(title, lead, sections, facts, f"tercel {__version__}")


def bounds_section(found: ShadowBounds, realised: Mapping[str, float | None]) -> Section:
    """The two bounds of a desk in shadow, parent by parent, with what the same parents cost where they were filled."""
    if found.optimistic_bps is None or found.pessimistic_bps is None:
        return Section(
            "Bounds", "no parent was filled in a market that showed events: there are no bounds"
        )
    real = {one: cost for one, cost in realised.items() if cost is not None}
    score = scored(found.parents, real)
    within = (
        ""
        if score.within is None
        else f"; the cost of {100 * score.within:.0f} % of {count(score.parents, 'parent order')} lies between the two"
    )
    return Section(
        "Bounds",
        f"Estimated cost: {found.optimistic_bps:.2f} bps (low) to {found.pessimistic_bps:.2f} bps (high), weighted by filled "
        f"value{within}. The desk's own cost leaves out impact, so it may be lower than both.",
        figures=[bounds_and_fills(found.parents, real)],
    )


class ScoredBounds(NamedTuple):
    """Own fills beside the bounds of a desk in shadow: as figures, and as a section of a page."""

    figures: dict[str, Any]
    section: Section


def bounds_scored(shadow: Path, rows: Sequence[AnalysedCost]) -> ScoredBounds:
    """Score the bounds that a desk in shadow left in its folder by costs of the same parents.

    Raises
    ------
    ConfigError
        No bounds, or none of these parents.
    """
    bounds, real = (
        read_bounds(shadow),
        {row.parent: row.is_bps for row in rows if is_known(row.is_bps)},
    )
    score = scored(bounds, real)
    if score.within is None or score.centre_bps is None:
        raise ConfigError(
            "a desk in shadow that worked the same parents",
            f"{shadow}, whose parents are others",
            "run both by one file and seed",
        )
    text = (
        f"the cost of {100 * score.within:.0f} % of {score.parents} parents lies between the bounds of {shadow}; the "
        f"middle of the bounds is {score.centre_bps:+.2f} bps from what they cost, their width {score.width_bps:.2f}"
    )
    figures_of = asdict(score) | {"misses": dict(score.misses)}
    return ScoredBounds(
        figures_of,
        Section("Bounds in shadow", text, figures=[bounds_and_fills(bounds, real)]),
    )


def _forecasts(found: ForecastOutcome) -> Iterator[Section]:
    """Forecasts that were served from files, beside what came; why there was none; what became of targets."""
    heads = ["name", "forecast, bps", "realised, bps"]
    rows = [[one["name"], _bps(one["forecast_bps"]), _bps(one["came_bps"])] for one in found.names]
    if said := forecast_sentences(found, len(found.targets)):
        yield Section(
            "Forecast versus realised", said, html=plain_table(heads, rows) if rows else ""
        )


def _bps(value: float | None) -> str:
    return "not yet due" if value is None else fixed(value, signed=True)


def forecast_sentences(found: ForecastOutcome, most: int = 4) -> list[str]:
    """Sentences on the results of a desk's forecasts and of at most `most` of its targets; empty without forecasts."""
    names = {one["name"] for one in found.names}
    said = [f"Model {found.model} forecast {len(names)} names, as known by {found.at}."] * bool(
        names
    )
    if found.ci_low is not None and found.ci_high is not None:
        low, high = 100 * found.ci_low, 100 * found.ci_high
        rate = f"Direction correct in {found.hits} of {found.scored} forecasts ({low:.0f} to {high:.0f} %)"
        said.append(f"{rate}, each at its horizon.")
    if found.not_due:
        said.append(
            f"{found.not_due} of {len(found.names)} forecasts are not yet due: they are not scored."
        )
    more = [f"{len(found.targets) - most} more targets: the report has them."] * (
        len(found.targets) > most
    )
    none = (
        f"Traded without a forecast: {why}" if "expected " in why else f"{why}."
        for why in found.without
    )
    return [*said, *none, *found.targets[:most], *more]


def _answer(config: DeskConfig, outcome: DeskOutcome) -> tuple[str, str]:
    """Title with the desk's cost, and a summary in sentences."""
    mean, title = outcome.parents_bps.mean, f"Desk {config.desk.name}"
    if mean is not None:
        title += f": {mean:.1f} bps, {money_of(outcome.cost, outcome.currency)}"
    return title, " ".join([*silence_sentences(outcome), *answer_sentences(outcome)])


def silence_sentences(outcome: DeskOutcome) -> list[str]:
    """A sentence where parents were worked while their market showed no event; nothing else."""
    silent = [row for row in outcome.parents if row.silent_s]
    if not silent:
        return []
    where = sorted({row.instrument for row in silent})
    longest = max(row.silent_s or 0.0 for row in silent)
    which = f"{count(len(silent), 'parent order')} of {len(outcome.parents)}"
    said = f"Do not rely on these costs: {', '.join(where)} showed no event for {longest:,.0f} s"
    return [
        f"{said} while {which} worked there; nothing could move against them, and they have no bounds."
    ]


def answer_sentences(outcome: DeskOutcome) -> list[str]:
    """Sentences on traded lots by agent, their cost against benchmarks, and actions of risk and limits."""
    agents, currency, parents = outcome.agents, outcome.currency, outcome.parents
    lots: dict[str, list[float]] = defaultdict(list)
    for row in parents:
        lots[f"{'bought' if row.side == BUY else 'sold'} {{:,}} lots of {row.instrument}"].append(
            row.filled
        )
    traded = (
        ", ".join(words.format(summed(filled)) for words, filled in lots.items())
        or "traded nothing"
    )
    worked = f"{', '.join(agents)} worked {count(len(parents), 'parent order')}"
    value = money_of(sum(row.notional or 0.0 for row in parents), currency)
    said = [f"{worked}: they {traded}, worth {value} at arrival."]
    if (mean := outcome.parents_bps.mean) is not None:
        found = [
            f"{name} cost {within(one.saves_bps, one.saves_half_bps)} bps less"
            for name, one in agents.items()
            if one.saves_half_bps is not None and (one.saves_bps or 0.0) > one.saves_half_bps
        ]
        others = f"{' and '.join(found) or 'no agent cost significantly less'} than the others on the same orders"
        cost = f"{within(mean, outcome.parents_bps.half)} bps or {money_of(outcome.cost, currency)}"
        whole = (
            f"{outcome.cost_bps:.1f} bps from the arrival of the incoming orders, waiting included"
        )
        said.append(f"They cost {cost} from the mid at their arrival ({whole}); {others}.")
    denied = ", ".join(f"{code} {many:,}" for code, many in outcome.denials.items())
    refused = (
        f"{count(sum(outcome.denials.values()), 'order')} ({denied})" if denied else "no order"
    )
    risk = (
        f"The risk state changed {count(outcome.posture_changes, 'time')}; limits refused {refused}"
    )
    shifted = ", ".join(name for name, one in agents.items() if one.drifting)
    inside = f"inputs of {shifted} are outside the training distribution"
    return [*said, f"{risk}; {inside}." if shifted else f"{risk}."]


def money_of(amount: float, currency: str) -> str:
    """An amount as people read it.

    >>> money_of(992.4, "USD"), money_of(-1200.0, "")
    ('USD 992', '-1,200 units of the quote currency')
    """
    return f"{currency} {amount:,.0f}" if currency else f"{amount:,.0f} units of the quote currency"


def within(mean: float | None, half: float | None) -> str:
    """A mean and half of its interval, as people read them."""
    if mean is None:
        return "none"
    return f"{mean:.1f}" if half is None else f"{mean:.1f} ± {half:.1f}"


def named(strategy: str) -> str:
    """A strategy's name without where it comes from and what it takes of signals and risk."""
    return strategy.removeprefix("packaged:").split("+")[0]


def agent_rows(outcome: DeskOutcome) -> tuple[list[str], list[list[str]]]:
    """Headings and one row per agent: its cost, and its difference from the others."""
    heads = [
        "agent",
        "strategy",
        "cost, bps",
        f"cost, {outcome.currency or 'quote currency'}",
        "saves on the others, bps",
        "share of the flow",
        "input shift, sd",
        "challenger on paper",
    ]
    rows = []
    for name, one in outcome.agents.items():
        shift = (
            "" if one.drift is None else f"{one.drift:.2f}" + ", outside training" * one.drifting
        )
        saves, share = (
            within(one.saves_bps, one.saves_half_bps),
            f"{100 * one.share:.0f} %",
        )
        cost = within(one.is_bps, one.half_bps), f"{one.cost:,.0f}"
        rows.append([name, named(one.strategy), *cost, saves, share, shift, one.challenger or ""])
    return heads, rows


def _rows(keys: Mapping[str, str], rows: Sequence[ParentOutcome | OpenParent]) -> str:
    """A table of parents by the headings of its keys, sides in words, without columns that say nothing."""
    shown = [
        {heading: getattr(row, key) for key, heading in keys.items()}
        | {"side": SIDE_WORDS[row.side]}
        for row in rows
    ]
    shown = without_idle(shown, tuple(keys.values()))
    return plain_table(list(shown[0]), [list(row.values()) for row in shown]) if shown else ""


def _example(opened: BuiltDesk, entries: Sequence[Entry]) -> Iterator[Section]:
    """A parent of the first agent and its fills in prices: the one with the most fills."""
    first = next(iter(opened.desk.slots))
    units = {one.instrument: one.tick / one.part for one in opened.venue.listings()}
    drawn = []
    for entry in entries:
        if entry.agent == first and entry.blob:
            arrays = unpack(entry.blob)
            drawn.append((AnalysedCost.of(entry), fills_in(arrays), arrays["mids"]))
    if not drawn:
        return
    one, fills, mids = max(drawn, key=lambda row: len(row[1]))
    figure = path_with_fills(one.parent, one.side, fills, mids, "parent", units.get(one.instrument))
    yield Section("A parent and its fills", figures=[figure])
