"""Totals of one desk's day or of all desks' days, as sentences, and the open issues that need a person."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tercel.api.desk.day import DeskDay
from tercel.api.desk.day_folders import HELD, UnreadDay
from tercel.api.desk.day_money import DayMoney, ParentCosts, combine_costs, sum_by_currency
from tercel.api.desk.day_text import (
    format_bps,
    one_line,
)
from tercel.core.report.formatting import (
    format_amounts,
    format_count,
    format_currency,
    format_money,
    format_percent,
)
from tercel.desk.console.report_base import Total
from tercel.desk.trading.parent_orders.parent import ParentStatus
from tercel.desk.trading.risk.trading_state import StateReason

FIRST: Final = 6
"""Most open issues that the first sentence names, and most rows of a table."""
SHARED: Final = " of a gate of several desks"
"""Part of an open issue that concerns a gate of several desks, each of which reports the issue."""


@dataclass(frozen=True)
class Totals:
    """Totals of one desk's day, or of all desks; `needs`: open issues for a person, most urgent first."""

    label: str
    costs: ParentCosts
    money: list[DayMoney]
    exposure: list[Total]
    needs: list[str]

    @property
    def sentence(self) -> str:
        """Sentence with cost, profit and open issues."""
        costs = self.costs
        rows = self.money
        needs = self.needs
        parents = format_count(costs.parents, "parent")
        if not costs.parents:
            cost = "no parent was analysed"
        elif costs.is_bps is None:
            cost = f"{parents}, none filled"
        else:
            mean, _, interval = format_bps(costs).partition(" (")
            interval_text = f" (95 %: {interval}" if interval else ""
            paid = format_amounts((row.cost, row.currency) for row in rows)
            unnamed = "" if any(row.currency for row in rows) else " in currency units"
            cost = f"{parents} cost {mean} bps against arrival{interval_text}, {paid}{unnamed}"
        profits = ", ".join(_profit_text(row) for row in rows if row.profit != 0)
        verb = "needs" if len(needs) == 1 else "need"
        wants = "; ".join(map(one_line, needs[:FIRST])) + more_text(needs)
        things = f"{format_count(len(needs), 'thing')} {verb} a person now: {wants}"
        person = things if needs else "nothing needs a person now"
        return f"{one_line(self.label)}: {cost}; {profits or 'nothing was made or lost'}; {person}."

    def cells(self, name: str) -> list[str]:
        """A row of the table of all desks."""
        return [
            one_line(name, 60),
            f"{len(self.needs):,}",
            f"{self.costs.parents:,}",
            format_bps(self.costs),
            format_amounts((row.cost, row.currency) for row in self.money),
            format_amounts((row.profit, row.currency) for row in self.money),
            format_amounts((row.gross, row.currency) for row in self.exposure),
            format_amounts((row.net, row.currency) for row in self.exposure),
        ]


def _profit_text(row: DayMoney) -> str:
    """Text on the profit or loss of one currency, such as "120 USD was made"."""
    if row.profit is None:
        return f"profit is not known{f' in {currency}' if (currency := format_currency(row.currency)) else ''}"
    amount = format_money(abs(row.profit), row.currency)
    return f"{amount} was {'made' if row.profit > 0 else 'lost'}"


def more_text(rows: Sequence[object]) -> str:
    """Text on the rows beyond the first `FIRST`, such as "; 3 more in its JSON"; "" if there are none."""
    return f"; {len(rows) - FIRST:,} more in its JSON" if len(rows) > FIRST else ""


def totals_of(day: DeskDay) -> Totals:
    """Totals of one desk's day."""
    costs = combine_costs(day.costs.values())
    return Totals(day.desk, costs, day.money(), day.report.money, needs_of(day))


def totals_of_all(days: Sequence[DeskDay | UnreadDay]) -> Totals:
    """Totals of all desks that could be read; value at risk is not summed, as the desks' losses need not coincide.

    What a gate of several desks needs is reported by the first of them.
    """
    read = [day for day in days if isinstance(day, DeskDay)]
    need_texts = dict[tuple[str, str], str]()
    for any_day in days:
        if isinstance(any_day, UnreadDay):
            need_texts[any_day.desk, any_day.need] = f"{any_day.desk}: {any_day.need}"
    for day in read:
        for need in needs_of(day):
            key = day.gate.shared_folder if SHARED in need else day.desk, need
            need_texts.setdefault(key, f"{day.desk}: {need}")
    several = "1 desk" if len(days) == 1 else f"{len(days)} desks"
    return Totals(
        several if len(read) == len(days) else f"{len(read)} of {several}",
        combine_costs(row for day in read for row in day.costs.values()),
        sum_by_currency(row for day in read for row in day.money()),
        sum_by_currency(row for day in read for row in day.report.money),
        [*need_texts.values()],
    )


def needs_of(day: DeskDay) -> list[str]:
    """Open issues for a person at the end of a day, most urgent first."""
    ledger = day.state.ledger
    needs = []
    if day.unknown:
        needs.append(f"{format_count(len(day.unknown), 'order')} of unknown fate")
    if faults := ledger.faults():
        needs.append(f"{format_count(len(faults), 'fault')} of the journal")
    if day.gate.fault:
        needs.append(f"the journal of its gate cannot be read: {one_line(day.gate.fault)}")
    needs += [
        f"value at risk is {format_percent(row.var_used)} of what a day may lose"
        for row in day.report.money
        if row.var_used is not None and row.var_used > 1.0
    ]
    if executions := day.unbooked:
        needs.append(
            f"{format_count(len(executions), 'execution')} that the gate alone has: its next session books them"
        )
    for row in ledger.states.rows():
        state = "killed" if StateReason.KILLED in row.reasons else row.state
        reason = one_line(row.reason or "no reason given")
        needs.append(f"{one_line(row.account, 40) or 'the desk'} is {state}: {reason}")
    needs += [
        f"{one_line(', '.join(act.agents), 40)} {HELD} {one_line(act.why)}"
        for act in day.people
        if act.what == HELD
    ]
    for severity, noun in (("critical", "critical alert"), ("warning", "warning")):
        unowned = Counter[str]()
        for alert, *others in day.alerts:
            if alert.severity == severity and not alert.owner:
                shared = day.gate.shared_folder and alert.gate and not alert.agent
                unowned[SHARED if shared else ""] += 1 + len(others)
        needs += [
            f"{format_count(number, noun)}{suffix} without an owner"
            for suffix, number in sorted(unowned.items())
        ]
    if waiting := sum(parent.status == ParentStatus.PAUSED for parent in ledger.parents.open()):
        needs.append(f"{format_count(waiting, 'parent')} to resume or call off")
    if requests := day.requests:
        needs.append(f"{format_count(len(requests), 'request')} for looser limits to answer")
    return needs
