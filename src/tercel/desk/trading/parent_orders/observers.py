"""What a parent order manager calls: observers of a session's events, by a base class that does nothing, and the keeper of lots
withheld for quotes."""

from collections.abc import Sequence
from typing import Protocol

from tercel.core.arrays import Float32, Int32, Ints
from tercel.core.orders import VenueEvent
from tercel.desk.trading.parent_orders.executor import ParentExecutor
from tercel.desk.trading.parent_orders.parent import ParentOrder
from tercel.desk.trading.parent_orders.parent_request import ParentRequest
from tercel.execution.strategy import Strategy


class SessionObserver:
    """Base class of observers of a session's events; methods that are not overridden do nothing."""

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Called with a venue's events, after followers and executors have processed them."""

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """Called when a parent arrives at its market, with book and state that hold the order."""

    def on_decision(self, order: ParentRequest, observation: Float32) -> None:
        """Called after a decision, with the observation that it was taken on."""

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """Called when a parent has ended, with its last executor, if any."""


class HeldLots(Protocol):
    """Lots of parents withheld from executors for requests for quotes (`quote_requests.QuoteRequests`)."""

    def on_accepted(self, parent: ParentOrder, strategy: Strategy) -> None:
        """Called when a parent is accepted, with the strategy that will work it."""

    def withheld_lots(self, parent: str, with_in_flight: bool = True) -> int:
        """Lots of a parent withheld from its executor; `with_in_flight`: with those of orders that take a quote."""

    def quote_orders(self, parent: str) -> Sequence[str]:
        """Names of a parent's orders that take a quote and have not ended."""
