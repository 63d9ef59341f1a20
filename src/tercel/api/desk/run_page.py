"""HTML page of a desk's run: agents, costs, postures, analyses, results of experiments."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tercel import __version__
from tercel.api.desk.bound_scores import read_bounds, score_bounds
from tercel.api.desk.bounds import ShadowBounds
from tercel.api.desk.run_figures import (
    bounds_and_fills,
    cost_through_rounds,
    postures,
    share_of_flow,
    short_reasons,
)
from tercel.api.desk.run_text import (
    agent_rows,
    answer_sentences,
    describe_saving,
    forecast_sentences,
    format_run_amount,
    format_saving_range,
    how_sure,
    silence_sentences,
)
from tercel.core.errors import ConfigError
from tercel.core.ports import Entry
from tercel.core.report.cells import is_known
from tercel.core.report.formatting import (
    format_count,
    format_half_width,
    format_money,
    format_number,
    format_percent,
)
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import drop_idle_columns, plain_table
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.configured_agents import bare_name
from tercel.desk.engine.forecast_results import ForecastOutcome
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.engine.outcome import DeskOutcome, OpenParent, ParentOutcome
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.tca.figures import against_benchmarks, fills_in, markouts, path_with_fills
from tercel.desk.trading.tca.measure import AnalysedCost

HINTS = {
    "saves on the others, bps": "what the other agents cost in the same rounds, less its own cost",
    "share of the flow": "its part of the incoming orders, which follows its cost",
    "input shift, sd": "how far its inputs are from those of its training, in standard deviations",
}
"""What headings of the agents' table mean."""
RULES = {
    "default": "rests, catches up on schedule, with a trained forecast",
    "guarded": "rests, catches up on schedule",
    "peg_touch": "rests at the best price and moves with it",
    "twap_take": "equal slices, with market orders",
}
"""What the strategies of the demo do, as the console says it (`web/src/format.ts`)."""
PAPER_TEXT = (
    "Each strategy worked the agent's orders on paper, in the market that the desk's own orders had moved. Paper orders "
    "move no price, which flatters large ones, all alike. Fees are left out; lots unfilled at the horizon are priced beyond "
    "the book."
)


def page(
    config: DeskConfig,
    desk: DeskLoop,
    outcome: DeskOutcome,
    folder: Path,
    experiments: Sequence[Section],
) -> str:
    """HTML page of a desk's run: agents, costs, postures, analyses, results of experiments."""
    with closing(JournalReader(folder)) as journal:
        entries = {entry.parent: entry for _, entry in journal.read(0, (kinds.TCA,))}
        alerts = [
            [entry.ns / 1e9, entry.body.get("code"), entry.agent, entry.body.get("text")]
            for _, entry in journal.read(0, (kinds.ALERT,))
            if entry.body.get("text") not in outcome.forecasts.targets  # reported above
        ]
    costs = [AnalysedCost.of(entry) for entry in entries.values()]
    sections = [
        *_savings_on_paper(outcome),
        Section("Agents", html=plain_table(*_agent_table(outcome), hints=HINTS)),
        *_example_parent(desk, list(entries.values())),
        Section(
            "Cost through the rounds",
            figures=[cost_through_rounds({"desk": [desk.cost_path]}, "cost")],
        ),
        *_forecast_section(outcome.forecasts),
        *experiments,
        Section("Share of the flow", figures=[share_of_flow(desk.share_path)], folded=True),
    ]
    if desk.posture_path:
        figures = [postures(desk.posture_path, desk.session.now_ns)]
        sections.append(Section("Risk state", figures=figures, folded=True))
    if costs:
        figures = [against_benchmarks(costs), markouts(costs)]
        sections.append(Section("Cost analysis", figures=figures, folded=True))
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
        Section(
            f"Parents: {len(outcome.parents)}",
            html=_parent_table(keys, outcome.parents),
            folded=True,
        )
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
            Section("Open when the desk stopped", html=_parent_table(keys, outcome.open_parents))
        )
    if alerts:
        table = plain_table(["venue s", "code", "agent", "text"], alerts, prose=True)
        sections.append(Section(f"Alerts: {len(alerts)}", html=table, folded=True))
    title, lead = _title_and_lead(config, outcome)
    facts = {
        "seed": outcome.seed,
        "rounds": f"{config.desk.rounds} of {config.desk.round_s / 60:g} min",
        "fills": f"{outcome.fills:,}",
        "journal entries": f"{outcome.journal.events:,}",
        **{
            name: RULES[name]
            for agent in outcome.agents.values()
            if (name := bare_name(agent.strategy)) in RULES
        },
    }
    return render_page(title, lead, sections, facts, f"tercel {__version__}")


