"""Bodies of journal entries as types: what writes an entry and what reads it name its fields here.

    body = KillBody(event="latched", scope="ann", by="bob", reason="news")
    journal.append([Entry(kinds.KILL, now_ns, agent="ann", body=body.json())])
    KillBody.of(entry).scope

A field that is its plain default (None, UNSET, "") is absent on disk; one with a `default_factory` is always written,
and may be absent where it is read. Keys that a type does not name are ignored. `journal.kinds` says what they mean.
"""

from collections.abc import Mapping
from typing import Any, Self, TypeVar

import msgspec
from msgspec import UNSET, Struct, field

from tercel.core.ports import Entry

_Command = TypeVar("_Command", bound="Command")


class Body(Struct, omit_defaults=True):
    """Body of an entry.

    >>> RearmBody.of(Entry("rearm", 0, body={"scope": "ann", "by": "bob", "reason": "", "later": 1})).by
    'bob'
    >>> RearmBody(scope="ann", by="bob", reason="over").json()
    {'scope': 'ann', 'by': 'bob', 'reason': 'over'}
    """

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The body of an entry.

        Raises
        ------
        msgspec.ValidationError
            Where a field is missing or of another type; it is a ValueError.
        """
        return msgspec.convert(entry.body, cls)

    def json(self) -> dict[str, Any]:
        """The same as JSON values."""
        words: dict[str, Any] = msgspec.to_builtins(self)
        return words


class Answer(Body, kw_only=True):
    """Body of what may answer a person's command.

    Parameters
    ----------
    operator : int or None
        Number of that command.
    """

    operator: int | None = None


class Signed(Answer, kw_only=True):
    """Body of what a person did: who, and why."""

    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)


class SessionBody(Body):
    """See `kinds.SESSION`; listings by instrument, as `core.orders.Unit.of` reads them."""

    session: int
    venue: str = field(default_factory=str)
    holder: str = field(default_factory=str)
    resume: bool = field(default_factory=bool)
    code: str = field(default_factory=str)
    listings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    desk: Mapping[str, Any] | None = None
    gate: Mapping[str, Any] | None = None


class ParentBody(Answer):
    """See `kinds.PARENT`; which fields there are depends on the event."""

    event: str
    lots: int | None = None
    horizon_ns: int | None = None
    strategy: str | None = None
    limit_price: Any = UNSET
    """None: a limit price that was taken away."""
    model: str | None = None
    mid2: int | None = None
    limit: int | None = None
    reason: str | None = None
    filled: int | float | None = None
    left: int | float | None = None
    refused: int | float | None = None


class AcceptedBody(ParentBody, kw_only=True):
    """Body of a parent that was accepted, or refused."""

    side: int
    lots: int
    horizon_ns: int
    decisions: int
    strategy: str


class HandBody(ParentBody, kw_only=True):
    """Body of what a person did with a parent in hand."""

    by: str
    order: str = ""
    hand: Mapping[str, Any] | None = None
    orders: list[str] | None = None


class LimitsBody(Signed, kw_only=True):
    """See `kinds.LIMITS`; by nobody where a session began."""

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


class OrderOutBody(Body):
    """What was sent, and under which limits; `codec.command_of` reads the rest."""

    what: str
    limits: str | None = None


class DeniedBody(Body):
    """See `kinds.DENIED`; the command as `codec.command_of` reads it."""

    command: Mapping[str, Any]
    code: str
    text: str = field(default_factory=str)


class MarketBody(Body):
    """See `kinds.MARKET`."""

    bid: int | None
    ask: int | None
    unit: float | None = None


class AlphaBody(Body):
    """See `kinds.ALPHA`; what follows the sources is of forecasts that were served from files."""

    horizon_ns: int
    expected_bps: float
    sd_bps: float
    half_life_ns: int
    sources: list[str]
    model: str | None = None
    at: str | None = None
    ahead_bps: float | None = None
    left_bps: float | None = None
    due_ns: int | None = None


class HoldBody(Signed, kw_only=True):
    """See `kinds.HOLD`."""

    event: str
    parents: list[str]


class StanceBody(Signed, kw_only=True):
    """See `kinds.STANCE`."""

    event: str


class SetStanceBody(StanceBody, kw_only=True):
    """Body of a posture that a person set by hand."""

    until_ns: int
    instead: bool
    words: Mapping[str, Any]


class OperatorBody(Body):
    """See `kinds.OPERATOR`; one that did not come through the inbox has no `id`."""

    command: str
    body: Any = None
    by: str = field(default_factory=str)
    reason: str = field(default_factory=str)
    wall_ns: int = field(default_factory=int)
    id: int = 0

    def asked(self, kind: type[_Command]) -> _Command:
        """What was asked for.

        Raises
        ------
        msgspec.ValidationError
            Where a field is missing or of another type: people may send anything.
        """
        return msgspec.convert(self.body, kind)


class KillBody(Signed, kw_only=True):
    """See `kinds.KILL`."""

    event: str
    scope: str = field(default_factory=str)
    open: int | float = field(default_factory=int)


class RearmBody(Signed):
    """See `kinds.REARM`."""

    scope: str = field(default_factory=str)
    ends: list[str] | None = None


class AlertBody(Answer):
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


class PromotedBody(Signed, kw_only=True):
    """See `kinds.PROMOTED`."""

    champion: str
    challenger: str
    evidence: str = field(default_factory=str)


class CostBody(Body):
    """What a finished parent cost: see `kinds.FEEDBACK` and `kinds.TCA`; None: not known, or (`by_hand`) not in hand."""

    is_bps: float | None = None
    notional: float = 0.0
    filled: int | float = 0
    unfilled: int | float = 0
    refused: int | float = 0
    by_hand: int | float | None = None
    opportunity_bps: float | None = None
    spread_bps: float | None = None
    walk_bps: float | None = None
    timing_bps: float | None = None
    forced_bps: float | None = None
    fees_bps: float | None = None


# -- what people ask for: the body of an operator's command; what is Any is checked by the one who obeys -----------------
class Command(Struct):
    """Body of an operator's command."""


class SubmitCommand(Command):
    """A parent order to work."""

    id: str
    instrument: str
    side: int
    lots: int
    horizon_ns: int | float
    agent: str
    limit_price: Any = None


class AgentsCommand(Command):
    """Agents to kill or to re-arm; none: all."""

    agents: list[str]


class AlertCommand(Command):
    """An alert that somebody owns, by the number of its entry."""

    alert: int


class ParentCommand(Command):
    """About a parent: pause, resume, cancel, amend, take_over, give_back, order, withdraw."""

    parent: str
    lots: Any = None
    horizon_ns: Any = None
    limit_price: Any = None
    order: Any = None


class AgentCommand(Command):
    """About an agent: pause_agent, resume_agent, promote."""

    agent: str = ""
    champion: str | None = None
    challenger: str | None = None


class LimitsCommand(Command):
    """Limits to tighten, to request, or (`act` "approve") a request."""

    act: str
    changes: Mapping[str, Any] | None = None
    request: int | None = None


class SettleCommand(Command):
    """Orders that are over, or executions that are right; neither: positions as they are."""

    orders: list[str] | None = None
    executions: list[str] = field(default_factory=list)


class PostureCommand(Command):
    """A posture to set, or to lift; of the desk without an agent."""

    agent: str | None = None
    lift: bool | None = None
    span_ns: Any = None
    instead: bool | None = None
    words: Any = None
