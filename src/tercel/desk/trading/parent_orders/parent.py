"""Parent orders: state, journal entries, and the fold of these entries.

Children belong to a parent by name. Lots are conserved: the filled and open lots of the children never exceed the parent's;
the others are still to be traded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from msgspec import UNSET

from tercel.core import price_limit
from tercel.core.errors import OrderError, refuse_if, suggest_name
from tercel.core.fixed_point import ONE, floor_units, to_number
from tercel.core.ports import Entry
from tercel.core.records import fast_replace
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry, SessionEntry
from tercel.desk.trading.parent_orders.parent_request import ParentRequest

MODEL: Final = 12
"""Digits of a model's hash on an entry."""
NO_LIMIT: Final = "none"
"""Limit price of an amendment that removes a parent's limit price."""
PAIR: Final = "~pair"
"""Value of `ParentOrder.hand` for legs of pairs."""
SHOWN: Final = 12
"""Open parents that an error names."""
NEW_SESSION: Final = "a new session began"
"""Reason with which parents of an earlier session are paused."""


class ParentStatus(StrEnum):
    """Status of a parent order: working, paused, or how it ended."""

    WORKING = "working"
    PAUSED = "paused"
    """Its strategy takes no decision; its children are cancelled."""
    BY_HAND = "by hand"
    """A person has taken it over: no strategy works it, and its orders are that person's."""
    CANCELLING = "cancelling"
    """It sends no new order, and ends when no child is open."""
    CANCELLED = "cancelled"
    DONE = "done"
    """Filled, or worked to its horizon and everything settled."""
    EXPIRED = "expired"
    """Its horizon passed without an executor: no session, or it was paused or its agent killed."""
    REFUSED = "refused"


OVER: Final = frozenset(
    {ParentStatus.CANCELLED, ParentStatus.DONE, ParentStatus.EXPIRED, ParentStatus.REFUSED}
)
_OF_AGENT: Final = frozenset({ParentStatus.WORKING, ParentStatus.PAUSED})
_BY_HAND: Final = frozenset({ParentStatus.BY_HAND})
AT_WORK: Final = _OF_AGENT | _BY_HAND


@dataclass(frozen=True, slots=True)
class ParentOrder:
    """State of a parent order: status, lots filled and refused, limit price, horizon.

    Parameters
    ----------
    order : ParentRequest
        As accepted; `lots` and `horizon_ns` below are as amended.
    status : ParentStatus
    lots, horizon_ns, accepted_ns, over_ns : int
    filled_qty : int
        Filled quantity, 10^-8 of a lot.
    strategy : str
        The one that works it now: a fallback may have taken over.
    reason : str
        Of the last change.
    denied_ns, denied_lots, denied_why : int, int, str
        Last refusal of its orders: time, lots and reason; 0, 0 and "" once another order has left.
    arrival_ns, arrival_mid2 : int
        When it came to its market, and bid + ask then, half ticks; 0 before.
    limit_price : float, str or None
        As requested, or amended.
    limit : int
        The same in ticks, from its arrival on; 0: none.
    hand : str
        Person who took it over last, with the proof of identity; "" if none did.
    by_hand : tuple of (str, str)
        Manual orders, each with the person who sent it.
    pair : mapping or None
        Of a leg of a pair: the pair's terms, with `of`, the first leg.
    """

    order: ParentRequest
    status: ParentStatus
    lots: int
    horizon_ns: int
    accepted_ns: int
    strategy: str
    filled_qty: int = 0
    over_ns: int = 0
    reason: str = ""
    denied_ns: int = 0
    denied_lots: int = 0
    denied_why: str = ""
    arrival_ns: int = 0
    arrival_mid2: int = 0
    limit_price: float | str | None = None
    limit: int = 0
    number: int = 0
    hand: str = ""
    by_hand: tuple[tuple[str, str], ...] = ()
    pair: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The order's id."""
        return self.order.id

    @property
    def filled(self) -> int | float:
        """Filled lots, as a number for people."""
        return to_number(self.filled_qty)

    @property
    def unfilled_qty(self) -> int:
        """Unfilled quantity, 10^-8 of a lot."""
        return max(self.lots * ONE - self.filled_qty, 0)

    @property
    def left(self) -> int:
        """Whole lots that may still be sent; an unfilled fraction of a lot cannot be."""
        return floor_units(self.unfilled_qty)

    @property
    def refused(self) -> int:
        """Unfilled lots that limits or the venue refused when they were last sent."""
        return min(self.left, self.denied_lots)

    @property
    def ends_ns(self) -> int:
        """Venue time, ns, of the end of its horizon."""
        return self.accepted_ns + self.horizon_ns

    def require_time_left(self, now_ns: int) -> None:
        """Raise OrderError if the parent's horizon has passed."""
        refuse_if(
            self.ends_ns <= now_ns,
            "a parent with time left",
            f"{self.id}, whose horizon has passed",
            "amend its horizon first",
            OrderError,
        )

    @property
    def over(self) -> bool:
        """Whether the parent has ended."""
        return self.status in OVER

    @property
    def status_reason(self) -> str:
        """Reason of its status, or why lots of it were refused."""
        refused = f"refused: {self.denied_why}" if self.refused > 0 and not self.over else ""
        return self.reason or refused

    @property
    def row(self) -> dict[str, Any]:
        """The parent's state as a table row of plain values, without its id."""
        identity = {
            "instrument": self.order.instrument,
            "agent": self.order.agent,
            "side": self.order.side,
        }
        lots = {
            "lots": self.lots,
            "filled": self.filled,
            "left": to_number(self.unfilled_qty),
            "refused": self.refused,
        }
        status = {
            "status": str(self.status),
            "strategy": self.strategy,
            "reason": self.status_reason,
        }
        return identity | lots | status