def bounds_section(bounds: ShadowBounds, realised: Mapping[str, float | None]) -> Section:
    """Section on the two simulated cost bounds of a desk in shadow, parent by parent, beside realised costs."""
    if bounds.optimistic_bps is None or bounds.pessimistic_bps is None:
        return Section(
            "Bounds", "no parent was filled in a market that showed events: there are no bounds"
        )
    realised_bps = {parent: cost for parent, cost in realised.items() if cost is not None}
    score = score_bounds(bounds.parents, realised_bps)
    share_text = (
        ""
        if score.within is None
        else f"; the cost of {format_percent(score.within)} of {format_count(score.parents, 'parent order')} lies between the two"
    )
    return Section(
        "Bounds",
        f"Estimated cost: {bounds.optimistic_bps:.2f} bps (low) to {bounds.pessimistic_bps:.2f} bps (high), weighted by filled "
        f"value{share_text}. The desk's own cost leaves out impact, so it may be lower than both.",
        figures=[bounds_and_fills(bounds.parents, realised_bps)],
    )


class ScoredBounds(NamedTuple):
    """Simulated bounds scored against own fills: figures, and a section of a page."""

    figures: dict[str, Any]
    section: Section


def score_shadow_folder(shadow: Path, rows: Sequence[AnalysedCost]) -> ScoredBounds:
    """Score the bounds in the folder of a desk in shadow against realised costs of the same parents.

    Raises
    ------
    ConfigError
        No bounds, or none of these parents.
    """
    bounds = read_bounds(shadow)
    realised_bps = {row.parent: row.is_bps for row in rows if is_known(row.is_bps)}
    score = score_bounds(bounds, realised_bps)
    if score.within is None or score.centre_bps is None:
        raise ConfigError(
            "a desk in shadow that worked the same parents",
            f"{shadow}, whose parents are others",
            "run both by one file and seed",
        )
    text = (
        f"the cost of {format_percent(score.within)} of {score.parents} parents lies between the bounds of {shadow}; the "
        f"middle of the bounds is {score.centre_bps:+.2f} bps from what they cost, their width {score.width_bps:.2f}"
    )
    figures_of = asdict(score) | {"misses": dict(score.misses)}
    return ScoredBounds(
        figures_of,
        Section("Bounds in shadow", text, figures=[bounds_and_fills(bounds, realised_bps)]),
    )


def _forecast_section(forecasts: ForecastOutcome) -> Iterator[Section]:
    """Section on forecasts served from files and what came of them; nothing without forecasts."""
    headings = ["name", "forecast, bps", "realised, bps"]
    rows = [
        [forecast["name"], _bps(forecast["forecast_bps"]), _bps(forecast["came_bps"])]
        for forecast in forecasts.names
    ]
    if sentences := forecast_sentences(forecasts, len(forecasts.targets)):
        yield Section(
            "Forecast versus realised", sentences, html=plain_table(headings, rows) if rows else ""
        )


