"""Own fills grouped by parent order and day."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tercel.api.tca.analysis import OddName
from tercel.api.tca.executions import FileFill
from tercel.api.tca.files import FileOrder
from tercel.api.tca.market_day import Calendar
from tercel.core.errors import DataError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.tape import Instrument

NS_PER_HOUR = 3600 * NS_PER_SECOND
Odd = dict[OddName, list[FileFill]]


@dataclass(eq=False)
class Group:
    """Fills of one parent order on one day, before their cost is measured."""

    name: str
    day: Instrument
    side: int
    fills: list[FileFill]
    order: FileOrder | None
    quantity: Fraction = Fraction(0)
    """Requested quantity of this day, shares."""

    @property
    def label(self) -> str:
        """Name of the parent in the file of fills; "" without fills."""
        return (self.fills[0].parent or self.name) if self.fills else ""


def group_by_parent(
    fills: Sequence[FileFill],
    orders: Mapping[str, FileOrder],
    calendar: Calendar,
    venue: str,
    odd: Odd,
) -> tuple[list[Group], list[FileOrder]]:
    """Group fills by parent and day, and orders without fills; return the groups, and idle orders without a recorded day.
    Fills that are odd are added to `odd`, by reason; those without a recorded day are in no group.
    """
    days: dict[str, dict[tuple[str, str, str], Group]] = defaultdict(dict)
    lost_quantity: dict[str, Fraction] = defaultdict(Fraction)
    for fill in fills:
        day = calendar.day(fill.symbol, fill.ns, fill.venue or venue)
        if day is None:
            odd["no_tape"].append(fill)
            lost_quantity[fill.parent] += fill.quantity
            continue
        side_text = "buy" if fill.side > 0 else "sell"
        made_name = " ".join(
            text for text in (fill.symbol, side_text, fill.agent, day.date) if text
        )
        name = fill.parent or made_name
        order = orders.get(fill.parent)
        if not fill.parent:
            odd["no_parent"].append(fill)
        elif orders and order is None:
            odd["no_order"].append(fill)
        group = days[name].setdefault(day.key, Group(name, day, fill.side, [], order))
        _refuse_mixed(fill, group, order)
        group.fills.append(fill)
    groups = []
    for name, by_day_key in days.items():
        groups += _set_day_quantities(list(by_day_key.values()), odd, lost_quantity[name])
    idle = [order for name, order in orders.items() if name not in days]
    idle_days = [(order, calendar.day(order.symbol, order.start_ns, venue)) for order in idle]
    groups += [
        Group(
            order.parent, day, order.side, [], order, order.quantity - lost_quantity[order.parent]
        )
        for order, day in idle_days
        if day is not None and lost_quantity[order.parent] < order.quantity
    ]
    return groups, [order for order, day in idle_days if day is None]


def _refuse_mixed(fill: FileFill, group: Group, order: FileOrder | None) -> None:
    """Raise a DataError for a fill whose side or symbol differs from its parent's."""
    expected = (order.symbol, order.side) if order is not None else (group.day.symbol, group.side)
    if (
        (fill.symbol, fill.side) != expected
        or group.day.symbol != fill.symbol
        or group.side != fill.side
    ):
        side_text = "buy" if fill.side > 0 else "sell"
        side = "buy" if expected[1] > 0 else "sell"
        raise DataError(
            f"one symbol and side a parent: {side} {expected[0]}",
            f"{side_text} {fill.symbol} in row {fill.row} of parent {fill.parent}",
            "give each an id of its own",
        )


def _set_day_quantities(groups: list[Group], odd: Odd, filled_before: Fraction) -> list[Group]:
    """Set the quantities of one parent's groups, one a day, in place; its unfilled rest goes to the last day. Returns them.
    `filled_before`: quantity of its fills on days that are not recorded. Fills of several days are added to `odd`.
    """
    groups.sort(key=lambda group: group.day.date)
    order = groups[0].order
    for group in groups:
        group.fills.sort(key=lambda fill: fill.ns)
        filled = sum((fill.quantity for fill in group.fills), Fraction(0))
        if len(groups) > 1:
            odd["several_days"] += group.fills
            group.name = f"{group.name} {group.day.date}"
        group.quantity = filled
        if order is not None and group is groups[-1]:
            group.quantity = order.quantity - filled_before
            if filled + order.refused > group.quantity:
                received = f"{float(filled_before + filled):.12g} filled and {float(order.refused):.12g} refused"
                raise DataError(
                    f"at most the {float(order.quantity):.12g} of its order",
                    f"{received} of parent {order.parent}",
                    "correct one of the files",
                )
        filled_before += filled
    return groups
