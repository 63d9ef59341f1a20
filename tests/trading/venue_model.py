"""A brute-force venue for tests: orders in a dict, reports in a list; it trades when it is told to."""

from dataclasses import dataclass, field

from tercel.core.orders import (
    TERMINAL,
    CancelOrder,
    CancelReject,
    ExecType,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    StatusRequest,
    Tif,
)


@dataclass
class Held:
    """An order as the venue has it."""

    order_id: str
    name: str
    instrument: str
    account: str
    side: int
    lots: int
    price: int | None
    tif: Tif
    status: OrdStatus = OrdStatus.NEW
    cum: int = 0
    executions: list[Report] = field(default_factory=list)

    @property
    def leaves(self) -> int:
        return 0 if self.status in TERMINAL else self.lots - self.cum


class ModelVenue:
    """Truth."""

    def __init__(self) -> None:
        self.orders: dict[str, Held] = {}
        self.names: dict[str, str] = {}
        self.commands: list[object] = []
        self.executed = 0
        self.ns = 0

    def live(self) -> list[Held]:
        return [order for order in self.orders.values() if order.status not in TERMINAL]

    def process(self, command, refuse: bool = False) -> list:
        """The venue reads a command; its words in order."""
        self.commands.append(command)
        if isinstance(command, NewOrder):
            return [self._new(command, refuse)]
        if isinstance(command, CancelOrder | ReplaceOrder):
            return [self._change(command, refuse)]
        if isinstance(command, MassCancel):
            return [
                self.cancel(order)
                for order in self.live()
                if command.account in ("", order.account) and command.instrument in ("", order.instrument)
            ]
        assert isinstance(command, StatusRequest)
        return self.answer(command)

    def answer(self, request: StatusRequest) -> list:
        wanted = [self.names.get(request.cl_ord_id)] if request.cl_ord_id else list(self.orders)
        words = []
        for order_id in wanted:
            if order_id is None:
                status, kind = OrdStatus.REJECTED, ExecType.STATUS
                words.append(
                    Report(
                        "",
                        kind,
                        status,
                        request.cl_ord_id,
                        "",
                        "",
                        request.account,
                        "",
                        1,
                        0,
                        None,
                        0,
                        0,
                        0,
                        0,
                        self.ns,
                    )
                )
                continue
            order = self.orders[order_id]
            words += order.executions
            words.append(self._say(order, ExecType.STATUS))
        return words

    def _say(
        self, order: Held, kind: ExecType, orig: str = "", lots: int = 0, price: int = 0, name: str = ""
    ) -> Report:
        self.ns += 1
        self.executed += 1
        return Report(
            exec_id=f"x{self.executed}",
            exec_type=kind,
            status=order.status,
            cl_ord_id=name or order.name,
            orig=orig,
            order_id=order.order_id,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            lots=order.lots,
            price=order.price,
            last_lots=lots,
            last_price=price,
            cum=order.cum,
            leaves=order.leaves,
            ns=self.ns,
        )

    def _new(self, c: NewOrder, refuse: bool) -> Report:
        assert c.cl_ord_id not in self.names, "a cl_ord_id came twice"
        order = Held(f"v{len(self.orders)}", c.cl_ord_id, c.instrument, c.account, c.side, c.lots, c.price, c.tif)
        self.orders[order.order_id] = order
        self.names[c.cl_ord_id] = order.order_id
        if refuse:
            order.status = OrdStatus.REJECTED
        return self._say(order, ExecType.REJECTED if refuse else ExecType.NEW)

    def _change(self, c: CancelOrder | ReplaceOrder, refuse: bool) -> Report | CancelReject:
        assert c.cl_ord_id not in self.names, "a cl_ord_id came twice"
        order = self.orders.get(self.names.get(c.orig, ""))
        late = order is None or order.status in TERMINAL
        late = late or (isinstance(c, ReplaceOrder) and c.lots <= order.cum)
        if late or refuse:
            self.ns += 1
            status = order.status if order else OrdStatus.REJECTED
            return CancelReject(c.cl_ord_id, c.orig, c.account, status, self.ns)
        self.names[c.cl_ord_id] = order.order_id
        if isinstance(c, CancelOrder):
            order.status = OrdStatus.CANCELED
            return self._say(order, ExecType.CANCELED, orig=c.orig, name=c.cl_ord_id)
        order.name, order.lots, order.price = c.cl_ord_id, c.lots, c.price
        return self._say(order, ExecType.REPLACED, orig=c.orig)

    def fill(self, order: Held, lots: int, price: int) -> Report:
        order.cum += lots
        order.status = OrdStatus.FILLED if order.cum == order.lots else OrdStatus.PARTIALLY_FILLED
        report = self._say(order, ExecType.TRADE, lots=lots, price=price)
        order.executions.append(report)
        return report

    def cancel(self, order: Held) -> Report:
        order.status = OrdStatus.CANCELED
        return self._say(order, ExecType.CANCELED)

    def position(self, account: str, instrument: str) -> int:
        mine = [o for o in self.orders.values() if (o.account, o.instrument) == (account, instrument)]
        return sum(o.side * o.cum for o in mine)
