"""Money and costs of a desk's day: sums by currency, and the mean cost of parent orders with its interval."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tercel.core.fixed_point import sum_numbers
from tercel.core.grouping import group_values
from tercel.core.ports import Entry
from tercel.desk.console.report_base import Profit, Total
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.tca.shortfall import BPS, weighted_mean


@dataclass
class ParentCosts:
    """Mean cost (bps) of parents weighted by filled value, its 95 % interval, and their unfilled lots."""

    parents: int
    is_bps: float | None
    low_bps: float | None
    high_bps: float | None
    unfilled: float
    refused: float


@dataclass(kw_only=True)
class DayMoney(Profit):
    """Money of one currency in a day: cost of parents, realised profit, change of the open profit, fees, net profit."""

    cost: float | None
    profit: float | None


@dataclass(frozen=True)
class ParentCostRow:
    """Cost of one parent order by its latest analysis."""

    entry: Entry
    body: CostEntry
    currency: str

    @property
    def cost(self) -> float:
        """Cost of the parent's fills against the mid at arrival, in money, positive is paid; 0 without fills."""
        return 0.0 if self.body.is_bps is None else self.body.is_bps * self.body.notional / BPS


Money = TypeVar("Money", Profit, DayMoney, Total)


def sum_by_currency(rows: Iterable[Money]) -> list[Money]:
    """Sums by currency, one row each; a figure is None if any of its parts is unknown.

    >>> rows = [Profit(currency="USD", realised=2.0, open=1.0, fees=fees) for fees in (0.0, None)]
    >>> [(row.currency, row.realised, row.fees) for row in sum_by_currency(rows)]
    [('USD', 4.0, None)]
    """
    totals = []
    for _, group in sorted(group_values((row.currency, row) for row in rows).items()):
        names = [name for name in vars(group[0]) if name != "currency"]
        sums: Any = {
            name: sum_if_known(getattr(member, name) for member in group) for name in names
        }
        totals.append(replace(group[0], **sums))
    return totals


def sum_if_known(values: Iterable[float | None]) -> float | None:
    """Sum of the values; None if one of them is None.

    >>> sum_if_known([1.0, 2.0]), sum_if_known([1.0, None]), sum_if_known([])
    (3.0, None, 0.0)
    """
    listed = list(values)
    return None if None in listed else float(sum(value for value in listed if value is not None))


def combine_costs(rows: Iterable[ParentCostRow]) -> ParentCosts:
    """Combine the costs of several parents into their mean, interval and totals.

    >>> from tercel.desk.trading.journal import kinds
    >>> entries = [CostEntry(is_bps=value, notional=1.0, unfilled=1) for value in (1.0, 2.0, 3.0)]
    >>> costs = combine_costs(ParentCostRow(Entry(kinds.TCA, 0), cost, "") for cost in entries)
    >>> costs.is_bps, round(costs.low_bps, 2), costs.unfilled
    (2.0, -0.48, 3)
    """
    bodies = [row.body for row in rows]
    mean, half = weighted_mean((cost.is_bps, cost.notional) for cost in bodies)
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return ParentCosts(
        len(bodies),
        mean,
        low,
        high,
        sum_numbers(cost.unfilled for cost in bodies),
        sum_numbers(cost.refused for cost in bodies),
    )
