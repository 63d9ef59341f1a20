"""Trading states (active, reducing, halted), their reasons, and the commands that each permits.

    states.add(StateReason.LINK_DOWN, "the way to the venue is down")
    states.standing("ann").state                                     # the worst of the reasons of ann and the desk
    refusal(Sender.STRATEGY, command, states.standing("ann"), orders, positions)     # None: it may leave

The state of a scope is the worst of the reasons in force, and nothing else restricts trading. `REASONS` gives each reason's
state, scope and end; `PERMITS` the commands that each sender may send in each state. `TradingStates.apply` folds them from a
journal. Waiting before a retry is no state (`trading.throttle`). `refusals.refusal` applies them to a command.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from tercel.core.orders import LinkStatus
from tercel.core.ports import Entry
from tercel.desk.limits import PAUSES
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
    """Who a reason restricts: the desk, an account or a parent."""

    DESK = "desk"
    """Everything that leaves by one gateway."""
    ACCOUNT = "account"
    PARENT = "parent order"


class Ends(StrEnum):
    """What ends a reason."""

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
    """Terms of a reason: the state that it causes, its scope, its journal entries, what ends it.

    Parameters
    ----------
    state : TradingState
    scope : ReasonScope
    journal : str
        The entries that it is folded from; "" where it is of the process alone.
    ends : tuple of Ends
    description : str
        For people.
    """

    state: TradingState
    scope: ReasonScope
    journal: str
    ends: tuple[Ends, ...]
    description: str


_ANYTHING: Final = (Ends.ITSELF, Ends.PERSON, Ends.SESSION)
_RESTART: Final = (Ends.ITSELF, Ends.SESSION)
REASONS: Final[Mapping[StateReason, ReasonTerms]] = {
    StateReason.JOURNAL_DOWN: ReasonTerms(
        TradingState.HALTED, ReasonScope.DESK, "", _RESTART, "the journal cannot be written"
    ),
    StateReason.POSITIONS_DIFFER: ReasonTerms(
        TradingState.HALTED, ReasonScope.DESK, "alert", _ANYTHING, "the venue has other positions"
    ),
    StateReason.POSITIONS_UNKNOWN: ReasonTerms(
        TradingState.HALTED, ReasonScope.DESK, "alert", _ANYTHING, "the venue reported no positions"
    ),
    StateReason.POSITIONS_AWAITED: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.DESK,
        "",
        _RESTART,
        "the first word on positions is to come",
    ),
    StateReason.LINK_DOWN: ReasonTerms(
        TradingState.HALTED, ReasonScope.DESK, "report_in", _RESTART, "the way to the venue is down"
    ),
    StateReason.KILLED: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.ACCOUNT,
        "kill, rearm",
        (Ends.PERSON,),
        "the kill latch names it",
    ),
    StateReason.BREACH: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.ACCOUNT,
        "",
        (Ends.ITSELF,),
        "limits or drop copy found a breach: the kill switch engages next",
    ),
    StateReason.STOPPED: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.ACCOUNT,
        "alert, rearm",
        (Ends.ITSELF, Ends.PERSON),
        "it is not clear what it holds",
    ),
    StateReason.CALLED_OFF: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.PARENT,
        "parent",
        (),
        "cancelled, or its horizon came while it was paused",
    ),
    StateReason.DETACHED: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.PARENT,
        "",
        _RESTART,
        "its executor is not relied on: another follows",
    ),
    StateReason.PAUSED: ReasonTerms(
        TradingState.HALTED,
        ReasonScope.PARENT,
        "parent, session",
        (Ends.PERSON,),
        "it waits until somebody resumes it",
    ),
    StateReason.ORDERS_OPEN: ReasonTerms(
        TradingState.REDUCING,
        ReasonScope.ACCOUNT,
        "state",
        _ANYTHING,
        "earlier orders have not ended",
    ),
}
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
    """What a command does: adds to a position, reduces it, cancels, asks."""

    GROWS = "new order or replace"
    REDUCES = "one that makes a position smaller, or takes lots back"
    CANCEL = "cancel"
    QUERY = "question"


PERMITS: Final[Mapping[Sender, Mapping[Act, TradingState | None]]] = {
    sender: dict(zip(Act, last, strict=True))
    for sender, *last in (
        # sender, the last state in which it may send: a new order or replace, one that reduces, a cancel, a question
        (
            Sender.STRATEGY,
            TradingState.ACTIVE,
            TradingState.REDUCING,
            TradingState.HALTED,
            TradingState.HALTED,
        ),
        (Sender.MANAGER, None, TradingState.REDUCING, TradingState.HALTED, TradingState.HALTED),
        (Sender.STOPPER, None, None, TradingState.HALTED, TradingState.HALTED),
        (
            Sender.PERSON,
            TradingState.ACTIVE,
            TradingState.REDUCING,
            TradingState.HALTED,
            TradingState.HALTED,
        ),
    )
}
"""The last state in which each may send what; None: in none."""
_SEVERITY: Final = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}
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
    """Trading state of an account, a parent or the desk, with its reasons.

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
    """Reasons in force that restrict trading, by whom they restrict. Each change is of one item, so that threads need no
    lock.

    >>> states = TradingStates()
    >>> states.add(StateReason.KILLED, "runaway", "ann")
    >>> states.standing("ann").state.value, states.standing("bob").state.value
    ('halted', 'active')
    >>> states.end(StateReason.KILLED, "ann")
    >>> states.standing("ann") == Standing()
    True
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[StateReason, str, str], str] = {}
        """Text for people by reason, whose it is ("": the desk's), and what tells apart several of one reason."""

    def add(self, reason: StateReason, text: str, owner: str = "", cause: str = "") -> None:
        """Put a reason in force for an owner ("": the desk); `cause` tells several of one reason apart."""
        self._texts[reason, owner, cause] = text

    def end(self, reason: StateReason, owner: str = "", cause: str | None = None) -> None:
        """End a reason of an owner, for one cause or (None) for all."""
        for key in [
            key
            for key in list(self._texts)
            if key[:2] == (reason, owner) and cause in (None, key[2])
        ]:
            self._texts.pop(key, None)

    def text_of(self, reason: StateReason, owner: str = "") -> str | None:
        """Text of a reason in force for an owner ("": the desk), of several causes joined; None if it is not in force."""
        texts = self.causes(reason, owner).values() if self._texts else ()
        return "; ".join(dict.fromkeys(texts)) if texts else None

    def causes(self, reason: StateReason, owner: str = "") -> dict[str, str]:
        """Texts of a reason in force for an owner, by cause."""
        return {
            key[2]: text for key, text in list(self._texts.items()) if key[:2] == (reason, owner)
        }

    def texts_by_owner(self, reason: StateReason) -> dict[str, str]:
        """Text of a reason by the accounts or parents that it restricts."""
        return {
            key[1]: self.text_of(reason, key[1]) or ""
            for key in list(self._texts)
            if key[0] is reason
        }

    def standing(self, owner: str = "", scope: ReasonScope = ReasonScope.ACCOUNT) -> Standing:
        """Trading state of an account, a parent or (by default) the desk: the worst of its own reasons and the desk's."""
        in_force = (
            {
                (reason, holder)
                for reason, holder, _ in list(self._texts)
                if (reason_scope := REASONS[reason].scope) is ReasonScope.DESK
                or (reason_scope is scope and holder == owner)
            }
            if self._texts
            else ()
        )
        if not in_force:
            return _FREE
        ordered = sorted(in_force, key=lambda key: _ORDER[key[0]])
        worst, name = ordered[0]
        reasons = tuple(reason for reason, _ in ordered)
        return Standing(REASONS[worst].state, str(worst), self.text_of(worst, name) or "", reasons)

    def apply(self, entry: Entry) -> None:
        """Fold one journal entry."""
        fold = _FOLDS.get(entry.kind)
        if fold is not None:
            fold(self, entry)

    def _session(self, entry: Entry) -> None:
        """Fold the start of a session: reasons that a session ends are over."""
        for reason, owner, cause in list(self._texts):
            if Ends.SESSION in REASONS[reason].ends:
                self.end(reason, owner, cause)

    def _state(self, entry: Entry) -> None:
        """Fold the entry of an account that waits for orders to end, or waits no more."""
        body = StateEntry.of(entry)
        account = entry.agent
        self.end(StateReason.ORDERS_OPEN, account)
        if body.state != TradingState.ACTIVE:
            for order in body.orders or [""]:
                self.add(StateReason.ORDERS_OPEN, body.reason, account, order)

    def _report(self, entry: Entry) -> None:
        """Fold a link's state: up or down."""
        if entry.body["what"] == "link":
            self.end(StateReason.LINK_DOWN)
            link = msgspec.convert(entry.body, LinkStatus)
            if not link.up:
                self.add(
                    StateReason.LINK_DOWN, link.text or REASONS[StateReason.LINK_DOWN].description
                )

    def _rearm(self, entry: Entry) -> None:
        """Fold a re-arm: end all stops of an account, or those causes that the entry names."""
        account = entry.agent
        ends = RearmEntry.of(entry).ends
        if ends is not None:
            for cause in ends:
                self.end(StateReason.STOPPED, account, cause)
            return
        for reason in (StateReason.KILLED, StateReason.BREACH, StateReason.STOPPED):
            self.end(reason, account)

    def _alert(self, entry: Entry) -> None:
        """Fold an alert that halts the desk because of positions, or stops an agent."""
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
            self._texts.setdefault(cause, f"{code} {entry.order}")

    def rows(self) -> list[AccountStanding]:
        """Trading states of the desk (account "") and of accounts that are not active, for tables."""
        scopes = {(REASONS[reason].scope, owner) for reason, owner, _ in list(self._texts)}
        return [
            AccountStanding(
                standing.state,
                standing.code,
                standing.reason,
                standing.reasons,
                account=owner,
                scope=scope,
            )
            for scope, owner in sorted(scopes)
            if scope is not ReasonScope.PARENT
            for standing in [self.standing(owner)]
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
    """Journal entry that an account waits for orders to end; without orders: that it is active again."""
    state, code = (
        (TradingState.REDUCING, str(StateReason.ORDERS_OPEN))
        if orders
        else (TradingState.ACTIVE, "")
    )
    body = StateEntry(str(state), code, reason, list(orders))
    return Entry(kinds.STATE, ns, agent=account, body=body.json())
