"""Rows of `tca.json`: costs of one own parent order, odd fills of one kind, and the counterfactual."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import nan
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tercel.api.tca.analysis import WHY_NOT, OwnParent, number
from tercel.core.report.formatting import format_clock
from tercel.desk.trading.tca.measure import AnalysedCost

if TYPE_CHECKING:
    from tercel.api.tca.counterfactual import Counterfactual

LISTED_ROWS = 20


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
    def of_parent(cls, parent: OwnParent) -> "OwnCost":
        """The analysis of a parent in whole lots of its tape."""
        cost = parent.cost
        zone = ZoneInfo(parent.day.timezone)
        origin = float(parent.day.price_of(Fraction(0)))
        lots = (cost.quantity, cost.filled, cost.unfilled, cost.refused)
        counts = (number(Fraction(value) / parent.parts) for value in lots)
        average_price = cost.average_price * float(parent.price_unit) + origin
        return cls(
            **vars(cost)
            | dict(zip(("quantity", "filled", "unfilled", "refused"), counts, strict=True))
            | {"average_price": average_price},
            date=parent.day.date,
            venue=parent.day.venue,
            start=format_clock(cost.start_ns, zone),
            end=format_clock(cost.end_ns, zone),
            arrival_price=float(
                parent.day.price_of(Fraction(parent.arrival_mid2, 2 * parent.grain))
            ),
            limit=None if parent.limit is None else float(parent.limit),
            ordered=parent.ordered,
            delay_bps=parent.delay_bps,
            money=floats(parent.money),
        )


@dataclass(frozen=True)
class OddFills:
    """Odd fills of one kind: their number, how they are treated, and the first of them."""

    fills: int
    quantity: float
    value: float
    rows: list[int]
    meaning: str


def in_unit(value: Any, unit: str) -> Any:
    """A copy of plain values with `_bps` in keys replaced by `_` and the unit, without the key `notional`."""
    if isinstance(value, dict):
        return {
            key.replace("_bps", f"_{unit}"): in_unit(inner, unit)
            for key, inner in value.items()
            if key != "notional"
        }
    return [in_unit(element, unit) for element in value] if isinstance(value, list) else value


def floats(money: Mapping[str, Fraction]) -> dict[str, float]:
    """Exact amounts as floats, by component."""
    return {name: float(value) for name, value in money.items()}


def counterfactual_json(counterfactual: "Counterfactual | None") -> dict[str, Any] | None:
    """JSON of the counterfactual; None without one."""
    if counterfactual is None:
        return None
    return {
        "own_bps": counterfactual.own_bps,
        "own_unfilled": counterfactual.own_unfilled,
        "parents": counterfactual.parents,
        "clusters": counterfactual.clusters,
        "impact": counterfactual.market.impact,
        **counterfactual.market.impact_terms,
        "hindsight": counterfactual.hindsight,
        "assumptions": counterfactual.assumed
        and {
            label: {name: {"saves_bps": saves.to_json()} for name, saves in row.items()}
            for label, row in counterfactual.assumed.items()
        },
        "left_out": {
            reason: {
                "parents": len(names),
                "ids": list(names[:LISTED_ROWS]),
                "meaning": WHY_NOT[reason],
            }
            for reason, names in counterfactual.left_out.items()
        },
        "strategies": {
            name: {
                "cost_bps": result.cost_bps,
                "saves_bps": result.saves.to_json(),
                "verdict": result.verdict,
                "unfilled": result.unfilled,
            }
            for name, result in counterfactual.strategies.items()
        },
    }
