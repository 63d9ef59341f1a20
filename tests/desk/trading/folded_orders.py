"""Child orders folded beside a bare executor, as a session's ledger folds them before its executors hear of them."""

from collections.abc import Sequence

from tercel.core.orders import CancelReject, Command, Report, VenueEvent
from tercel.core.ports import Venue
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.journal.codec import entry_in, entry_out


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