# By event: statuses in which it is allowed, and the status after it (None: unchanged).
_AFTER: Final[dict[str, tuple[frozenset[ParentStatus], ParentStatus | None]]] = {
    "paused": (frozenset({ParentStatus.WORKING}), ParentStatus.PAUSED),
    "resumed": (frozenset({ParentStatus.PAUSED}), ParentStatus.WORKING),
    "cancelling": (AT_WORK, ParentStatus.CANCELLING),
    "cancelled": (
        frozenset({ParentStatus.CANCELLING, ParentStatus.PAUSED}),
        ParentStatus.CANCELLED,
    ),
    "done": (AT_WORK | {ParentStatus.CANCELLING}, ParentStatus.DONE),
    "expired": (AT_WORK, ParentStatus.EXPIRED),
    "amended": (AT_WORK, None),
    "fallback": (_OF_AGENT, None),
    "taken_over": (_OF_AGENT, ParentStatus.BY_HAND),
    "given_back": (_BY_HAND, ParentStatus.WORKING),
    "ordered": (_BY_HAND, None),
    "withdrawn": (_BY_HAND, None),
    "arrived": (AT_WORK | {ParentStatus.CANCELLING}, None),
}


def entry_of(
    parent: str, body: ParentEntry, ns: int, instrument: str = "", agent: str = ""
) -> Entry:
    """Journal entry of an event of a parent."""
    return Entry(kinds.PARENT, ns, instrument, agent, parent, body=body.json())


def limit_at(order: ParentRequest, tick: float, mid2: int) -> int:
    """Limit price of a parent in ticks, fixed by its arrival's bid + ask (half ticks); 0: none, or before arrival."""
    return price_limit.limit_at(order.limit_price, order.side, tick, mid2) if mid2 else 0


def model_of(strategy: object) -> str:
    """First twelve hex digits of the hash of a strategy's weights; "" where it has none."""
    while (inner := getattr(strategy, "inner", None)) is not None:
        strategy = inner
    return str(getattr(strategy, "weights", ""))[:MODEL]


