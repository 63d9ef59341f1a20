"""Ports of a venue: its clock, its orders and market data, and what it may be able to do besides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from inspect import getattr_static
from typing import Any, Final, Protocol, Self, TypeVar, get_args, get_type_hints

from tercel.core.errors import VenueError
from tercel.core.orders import CancelReject, Command, Listing, Report, Unread, VenueEvent
from tercel.core.quotes import QuoteRequest

# -- capabilities ---------------------------------------------------------------------------------
# What a venue can do beyond its port: a named protocol each, and the absence of each declared.
#
#     class MyVenue:
#         @property
#         def capabilities(self) -> Capabilities:
#             return Capabilities(positions=self)      # and nothing else
#
# A wrapper hands on those of the venue inside, with its own in their place:
#
#     return replace(self._inner.capabilities, positions=self)

LIKE: Final = 0.8
"""Similarity (of `difflib`, 0 to 1) from which a name is taken for a misspelt one."""
T = TypeVar("T")


class Connected(Protocol):
    """A venue at the other end of a link, watched by a selector with other things."""

    @property
    def up(self) -> bool:
        """Whether the link to the venue is up."""

    def fileno(self) -> int:
        """File descriptor for a selector: readable when something has come; -1 without a link."""

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what the venue sent, waiting so many seconds at most; whether a step has something to return."""


class Reconnects(Connected, Protocol):
    """A venue whose link comes back when the desk asks; one without comes back by itself, or never."""

    def reconnect(self) -> None:
        """Log on again after the link broke: same accounts, same market data, snapshots first.

        Raises
        ------
        VenueError
            No answer: there is no link.
        """


class RecordedSession(Protocol):
    """A venue behind a session that numbers and stores its messages, as FIX does."""

    unbooked: bool
    """Set while what the last step returned is not on the disk here: it then does not count as received."""

    @property
    def unrecorded(self) -> str:
        """Reason why sent messages are not stored on disk; "" if they are."""

    @property
    def ahead_ns(self) -> int | None:
        """Offset of the clock here ahead of the venue's, ns; None while it is unknown."""


class TellsExecutions(Protocol):
    """A venue that repeats past executions on request."""

    def executions(self, account: str, after: str = "") -> Sequence[Report]:
        """Trades of an account after execution `after` ("": all), exactly as they were first reported."""


