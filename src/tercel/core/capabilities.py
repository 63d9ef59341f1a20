"""Optional capabilities of a venue (links, positions, quotes, depth ...), how a venue declares them, and their check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import getattr_static
from typing import Final, Protocol, TypeVar, get_args, get_type_hints

from tercel.core.errors import VenueError
from tercel.core.orders import CancelReject, Report, Unread
from tercel.core.quotes import QuoteRequest

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
MIN_SIMILARITY: Final = 0.8
"""Similarity (of `difflib`, 0 to 1) from which a name is taken for a misspelt one."""
T = TypeVar("T")


class Connected(Protocol):
    """Capability: a venue behind a link, whose file descriptor a selector can watch."""

    @property
    def up(self) -> bool:
        """Whether the link to the venue is up."""

    def fileno(self) -> int:
        """File descriptor for a selector: readable when something has come; -1 without a link."""

    def poll(self, seconds: float = 0.0) -> bool:
        """Read what the venue sent, waiting at most `seconds`; whether `step` has events to return."""


class Reconnects(Connected, Protocol):
    """Capability: the link is restored by `reconnect`; without it the venue reconnects by itself, or never."""

    def reconnect(self) -> None:
        """Log on again after the link broke: same accounts, same market data, snapshots first.

        Raises
        ------
        VenueError
            No answer: there is no link.
        """


class RecordedSession(Protocol):
    """Capability: a session that numbers and stores its messages, as FIX does."""

    unbooked: bool
    """Set while what the last step returned is not on the disk here: it then does not count as received."""

    @property
    def unrecorded(self) -> str:
        """Reason why sent messages are not stored on disk; "" if they are."""

    @property
    def ahead_ns(self) -> int | None:
        """Offset by which the local clock is ahead of the venue's, ns; None while unknown."""


class TellsExecutions(Protocol):
    """Capability: the venue repeats past executions on request."""

    def executions(self, account: str, after: str = "") -> Sequence[Report]:
        """Trades of an account after execution `after` ("": all), exactly as they were first reported."""


class TellsPositions(Protocol):
    """Capability: the venue answers with an account's positions at once."""

    def positions(self, account: str) -> Mapping[str, int]:
        """Signed positions of an account, 10^-8 of a lot, by instrument."""


class ReportsPositions(Protocol):
    """Capability: the venue reports positions in a message some time after a request."""

    def ask_positions(self, account: str) -> None:
        """Request positions: one :class:`~tercel.core.orders.Holdings`, or a refusal, comes with a later step.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        """


class TakesParents(Protocol):
    """Capability: a gate before the venue, which refuses children beyond the lots of their parent order."""

    @property
    def code(self) -> str:
        """Version mark of the code that the gate runs (`core.version.code_mark`); "" if not known."""

    @property
    def journal(self) -> str:
        """Folder of the gate's own journal; "" if not known."""

    def announce(self, parent: str, instrument: str, account: str, side: int, lots: int) -> None:
        """Tell the gate the total lots of a parent order, when it begins and after each change; 0 when it is over.

        Raises
        ------
        VenueError
            There is no link.
        """

    def leave(self) -> None:
        """Tell the gate that this session ends in order: it cancels open orders without an alarm."""


class AsksForQuotes(Protocol):
    """Capability: dealers quote; answers (`core.quotes`) come with later steps, and a `QuotedOrder` takes a quote."""

    def request_quotes(self, request: QuoteRequest) -> None:
        """Send dealers a request for quotes; their answers come with later steps.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        OrderError
            For a request that cannot be one.
        """

    def pass_quotes(self, request: str, quotes: Sequence[str] = ()) -> None:
        """Decline quotes of a request (all open ones if none is named): their dealers are informed, and no order takes
        them.

        Raises
        ------
        VenueError
            When the link is down: nothing was sent.
        """


class Disowns(Protocol):
    """Capability: the venue accepts notice of reports that were set aside (FIX: a DK, 35=Q, or a business reject,
    35=j)."""

    def disown(self, message: Report | CancelReject | Unread) -> None:
        """Tell the venue that one of its reports was set aside."""


