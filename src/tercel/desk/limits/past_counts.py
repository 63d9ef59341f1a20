"""Counts of finished parents: dropped when a parent leaves memory, restored from the ledger when it comes back."""

from collections.abc import Iterable, Sequence
from typing import Any

from tercel.core.child_order import ChildOrder
from tercel.core.executions import Execution, Key
from tercel.desk.limits.order_counts import AT_ANY_PRICE, Filled, OpenOrder, ParentLimit
from tercel.desk.limits.scopes import NEVER_NS, Holding
from tercel.desk.limits.state import LimitCounts


class PastCounts(LimitCounts):
    """Mixin that archives and restores the counts of finished parents."""

    def drop_finished(self, parent: str, names: Sequence[str], executions: Sequence[Key]) -> None:
        """Drop a finished parent's counts, orders, names and executions, unless an order of it lives or has reserved lots.

        Parameters
        ----------
        parent : str
        names : sequence of str
            Every name that its orders ever had.
        executions : sequence of (account, order, name)
        """
        orders = [order for name in names if (order := self.orders.get(name)) is not None]
        if any(order.open_qty or order.live for order in orders):
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
        orders: Iterable[tuple[ChildOrder, Sequence[str]]],
        executions: Iterable[tuple[str, str, Execution[Any]]],
    ) -> None:
        """Restore an archived parent; nothing of it is reserved. One that is known already, or has no limits, is ignored.

        Parameters
        ----------
        parent : ParentOrder
            As `trading.parent_orders.parent` has it.
        orders : iterable of (ChildOrder, names)
            With every name of each.
        executions : iterable of (order, name, Execution)
            The current executions, by every name.
        """
        request = parent.order
        holding = self.holdings.get((request.agent, request.instrument))
        if holding is None or parent.id in self.parents:
            return
        parent_limit = self.parents[parent.id] = ParentLimit(
            parent.id, holding, request.side, parent.lots
        )
        roots: dict[str, OpenOrder] = {}
        for order, names in orders:
            open_order = roots[order.root] = _restore_order(order, holding, parent_limit)
            parent_limit.used += open_order.cum_qty
            self.orders |= dict.fromkeys(names, open_order)
            self.names.update(names)
        by_identity: dict[int, Execution[Filled]] = {}
        for root, name, booked in executions:
            owner = roots.get(root), holding, request.side, booked.px, f"{root}:{name}"
            execution = Execution(owner, booked.qty, booked.px, booked.changed)
            self.executions.recall(
                (request.agent, root, name), by_identity.setdefault(id(booked), execution)
            )


def _restore_order(order: ChildOrder, holding: Holding, parent: ParentLimit) -> OpenOrder:
    """Counters of an archived order, from the ledger's order."""
    price = AT_ANY_PRICE * order.side if order.price is None else order.price
    open_order = OpenOrder(order.root, holding, parent, order.side, order.lots, price)
    open_order.base = order.base
    open_order.cum_qty = order.cum_qty
    open_order.counted_qty = order.counted_qty
    open_order.worst = AT_ANY_PRICE * order.side  # which prices it had before is not remembered
    open_order.changed_ns = order.replaced_ns or NEVER_NS
    open_order.recounted_ns = order.recounted_ns or NEVER_NS
    return open_order