class TellsPositions(Protocol):
    """A venue that answers with an account's positions at once."""

    def positions(self, account: str) -> Mapping[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument."""


class ReportsPositions(Protocol):
    """A venue that reports positions in a message after a request."""

    def ask_positions(self, account: str) -> None:
        """Ask for positions: one :class:`~tercel.core.orders.Holdings` comes with a later step, or a refusal.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        """


class TakesParents(Protocol):
    """A gate before the venue, which lets no more children out than their parent order has lots."""

    @property
    def code(self) -> str:
        """Mark of the code that the gate runs (`core.version.code_mark`); "" where it does not say."""

    @property
    def journal(self) -> str:
        """Folder of the gate's own journal; "" where it does not say."""

    def announce(self, parent: str, instrument: str, account: str, side: int, lots: int) -> None:
        """Announce a parent order to the gate, its new number of lots, or that it is over (0).

        Raises
        ------
        VenueError
            There is no link.
        """

    def leave(self) -> None:
        """Say that this session ends in order: its open orders are cancelled, which needs no alarm."""


class AsksForQuotes(Protocol):
    """A venue where dealers quote: answers (`core.quotes`) come with later steps, and a `core.orders.QuotedOrder` takes one."""

    def request_quotes(self, request: QuoteRequest) -> None:
        """Ask dealers for quotes.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        OrderError
            For a request that cannot be one.
        """

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """Pass some quotes of a request, all open ones where none is named: their dealers are informed, and no order takes them.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        """


class Disowns(Protocol):
    """A venue that accepts word of reports that were set aside (FIX: a DK, 35=Q, or a business reject, 35=j)."""

    def disown(self, message: Report | CancelReject | Unread) -> None:
        """Tell the venue that a report of its was set aside."""


class TellsDepth(Protocol):
    """A venue that declares how deep its books are shown; a follower of the same depth sees the same book.

    Both raise a VenueError where it does not know it of an instrument.
    """

    def width(self, instrument: str) -> int:
        """Prices that the ring of an instrument's book holds at the venue."""

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed behind an instrument shows; 0: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Capabilities of a venue beyond `core.ports.Venue`: mostly the venue itself, None where it lacks one.

    Parameters
    ----------
    stepped : bool
        Its clock moves only in `step`; False: time passes there by itself.
    answers_questions : bool
        It answers status queries of orders (StatusRequest).
    simulated : bool
        Its market is simulated or replayed: no trade involves real money.
    connection, reconnects, session, executions, positions, position_reports, parents, disowns, depth, quotes
        See the protocol of each.

    >>> Capabilities().positions is None, Capabilities().up
    (True, True)
    """

    stepped: bool = True
    answers_questions: bool = True
    simulated: bool = False
    connection: Connected | None = None
    reconnects: Reconnects | None = None
    session: RecordedSession | None = None
    executions: TellsExecutions | None = None
    positions: TellsPositions | None = None
    position_reports: ReportsPositions | None = None
    parents: TakesParents | None = None
    disowns: Disowns | None = None
    depth: TellsDepth | None = None
    quotes: AsksForQuotes | None = None

    @property
    def up(self) -> bool:
        """Whether there is a way to the venue; without a link that can break there always is."""
        return self.connection is None or self.connection.up

    @property
    def unrecorded(self) -> str:
        """Reason why messages sent to the venue are not stored on disk; "" if they are, or need not be."""
        return "" if self.session is None else self.session.unrecorded


def needed(capability: T | None, what: str, venue: str) -> T:
    """A venue's capability, refused with an error if the venue does not declare it.

    Raises
    ------
    VenueError
        The venue does not have it.
    """
    if capability is None:
        raise VenueError(f"a venue that {what}", f"{venue}, which does not", "ask another")
    return capability


def check_capabilities(venue: object) -> None:
    """Refuse a venue that has what it does not declare, misspells it, or declares what it does not have.

    Raises
    ------
    VenueError
    """
    for wrong in _faults(venue):
        raise VenueError(*wrong)


def _faults(venue: object) -> Iterator[tuple[str, str, str]]:
    kind = type(venue).__name__
    declared, names = getattr(venue, "capabilities", None), _own_names(venue)
    if not isinstance(declared, Capabilities):
        near = get_close_matches("capabilities", names, 1, LIKE)
        yield (
            "a venue that declares what it can do beyond its port",
            f"{kind}, without `capabilities`" + (f" (it has `{near[0]}`)" if near else ""),
            "give it a property `capabilities` that returns a `tercel.core.ports.Capabilities`",
        )
        return
    offered = {part: getattr(declared, part) for part in _MEMBERS}
    known = {"capabilities": False} | dict.fromkeys(_FLAGS, False)
    for part, members in _MEMBERS.items():
        known |= members
        if (one := offered[part]) is not None:
            yield from _missing(
                f"{kind}, whose `capabilities.{part}` is a {type(one).__name__}", part, one
            )
    for name in sorted(names & known.keys() - {"capabilities"}):
        fields = [part for part, members in _MEMBERS.items() if name in members]
        ours = [part for part in fields if offered[part] is not None]
        given = [getattr(offered[part], name, None) for part in ours]
        if name in _FLAGS and getattr(venue, name) != getattr(declared, name):
            yield (
                "one word on what a venue can do",
                f"{kind}.{name} = {getattr(venue, name)!r}, and capabilities.{name} = {getattr(declared, name)!r}",
                f"write `Capabilities({name}={getattr(venue, name)!r})`",
            )
        elif fields and not ours:
            yield (
                "a venue that declares what it can do",
                f"{kind}.{name}, and no `{fields[0]}` in its `capabilities`",
                f"write `Capabilities({fields[0]}=self)`, or give the attribute another name",
            )
        elif fields and known[name] and getattr(venue, name) not in given:
            yield (
                "a venue that declares its own",
                f"{kind}.{name}, and `capabilities.{ours[0]}` is another object's",
                f"write `replace(inner.capabilities, {ours[0]}=self)`",
            )
    for name in sorted(names - known.keys()):
        method = callable(getattr_static(venue, name))
        alike = [one for one in known.keys() - names if known[one] == method]
        if near := get_close_matches(name, alike, 1, LIKE):
            yield (
                "the name of a capability, or one unlike it",
                f"{kind}.{name}, nearly `{near[0]}`",
                f"write `{near[0]}` and declare it, or give the attribute another name",
            )


def _missing(whose: str, part: str, offered: object) -> Iterator[tuple[str, str, str]]:
    """Members that a declared capability lacks."""
    for name, method in _MEMBERS[part].items():
        if not hasattr(offered, name) or (method and not callable(getattr(offered, name))):
            near = get_close_matches(name, _own_names(offered), 1, LIKE)
            received = f"{whose} without it" + (f" (it has `{near[0]}`)" if near else "")
            yield (
                f"{'a method' if method else 'an attribute'} `{name}`",
                received,
                f"write it, or leave `{part}` out of `capabilities`",
            )


def _own_names(one: object) -> set[str]:
    """Public names of an object and its class that hold something; what `__getattr__` would find is another's."""
    names = {
        name
        for name in (*dir(type(one)), *getattr(one, "__dict__", ()))
        if not name.startswith("_")
    }
    return {name for name in names if getattr_static(one, name, None) is not None}


def _members(protocol: type) -> dict[str, bool]:
    """Names of a protocol's members, and whether each is a method."""
    found: dict[str, bool] = {}
    for kind in reversed([one for one in protocol.__mro__ if one.__module__ == __name__]):
        names = [*vars(kind), *vars(kind).get("__annotations__", ())]
        found |= {
            name: callable(vars(kind).get(name)) for name in names if not name.startswith("_")
        }
    return found


_HINTS: Final = get_type_hints(Capabilities)
_FLAGS: Final = tuple(name for name, hint in _HINTS.items() if hint is bool)
_MEMBERS: Final = {
    name: _members(get_args(hint)[0]) for name, hint in _HINTS.items() if name not in _FLAGS
}


# -- ports ----------------------------------------------------------------------------------------
# Ports that every room above may name: Venue, Journal, Clock.


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
    """Port of a clock. `core.system` has a real one, which `api` and `cli` hand down."""

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
    """Readable entries of a journal."""

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


# -- closing --------------------------------------------------------------------------------------
# Objects that are closed at the end of a `with` block.


class Closing:
    """Mixin: a `with` block gives the object, and closes it as it ends."""

    def close(self) -> None:
        """Release all resources; a second call does nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
