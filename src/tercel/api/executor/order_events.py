"""What became of an own order, as a caller says it, and as a venue's message of a desk."""

from dataclasses import dataclass
from typing import Final

from tercel.api.executor.terms import Number, decimal_of
from tercel.api.executor.units import Units
from tercel.core import orders as o
from tercel.core.child_order import ChildOrder
from tercel.core.errors import OrderError, refuse_if
from tercel.core.fixed_point import ONE
from tercel.core.vocabulary import FOREVER_NS, NS_PER_SECOND

ANSWER_NS: Final = 10 * NS_PER_SECOND
"""How long the answer to a cancel or an amendment is waited for."""
_ENDS: Final = {
    "cancelled": (o.ExecType.CANCELED, o.OrdStatus.CANCELED),
    "expired": (o.ExecType.EXPIRED, o.OrdStatus.EXPIRED),
    "rejected": (o.ExecType.REJECTED, o.OrdStatus.REJECTED),
}
EVENTS: Final = ("accepted", "filled", "amended", "cancel_rejected", *_ENDS)


class OverfillError(OrderError):
    """A fill of more than the order has open, or an amendment to more than it had."""


@dataclass(frozen=True)
class OwnOrderEvent:
    """An event of an own order, as :meth:`Executor.on_order` takes it.

    >>> OwnOrderEvent("accepted", 5).ns
    5
    """

    what: str
    ns: int
    price: Number | None = None
    size: Number | None = None
    filled: Number | None = None
    execution: str = ""
    passive: bool = False
    text: str = ""


class OpenRequests:
    """Cancels and amendments that no answer has come to, by the first name of their order.

    >>> requests = OpenRequests()
    >>> requests.add("P.1", "P.2", 5, ns=0)
    >>> requests.of("P.1", amends=True), requests.of("P.1"), requests.of("P.7")
    ([('P.2', 5)], [('P.2', 5)], [])
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, str, int, int]] = []
        """Order, name, lots that an amendment keeps, and when it was sent."""

    def add(self, root: str, name: str, kept_lots: int, ns: int) -> None:
        """A request was sent; `kept_lots`: the size that an amendment leaves, 0 of a cancel."""
        self._open.append((root, name, kept_lots, ns))

    def of(self, root: str, amends: bool = False) -> list[tuple[str, int]]:
        """Names and sizes of an order's requests, the oldest first; of amendments alone if `amends`."""
        requests = [(name, lots) for order, name, lots, _ in self._open if order == root]
        return [request for request in requests if request[1] or not amends]

    def answer(self, name: str) -> None:
        """An answer to a request has come."""
        self._open = [request for request in self._open if request[1] != name]

    @property
    def due_ns(self) -> int:
        """When an answer is overdue; FOREVER_NS if none is waited for."""
        return min((ns + ANSWER_NS for *_, ns in self._open), default=FOREVER_NS)

    def overdue(self, now_ns: int) -> list[tuple[str, str, int]]:
        """Order, name and lots kept of each request that was sent `ANSWER_NS` ago: it, or its answer, was lost."""
        return [request[:3] for request in self._open if now_ns >= request[3] + ANSWER_NS]


def message_of(
    event: OwnOrderEvent, order: ChildOrder, requests: OpenRequests, units: Units
) -> o.Report | o.CancelReject | None:
    """An event as a venue's message; None where it says nothing new.

    Raises
    ------
    OverfillError
        A fill of more than is open.
    OrderError
        A fill without price, size or execution, an amendment that was not asked for.
    """
    what = event.what
    root = order.root
    asked = requests.of(root, amends=what == "amended")
    if what == "cancel_rejected" or (what == "amended" and order.done):
        if not asked:  # its order has ended before, and that answered it
            return None
        names = asked[0][0], order.name, order.account
        return o.CancelReject(*names, order.base, event.ns, event.text)
    if what != "filled" and (order.done or (what == "accepted" and order.acked)):
        return None
    name = order.name
    lots = order.lots
    qty, px = _fill(event, order, units) if what == "filled" else (0, 0)
    if what == "amended":
        refuse_if(
            not asked, f"an amendment of {root} asked for", "none", "answer each once", OrderError
        )
        name, lots = asked[0]
        if event.size is not None:
            lots = units.scale.lots(f"{decimal_of(event.size, 'a size'):f}")
        if lots > order.lots:
            raise _overfill(f"at most {units.size(order.lots)} of {root}", event)
    elif what == "cancelled":
        name = next((cancel for cancel, kept_lots in asked if not kept_lots), name)
    cum_qty = order.cum_qty + qty
    if what in _ENDS and event.filled is not None:  # fills may be on their way
        counted_qty = units.scale.qty(f"{decimal_of(event.filled, 'a size'):f}")
        if counted_qty > lots * ONE:
            raise _overfill(f"at most {units.size(lots)} filled of {root}", event)
        cum_qty = max(cum_qty, counted_qty)
    leaves_qty = 0 if what in _ENDS or order.done else max(lots * ONE - cum_qty, 0)
    working = o.working_status(cum_qty, leaves_qty == 0)
    kinds = {
        "accepted": (o.ExecType.NEW, working),
        "filled": (o.ExecType.TRADE, working),
        "amended": (o.ExecType.REPLACED, working),
        **_ENDS,
    }
    return o.Report(
        # of a fill alone: many a venue has one id for all that is no fill
        exec_id=event.execution if what == "filled" else f"{root} {what} {name} {event.ns}",
        exec_type=kinds[what][0],
        status=kinds[what][1],
        cl_ord_id=name,
        orig=order.name if name != order.name else "",
        order_id="",
        account=order.account,
        instrument=order.instrument,
        side=order.side,
        lots=lots,
        price=order.price,
        last_qty=qty,
        last_px=px,
        cum_qty=cum_qty,
        leaves_qty=leaves_qty,
        ns=event.ns,
        passive=event.passive,
        text=event.text,
    )


def _fill(event: OwnOrderEvent, order: ChildOrder, units: Units) -> tuple[int, int]:
    """Quantity, 10^-8 of a lot, and price, 10^-8 of a tick, of a fill."""
    size = decimal_of(event.size or 0, "a size")
    if event.price is None or not size or not event.execution:
        raise OrderError(
            f"price, size and execution of a fill of {order.root}",
            f"{event.price!r}, {event.size!r}, {event.execution!r}",
            "give all three",
        )
    qty = units.scale.qty(f"{size:f}")
    open_qty = order.lots * ONE - order.cum_qty
    if qty > open_qty:
        raise _overfill(f"a fill of at most {units.size_of(open_qty)}, of {order.root}", event)
    return qty, units.scale.px(f"{decimal_of(event.price, 'a price'):f}")


def _overfill(expected: str, event: OwnOrderEvent) -> OverfillError:
    """The error of an event by which more is open or filled than was asked for."""
    return OverfillError(
        expected,
        f"{event.size} ({event.execution or event.what})",
        "the executor has stopped: settle the position with the venue, and begin another for what is left",
    )
