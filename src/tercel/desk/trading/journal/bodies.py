"""Bodies of journal entries as types: what writes an entry and what reads it name its fields here.

    body = KillEntry(event="latched", scope="ann", by="bob", reason="news")
    journal.append([Entry(kinds.KILL, now_ns, agent="ann", body=body.json())])
    KillEntry.of(entry).scope

A field that is its plain default (None, UNSET, "") is absent on disk; one with a `default_factory` is always written,
and may be absent where it is read. Keys that a type does not name are ignored. `journal.kinds` says what they mean.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec
from msgspec import UNSET, Struct, field

from tercel.core.errors import JournalError
from tercel.core.ports import Entry


class EntryError(JournalError, ValueError):
    """An entry whose body lacks a field or has one of another type."""


class EntryBody(Struct, omit_defaults=True):
    """Body of an entry.

    >>> RearmEntry.of(Entry("rearm", 0, body={"scope": "ann", "by": "bob", "reason": "", "later": 1})).by
    'bob'
    >>> RearmEntry(scope="ann", by="bob", reason="over").json()
    {'scope': 'ann', 'by': 'bob', 'reason': 'over'}
    """

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The body of an entry.

        Raises
        ------
        EntryError
            Where a field is missing or of another type.
        """
        try:
            return msgspec.convert(entry.body, cls)
        except msgspec.ValidationError as error:
            raise EntryError(
                f"the fields of an entry {entry.kind} of a journal",
                f"{error}, in the one of {entry.ns} ns",
                "restore the journal from a copy, or read it with the version that wrote it",
            ) from error

    def json(self) -> dict[str, Any]:
        """The same as JSON values.

        Raises
        ------
        msgspec.ValidationError
            A field of another type: what could not be read again is not written.
        """
        words: dict[str, Any] = msgspec.to_builtins(self)
        msgspec.convert(words, type(self))
        return words


class Answer(EntryBody, kw_only=True):
    """Body of what may answer a person's command.

    Parameters
    ----------
    operator : int or None
        Number of that command.
    """

    operator: int | None = None


class Signed(Answer, kw_only=True):
    """Body of a person's action: name of the person, and reason."""

    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)


class SessionEntry(EntryBody):
    """See `kinds.SESSION`; listings by instrument, as `core.orders.Unit.of` reads them."""

    session: int
    venue: str = field(default_factory=str)
    holder: str = field(default_factory=str)
    resume: bool = field(default_factory=bool)
    code: str = field(default_factory=str)
    listings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    desk: Mapping[str, Any] | None = None
    gate: Any = None


class ParentEntry(Answer):
    """See `kinds.PARENT`; which fields there are depends on the event."""

    event: str
    side: int = 0
    lots: int | None = None
    horizon_ns: int | None = None
    decisions: int = 0
    strategy: str = ""
    limit_price: Any = UNSET
    """None: a limit price that was taken away."""
    model: str = ""
    mid2: int = 0
    limit: int | None = None
    reason: str | None = None
    filled: int | float | None = None
    left: int | float | None = None
    refused: int | float | None = None
    by: str = ""
    order: str = ""
    hand: Mapping[str, Any] | None = None
    orders: list[str] | None = None


class LimitsEntry(Signed, kw_only=True):
    """See `kinds.LIMITS`; without a name and a reason where a session began."""

    event: str
    hash: str = field(default_factory=str)
    limits: Mapping[str, Any] | None = None
    by: str = ""
    reason: str = ""
    changes: Mapping[str, str] | None = None
    asked_by: str | None = None
    request: int | None = None
    looser: list[str] | None = None
    was: Mapping[str, Any] | None = None
    source: str | None = None


class StateEntry(EntryBody):
    """See `kinds.STATE`."""

    state: str
    code: str
    reason: str
    orders: list[str]


class OrderOutEntry(EntryBody):
    """What was sent, and under which limits; `codec.command_of` reads the rest."""

    what: str
    limits: str | None = None


class DeniedEntry(EntryBody):
    """See `kinds.DENIED`; the command as `codec.command_of` reads it."""

    command: Mapping[str, Any]
    code: str
    text: str = field(default_factory=str)


class MarketEntry(EntryBody):
    """See `kinds.MARKET`."""

    bid: int | None
    ask: int | None
    unit: float | None = None


class HoldEntry(Signed, kw_only=True):
    """See `kinds.HOLD`."""

    event: str
    parents: list[str]


class StanceEntry(Signed, kw_only=True):
    """See `kinds.STANCE`."""

    event: str


class OperatorEntry(EntryBody):
    """See `kinds.OPERATOR`; one that did not come through the inbox has no `id`."""

    command: str
    body: Any = None
    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)
    wall_ns: int = field(default_factory=int)
    id: int = 0

    def asked(self) -> "CommandBody":
        """The command's typed body, for any command but `submit`.

        Raises
        ------
        msgspec.ValidationError
            For a field of another type: an inbox may hold anything.
        """
        return msgspec.convert(self.body, CommandBody)


class QuoteEntry(Answer, kw_only=True):
    """See `kinds.QUOTE`; which fields there are depends on the event."""

    event: str
    request: str
    mid2: int | None = None
    side: int | None = None
    want: int = 0
    lots: int = 0
    until_ns: int = 0
    dealers: list[str] | None = None
    by: str | None = None
    id: str = ""
    dealer: str = ""
    bid: int | None = None
    offer: int | None = None
    firm: bool = True
    text: str = ""
    state: str = ""
    ids: list[str] | None = None
    outcome: str = ""
    after_s: float = 0.0


class KillEntry(Signed, kw_only=True):
    """See `kinds.KILL`."""

    event: str
    scope: str = field(default_factory=str)
    open: int | float = field(default_factory=int)


class RearmEntry(Signed):
    """See `kinds.REARM`."""

    scope: str = field(default_factory=str)
    ends: list[str] | None = None


class AlertEntry(Answer):
    """See `kinds.ALERT`; which fields follow the text depends on the code."""

    severity: str = field(default_factory=str)
    code: str = field(default_factory=str)
    text: str = field(default_factory=str)
    orders: list[str] | None = None
    stops: str | None = None
    execution: str | None = None
    reference: int | None = None
    expected: str | None = None
    received: str | None = None
    remedy: str | None = None


class CommandBody(Struct, omit_defaults=True):
    """Body of an operator's command: each has some of these fields; its handler checks those of type Any."""

    id: str = ""
    instrument: str = ""
    side: int = 0
    parent: str = ""
    lots: Any = None
    horizon_ns: Any = None
    limit_price: Any = None
    order: Any = None
    agent: str | None = None
    champion: str | None = None
    challenger: str | None = None
    agents: list[str] | None = None
    mark: str = ""
    """State of the latch that a re-arm is about."""
    act: str = ""
    """Of limits: "tighten", "request" or "approve"."""
    changes: Mapping[str, Any] | None = None
    request: int | str = 0
    """Of limits its number, of quotes its name."""
    dealers: list[str] = field(default_factory=list)
    seconds: Any = None
    hidden: bool = False
    """Of a request for quotes: dealers do not see the side."""
    quote: str = ""
    quotes: list[str] = field(default_factory=list)
    orders: list[str] | None = None
    executions: list[str] = field(default_factory=list)
    lift: bool | None = None
    span_ns: Any = None
    instead: bool | None = None
    words: Any = None
    alert: int = 0