class TellsDepth(Protocol):
    """Capability: the venue declares how many levels its books show.

    Both raise a VenueError where it does not know it of an instrument.
    """

    def width(self, instrument: str) -> int:
        """Number of prices that the venue keeps in an instrument's book."""

    def feed_levels(self, instrument: str) -> int:
        """Levels that the feed behind an instrument shows; 0: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Capabilities of a venue beyond `core.ports.Venue`: for each an object that has it, mostly the venue itself, or
    None.

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
        """Whether the venue can be reached now; always True without a link that can break."""
        return self.connection is None or self.connection.up

    @property
    def unrecorded(self) -> str:
        """Reason why messages sent to the venue are not stored on disk; "" if they are, or need not be."""
        return "" if self.session is None else self.session.unrecorded


def require_capability(capability: T | None, ability: str, venue: str) -> T:
    """Return a capability; raise a VenueError if it is None. `ability` says in the error what the venue cannot do.

    Raises
    ------
    VenueError
        The venue does not have it.
    """
    if capability is None:
        raise VenueError(f"a venue that {ability}", f"{venue}, which does not", "ask another")
    return capability


def check_capabilities(venue: object) -> None:
    """Raise a VenueError for a venue that has undeclared capabilities, misspelt ones, or declares ones that it lacks.

    Raises
    ------
    VenueError
    """
    for wrong in _capability_faults(venue):
        raise VenueError(*wrong)


def _capability_faults(venue: object) -> Iterator[tuple[str, str, str]]:
    """Faults in the capabilities that a venue declares, each as (expected, received, remedy)."""
    kind = type(venue).__name__
    declared = getattr(venue, "capabilities", None)
    names = _own_names(venue)
    if not isinstance(declared, Capabilities):
        near = get_close_matches("capabilities", names, 1, MIN_SIMILARITY)
        yield (
            "a venue that declares what it can do beyond its port",
            f"{kind}, without `capabilities`" + (f" (it has `{near[0]}`)" if near else ""),
            "give it a property `capabilities` that returns a `tercel.core.capabilities.Capabilities`",
        )
        return
    offered = {part: getattr(declared, part) for part in _MEMBERS}
    known = {"capabilities": False} | dict.fromkeys(_FLAGS, False)
    for part, members in _MEMBERS.items():
        known |= members
        if (component := offered[part]) is not None:
            yield from _missing_members(
                f"{kind}, whose `capabilities.{part}` is a {type(component).__name__}",
                part,
                component,
            )
    for name in sorted(names & known.keys() - {"capabilities"}):
        fields = [part for part, members in _MEMBERS.items() if name in members]
        ours = [part for part in fields if offered[part] is not None]
        offered_values = [getattr(offered[part], name, None) for part in ours]
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
        elif fields and known[name] and getattr(venue, name) not in offered_values:
            yield (
                "a venue that declares its own",
                f"{kind}.{name}, and `capabilities.{ours[0]}` is another object's",
                f"write `replace(inner.capabilities, {ours[0]}=self)`",
            )
    for name in sorted(names - known.keys()):
        method = callable(getattr_static(venue, name))
        alike = [known_name for known_name in known.keys() - names if known[known_name] == method]
        if near := get_close_matches(name, alike, 1, MIN_SIMILARITY):
            yield (
                "the name of a capability, or one unlike it",
                f"{kind}.{name}, nearly `{near[0]}`",
                f"write `{near[0]}` and declare it, or give the attribute another name",
            )


def _missing_members(subject: str, part: str, offered: object) -> Iterator[tuple[str, str, str]]:
    """Members that a declared capability lacks, or methods that cannot be called, each as (expected, received, remedy)."""
    for name, method in _MEMBERS[part].items():
        if not hasattr(offered, name) or (method and not callable(getattr(offered, name))):
            near = get_close_matches(name, _own_names(offered), 1, MIN_SIMILARITY)
            received = f"{subject} without it" + (f" (it has `{near[0]}`)" if near else "")
            yield (
                f"{'a method' if method else 'an attribute'} `{name}`",
                received,
                f"write it, or leave `{part}` out of `capabilities`",
            )


def _own_names(component: object) -> set[str]:
    """Public names, of a value other than None, that an object or its class defines; what `__getattr__` finds is not counted."""
    names = {
        name
        for name in (*dir(type(component)), *getattr(component, "__dict__", ()))
        if not name.startswith("_")
    }
    return {name for name in names if getattr_static(component, name, None) is not None}


def _members(protocol: type) -> dict[str, bool]:
    """Names of a protocol's members, and whether each is a method."""
    members: dict[str, bool] = {}
    for kind in reversed([base for base in protocol.__mro__ if base.__module__ == __name__]):
        names = [*vars(kind), *vars(kind).get("__annotations__", ())]
        members |= {
            name: callable(vars(kind).get(name)) for name in names if not name.startswith("_")
        }
    return members


_HINTS: Final = get_type_hints(Capabilities)
_FLAGS: Final = tuple(name for name, hint in _HINTS.items() if hint is bool)
_MEMBERS: Final = {
    name: _members(get_args(hint)[0]) for name, hint in _HINTS.items() if name not in _FLAGS
}
