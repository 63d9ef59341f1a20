"""Ports that every room above may name: Venue, Journal, Clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tercel.core.capabilities import Capabilities
from tercel.core.orders import Command, Listing, VenueEvent


class Venue(Protocol):
    """A place to trade. `certify.kits.venue.VenueConformance` checks an implementation."""

    @property
    def name(self) -> str:
        """Name in journals and tables."""

    @property
    def now_ns(self) -> int:
        """The venue's time, as far as it is known here."""

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities beyond this port; `Capabilities()`: none."""

    def listings(self) -> Sequence[Listing]:
        """Listings of all instruments traded here."""

    def subscribe(self, instrument: str) -> None:
        """Ask for market data: a snapshot comes with the next step, then every change."""

    def send(self, command: Command) -> None:
        """Hand over a command; it is on its way when this returns. The answer comes with a later step.

        Raises
        ------
        VenueError
            When the way is down: nothing was sent.
        """

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Let time pass up to `until_ns`, or to the end of the first moment with a word on own orders.

        What happened is returned in order. A stepped venue moves its clock itself; one that runs freely waits for its
        clock to get there, and may return early with what has come.
        """

    def close(self) -> None:
        """Close the session; orders still open are the venue's to cancel, if it does so on disconnect."""


class Clock(Protocol):
    """Port of a clock. `core.machine` has a real one, which `api` and `cli` hand down."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment; they never go back."""

    def sleep_ns(self, ns: int) -> None:
        """Wait so many nanoseconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal.

    Parameters
    ----------
    kind : str
        See `tercel.desk.trading.journal.kinds`.
    ns : int
        Venue time.
    instrument, agent, parent, order : str
        Whom it concerns; "" where nobody in particular.
    body : mapping
        JSON values.
    blob : bytes
        Packed arrays, where there are any.
    """

    kind: str
    ns: int
    instrument: str = ""
    agent: str = ""
    parent: str = ""
    order: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    blob: bytes = b""


class Entries(Protocol):
    """What can be read as a journal."""

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """Entries with a sequence number above `after`, in order, of some kinds (all by default)."""


class Journal(Entries, Protocol):
    """An append-only, durable list of entries. `certify.journal.JournalConformance` checks one."""

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """Write all entries or none; the sequence number of the last.

        With `sync` they and all before them are on the disk when it returns. Without, they outlive this process but
        perhaps not the machine: for what others can repeat. It may wait for another process's lock.

        Raises
        ------
        JournalError
            When they could not be made durable: nothing that depends on them may leave.
        """

    def close(self) -> None:
        """Release the journal, so that another session may hold it."""
