"""Limit counts of finished parents are archived, and restored when the venue reports on them again.

Positions, money and messages stay as they are: only orders that cannot fill any more, their names and executions go.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tercel.core.executions import Execution, Key
from tercel.core.fixed import ONE
from tercel.desk.limits.state import (
    AT_ANY_PRICE,
    NEVER_NS,
    Filled,
    Holding,
    LimitCounts,
    OpenOrder,
    ParentLimit,
)


class PastCounts(LimitCounts):
    """Mixin that archives and restores the counts of finished parents."""

    def retire(self, parent: str, names: Sequence[str], executions: Sequence[Key]) -> None:
        """Archive a parent's counts, unless lots of it are still reserved.

        Parameters
        ----------
        parent : str
        names : sequence of str
            Every name that its orders ever had.
        executions : sequence of (account, order, name)
        """
        orders = [order for name in names if (order := self.orders.get(name)) is not None]
        if any(order.open or order.live for order in orders):
            return
        for name in names:
            self.orders.pop(name, None)
            self.names.discard(name)
        for key in executions:
            self.executions.forget(key)
        self.parents.pop(parent, None)

    def recall(
        self,
        parent: Any,
        orders: Iterable[tuple[Any, Sequence[str]]],
        executions: Iterable[tuple[str, str, Execution[Any]]],
    ) -> None:
        """Restore an archived parent; nothing of it is reserved, so no limit comes nearer.

        Parameters
        ----------
        parent : ParentOrder
            As `trading.parents` has it.
        orders : iterable of (ChildOrder, names)
            As `trading.order` has them, with every name of each.
        executions : iterable of (order, name, Execution)
            As they stand, by every name.
        """
        asked = parent.order
        holding = self.holdings.get((asked.agent, asked.instrument))
        if holding is None or parent.id in self.parents:
            return
        mine = self.parents[parent.id] = ParentLimit(parent.id, holding, asked.side, parent.lots)
        roots: dict[str, OpenOrder] = {}
        for order, names in orders:
            one = roots[order.root] = _ended(order, holding, mine)
            mine.used += one.cum
            self.orders |= dict.fromkeys(names, one)
            self.names.update(names)
        taken: dict[int, Execution[Filled]] = {}
        for root, name, stands in executions:
            owner = roots.get(root), holding, asked.side, stands.px, f"{root}:{name}"
            one_more = Execution(owner, stands.qty, stands.px, stands.changed)
            self.executions.recall(
                (asked.agent, root, name), taken.setdefault(id(stands), one_more)
            )


def _ended(order: Any, holding: Holding, parent: ParentLimit) -> OpenOrder:
    price = AT_ANY_PRICE * order.side if order.price is None else order.price
    one = OpenOrder(order.root, holding, parent, order.side, order.lots, price)
    one.live = False
    one.accepted = order.acked
    one.filled = order.cum_qty >= order.lots * ONE
    one.cum = order.cum_qty
    one.reported = order.counted_qty
    one.worst = AT_ANY_PRICE * order.side  # which prices it had before is not remembered
    one.changed_ns = order.replaced_ns or NEVER_NS
    one.recounted_ns = order.recounted_ns or NEVER_NS
    return one
