"""Bodies of journal entries as types, for writers and readers: sessions, parents, limits, orders, quotes, commands, alerts.

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
    """Base class of typed bodies of journal entries.

    >>> RearmEntry.of(Entry("rearm", 0, body={"scope": "ann", "by": "bob", "reason": "", "later": 1})).by
    'bob'
    >>> RearmEntry(scope="ann", by="bob", reason="over").json()
    {'scope': 'ann', 'by': 'bob', 'reason': 'over'}
    """

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Typed body of a journal entry; raises EntryError where a field is missing or of another type.

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
        """Body as a mapping of JSON values, without fields that were not set.

        Raises
        ------
        msgspec.ValidationError
            A field of another type: what could not be read again is not written.
        """
        values: dict[str, Any] = msgspec.to_builtins(self)
        msgspec.convert(values, type(self))
        return values


class Answer(EntryBody, kw_only=True):
    """Body of an entry that may answer an operator's command, whose number it holds.

    Parameters
    ----------
    operator : int or None
        Number of that command.
    """

    operator: int | None = None


class Signed(Answer, kw_only=True):
    """Body of a person's action: the person's name and the reason."""

    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)


class SessionEntry(EntryBody):
    """Start of a session: number, venue, code version, listings by instrument (see `kinds.SESSION`)."""

    session: int
    venue: str = field(default_factory=str)
    holder: str = field(default_factory=str)
    resume: bool = field(default_factory=bool)
    code: str = field(default_factory=str)
    listings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    desk: Mapping[str, Any] | None = None
    gate: Any = None


class ParentEntry(Answer):
    """Event of a parent order (see `kinds.PARENT`); which fields are set depends on the event."""

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
    experiment: Mapping[str, Any] | None = None
    """The arm that was drawn (`trading.experiment.Draw`)."""
    orders: list[str] | None = None


class LimitsEntry(Signed, kw_only=True):
    """Limits in force or requested (see `kinds.LIMITS`); `by` and `reason` are empty where a session began."""

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
    """Trading state of an account that waits for orders to end (see `kinds.STATE`)."""

    state: str
    code: str
    reason: str
    orders: list[str]


class OrderOutEntry(EntryBody):
    """Kind of a command that was sent, and hash of the limits it passed; `codec.command_of` reads the command itself."""

    what: str
    limits: str | None = None


class DeniedEntry(EntryBody):
    """Command that limits or the trading state denied, with code and text (see `kinds.DENIED`)."""

    command: Mapping[str, Any]
    code: str
    text: str = field(default_factory=str)


class MarketEntry(EntryBody):
    """Best bid and ask of an instrument, ticks (see `kinds.MARKET`)."""

    bid: int | None
    ask: int | None
    unit: float | None = None


class HoldEntry(Signed, kw_only=True):
    """Pause or resumption of an agent by a person (see `kinds.HOLD`)."""

    event: str
    parents: list[str]


class StanceEntry(Signed, kw_only=True):
    """Manual risk posture that was set, lifted or ended (see `kinds.STANCE`)."""

    event: str


class OperatorEntry(EntryBody):
    """Command of a person (see `kinds.OPERATOR`); `id` is 0 if it did not come through the inbox."""

    command: str
    body: Any = None
    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)
    wall_ns: int = field(default_factory=int)
    id: int = 0

    def parse_body(self) -> "CommandBody":
        """The command's arguments as a typed body, for any command but `submit`.

        Raises
        ------
        msgspec.ValidationError
            For a field of another type: an inbox may hold anything.
        """
        return msgspec.convert(self.body, CommandBody)


class QuoteEntry(Answer, kw_only=True):
    """Event of a request for quotes (see `kinds.QUOTE`); which fields are set depends on the event."""

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
    """Kill of an agent, or its confirmation by the venue (see `kinds.KILL`)."""

    event: str
    scope: str = field(default_factory=str)
    open: int | float = field(default_factory=int)


class RearmEntry(Signed):
    """Re-arm of an agent, or of some codes that it waited on (see `kinds.REARM`)."""

    scope: str = field(default_factory=str)
    ends: list[str] | None = None


class AlertEntry(Answer):
    """Alert: severity, code, text (see `kinds.ALERT`); which further fields are set depends on the code."""

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
    """Arguments of an operator's command; which fields are set depends on the command, and fields of type Any are
    unchecked."""

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
    """Of limits: "tighten", "request" or "approve"; of an experiment: "stop", "shares" or "promote"."""
    name: str = ""
    """Of the experiment, where another one must not be meant."""
    arm: str = ""
    shares: dict[str, float] | None = None
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
