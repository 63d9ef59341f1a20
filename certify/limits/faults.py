"""A venue that injects faults: slow, unreliable and sometimes wrong, and it knows what really happened.

Commands reach it in the order in which they were sent; its reports come back late, twice and out of order. It takes
fills back, corrects them to fewer lots or another price, and restates orders to fewer lots. It dates reports ahead, and
numbers the executions of every order anew.
"""

import random
from collections import defaultdict, deque
from dataclasses import dataclass

from tercel.core import (
    ONE,
    CancelOrder,
    CancelReject,
    Command,
    ExecType,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
    ceil_units,
)
from tercel.desk.limits import DAY_NS

Message = Report | CancelReject


@dataclass(slots=True, eq=False)
class VenueOrder:
    """An order as it really is."""

    name: str
    agent: str
    instrument: str
    parent: str
    side: int
    lots: int
    price: int | None
    cum: int = 0
    over: OrdStatus | None = None
    executions: int = 0


@dataclass(slots=True, eq=False)
class VenueTrade:
    """A fill as it stands."""

    exec_id: str
    order: VenueOrder
    qty: int
    px: int


class FaultInjectingVenue:
    """Takes commands, fills at random, and delivers its reports late.

    `filled` and `children` are what it really filled, by agent and instrument and by parent; `overfilled` what of it
    nobody had ordered, by instrument and by parent: 10^-8 of a lot.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.wire: deque[Command] = deque()
        self.messages: list[Message] = []
        self.live: dict[str, VenueOrder] = {}
        self.filled: dict[tuple[str, str], int] = defaultdict(int)
        self.children: dict[str, int] = defaultdict(int)
        self.overfilled: dict[str, int] = defaultdict(int)
        self.trades: deque[VenueTrade] = deque(maxlen=60)
        self._unsettled: dict[str, set[VenueOrder] | None] = {}

    def send(self, command: Command) -> None:
        """A command is on its way."""
        self.wire.append(command)

    def act(self, now_ns: int) -> VenueOrder | None:
        """Do one thing; the order that traded, if one did."""
        if self.wire and (self.rng.random() < 0.6 or not self.live):
            return self._take(self.wire.popleft(), now_ns)
        if not self.live:
            return None
        order = self.live[self.rng.choice(tuple(self.live))]
        chance = self.rng.random()
        if chance < 0.35:
            return self._fill(order, now_ns)
        if chance < 0.42:
            self._end(order, now_ns, ExecType.CANCELED if chance < 0.4 else ExecType.EXPIRED)
        elif chance < 0.44 and self.trades:
            self._rebook(self.rng.choice(self.trades), now_ns)
        elif chance < 0.46 and order.lots > (least := ceil_units(order.cum) + 1):
            order.lots = self.rng.randint(least, order.lots)
            self._report(order, ExecType.RESTATED, self._status(order), now_ns)
        return None

    def _rebook(self, trade: VenueTrade, now_ns: int) -> None:
        """Take a fill back, or correct it."""
        order = trade.order
        bust = self.rng.random() < 0.5
        if not trade.qty:
            return
        qty = 0 if bust else self._part(trade.qty)
        fewer = trade.qty - qty
        trade.qty = qty
        trade.px += 0 if bust else self.rng.randint(-2, 2) * ONE + self._between()
        order.cum -= fewer
        self.filled[order.agent, order.instrument] -= order.side * fewer
        self.children[order.parent] -= fewer
        if order.over is OrdStatus.FILLED and order.cum < order.lots * ONE:
            order.over = None
            self.live[order.name] = order
        self._unsettled[order.instrument] = None
        kind = ExecType.BUSTED if bust else ExecType.CORRECTED
        status = order.over or self._status(order)
        order.executions += 1
        self._report(order, kind, status, now_ns, qty=qty, px=trade.px, ref=trade.exec_id)

    def is_settled(self, name: str) -> bool:
        """No order of an instrument works that left before it could be known that a fill was taken back."""
        if name not in self._unsettled:
            return True
        unsettled_orders = self._unsettled[name]
        mine = {order for order in self.live.values() if order.instrument == name}
        if unsettled_orders is None:
            if any(
                isinstance(each, Report) and each.ref and each.instrument == name
                for each in self.messages
            ):
                return False
            if any(each.instrument == name for each in self.wire):
                return False
            unsettled_orders = mine
        unsettled_orders &= mine
        self._unsettled[name] = unsettled_orders
        return not unsettled_orders

    def is_unsettled(self, name: str) -> bool:
        """A fill of the instrument was taken back, and its positions were not within limits since."""
        return name in self._unsettled

    def forget(self, name: str) -> None:
        """Positions of an instrument are again what its orders made of them."""
        self._unsettled.pop(name, None)

    def deliver(self) -> Message | None:
        """The next report that arrives: mostly the oldest, sometimes any, and now and then it comes again."""
        if not self.messages:
            return None
        position = 0 if self.rng.random() < 0.6 else self.rng.randrange(len(self.messages))
        return self.messages[position] if self.rng.random() < 0.08 else self.messages.pop(position)

    def _take(self, command: Command, now_ns: int) -> VenueOrder | None:
        if isinstance(command, NewOrder):
            return self._new(command, now_ns)
        order = (
            self.live.get(command.orig) if isinstance(command, CancelOrder | ReplaceOrder) else None
        )
        if order is None:
            if isinstance(command, CancelOrder | ReplaceOrder):
                self._refuse(command, OrdStatus.UNKNOWN, now_ns)
        elif isinstance(command, CancelOrder):
            self._end(order, now_ns, ExecType.CANCELED, command.cl_ord_id)
        elif isinstance(command, ReplaceOrder):
            if command.lots * ONE <= order.cum or self.rng.random() < 0.15:
                self._refuse(command, OrdStatus.NEW, now_ns)
            else:
                del self.live[order.name]
                order.name = command.cl_ord_id
                order.lots = command.lots
                order.price = command.price
                self.live[order.name] = order
                self._report(
                    order, ExecType.REPLACED, self._status(order), now_ns, orig=command.orig
                )
        return None

    def _new(self, command: NewOrder, now_ns: int) -> VenueOrder | None:
        c = command
        order = VenueOrder(c.cl_ord_id, c.account, c.instrument, c.parent, c.side, c.lots, c.price)
        if self.rng.random() < 0.05:
            self._report(order, ExecType.REJECTED, OrdStatus.REJECTED, now_ns)
            return None
        self.live[order.name] = order
        self._report(order, ExecType.NEW, OrdStatus.NEW, now_ns)
        if c.tif is not Tif.IOC and c.price is not None:
            return None
        traded = self._fill(order, now_ns) if self.rng.random() < 0.7 else None
        if order.name in self.live:
            self._end(order, now_ns, ExecType.EXPIRED)
        return traded

    def _fill(self, order: VenueOrder, now_ns: int) -> VenueOrder:
        still = order.lots * ONE - order.cum
        qty = still if self.rng.random() < 0.3 else self._part(still)
        if self.rng.random() < 0.001:
            qty = still + ONE
            self.overfilled[order.instrument] += ONE
            self.overfilled[order.parent] += ONE
        order.cum += qty
        self.filled[order.agent, order.instrument] += order.side * qty
        self.children[order.parent] += qty
        order.executions += 1
        if order.cum >= order.lots * ONE:
            order.over = OrdStatus.FILLED
            del self.live[order.name]
        px = (order.price or 1000 * (2 if order.instrument != "A" else 1)) * ONE - order.side * abs(
            self._between()
        )
        self.trades.append(VenueTrade(f"e{order.executions}", order, qty, px))
        self._report(order, ExecType.TRADE, self._status(order), now_ns, qty=qty, px=px)
        return order

    def _part(self, qty: int) -> int:
        """Some of a quantity, mostly in whole lots."""
        whole_lots = qty // ONE
        return (
            self.rng.randint(1, whole_lots) * ONE
            if whole_lots and self.rng.random() < 0.9
            else self.rng.randint(1, qty)
        )

    def _between(self) -> int:
        """How far from the tick an execution is, mostly not at all."""
        return self.rng.randrange(-ONE // 2, ONE // 2) if self.rng.random() < 0.1 else 0

    def _end(self, order: VenueOrder, now_ns: int, kind: ExecType, name: str = "") -> None:
        del self.live[order.name]
        order.over = OrdStatus(kind.value)
        self._report(
            order, kind, OrdStatus(kind.value), now_ns, name=name, orig=order.name if name else ""
        )

    def _status(self, order: VenueOrder) -> OrdStatus:
        if order.cum >= order.lots * ONE:
            return OrdStatus.FILLED
        return OrdStatus.PARTIALLY_FILLED if order.cum else OrdStatus.NEW

    def _report(
        self,
        order: VenueOrder,
        kind: ExecType,
        status: OrdStatus,
        now_ns: int,
        *,
        qty: int = 0,
        px: int = 0,
        ref: str = "",
        name: str = "",
        orig: str = "",
    ) -> None:
        leaves = 0 if order.over or kind is ExecType.REJECTED else order.lots * ONE - order.cum
        self.messages.append(
            Report(
                exec_id=f"e{order.executions}" if qty or ref else "",
                exec_type=kind,
                status=status,
                cl_ord_id=name or order.name,
                orig=orig,
                order_id="",
                account=order.agent,
                instrument=order.instrument,
                side=order.side,
                lots=order.lots,
                price=order.price,
                last_qty=qty,
                last_px=px,
                cum_qty=order.cum,
                leaves_qty=max(0, leaves),
                ns=now_ns + DAY_NS if kind is ExecType.NEW and self.rng.random() < 0.05 else now_ns,
                ref=ref,
            )
        )

    def _refuse(self, command: CancelOrder | ReplaceOrder, status: OrdStatus, now_ns: int) -> None:
        self.messages.append(
            CancelReject(command.cl_ord_id, command.orig, command.account, status, now_ns)
        )