def _savings_on_paper(outcome: DeskOutcome) -> Iterator[Section]:
    """Section on what each agent saved on paper on other strategies, in money; nothing without any on paper."""
    money = outcome.currency or "quote currency"
    headings = [
        "agent",
        "against",
        "orders",
        f"value, {money}",
        "saved, bps",
        f"saved, {money}",
        "95 % interval",
        "how sure",
    ]
    rows = [
        [
            name,
            bare_name(saving.against),
            saving.orders,
            format_money(saving.value, digits=0),
            format_half_width(saving.saved_bps, saving.half_bps),
            format_money(saving.saved, digits=0),
            format_saving_range(saving),
            how_sure(saving),
        ]
        for name, agent in outcome.agents.items()
        for saving in agent.on_paper
    ]
    if rows:
        yield Section("What was saved on the same orders", PAPER_TEXT, plain_table(headings, rows))


def _agent_table(outcome: DeskOutcome) -> tuple[list[str], list[list[object]]]:
    """Headings and rows of the agents, with parents, lots and value behind the strategy, without its challenger."""
    headings, rows = agent_rows(outcome)
    more = ["parents", "lots", f"value, {outcome.currency or 'quote currency'}"]
    table: list[list[object]] = []
    for row in rows:
        parents = [parent for parent in outcome.parents if parent.agent == row[0]]
        lots = sum(parent.filled for parent in parents)
        value = sum(parent.notional or 0.0 for parent in parents)
        table.append(
            [*row[:2], len(parents), f"{lots:,}", format_money(value, digits=0), *row[2:-1]]
        )
    return [*headings[:2], *more, *headings[2:-1]], table


def _bps(value: float | None) -> str:
    """A value in bps as text with its sign; "not yet due" for None."""
    return format_number(value, signed=True, missing="not yet due")


def _title_and_lead(config: DeskConfig, outcome: DeskOutcome) -> tuple[str, str]:
    """Title with the desk's cost, and a summary in sentences."""
    mean = outcome.parents_bps.mean
    title = f"Desk {config.desk.name}"
    name, savings = next(
        ((name, agent.on_paper) for name, agent in outcome.agents.items() if agent.on_paper),
        ("", ()),
    )
    if mean is not None:
        title += f": {mean:.1f} bps, {format_run_amount(outcome.cost, outcome.currency)}"
    if savings:
        texts = (describe_saving(saving, outcome.currency) for saving in savings)
        title += f"; on paper {name} {', '.join(texts)}"
    return title, " ".join([*silence_sentences(outcome), *answer_sentences(outcome)])


def _parent_table(keys: Mapping[str, str], rows: Sequence[ParentOutcome | OpenParent]) -> str:
    """HTML table of parents by the headings of its keys, with sides as words, without empty columns."""
    cells = [
        {heading: _parent_cell(getattr(row, key), key) for key, heading in keys.items()}
        for row in rows
    ]
    cells = drop_idle_columns(cells, tuple(keys.values()))
    return plain_table(list(cells[0]), [list(row.values()) for row in cells]) if cells else ""


def _parent_cell(value: Any, key: str) -> object:
    """A parent's value as its table shows it: sides as words, bps as text, a risk state by what its reasons begin with."""
    if key == "side":
        return SIDE_NAMES[value]
    if key == "posture" and value:
        return short_reasons(value.split("; "))
    return format_number(value) if key.endswith("_bps") else value


def _example_parent(desk: DeskLoop, entries: Sequence[Entry]) -> Iterator[Section]:
    """Section with the fills of one parent of the first agent in prices: the parent with the most fills."""
    first_agent = next(iter(desk.slots))
    units = {name: listing.tick / listing.part for name, listing in desk.session.listings.items()}
    analysed = []
    for entry in entries:
        if entry.agent == first_agent and entry.blob:
            arrays = unpack(entry.blob)
            analysed.append((AnalysedCost.of(entry), fills_in(arrays), arrays["mids"]))
    if not analysed:
        return
    cost, fills, mids = max(analysed, key=lambda row: len(row[1]))
    figure = path_with_fills(
        cost.parent, cost.side, fills, mids, "parent", units.get(cost.instrument)
    )
    yield Section("A parent and its fills", figures=[figure])
