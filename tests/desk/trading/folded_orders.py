"""Child orders folded beside a bare executor, as a session's ledger folds them before its executors hear of them, and the costs
of an executor."""

from collections.abc import Sequence

import numpy as np

from tercel.core.orders import CancelReject, Command, Report, VenueEvent
from tercel.core.ports import Venue
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.execution.costs import Costs, costs_of


def costs(executor: ParentExecutor) -> Costs:
    """Costs of its fills so far, one row."""
    book, state = executor.driver.book[None], executor.driver.state[None]
    return costs_of(book, state, executor.order.task.grid_points, np.zeros(1, np.int64))


class FoldedOrders(Orders):
    """Orders of commands that it sends to a venue, and of reports that it hears."""

    def send(self, venue: Venue, command: Command) -> None:
        self.apply(entry_out(command))
        venue.send(command)

    def hear(self, events: Sequence[VenueEvent]) -> Sequence[VenueEvent]:
        for event in events:
            if isinstance(event, Report | CancelReject):
                self.apply(entry_in(event))
        return events
