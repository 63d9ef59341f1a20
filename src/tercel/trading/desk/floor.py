"""What a desk needs of the session that trades for it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tercel.core.messages import Alpha, Posture
from tercel.core.orders import Listing, VenueEvent
from tercel.core.ports import Entry
from tercel.execution.costs import Costs
from tercel.execution.strategy import Strategy
from tercel.trading.follower import Follower
from tercel.trading.parents import ParentRequest


@dataclass(frozen=True, eq=False)
class Finished:
    """A parent order that is over.

    Parameters
    ----------
    order : ParentRequest
        As accepted.
    filled : int
        Lots that traded.
    paid2 : int
        Sum of doubled prices x lots of its fills.
    costs : Costs
        One row; lots that found nobody are in it at the worst price seen.
    at_ns : int
    """

    order: ParentRequest
    filled: int
    paid2: int
    costs: Costs
    at_ns: int


class Watcher(Protocol):
    """Who is told what happens on the floor."""

    def on_events(self, events: Sequence[VenueEvent]) -> None:
        """What the venue said, after followers and workers heard it."""
        ...

    def on_arrival(self, order: ParentRequest, book: NDArray[np.int32], state: NDArray[np.int64]) -> None:
        """A parent arrived: the market with the order in it."""
        ...

    def on_decision(self, order: ParentRequest, observation: NDArray[np.float32]) -> None:
        """A decision was taken on this observation."""
        ...

    def on_finished(self, finished: Finished) -> None:
        """A parent is over."""
        ...

    def on_operator(self, entry: Entry) -> None:
        """A person's command that is the desk's own business."""
        ...


class Floor(Protocol):
    """A session: one venue, one journal, one gate."""

    @property
    def now_ns(self) -> int:
        """Venue time."""
        ...

    def listing(self, instrument: str) -> Listing:
        """How the venue lists it."""
        ...

    def follower(self, instrument: str) -> Follower:
        """Its public market."""
        ...

    def submit(self, order: ParentRequest, strategy: Strategy) -> bool:
        """Accept a parent and begin to work it; False where it was refused (and journaled)."""
        ...

    def guide(self, instrument: str, alpha: Alpha | None, posture: Posture | None) -> None:
        """Tell every worker on an instrument, and every later one, what signals and risk say."""
        ...

    def run_until(self, ns: int) -> None:
        """Let time pass, work every parent, take what people ask."""
        ...

    def note(self, entries: Sequence[Entry]) -> None:
        """Write to the journal."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody what happens."""
        ...

    def own_numbers(self) -> Collection[int]:
        """The venue's numbers of this session's orders."""
        ...
