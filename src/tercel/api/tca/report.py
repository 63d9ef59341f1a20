"""Analysis of a file of own executions as one object: sentences, JSON and a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from math import inf, lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercel.api.tca.analysis import WHY_NOT, Analysis, number
from tercel.api.tca.files import fills_map, read_fill_file, read_orders
from tercel.api.tca.own_fills import analyse
from tercel.api.tca.report_page import cells, counterfactual_section, fill_path
from tercel.api.tca.report_rows import (
    LISTED_ROWS,
    OddFills,
    OwnCost,
    counterfactual_json,
    floats,
    in_unit,
)
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.report.formatting import format_count, format_interval, format_money, format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.tables import drop_idle_columns, plain_table
from tercel.core.serialization import to_jsonable
from tercel.core.stats.clusters import FEW_CLUSTERS, LEAST_CLUSTERS
from tercel.core.tables.table_map import TableMap
from tercel.desk.trading.tca.summary import (
    CostSummary,
    benchmark_costs,
    labelled_parts,
    sentences,
    summary,
)
from tercel.market.tape import Lake

if TYPE_CHECKING:
    from tercel.api.tca.counterfactual import Counterfactual
    from tercel.api.tca.parent_replay import Maker

MONEY = ("fills", "opportunity", "refusal", "whole")
SHOWN = 40
"""Parents whose path a page draws."""


MOST_ROWS = 500
OPTIONAL_COLUMNS = (
    "agent",
    "limit",
    "delay",
    "unfilled",
    "refused",
    "opportunity",
    "refusal",
    "forced",
)
"""Columns that are left out of a page where they are empty."""


@dataclass(frozen=True, eq=False)
class OwnCosts:
    """Costs of own executions, as rows, sentences, JSON and a page.

    Parameters
    ----------
    analysis : Analysis
    counterfactual : Counterfactual or None
    not_read, notes : tuple of str
        Unread columns of the file of fills; other notes on reading it.
    """

    analysis: Analysis
    counterfactual: "Counterfactual | None" = None
    not_read: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> list[OwnCost]:
        """Cost analyses of all parents."""
        return [OwnCost.of_parent(parent) for parent in self.analysis.parents]

    @cached_property
    def cost_summary(self) -> CostSummary:
        """Costs of all parents, and of each agent if the file names agents, in bps and in the quote currency."""
        bps_summary = summary(self.rows)
        money = self.analysis.money
        agents = bps_summary.agents if self.analysis.agents else {}
        return CostSummary(
            replace(bps_summary.total, money=floats(money())),
            {name: replace(row, money=floats(money(name))) for name, row in agents.items()},
        )

    @property
    def odd_fills(self) -> dict[str, OddFills]:
        """Odd fills, by kind."""
        return {
            name: OddFills(
                len(fills),
                number(sum((fill.quantity for fill in fills), Fraction(0))),
                float(sum(fill.quantity * fill.price for fill in fills)),
                [fill.row for fill in fills[:LISTED_ROWS]],
                self.analysis.meaning(name),
            )
            for name, fills in self.analysis.odd.items()
            if fills
        }

    @property
    def warnings(self) -> list[str]:
        """Warnings before any figure, notes on the file, and unread columns."""
        unread = (
            [f"columns that were not read: {', '.join(self.not_read)}"] if self.not_read else []
        )
        return [*self.analysis.warnings, *self.notes, *unread]

    def to_json(self) -> dict[str, Any]:
        """The report as plain values, figures never rounded, with the unit of its costs in their names.

        ``total`` and ``agents`` as `trading.tca.shortfall.CostMeans`; ``exact`` holds the parts of the total as whole
        numbers of ``unit``, which add up to the last digit. Where the unit is ticks (per lot), `is_bps` is called
        `is_ticks`, and no ``notional`` is given.
        """
        money = self.analysis.money()
        scale = lcm(*(value.denominator for value in money.values()))
        fields = {
            "fills": self.analysis.fills,
            "unit": self.analysis.unit,
            "resolution_ns": self.analysis.resolution_ns,
            "total": self.cost_summary.total,
            "exact": {
                "unit": float(Fraction(1, scale)),
                **{name: int(value * scale) for name, value in money.items()},
            },
            "agents": self.cost_summary.agents,
            "currency": self.analysis.currency,
            "fees_apart": floats(self.analysis.foreign_fees),
            "quote_age_s": self.analysis.quote_age_s,
            "odd_fills": self.odd_fills,
            "left_parents": self.analysis.skipped_parents,
            "columns_not_read": self.not_read,
            "warnings": self.warnings,
            "left_orders": [order.parent for order in self.analysis.skipped_orders],
            "counterfactual": counterfactual_json(self.counterfactual),
            "parents": self.rows,
            "sentences": self.sentences(),
        }
        values = to_jsonable(fields)
        unit = self.analysis.unit
        return dict(values if unit == "bps" else in_unit(values, unit))

    def sentences(self) -> list[str]:
        """Summary in five sentences at most."""
        skipped = self.analysis.skipped_orders
        extras = [f"{len(skipped):,} orders have no quotes"] if skipped else []
        if without_order_time := sum(not row.ordered for row in self.rows):
            extras.append(
                f"{without_order_time:,} of {len(self.rows):,} parents have no order time: their arrival is their "
                "first fill, and "
                "delay is not measured"
            )
        lines = sentences(self.rows, self.analysis.money(), extras, self.analysis.unit)
        lines[0] = (
            f"{lines[0][:-1]}; quotes older than {self.analysis.quote_age} do not count."
        ).replace("in currency units", self.analysis.currency or "in currency units")
        if counts := self.analysis.odd_counts:
            lines.append(f"Fills to look at: {'; '.join(counts)}.")
        if self.counterfactual is not None:
            lines.append(verdict_sentence(self.counterfactual, self.analysis.unit))
        return lines

    def page(self, title: str, extra_sections: Sequence[Section] = ()) -> str:
        """The page with plots, and more sections after the first: one HTML text that fetches nothing."""
        from tercel.desk.trading.tca.figures import against_benchmarks, markouts

        unit = self.analysis.unit
        currency = self.analysis.currency or "currency units"
        rows = self.rows
        lines = self.sentences()
        warnings = self.warnings
        filled = [parent for parent in self.analysis.parents if len(parent.fills)]
        largest = sorted(filled, key=lambda parent: -parent.cost.notional)[:1]
        cut = f", the first {MOST_ROWS}" if len(rows) > MOST_ROWS else ""
        resimulated = self.counterfactual
        foreign_fees = self.analysis.foreign_fees
        sections = [
            *([Section("Look at this first", warnings)] if warnings else []),
            Section("In short", lines[1:], html=_summary_tables(self.cost_summary, unit, currency)),
            *extra_sections,
            *(
                Section("The largest parent and its fills", figures=[fill_path(parent, "largest")])
                for parent in largest
            ),
            *([] if resimulated is None else [counterfactual_section(resimulated, unit)]),
            Section(
                "Against benchmarks",
                figures=[against_benchmarks(rows, unit=unit), markouts(rows, unit=unit)],
                folded=True,
            ),
            Section(
                f"Parents: {len(rows):,}{cut}",
                html=_table([cells(row) for row in rows[:MOST_ROWS]]),
                folded=True,
            ),
            Section(
                "Parent by parent",
                f"The first {SHOWN}." if len(filled) > SHOWN else "",
                figures=[
                    fill_path(parent, f"path{number}")
                    for number, parent in enumerate(filled[:SHOWN])
                ],
                folded=True,
            ),
        ]
        if odd_fills := self.odd_fills:
            odd = [[row.meaning, row.fills, row.quantity, row.value] for row in odd_fills.values()]
            table = plain_table(["fills", "fills", "quantity", "value"], odd)
            sections.append(Section("Fills to look at", html=table, folded=True))
        if foreign_fees:
            fees = [[name, f"{float(fee):,.8g}"] for name, fee in foreign_fees.items()]
            table = plain_table(["currency", "fees"], fees)
            sections.append(Section("Fees of other currencies, in no cost", html=table))
        paid = float(self.analysis.money()["fills"])
        title = f"{title}: {format_number(self.cost_summary.total.is_bps, 1)} {unit}, {format_money(paid, currency, 2)}"
        return render_page(title, lines[0], sections)


def own_costs(
    fills: str | Path,
    lake: str | Path,
    *,
    orders: str | Path | None = None,
    map: TableMap | str | Path | None = None,
    venue: str = "",
    strategies: Sequence[str] | str | None = None,
    agents: Sequence[str] = (),
    impact: str = "square_root",
    seed: int = 1,
    quote_age_s: float | None = None,
    assume: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    **impact_terms: Any,
) -> OwnCosts:
    """Costs of the executions in a file against a lake's recorded days, and of strategies on the same parents.

    Parameters
    ----------
    fills, orders : str or Path
        CSV files, see `docs/howto/costs.md`.
    map : TableMap, str, Path or None
        Their column names and formats: :func:`tercel.api.tca.files.fills_map`, the name of a built-in map
        (``"ib-flex"``), or a TOML file.
    lake : str or Path
        Lake with the recorded days of the fills.
    venue : str
        Venue of the tape, if the lake has a symbol at several.
    strategies : sequence of str, or str, optional
        Rules to re-simulate the parents with, also as one text with commas; by default those of
        `tercel run`. An empty one: only the costs of the fills.
    agents : sequence of str
        Policies to re-simulate them with, such as "default".
    impact : str
        Impact of the strategies' own trades on the tape's prices: "none", "square_root", "propagator".
    seed : int
        Seed of draws and resamples.
    quote_age_s : float or None
        Largest age of the quote that a fill is measured against, seconds; a fill without such a quote is in no cost.
        None: five times the 99th percentile of the day's gaps between messages of the book, at least a minute.
    assume : str, optional
        As of :func:`tercel.evaluate`: other assumptions under which the cheapest strategy and the policies are re-simulated.
        Costs here are without fees.
    progress : callable, optional
        Called with the number of re-simulated parents, and their total.
    passive_impact, impact_scale : float, optional
        Of the law, as in :func:`tercel.load_market`; 1 where they are not given.

    Raises
    ------
    DataError
        Files with impossible values, with file and row; fills without a tape in the lake.
    ConfigError
        Unknown strategies or laws; a lake that is no folder.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.market.simulator.days import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     _ = simulated_lake(Path(folder), 0.25)
    ...     fills = Path(folder) / "fills.csv"
    ...     text = "time,symbol,side,quantity,price\\n2003-01-13 09:40:00-05:00,SIM,buy,100,14.85\\n"
    ...     _ = fills.write_text(text)
    ...     costs = own_costs(fills, folder, strategies=())
    >>> costs.sentences()[0].split(" filled")[0]
    '1 parent: 1 lots worth 1,484'
    """
    refuse_if(
        quote_age_s is not None and not 0 < quote_age_s < inf,
        "an age of quotes, seconds above 0",
        f"{quote_age_s}",
        "such as `quote_age=60`",
    )
    tapes = Lake.existing(lake, below_zero=True)
    columns = fills_map(map)
    below_zero = any(day.price_origin for day in tapes.list())
    requested = {} if orders is None else read_orders(Path(orders), columns, below_zero)
    file = read_fill_file(Path(fills), columns, below_zero)
    # What re-simulates parents comes with kernels: a file that is refused waits for none, and own fills need none.
    resimulates = agents or strategies is None or len(strategies) > 0
    makers = _makers(strategies, agents) if resimulates else {}
    market = None
    assumptions = None
    if resimulates:
        from tercel.execution.market import Market
        from tercel.lab.evaluation.assumptions import parse_assumptions

        assumptions = parse_assumptions(assume)
        market = Market(lake=str(lake), impact=impact, **impact_terms)
    analysis = analyse(
        file.fills,
        requested,
        tapes,
        venue,
        str(fills),
        quote_age_s=quote_age_s,
        in_lots=file.in_lots,
        dated=file.dated,
    )
    if agents and analysis.unit == "ticks":
        raise ConfigError(
            "policies on prices above zero: they observe bps",
            f"{', '.join(agents)} for {analysis.parents[0].day.symbol}, which may trade at or below zero",
            "leave `agent=` out",
        )
    resimulated = None
    if makers:
        from tercel.api.tca.counterfactual import counterfactual, with_assumptions

        resimulated = counterfactual(
            analysis.parents, tapes, makers, market=market, seed=seed, progress=progress
        )
        if resimulated is not None:
            resimulated = with_assumptions(
                resimulated, analysis.parents, tapes, makers, {*agents}, assumptions, seed
            )
    return OwnCosts(analysis, resimulated, tuple(file.not_read), tuple(file.notes))


def _makers(strategies: Sequence[str] | str | None, agents: Sequence[str]) -> "dict[str, Maker]":
    """Functions that make policies and strategies for a market, by name; raises for unknown names."""
    from tercel.execution.policies.strategy import policy_strategy
    from tercel.execution.registry import resolve_policy
    from tercel.execution.strategies import NAMES, build
    from tercel.lab.evaluation.pipeline.candidates import baselines_of

    if isinstance(strategies, str):
        strategies = [baseline.key for baseline in baselines_of(strategies)] if strategies else ()
    makers: dict[str, Maker] = {
        name: policy_strategy(resolve_policy(name), name).with_estimates for name in agents
    }
    return makers | {
        name: partial(build, name) for name in (NAMES if strategies is None else strategies)
    }


def verdict_sentence(counterfactual: "Counterfactual", unit: str = "bps") -> str:
    """Sentence on whether strategies would have been cheaper on the same parents."""
    compared = {
        name: result
        for name, result in counterfactual.strategies.items()
        if name not in counterfactual.incomplete
    }
    verdict_names = [result.verdict for result in compared.values()]
    left_out_text = ", ".join(
        f"{len(names):,} {WHY_NOT[reason]}" for reason, names in counterfactual.left_out.items()
    )
    left_out = f" ({left_out_text})" if left_out_text else ""
    parents_text = f"{format_count(counterfactual.parents, 're-simulated parent')}{left_out}"
    best = [
        f"{name} would have cost {result.cost_bps:.2f} {unit} where yours cost {counterfactual.own_bps:.2f} (saves "
        f"{format_interval(result.saves, signed=True)})"
        for name, result in compared.items()
    ][:1] or ["no strategy filled enough to be compared, so no verdict of the table counts"]
    condition = counterfactual.condition(counterfactual.cheapest)
    remarks = {
        f"it is cheaper {condition}": condition,
        f"of {len(compared)} strategies {verdict_names.count('cheaper')} are cheaper, "
        f"{verdict_names.count('more expensive')} more expensive, "
        f"{verdict_names.count('no significant difference')} without a significant difference": compared
        and counterfactual.clusters >= LEAST_CLUSTERS,
        f"there is no verdict below {LEAST_CLUSTERS} clusters": counterfactual.clusters
        < LEAST_CLUSTERS,
        f"left out, with more than 1 % unfilled: {', '.join(counterfactual.incomplete)}": counterfactual.incomplete,
        "under 20 clusters the intervals are too narrow": LEAST_CLUSTERS
        <= counterfactual.clusters
        < FEW_CLUSTERS,
        "strategies knew the day's own volume where the lake has no earlier day": counterfactual.hindsight,
    }
    return f"On {parents_text}, {'; '.join([*best, *(text for text, holds in remarks.items() if holds)])}."


def _summary_tables(cost_summary: CostSummary, unit: str, currency: str) -> str:
    """HTML tables of filled and unfilled lots, cost components and mark-outs."""
    rows = [(name or "no agent", row) for name, row in cost_summary.agents.items()]
    rows.append(("all", cost_summary.total))
    figures_by_row = [
        ({"is": row.is_bps} | labelled_parts(row) | benchmark_costs(row)).items() for _, row in rows
    ]
    spans = cost_summary.total.markouts_bps
    lots = [
        {"agent": name, "parents": row.parents}
        | {"filled": row.filled, "unfilled": row.unfilled, "refused": row.refused}
        | {key: format_money(float((row.money or {})[key]), digits=2) for key in MONEY}
        for name, row in rows
    ]
    costs = [
        {"agent": name} | {key: format_number(value) for key, value in figures}
        for (name, _), figures in zip(rows, figures_by_row, strict=True)
    ]
    marks = [
        {"agent": name} | {f"+{span}": format_number(row.markouts_bps.get(span)) for span in spans}
        for name, row in rows
    ]
    return (
        _table(lots, f"Lots, and what they cost, {currency}")
        + _table(costs, f"What the fills cost in parts and against benchmarks, {unit}")
        + _table(marks, f"The mid after fills, in the order's favour, {unit}")
    )


def _table(rows: Sequence[Mapping[str, object]], caption: str = "") -> str:
    """HTML table of rows without those of `OPTIONAL_COLUMNS` that are empty in every row."""
    kept_rows = drop_idle_columns(rows, OPTIONAL_COLUMNS)
    return plain_table(list(kept_rows[0]), [list(row.values()) for row in kept_rows], caption)
