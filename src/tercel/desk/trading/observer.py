"""What watches a session: the desk's loop, and the recorder of costs."""

from collections.abc import Sequence

from tercel.core.arrays import Float32, Int32, Ints
from tercel.core.orders import VenueEvent
from tercel.desk.trading.executor import ParentExecutor
from tercel.desk.trading.parents import ParentOrder, ParentRequest


class SessionObserver:
    """Observer of a session's events, each of which it passes over unless it says otherwise."""

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """Venue events, after followers and executors processed them."""

    def on_arrival(self, order: ParentRequest, book: Int32, state: Ints) -> None:
        """A parent arrived: its market with the order in it."""

    def on_decision(self, order: ParentRequest, observation: Float32) -> None:
        """A decision was taken on this observation."""

    def on_over(self, parent: ParentOrder, executor: ParentExecutor | None) -> None:
        """A parent ended; `executor` is its last one, if any."""
