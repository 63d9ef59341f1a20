"""Trading states (active, reducing, halted), their reasons, and the commands that each permits.

    states.add(StateReason.LINK_DOWN, "the way to the venue is down")
    states.standing("ann").state                                     # the worst of the reasons of ann and the desk
    refusal(Sender.STRATEGY, command, states.standing("ann"), orders, positions)     # None: it may leave

The state of a scope is the worst of the reasons in force, and nothing else restricts trading. `REASONS` gives each reason's
state, scope and end; `PERMITS` the commands that each sender may send in each state. `TradingStates.apply` folds them from a
journal. Waiting before a retry is no state (`trading.gateway`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from tercel.core.orders import (
    ONE,
    CancelOrder,
    Command,
    LinkStatus,
    MassCancel,
    NewOrder,
    ReplaceOrder,
)
from tercel.core.ports import Entry
from tercel.desk.limits import PAUSES, Denial
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Positions
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, KillEntry, RearmEntry, StateEntry


class TradingState(StrEnum):
    """Trading state of a desk, an account or a parent."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """Cancels, questions, and orders that make a position smaller."""
    HALTED = "halted"
    """Cancels and questions alone."""


class ReasonScope(StrEnum):
    """Scope of a reason."""

    DESK = "desk"
    """Everything that leaves by one gateway."""
    ACCOUNT = "account"
    PARENT = "parent order"


class Ends(StrEnum):
    """Event that ends a reason."""

    ITSELF = "by itself"
    PERSON = "a person"
    SESSION = "a new session"


class StateReason(StrEnum):
    """Reason that trading is restricted; of several that give one state the first is reported."""

    JOURNAL_DOWN = "JOURNAL_DOWN"
    POSITIONS_DIFFER = "POSITIONS_DIFFER"
    POSITIONS_UNKNOWN = "POSITIONS_UNKNOWN"
    POSITIONS_AWAITED = "POSITIONS_AWAITED"
    LINK_DOWN = "LINK_DOWN"
    KILLED = "KILLED"
    BREACH = "BREACH"
    STOPPED = "STOPPED"
    CALLED_OFF = "CALLED_OFF"
    DETACHED = "DETACHED"
    PAUSED = "PAUSED"
    ORDERS_OPEN = "ORDERS_OPEN"


@dataclass(frozen=True, slots=True)
class ReasonTerms:
    """Definition of a reason: state, scope, source, what ends it.

    Parameters
    ----------
    state : TradingState
    scope : ReasonScope
    journal : str
        The entries that it is folded from; "" where it is of the process alone.
    ends : tuple of Ends
    words : str
        For people.
    """

    state: TradingState
    scope: ReasonScope
    journal: str
    ends: tuple[Ends, ...]
    words: str


_HALTED, _REDUCING, _ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE
_ITSELF, _PERSON, _SESSION = Ends.ITSELF, Ends.PERSON, Ends.SESSION
_DESK, _ACCOUNT, _PARENT = ReasonScope.DESK, ReasonScope.ACCOUNT, ReasonScope.PARENT
_ANYTHING, _RESTART = (_ITSELF, _PERSON, _SESSION), (_ITSELF, _SESSION)
_ROWS: Final[
    tuple[tuple[StateReason, TradingState, ReasonScope, str, tuple[Ends, ...], str], ...]
] = (
    # reason, state, scope, kinds of entries it is folded from ("": of the process alone), ends, words
    (StateReason.JOURNAL_DOWN, _HALTED, _DESK, "", _RESTART, "the journal cannot be written"),
    (
        StateReason.POSITIONS_DIFFER,
        _HALTED,
        _DESK,
        "alert",
        _ANYTHING,
        "the venue has other positions",
    ),
    (
        StateReason.POSITIONS_UNKNOWN,
        _HALTED,
        _DESK,
        "alert",
        _ANYTHING,
        "the venue reported no positions",
    ),
    (
        StateReason.POSITIONS_AWAITED,
        _HALTED,
        _DESK,
        "",
        _RESTART,
        "the first word on positions is to come",
    ),
    (StateReason.LINK_DOWN, _HALTED, _DESK, "report_in", _RESTART, "the way to the venue is down"),
    (StateReason.KILLED, _HALTED, _ACCOUNT, "kill, rearm", (_PERSON,), "the kill latch names it"),
    (
        StateReason.BREACH,
        _HALTED,
        _ACCOUNT,
        "",
        (_ITSELF,),
        "limits or drop copy found a breach: the kill switch engages next",
    ),
    (
        StateReason.STOPPED,
        _HALTED,
        _ACCOUNT,
        "alert, rearm",
        (_ITSELF, _PERSON),
        "it is not clear what it holds",
    ),
    (
        StateReason.CALLED_OFF,
        _HALTED,
        _PARENT,
        "parent",
        (),
        "cancelled, or its horizon came while it was paused",
    ),
    (
        StateReason.DETACHED,
        _HALTED,
        _PARENT,
        "",
        _RESTART,
        "its executor is not relied on: another follows",
    ),
    (
        StateReason.PAUSED,
        _HALTED,
        _PARENT,
        "parent, session",
        (_PERSON,),
        "it waits until somebody resumes it",
    ),
    (
        StateReason.ORDERS_OPEN,
        _REDUCING,
        _ACCOUNT,
        "state",
        _ANYTHING,
        "earlier orders have not ended",
    ),
)
REASONS: Final[Mapping[StateReason, ReasonTerms]] = {row[0]: ReasonTerms(*row[1:]) for row in _ROWS}
"""Every reason. A new session establishes again the reasons that it ends."""


class Sender(StrEnum):
    """Sender of a command."""

    STRATEGY = "strategy"
    """The strategy of a parent."""
    MANAGER = "manager"
    """Takes children back: a pause, an executor that is detached."""
    STOPPER = "stopper"
    """Kills, recovery, and status requests about unknown orders."""
    PERSON = "person"
    """A person who has taken a parent over or takes a quote; a person's pause, cancel or amendment, which only take back; at
    a gate, a session behind it."""


class Act(StrEnum):
    """Effect of a command."""

    GROWS = "new order or replace"
    REDUCES = "one that makes a position smaller, or takes lots back"
    CANCEL = "cancel"
    QUERY = "question"


PERMITS: Final[Mapping[Sender, Mapping[Act, TradingState | None]]] = {
    sender: dict(zip(Act, last, strict=True))
    for sender, *last in (
        # sender, the last state in which it may send: a new order or replace, one that reduces, a cancel, a question
        (Sender.STRATEGY, _ACTIVE, _REDUCING, _HALTED, _HALTED),
        (Sender.MANAGER, None, _REDUCING, _HALTED, _HALTED),
        (Sender.STOPPER, None, None, _HALTED, _HALTED),
        (Sender.PERSON, _ACTIVE, _REDUCING, _HALTED, _HALTED),
    )
}
"""The last state in which each may send what; None: in none."""
_SEVERITY: Final = {_ACTIVE: 0, _REDUCING: 1, _HALTED: 2}
_ORDER: Final = {
    reason: (-_SEVERITY[terms.state], number)
    for number, (reason, terms) in enumerate(REASONS.items())
}


def permits(sender: Sender, act: Act, state: TradingState) -> bool:
    """Whether a sender may send such a command in a state.

    >>> permits(Sender.STRATEGY, Act.GROWS, TradingState.REDUCING)
    False
    >>> permits(Sender.STOPPER, Act.CANCEL, TradingState.HALTED)
    True
    """
    last = PERMITS[sender][act]
    return last is not None and _SEVERITY[state] <= _SEVERITY[last]


@dataclass(frozen=True, slots=True)
class Standing:
    """Trading state of a scope, with its reason.

    Parameters
    ----------
    state : TradingState
    code : str
        The first of the worst reasons.
    reason : str
        The same for people.
    reasons : tuple of StateReason
        All in force.
    """

    state: TradingState = TradingState.ACTIVE
    code: str = ""
    reason: str = ""
    reasons: tuple[StateReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding(Standing):
    """Trading state of an account, or of the desk (account "")."""

    account: str
    scope: ReasonScope


_FREE: Final = Standing()


class TradingStates:
    """Reasons in force. Each operation changes one item, so that a kill from another thread needs no lock.

    >>> states = TradingStates()
    >>> states.add(StateReason.KILLED, "runaway", "ann")
    >>> states.standing("ann").state.value, states.standing("bob").state.value
    ('halted', 'active')
    >>> states.end(StateReason.KILLED, "ann")
    >>> states.standing("ann") == Standing()
    True
    """

    def __init__(self) -> None:
        self._of: dict[tuple[StateReason, str, str], str] = {}
        """Text for people by reason, whose it is ("": the desk's), and what tells apart several of one reason."""

    def add(self, reason: StateReason, text: str, whose: str = "", cause: str = "") -> None:
        """Put a reason in force."""
        self._of[reason, whose, cause] = text

    def end(self, reason: StateReason, whose: str = "", cause: str | None = None) -> None:
        """End a reason, for one cause or for all."""
        for key in [
            key for key in list(self._of) if key[:2] == (reason, whose) and cause in (None, key[2])
        ]:
            self._of.pop(key, None)

    def why(self, reason: StateReason, whose: str = "") -> str | None:
        """Text of a reason in force, or None."""
        texts = self.causes(reason, whose).values() if self._of else ()
        return "; ".join(dict.fromkeys(texts)) if texts else None

    def causes(self, reason: StateReason, whose: str = "") -> dict[str, str]:
        """Texts of a reason in force, by cause."""
        return {key[2]: text for key, text in list(self._of.items()) if key[:2] == (reason, whose)}

    def held(self, reason: StateReason) -> dict[str, str]:
        """Scopes that a reason restricts, with its text."""
        return {
            key[1]: self.why(reason, key[1]) or "" for key in list(self._of) if key[0] is reason
        }

    def standing(self, whose: str = "", scope: ReasonScope = ReasonScope.ACCOUNT) -> Standing:
        """State of an account, a parent or (by default) the desk: the worst of its own and the desk's reasons."""
        found = (
            {
                (reason, held)
                for reason, held, _ in list(self._of)
                if (at := REASONS[reason].scope) is ReasonScope.DESK
                or (at is scope and held == whose)
            }
            if self._of
            else ()
        )
        if not found:
            return _FREE
        ordered = sorted(found, key=lambda key: _ORDER[key[0]])
        worst, name = ordered[0]
        reasons = tuple(reason for reason, _ in ordered)
        return Standing(REASONS[worst].state, str(worst), self.why(worst, name) or "", reasons)

    # -- the fold ------------------------------------------------------------------------------------------------------

    def apply(self, entry: Entry) -> None:
        """Fold one journal entry."""
        fold = _FOLDS.get(entry.kind)
        if fold is not None:
            fold(self, entry)

    def _session(self, entry: Entry) -> None:
        """A new session ends the reasons that it establishes itself."""
        for reason, whose, cause in list(self._of):
            if Ends.SESSION in REASONS[reason].ends:
                self.end(reason, whose, cause)

    def _state(self, entry: Entry) -> None:
        body, account = StateEntry.of(entry), entry.agent
        self.end(StateReason.ORDERS_OPEN, account)
        if body.state != TradingState.ACTIVE:
            for order in body.orders or [""]:
                self.add(StateReason.ORDERS_OPEN, body.reason, account, order)

    def _report(self, entry: Entry) -> None:
        if entry.body["what"] == "link":
            self.end(StateReason.LINK_DOWN)
            link = msgspec.convert(entry.body, LinkStatus)
            if not link.up:
                self.add(StateReason.LINK_DOWN, link.text or REASONS[StateReason.LINK_DOWN].words)

    def _rearm(self, entry: Entry) -> None:
        """End an account's stops: all on a person's re-arm, or only the causes that the entry names."""
        account, ends = entry.agent, RearmEntry.of(entry).ends
        if ends is not None:
            for cause in ends:
                self.end(StateReason.STOPPED, account, cause)
            return
        for reason in (StateReason.KILLED, StateReason.BREACH, StateReason.STOPPED):
            self.end(reason, account)

    def _alert(self, entry: Entry) -> None:
        body = AlertEntry.of(entry)
        code = body.code
        if code in _POSITIONS:
            for reason in (
                StateReason.POSITIONS_DIFFER,
                StateReason.POSITIONS_UNKNOWN,
                StateReason.POSITIONS_AWAITED,
            ):
                self.end(reason)
            if body.severity == "critical":
                self.add(StateReason(code), body.text)
        elif body.stops is not None or code in PAUSES:
            # The first text of a cause stays, which is the execution that is doubted, or the code.
            cause = StateReason.STOPPED, entry.agent, body.execution or code
            self._of.setdefault(cause, f"{code} {entry.order}")

    def rows(self) -> list[AccountStanding]:
        """State of the desk (account "") and of accounts that are not active."""
        scopes = {(REASONS[reason].scope, whose) for reason, whose, _ in list(self._of)}
        return [
            AccountStanding(
                one.state, one.code, one.reason, one.reasons, account=whose, scope=scope
            )
            for scope, whose in sorted(scopes)
            if scope is not ReasonScope.PARENT
            for one in [self.standing(whose)]
        ]


_POSITIONS: Final = frozenset(
    {StateReason.POSITIONS_DIFFER, StateReason.POSITIONS_UNKNOWN, "POSITIONS_AGREE"}
)
_FOLDS: Final[Mapping[str, Callable[[TradingStates, Entry], None]]] = {
    kinds.SESSION: TradingStates._session,
    kinds.STATE: TradingStates._state,
    kinds.REPORT_IN: TradingStates._report,
    kinds.KILL: lambda states, entry: states.add(
        StateReason.KILLED, KillEntry.of(entry).reason, entry.agent
    ),
    kinds.REARM: TradingStates._rearm,
    kinds.ALERT: TradingStates._alert,
}
FOLDED: Final = tuple(_FOLDS)
"""Kinds that the fold reads."""


def waiting_entry(account: str, orders: Sequence[str], reason: str, ns: int) -> Entry:
    """Journal entry that an account waits for orders to end; none left: it is active."""
    state, code = (
        (TradingState.REDUCING, str(StateReason.ORDERS_OPEN))
        if orders
        else (TradingState.ACTIVE, "")
    )
    body = StateEntry(str(state), code, reason, list(orders))
    return Entry(kinds.STATE, ns, agent=account, body=body.json())


def refusal(
    sender: Sender,
    command: Command,
    standing: Standing,
    orders: Orders,
    held: Positions,
    before: Sequence[Command] = (),
) -> Denial | None:
    """Denial of a command in its account's trading state, or None.

    Parameters
    ----------
    sender : Sender
    command : Command
    standing : Standing
    orders, held : Orders, Positions
        As booked.
    before : sequence of Command
        What leaves with it, before it.
    """
    state = standing.state
    if not isinstance(command, NewOrder | ReplaceOrder):
        act = Act.CANCEL if isinstance(command, CancelOrder | MassCancel) else Act.QUERY
        return None if permits(sender, act, state) else _not_theirs(sender, act)
    if permits(sender, Act.GROWS, state):
        return None
    if permits(sender, Act.REDUCES, state) and reduces(command, orders, held, before):
        return None
    if state is TradingState.ACTIVE:
        return _not_theirs(sender, Act.GROWS)
    if state is TradingState.REDUCING:
        return Denial(
            "REDUCING", f"{command.account} may make positions smaller alone: {standing.reason}"
        )
    scope = REASONS[StateReason(standing.code)].scope
    text = (
        standing.reason
        if scope is ReasonScope.DESK
        else f"agent={command.account} reason={standing.reason}"
    )
    return Denial(standing.code, text)


def _not_theirs(sender: Sender, act: Act) -> Denial:
    return Denial("NOT_PERMITTED", f"sender={sender} act={act}")


def reduces(
    command: NewOrder | ReplaceOrder, orders: Orders, held: Positions, before: Sequence[Command]
) -> bool:
    """Whether a command can only reduce a position, whatever open orders of its side fill, or cancels lots.

    Parameters
    ----------
    command : NewOrder or ReplaceOrder
    orders : Orders
    held : Positions
    before : sequence of Command
        What leaves with it, before it.
    """
    if isinstance(command, ReplaceOrder):
        order = orders.get(command.orig)
        if order is not None and order.price == command.price and _more(command, orders) == 0:
            return True
    qty, side = held.of(command.account, command.instrument).qty, command.side
    open_qty = sum(
        order.open_qty
        for order in orders.live(command.account, None, command.instrument)
        if order.side == side
    )
    also = [
        one
        for one in before
        if isinstance(one, NewOrder | ReplaceOrder)
        and (one.account, one.instrument, one.side) == (command.account, command.instrument, side)
    ]
    return qty * side < 0 and open_qty + sum(_more(one, orders) for one in [*also, command]) <= abs(
        qty
    )


def _more(command: NewOrder | ReplaceOrder, orders: Orders) -> int:
    """Open quantity added by a command, 10^-8 of a lot."""
    order = orders.get(command.orig) if isinstance(command, ReplaceOrder) else None
    qty = command.lots * ONE
    return qty if order is None else max(qty - order.cum_qty - order.open_qty, 0)
