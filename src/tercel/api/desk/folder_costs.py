"""Costs of a desk's finished parent orders, read from the journal in its folder."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tercel.api.desk.folder import names_of
from tercel.core.errors import refuse_if
from tercel.core.ports import Entry
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import plain_table
from tercel.core.vocabulary import SIDE_NAMES
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.tca.measure import AnalysedCost
from tercel.desk.trading.tca.pairs import PairCost, pair_costs
from tercel.desk.trading.tca.summary import CostSummary, sentences, summary

DRAWN = 40
"""Parents whose path a page draws."""


def costs_by_session(folder: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Costs of filled parents by session: (name in the desk's model, shortfall in bps, value at arrival).

    A parent counts in the session that analysed it first, by its last analysis.
    """
    names = names_of(folder)
    analyses = dict[str, tuple[int, Entry]]()
    session_count = 0
    with closing(JournalReader(folder)) as reader:
        for _, entry in reader.read(0, (kinds.SESSION, kinds.TCA)):
            if entry.kind == kinds.SESSION:
                session_count += 1
            else:
                analyses[entry.parent] = (
                    analyses.get(entry.parent, (session_count, entry))[0],
                    entry,
                )
    days: dict[str, list[tuple[str, float, float]]] = {
        str(folder) if session_count == 1 else f"{folder}, session {number}": []
        for number in range(1, session_count + 1)
    }
    sessions = list(days.values())
    for session, entry in analyses.values():
        cost = CostEntry.of(entry)
        if session and cost.is_bps is not None:
            name = names.get(entry.instrument, entry.instrument)
            sessions[session - 1].append((name, cost.is_bps, cost.notional))
    return days


@dataclass(frozen=True, eq=False)
class DeskCosts:
    """Costs of a desk's finished parent orders: rows, pairs, summary and page.

    Parameters
    ----------
    folder : Path
    entries : sequence of Entry
        The last analysis of each parent.
    """

    folder: Path
    entries: Sequence[Entry]

    @cached_property
    def rows(self) -> list[AnalysedCost]:
        """Cost analysis of each parent."""
        return [AnalysedCost.of(entry) for entry in self.entries]

    @property
    def pairs(self) -> list[PairCost]:
        """Costs of pairs whose legs are both analysed."""
        return pair_costs(self.entries)

    @cached_property
    def cost_summary(self) -> CostSummary:
        """Mean costs by agent and over all agents."""
        return summary(self.rows)

    def page(
        self,
        limit: str,
        agents: Sequence[Mapping[str, object]],
        extra_sections: Sequence[Section] = (),
    ) -> str:
        """HTML page of the costs, with plots.

        `limit` is the heading of limit prices, `agents` are rows of the first table, `extra_sections` follow the first section.
        """
        from tercel.desk.trading.tca.figures import (
            against_benchmarks,
            fills_in,
            markouts,
            path_with_fills,
        )

        rows = self.rows
        headings = ("parent", "agent", "side", limit, "quantity", "filled", "unfilled", "refused")
        bps = ("is, bps", "opportunity, bps", "vwap, bps", "twap, bps", "participation", "rested")
        parent_rows = [
            [
                *(row.parent, row.agent, SIDE_NAMES.get(row.side), row.limit),
                *(row.quantity, row.filled, row.unfilled, row.refused),
                *(row.is_bps, row.opportunity_bps, row.vwap_bps, row.twap_bps),
                *(row.participation, row.passive_share),
            ]
            for row in rows
        ]
        paths = []
        for number, (entry, row) in enumerate(zip(self.entries[:DRAWN], rows, strict=False)):
            arrays = unpack(entry.blob)
            fills = fills_in(arrays)
            name = f"path{number}"
            paths.append(path_with_fills(row.parent, row.side, fills, arrays["mids"], name))
        note_lines = sentences(rows)
        lead = "The first forty." if len(self.entries) > DRAWN else ""
        of_agents = plain_table(list(agents[0]), [list(row.values()) for row in agents])
        sections = [
            Section("Agents", "Means by what was filled, bps.", of_agents),
            *([Section("In short", note_lines[1:])] if note_lines[1:] else []),
            *(
                Section(
                    "Pairs",
                    html=plain_table(list(pair), [list(row.values()) for row in self.pairs]),
                )
                for pair in self.pairs[:1]
            ),
            *extra_sections,
            Section("Against benchmarks", figures=[against_benchmarks(rows), markouts(rows)]),
            Section("All parents", html=plain_table([*headings, *bps], parent_rows), folded=True),
            Section("Parent by parent", lead, figures=paths, folded=True),
        ]
        return render_page(f"Cost analysis of {self.folder.name}", note_lines[0], sections)


def costs_of(folder: Path, parent: str | None = None) -> DeskCosts:
    """The last cost analysis of every finished parent, or of one.

    Raises
    ------
    ConfigError
        No parent has been analysed yet.
    """
    with closing(JournalReader(folder)) as reader:
        last_by_parent = {
            entry.parent: entry
            for _, entry in reader.read(0, (kinds.TCA,))
            if parent in (None, entry.parent)
        }
    entries = sorted(
        last_by_parent.values(),
        key=lambda entry: (entry.body["start_ns"], entry.instrument, entry.parent),
    )
    refuse_if(
        not entries,
        "finished parents",
        f"no analysis of {parent or 'any parent'} in {folder}",
        "an analysis is written a minute after its parent is over",
    )
    return DeskCosts(folder, entries)
