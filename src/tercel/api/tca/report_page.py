"""Tables of single parents and of strategies, and the figure of a parent's fills, on the page of an analysis."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.api.tca.analysis import WHY_NOT, OwnParent
from tercel.api.tca.report_rows import OwnCost
from tercel.core.report.formatting import format_interval, format_number
from tercel.core.report.page import Section
from tercel.core.report.svg import Figure
from tercel.core.report.tables import plain_table
from tercel.desk.trading.tca.measure import F_PX
from tercel.desk.trading.tca.summary import benchmark_costs, labelled_parts

if TYPE_CHECKING:
    from tercel.api.tca.counterfactual import Counterfactual


def fill_path(parent: OwnParent, name: str) -> Figure:
    """Figure of a parent's fills on the path of the mid."""
    from tercel.desk.trading.tca.figures import path_with_fills

    zero = parent.day.price_origin * parent.grain
    fills = parent.fills + zero * (np.arange(7) == F_PX)
    mids = np.maximum(parent.mids, [parent.cost.start_ns, 0]) + np.array([0, 2 * zero])
    return path_with_fills(
        parent.cost.parent, parent.cost.side, fills, mids, name, float(parent.price_unit)
    )


def cells(row: OwnCost) -> dict[str, object]:
    """Cells of a parent's row on the page, by column heading."""
    parts = labelled_parts(row) | {"opportunity": row.opportunity_bps} | benchmark_costs(row)
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
        **{name: format_number(value) for name, value in costs.items()},
    }


def table_rows(counterfactual: "Counterfactual") -> list[list[Any]]:
    """Rows of the counterfactual's table: name, cost, gain, verdict, unfilled lots; own costs first."""
    return [
        ["your own", format_number(counterfactual.own_bps), "", "", counterfactual.own_unfilled],
        *(
            [
                name,
                format_number(result.cost_bps),
                format_interval(result.saves, signed=True),
                result.verdict,
                result.unfilled,
            ]
            for name, result in counterfactual.strategies.items()
        ),
    ]


def assumption_table(counterfactual: "Counterfactual") -> tuple[list[str], list[list[str]]]:
    """Headings and rows of what strategies save with one assumption changed; no rows if none was examined."""
    assumed = counterfactual.assumed or {}
    names = list(dict.fromkeys(name for row in assumed.values() for name in row))
    rows = [
        [label, *(format_interval(row[name], signed=True) for name in names)]
        for label, row in assumed.items()
    ]
    return ["saves if", *names], rows


def counterfactual_section(counterfactual: "Counterfactual", unit: str) -> Section:
    """Section of the page on the simulated costs of strategies on the same parents."""
    from tercel.core.report.figures import paired_differences

    saves = {name: result.saves for name, result in counterfactual.strategies.items()}
    text = [
        f"The same symbol, side, quantity, start and end on the same tape, {counterfactual.parents:,} parents in "
        f"{counterfactual.clusters} clusters; impact of own trades: {counterfactual.market.describe_impact()}. "
        f"Your own trades are part of the tape.",
        "Intervals hold for all strategies at once, 95 %.",
    ]
    if counterfactual.hindsight:
        text.append(
            "Where the lake has no earlier day, strategies knew the day's own volume and volatility, and a policy that "
            "goes by what waiting costs had it scaled from other markets."
        )
    text += [
        f"{len(names):,} parents {WHY_NOT[reason]} and were not re-simulated."
        for reason, names in counterfactual.left_out.items()
    ]
    table = plain_table(
        ["strategy", f"cost, {unit}", f"saves, {unit}", "verdict", "unfilled lots"],
        table_rows(counterfactual),
    )
    headings, rows = assumption_table(counterfactual)
    table += plain_table(headings, rows) if rows else ""
    return Section(
        "What strategies would have cost",
        text,
        html=table,
        figures=[paired_differences(saves, "your own fills", unit=unit)],
    )
