"""A brute-force venue for tests: orders in a dict, reports in a list; it trades when it is told to."""

from dataclasses import dataclass, field

from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    HELD,
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
    stands: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Executions that stand: lots and price by the name of the trade."""
    names: dict[str, list[str]] = field(default_factory=dict)
    """Names of an execution: the trade's, and those of its corrections."""

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
                if command.account in ("", order.account)
                and command.instrument in ("", order.instrument)
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
        self,
        order: Held,
        kind: ExecType,
        orig: str = "",
        lots: int = 0,
        price: int = 0,
        name: str = "",
        ref: str = "",
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
            last_qty=lots * ONE,
            last_px=price * ONE,
            cum_qty=order.cum * ONE,
            leaves_qty=order.leaves * ONE,
            ns=self.ns,
            ref=ref,
        )

    def _new(self, c: NewOrder, refuse: bool) -> Report:
        assert c.cl_ord_id not in self.names, "a cl_ord_id came twice"
        order = Held(
            f"v{len(self.orders)}",
            c.cl_ord_id,
            c.instrument,
            c.account,
            c.side,
            c.lots,
            c.price,
            c.tif,
        )
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
        order.stands[report.exec_id] = lots, price
        order.names[report.exec_id] = [report.exec_id]
        return report

    def bust(self, order: Held, trade: str, ref: str) -> Report:
        """The trade never was; `ref` is one of its names."""
        order.cum -= order.stands.pop(trade)[0]
        return self._rebooked(order, ExecType.BUSTED, ref)

    def correct(self, order: Held, trade: str, ref: str, lots: int, price: int) -> Report:
        """The trade was another; `ref` is one of its names."""
        order.cum += lots - order.stands[trade][0]
        order.stands[trade] = lots, price
        report = self._rebooked(order, ExecType.CORRECTED, ref, lots, price)
        order.names[trade].append(report.exec_id)
        return report

    def _rebooked(
        self, order: Held, kind: ExecType, ref: str, lots: int = 0, price: int = 0
    ) -> Report:
        if order.status not in TERMINAL or order.status == OrdStatus.FILLED:
            order.status = OrdStatus.PARTIALLY_FILLED if order.cum else OrdStatus.NEW
            order.status = OrdStatus.FILLED if order.cum == order.lots else order.status
        report = self._say(order, kind, lots=lots, price=price, ref=ref)
        order.executions.append(report)
        return report

    def restate(self, order: Held, lots: int, price: int) -> Report:
        order.lots, order.price = lots, price
        return self._say(order, ExecType.RESTATED)

    def hold(self, order: Held, kind: ExecType) -> Report:
        """A word that ends nothing; where it has a status of its own, the order stands so."""
        if OrdStatus(kind) in HELD:
            order.status = OrdStatus(kind)
        return self._say(order, kind)

    def cancel(self, order: Held) -> Report:
        order.status = OrdStatus.CANCELED
        return self._say(order, ExecType.CANCELED)

    def position(self, account: str, instrument: str) -> int:
        mine = [
            o for o in self.orders.values() if (o.account, o.instrument) == (account, instrument)
        ]
        return sum(o.side * o.cum for o in mine)
