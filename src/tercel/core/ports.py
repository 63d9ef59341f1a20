"""Ports that trading is written against: a venue, a clock, a journal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from tercel.core.capabilities import Capabilities
from tercel.core.orders import Command, Listing, VenueEvent


# Ports that every room above may name: Venue, Journal, Clock.
class Venue(Protocol):
    """A place to trade. `certify.kits.venue.VenueConformance` checks an implementation."""

    @property
    def name(self) -> str:
        """Name in journals and tables."""

    @property
    def now_ns(self) -> int:
        """The venue's current time, ns, as far as it is known here."""

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities beyond this port; `Capabilities()`: none."""

    def listings(self) -> Sequence[Listing]:
        """Listings of all instruments traded here."""

    def subscribe(self, instrument: str) -> None:
        """Subscribe to market data: a snapshot comes with the next step, then every change."""

    def send(self, command: Command) -> None:
        """Send a command; the answer comes with a later step.

        Raises
        ------
        VenueError
            When the way is down: nothing was sent.
        """

    def step(self, until_ns: int) -> list[VenueEvent]:
        """Let time pass up to `until_ns` and return events; ends at the first moment with a report on own orders.

        What happened is returned in order. A stepped venue moves its clock itself; one that runs freely waits for its
        clock to get there, and may return early with what has come.
        """

    def close(self) -> None:
        """Close the session; orders still open are the venue's to cancel, if it does so on disconnect."""


class Clock(Protocol):
    """Port of a clock. `core.system` has a real one, which `api` and `cli` hand down."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment; they never go back."""

    def sleep_ns(self, ns: int) -> None:
        """Wait so many nanoseconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a journal: its time, kind and body.

    Parameters
    ----------
    kind : str
        See `tercel.desk.trading.journal.kinds`.
    ns : int
        Venue time.
    instrument, agent, parent, order : str
        Whom it concerns; "" where it concerns no one in particular.
    body : mapping
        JSON values.
    blob : bytes
        Packed arrays, or b"".
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
    """A journal that can be read."""

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """Entries with a sequence number above `after`, in order, of some kinds (all by default)."""


class Journal(Entries, Protocol):
    """An append-only, durable list of entries. `certify.journal.JournalConformance` checks one."""

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """Write all entries or none; return the sequence number of the last.
        With `sync` they and all before them are on the disk when it returns.

        Without `sync` they outlive this process but perhaps not the machine: for what others can repeat.
        It may wait for another process's lock.

        Raises
        ------
        JournalError
            When they could not be made durable: nothing that depends on them may leave.
        """

    def close(self) -> None:
        """Release the journal, so that another session may hold it."""


# Objects that are closed at the end of a `with` block.
class Closing:
    """Mixin for `with` blocks: the block gets the object and closes it at the end."""

    def close(self) -> None:
        """Release all resources; a second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