def acceptance_entry(
    order: ParentRequest,
    ns: int,
    model: str = "",
    operator: int | None = None,
    pair: Mapping[str, Any] | None = None,
) -> Entry:
    """Journal entry that accepts a parent order; `model`: hash of the strategy's weights, `pair`: terms if it is a leg."""
    body = ParentEntry(
        "accepted",
        side=order.side,
        lots=order.lots,
        horizon_ns=order.horizon_ns,
        decisions=order.decisions,
        strategy=order.strategy,
        limit_price=UNSET if order.limit_price is None else order.limit_price,
        model=model,
        operator=operator,
        hand=pair,
        experiment=order.experiment,
    )
    return entry_of(order.id, body, ns, order.instrument, order.agent)


class Parents:
    """State of all parent orders, folded from journal entries; fills are added by the fold of child orders."""

    def __init__(self) -> None:
        self._parents: dict[str, ParentOrder] = {}
        self.open_ids: dict[str, None] = {}
        """Names of those that are not over."""
        self.count = 0
        """Number of parents ever requested."""
        self.agents: dict[str, None] = {}
        """Every agent that had one."""

    def open(self) -> list[ParentOrder]:
        """Parents that have not ended."""
        return [self._parents[id_] for id_ in list(self.open_ids)]

    def horizon_ends(self) -> dict[str, int]:
        """Venue time, ns, of the horizon of each parent that has not ended."""
        return {parent.id: parent.ends_ns for parent in self.open()}

    def retire(self, id_: str) -> ParentOrder:
        """Drop an ended parent from memory; returns it."""
        return self._parents.pop(id_)

    def has_open_pair(self, id_: str) -> bool:
        """Whether a parent is a leg of a pair that still has an open parent."""
        first_id = (self._parents[id_].pair or {}).get("of")
        pairs = (self._parents[open_id].pair or {} for open_id in self.open_ids) if first_id else ()
        return any(pair.get("of") == first_id for pair in pairs)

    def recall(self, parent: ParentOrder) -> None:
        """Put a retired parent, taken from another fold, back into memory."""
        self._parents[parent.id] = parent

    def __iter__(self) -> Iterator[ParentOrder]:
        return iter(self._parents.values())

    def __len__(self) -> int:
        return len(self._parents)

    def get(self, id_: str) -> ParentOrder | None:
        """A parent by its id; None if it is not in memory."""
        return self._parents.get(id_)

    def require(self, id_: str) -> ParentOrder:
        """A parent by its id; raises OrderError if there is none.

        Raises
        ------
        OrderError
            For an id of none, or of one that is over and no longer in memory.
        """
        if (parent := self._parents.get(id_)) is None:
            raise self._not_open(id_, expected="a parent order that exists")
        return parent

    def require_open(self, id_: str, also: Iterable[str] = ()) -> ParentOrder:
        """The open parent of an id; OrderError if there is none, or it is over. `also`: names that the error offers besides."""
        parent = self._parents.get(id_)
        if parent is None or parent.over:
            raise self._not_open(id_, also)
        return parent

    def _not_open(
        self, id_: str, also: Iterable[str] = (), expected: str = "a parent order that is open"
    ) -> OrderError:
        """Error on an id of no open parent: how it ended, if it is in memory, and which are open, the newest first."""
        newest = ", ".join(list(reversed(self.open_ids))[:SHOWN]) or "none"
        expected += f", or an agent: {', '.join(also)}" if also else ""
        remedy = f"open now: {newest}"
        if (parent := self._parents.get(id_)) is None:
            return OrderError(
                expected, repr(id_), suggest_name(id_, [*self.open_ids, *also], remedy)
            )
        reason = f": {parent.reason}" if parent.reason else ""
        return OrderError(expected, f"{id_}, which is over, {parent.status}{reason}", remedy)

    def require_for_event(self, id_: str, event: str) -> ParentOrder:
        """The parent of an id; raises OrderError unless its status allows an event.

        Raises
        ------
        OrderError
            When it may not.
        """
        parent = self.require_open(id_)
        if parent.status not in _AFTER[event][0]:
            allowed = ", ".join(sorted(_AFTER[event][0]))
            raise OrderError(
                f"a parent that is {allowed}, to be {event.replace('_', ' ')}",
                f"{id_} is {parent.status}"
                + (f" ({parent.hand})" if parent.status in _BY_HAND else ""),
                "leave it",
            )
        return parent

    def apply(self, entry: Entry) -> None:
        """Fold one journal entry: an event of a parent, or a new session, which pauses working parents unless it resumes them."""
        if entry.kind == kinds.PARENT:
            self._apply_event(entry, ParentEntry.of(entry))
        elif entry.kind == kinds.SESSION and not SessionEntry.of(entry).resume:
            for id_ in self.open_ids:
                parent = self._parents[id_]
                if parent.status == ParentStatus.WORKING:
                    self._parents[id_] = fast_replace(
                        parent, status=ParentStatus.PAUSED, reason=NEW_SESSION
                    )

    def _apply_event(self, entry: Entry, body: ParentEntry) -> None:
        """Fold an event of a parent: a new one, or a change of status and terms."""
        event = body.event
        if event in ("accepted", "refused"):
            order = ParentRequest(
                id=entry.parent,
                instrument=entry.instrument,
                side=body.side,
                lots=body.lots or 0,
                horizon_ns=body.horizon_ns or 0,
                decisions=body.decisions,
                strategy=body.strategy,
                agent=entry.agent,
                limit_price=None if body.limit_price is UNSET else body.limit_price,
            )
            status = ParentStatus.WORKING if event == "accepted" else ParentStatus.REFUSED
            if body.hand is not None:
                status = ParentStatus.BY_HAND
            self._parents[order.id] = ParentOrder(
                order,
                status,
                order.lots,
                order.horizon_ns,
                entry.ns,
                order.strategy,
                reason=body.reason or "",
                limit_price=order.limit_price,
                number=self.count,
                hand=PAIR if body.hand is not None else "",
                pair=body.hand,
            )
            self.count += 1
            self.agents.setdefault(order.agent)
            if event == "accepted":
                self.open_ids[order.id] = None
            return
        parent = self.require_for_event(entry.parent, event)
        status = _AFTER[event][1] or parent.status
        if status in OVER:
            self.open_ids.pop(parent.id, None)
        self._parents[parent.id] = fast_replace(
            parent,
            status=status,
            lots=body.lots or parent.lots,
            horizon_ns=body.horizon_ns or parent.horizon_ns,
            strategy=body.strategy or parent.strategy,
            over_ns=entry.ns if status in OVER else 0,
            reason=("" if event == "done" else parent.reason)
            if body.reason is None
            else body.reason,
            arrival_ns=entry.ns if event == "arrived" else parent.arrival_ns,
            arrival_mid2=body.mid2 or parent.arrival_mid2,
            limit_price=parent.limit_price if body.limit_price is UNSET else body.limit_price,
            limit=parent.limit if body.limit is None else body.limit,
            hand=body.by if event == "taken_over" else parent.hand,
            by_hand=(*parent.by_hand, (body.order, body.by))
            if event == "ordered"
            else parent.by_hand,
        )

    def add_fill(self, id_: str, qty: int) -> None:
        """Add a filled quantity, 10^-8 of a lot (negative: a bust), to a parent; one not in memory is ignored."""
        if (parent := self._parents.get(id_)) is not None:
            self._parents[id_] = fast_replace(parent, filled_qty=parent.filled_qty + qty)

    def add_refusal(self, id_: str, ns: int, lots: int, reason: str) -> None:
        """Add lots of a parent that limits or the venue refused; only refusals at one time add up."""
        if (parent := self._parents.get(id_)) is not None and not parent.over:
            earlier_lots = parent.denied_lots if ns == parent.denied_ns else 0
            self._parents[id_] = fast_replace(
                parent, denied_ns=ns, denied_lots=earlier_lots + lots, denied_why=reason
            )

    def clear_refusal(self, id_: str, ns: int) -> None:
        """Clear a parent's refused lots when a later order of it is sent, as that orders them again."""
        parent = self._parents.get(id_)
        if parent is not None and parent.denied_lots and ns > parent.denied_ns:
            self._parents[id_] = fast_replace(parent, denied_ns=0, denied_lots=0, denied_why="")
