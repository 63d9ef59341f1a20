"""Report on a file of fills, for people and for programs: one object, a few sentences, a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property, partial
from math import inf, lcm, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from tercel.api.tca.analysis import WHY_NOT, Analysis, OwnParent, number
from tercel.api.tca.files import fills_map, read_fill_file, read_orders
from tercel.api.tca.own_fills import analyse
from tercel.core.errors import ConfigError
from tercel.core.report.svg import Figure, Section, render
from tercel.core.report.tables import fixed, plain_table, spelt, without_idle
from tercel.core.serialization import to_jsonable
from tercel.core.stats.bootstrap import FEW_CLUSTERS, LEAST_CLUSTERS
from tercel.core.tables.table_map import TableMap
from tercel.core.vocabulary import NS_PER_SECOND, TAPE_LAWS
from tercel.desk.trading.tca.measure import F_PX, AnalysedCost
from tercel.desk.trading.tca.summary import CostSummary, against_of, parts_of, sentences, summary
from tercel.market.tape import Lake

if TYPE_CHECKING:
    from tercel.api.tca.counterfactual import Counterfactual, Maker
    from tercel.execution.policies.strategy import PolicyStrategy
    from tercel.execution.strategies import MarketEstimates
    from tercel.execution.strategy import Strategy

LISTED_ROWS = 20
MONEY = ("fills", "opportunity", "refusal", "whole")
SHOWN = 40
"""Parents whose path a page draws."""


@dataclass(frozen=True)
class OwnCost(AnalysedCost):
    """Cost analysis of one own parent, with money in price units and clock times."""

    date: str = ""
    venue: str = ""
    start: str = ""
    end: str = ""
    arrival_price: float = nan
    ordered: bool = False
    money: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_parent(cls, one: OwnParent) -> "OwnCost":
        """The analysis of a parent in whole lots of its tape."""
        cost, zone = one.cost, ZoneInfo(one.day.timezone)
        origin = float(one.day.price_of(Fraction(0)))
        lots = (cost.quantity, cost.filled, cost.unfilled, cost.refused)
        counts = (number(Fraction(value) / one.parts) for value in lots)
        average_price = cost.average_price * float(one.price_unit) + origin
        return cls(
            **vars(cost)
            | dict(zip(("quantity", "filled", "unfilled", "refused"), counts, strict=True))
            | {"average_price": average_price},
            date=one.day.date,
            venue=one.day.venue,
            start=clock(cost.start_ns, zone),
            end=clock(cost.end_ns, zone),
            arrival_price=float(one.day.price_of(Fraction(one.arrival_mid2, 2 * one.grain))),
            limit=None if one.limit is None else float(one.limit),
            ordered=one.ordered,
            delay_bps=one.delay_bps,
            money=_floats(one.money),
        )


@dataclass(frozen=True)
class OddFills:
    """Odd fills of one kind, and their treatment; `rows`: the first of them."""

    fills: int
    quantity: float
    value: float
    rows: list[int]
    meaning: str


@dataclass(frozen=True, eq=False)
class OwnCosts:
    """Costs of own executions.

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
        return [OwnCost.of_parent(one) for one in self.analysis.parents]

    @cached_property
    def summed(self) -> CostSummary:
        """Costs of all parents, and of each agent if the file names agents, in bps and in the quote currency."""
        found, money = summary(self.rows), self.analysis.money
        agents = found.agents if self.analysis.agents else {}
        return CostSummary(
            replace(found.total, money=_floats(money())),
            {name: replace(row, money=_floats(money(name))) for name, row in agents.items()},
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
        found = {
            "fills": self.analysis.fills,
            "unit": self.analysis.unit,
            "resolution_ns": self.analysis.resolution_ns,
            "total": self.summed.total,
            "exact": {
                "unit": float(Fraction(1, scale)),
                **{name: int(value * scale) for name, value in money.items()},
            },
            "agents": self.summed.agents,
            "currency": self.analysis.currency,
            "fees_apart": _floats(self.analysis.apart),
            "quote_age_s": self.analysis.quote_age_s,
            "odd_fills": self.odd_fills,
            "left_parents": self.analysis.left_parents,
            "columns_not_read": self.not_read,
            "warnings": self.warnings,
            "left_orders": [order.parent for order in self.analysis.left_orders],
            "counterfactual": _against(self.counterfactual),
            "parents": self.rows,
            "sentences": self.sentences(),
        }
        values, unit = to_jsonable(found), self.analysis.unit
        return dict(values if unit == "bps" else _in_unit(values, unit))

    def sentences(self) -> list[str]:
        """Summary in five sentences at most."""
        left = self.analysis.left_orders
        more = [f"{len(left):,} orders have no quotes"] if left else []
        if without := sum(not row.ordered for row in self.rows):
            more.append(
                f"{without:,} of {len(self.rows):,} parents have no order time: their arrival is their first fill, and "
                "delay is not measured"
            )
        lines = sentences(self.rows, self.analysis.money(), more, self.analysis.unit)
        lines[0] = (
            f"{lines[0][:-1]}; quotes older than {self.analysis.quote_age} do not count."
        ).replace("in currency units", self.analysis.currency or "in currency units")
        if counts := self.analysis.odd_words:
            lines.append(f"Fills to look at: {'; '.join(counts)}.")
        if self.counterfactual is not None:
            lines.append(verdicts(self.counterfactual, self.analysis.unit))
        return lines

    def page(self, title: str, more: Sequence[Section] = ()) -> str:
        """The page with plots, and more sections after the first: one HTML text that fetches nothing."""
        from tercel.desk.trading.tca.figures import against_benchmarks, markouts

        unit, currency = self.analysis.unit, self.analysis.currency or "currency units"
        rows, lines, warnings = self.rows, self.sentences(), self.warnings
        filled = [one for one in self.analysis.parents if len(one.fills)]
        largest = sorted(filled, key=lambda one: -one.cost.notional)[:1]
        cut = f", the first {MOST_ROWS}" if len(rows) > MOST_ROWS else ""
        again, apart = self.counterfactual, self.analysis.apart
        sections = [
            *([Section("Look at this first", warnings)] if warnings else []),
            Section("In short", lines[1:], html=_sums(self.summed, unit, currency)),
            *more,
            *(
                Section("The largest parent and its fills", figures=[_path(one, "largest")])
                for one in largest
            ),
            *([] if again is None else [_compared(again, unit)]),
            Section(
                "Against benchmarks",
                figures=[against_benchmarks(rows, unit=unit), markouts(rows, unit=unit)],
                folded=True,
            ),
            Section(
                f"Parents: {len(rows):,}{cut}",
                html=_table([_cells(row) for row in rows[:MOST_ROWS]]),
                folded=True,
            ),
            Section(
                "Parent by parent",
                f"The first {SHOWN}." if len(filled) > SHOWN else "",
                figures=[_path(one, f"path{number}") for number, one in enumerate(filled[:SHOWN])],
                folded=True,
            ),
        ]
        if found := self.odd_fills:
            odd = [[row.meaning, row.fills, row.quantity, row.value] for row in found.values()]
            table = plain_table(["fills", "fills", "quantity", "value"], odd)
            sections.append(Section("Fills to look at", html=table, folded=True))
        if apart:
            fees = [[name, f"{float(fee):,.8g}"] for name, fee in apart.items()]
            table = plain_table(["currency", "fees"], fees)
            sections.append(Section("Fees of other currencies, in no cost", html=table))
        paid = float(self.analysis.money()["fills"])
        title = f"{title}: {fixed(self.summed.total.is_bps, 1)} {unit}, {paid:,.2f} {currency}"
        return render(title, lines[0], sections)


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
    progress: Callable[[int, int], object] | None = None,
) -> OwnCosts:
    """Costs of the executions in a file, and of strategies on the same parents.

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
    progress : callable, optional
        Called with the number of re-simulated parents, and their total.

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
    if quote_age_s is not None and not 0 < quote_age_s < inf:
        raise ConfigError(
            "an age of quotes, seconds above 0", f"{quote_age_s}", "such as `quote_age=60`"
        )
    if not Path(lake).is_dir():
        raise ConfigError(
            "the folder of a lake",
            f"{lake}, which is none",
            f"name another `lake=`, or make it: tercel data import lobster PATHS... `lake={lake}`",
        )
    columns = fills_map(map)
    tapes = Lake(Path(lake), below_zero=True)
    below = any(day.price_origin for day in tapes.list())
    requested = {} if orders is None else read_orders(Path(orders), columns, below)
    file = read_fill_file(Path(fills), columns, below)
    if impact not in TAPE_LAWS:
        raise ConfigError(
            f"an impact law of a tape: {', '.join(TAPE_LAWS)}", f"{impact!r}", "name one"
        )
    # What re-simulates parents comes with kernels: a file that is refused waits for none, and own fills need none.
    works = agents or strategies is None or len(strategies) > 0
    makers = _makers(strategies, agents) if works else {}
    found = analyse(
        file.fills,
        requested,
        tapes,
        venue,
        str(fills),
        quote_age_s=quote_age_s,
        in_lots=file.in_lots,
        dated=file.dated,
    )
    if agents and found.unit == "ticks":
        raise ConfigError(
            "policies on prices above zero: they observe bps",
            f"{', '.join(agents)} for {found.parents[0].day.symbol}, which may trade at or below zero",
            "leave `agent=` out",
        )
    again = None
    if makers:
        from tercel.api.tca.counterfactual import counterfactual

        again = counterfactual(
            found.parents, tapes, makers, impact=impact, seed=seed, progress=progress
        )
    return OwnCosts(found, again, tuple(file.not_read), tuple(file.notes))


def _makers(strategies: Sequence[str] | str | None, agents: Sequence[str]) -> "dict[str, Maker]":
    """Factories of policies and strategies, by name; unknown names are refused."""
    from tercel.execution.policies.strategy import policy_strategy
    from tercel.execution.registry import resolve_policy
    from tercel.execution.strategies import NAMES, build
    from tercel.lab.evaluation.pipeline.candidates import baselines_of

    if isinstance(strategies, str):
        strategies = [one.key for one in baselines_of(strategies)] if strategies else ()
    made: dict[str, Maker] = {
        name: partial(_policy, policy_strategy(resolve_policy(name), name)) for name in agents
    }
    return made | {
        name: partial(build, name) for name in (NAMES if strategies is None else strategies)
    }


def _policy(strategy: "PolicyStrategy", known: "MarketEstimates") -> "Strategy":
    """A policy knows what it was trained on, and of this market what waiting costs."""
    return strategy.knowing(known)


def clock(ns: int, zone: ZoneInfo) -> str:
    """A time of day with milliseconds.

    >>> clock(86_400_500_000_000, ZoneInfo("UTC"))
    '00:00:00.500'
    """
    return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, zone):%H:%M:%S}.{ns % NS_PER_SECOND // 10**6:03d}"


def verdicts(found: "Counterfactual", unit: str = "bps") -> str:
    """Sentence on the counterfactual."""
    compared = {name: one for name, one in found.strategies.items() if name not in found.incomplete}
    called = [one.verdict for one in compared.values()]
    left = ", ".join(f"{len(names):,} {WHY_NOT[why]}" for why, names in found.left_out.items())
    again = f"{found.parents:,} re-simulated parent{'s' * (found.parents != 1)}{f' ({left})' if left else ''}"
    best = [
        f"{name} would have cost {one.cost_bps:.2f} {unit} where yours cost {found.own_bps:.2f} (saves "
        f"{spelt(one.saves, '+')})"
        for name, one in compared.items()
    ][:1] or ["no strategy filled enough to be compared"]
    remarks = {
        f"of {len(compared)} strategies {called.count('cheaper')} are cheaper, {called.count('more expensive')} more expensive, "
        f"{called.count('no significant difference')} without a significant difference": found.clusters
        >= LEAST_CLUSTERS,
        f"there is no verdict below {LEAST_CLUSTERS} clusters": found.clusters < LEAST_CLUSTERS,
        f"left out, with more than 1 % unfilled: {', '.join(found.incomplete)}": found.incomplete,
        "under 20 clusters the intervals are too narrow": LEAST_CLUSTERS
        <= found.clusters
        < FEW_CLUSTERS,
        "strategies knew the day's own volume where the lake has no earlier day": found.hindsight,
    }
    return f"On {again}, {'; '.join([*best, *(text for text, holds in remarks.items() if holds)])}."


def _in_unit(value: Any, unit: str) -> Any:
    """Plain values with the name of a unit for bps, without the values of parents that bps would be of."""
    if isinstance(value, dict):
        return {
            key.replace("_bps", f"_{unit}"): _in_unit(of, unit)
            for key, of in value.items()
            if key != "notional"
        }
    return [_in_unit(one, unit) for one in value] if isinstance(value, list) else value


def _floats(money: Mapping[str, Fraction]) -> dict[str, float]:
    return {name: float(value) for name, value in money.items()}


def _against(found: "Counterfactual | None") -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "own_bps": found.own_bps,
        "own_unfilled": found.own_unfilled,
        "parents": found.parents,
        "clusters": found.clusters,
        "impact": found.impact,
        "hindsight": found.hindsight,
        "left_out": {
            why: {"parents": len(names), "ids": list(names[:LISTED_ROWS]), "meaning": WHY_NOT[why]}
            for why, names in found.left_out.items()
        },
        "strategies": {
            name: {
                "cost_bps": one.cost_bps,
                "saves_bps": one.saves.to_json(),
                "verdict": one.verdict,
                "unfilled": one.unfilled,
            }
            for name, one in found.strategies.items()
        },
    }


# -- the page ---------------------------------------------------------------------------------------------------------

MOST_ROWS = 500
LEAVES = ("agent", "limit", "delay", "unfilled", "refused", "opportunity", "refusal", "forced")
"""Columns that leave a page where they say nothing."""


def _sums(summed: CostSummary, unit: str, currency: str) -> str:
    """HTML tables of filled and unfilled lots, cost components and mark-outs."""
    rows = [(name or "no agent", row) for name, row in summed.agents.items()]
    rows.append(("all", summed.total))
    parts = [({"is": row.is_bps} | parts_of(row) | against_of(row)).items() for _, row in rows]
    spans = summed.total.markouts_bps
    lots = [
        {"agent": name, "parents": row.parents}
        | {"filled": row.filled, "unfilled": row.unfilled, "refused": row.refused}
        | {key: f"{(row.money or {})[key]:,.2f}" for key in MONEY}
        for name, row in rows
    ]
    costs = [
        {"agent": name} | {key: fixed(value) for key, value in some}
        for (name, _), some in zip(rows, parts, strict=True)
    ]
    marks = [
        {"agent": name} | {f"+{span}": fixed(row.markouts_bps.get(span)) for span in spans}
        for name, row in rows
    ]
    return (
        _table(lots, f"Lots, and what they cost, {currency}")
        + _table(costs, f"What the fills cost in parts and against benchmarks, {unit}")
        + _table(marks, f"The mid after fills, in the order's favour, {unit}")
    )


def _table(rows: Sequence[Mapping[str, object]], caption: str = "") -> str:
    """A table without the columns of `LEAVES` that say nothing in any row."""
    shown = without_idle(rows, LEAVES)
    return plain_table(list(shown[0]), [list(row.values()) for row in shown], caption)


def _path(one: OwnParent, name: str) -> Figure:
    from tercel.desk.trading.tca.figures import path_with_fills

    zero = one.day.price_origin * one.grain
    fills, mids = (
        one.fills + zero * (np.arange(7) == F_PX),
        np.maximum(one.mids, [one.cost.start_ns, 0]) + np.array([0, 2 * zero]),
    )
    return path_with_fills(one.cost.parent, one.cost.side, fills, mids, name, float(one.price_unit))


def _cells(row: OwnCost) -> dict[str, object]:
    """Columns of a parent on the page; `tca.json` has the rest."""
    parts = parts_of(row) | {"opportunity": row.opportunity_bps} | against_of(row)
    parts.pop("forced")
    costs = {"is": row.is_bps} | parts
    return {
        "parent": row.parent,
        "instrument": row.instrument,
        "agent": row.agent,
        "date": row.date,
        "start": row.start.removesuffix(".000"),
        "end": row.end.removesuffix(".000"),
        "side": "buy" if row.side > 0 else "sell",
        "limit": None if row.limit is None else f"{row.limit:,}",
        "filled": row.filled,
        "unfilled": row.unfilled,
        "refused": row.refused,
        **{name: fixed(value) for name, value in costs.items()},
    }


def table_rows(found: "Counterfactual") -> list[list[Any]]:
    """Rows of name, cost, gain, verdict and unfilled lots: of the owner, then of each strategy."""
    return [
        ["your own", fixed(found.own_bps), "", "", found.own_unfilled],
        *(
            [name, fixed(one.cost_bps), spelt(one.saves, "+"), one.verdict, one.unfilled]
            for name, one in found.strategies.items()
        ),
    ]


def _compared(found: "Counterfactual", unit: str) -> Section:
    from tercel.core.report.figures import paired_differences

    saves = {name: one.saves for name, one in found.strategies.items()}
    text = [
        f"The same symbol, side, quantity, start and end on the same tape, {found.parents:,} parents in "
        f"{found.clusters} clusters; impact of own trades: {found.impact}. Your own trades are part of the tape.",
        "Intervals hold for all strategies at once, 95 %.",
    ]
    if found.hindsight:
        text.append(
            "Where the lake has no earlier day, strategies knew the day's own volume and volatility, and a policy that "
            "goes by what waiting costs was `guarded`."
        )
    text += [
        f"{len(names):,} parents {WHY_NOT[why]} and were not re-simulated."
        for why, names in found.left_out.items()
    ]
    table = plain_table(
        ["strategy", f"cost, {unit}", f"saves, {unit}", "verdict", "unfilled lots"],
        table_rows(found),
    )
    return Section(
        "What strategies would have cost",
        text,
        html=table,
        figures=[paired_differences(saves, "your own fills", unit=unit)],
    )
