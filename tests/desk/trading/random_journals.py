"""Journals of random sessions: orders, fills, busts, doubles, damage to the way and to the sessions, late and early."""

import random

from tests.parts import whole

from tercel.core.child_order import ChildOrder
from tercel.core.fixed_point import ONE
from tercel.core.orders import (
    CancelOrder,
    CancelReject,
    ExecType,
    LinkStatus,
    MassCancel,
    NewOrder,
    OrdStatus,
    ReplaceOrder,
    Report,
    Tif,
)
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import ParentEntry
from tercel.desk.trading.journal.codec import entry_in, entry_out
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import acceptance_entry, entry_of
from tercel.desk.trading.parent_orders.parent_request import ParentRequest

S, X = OrdStatus, ExecType


class Story:
    """A session's journal as it may come, from a seed; `step` adds an entry or none."""

    def __init__(self, seed: int) -> None:
        self.draw, self.ns, self.entries = random.Random(seed), 10**9, list[Entry]()
        self.ledger, self.trades, self.numbers = Ledger(), list[Report](), 0
        self.put(
            Entry(
                kinds.SESSION,
                self.ns,
                body={"session": 1, "venue": "v", "holder": "", "resume": False},
            )
        )

    def put(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.ledger.apply(entry)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def told(
        self,
        order: ChildOrder,
        kind: ExecType,
        status: OrdStatus,
        lots: int = 0,
        ref: str = "",
        **words,
    ) -> None:
        cum = words.pop("cum", whole(order.cum_qty) + lots)
        report = Report(
            exec_id=words.pop("exec_id", f"e{self.number()}"), exec_type=kind, status=status, cl_ord_id=order.name,
            orig=words.pop("orig", ""), order_id=f"v{order.root}", account=order.account, instrument=order.instrument,
            side=order.side, lots=order.lots, price=order.price, last_qty=lots * ONE,
            last_px=words.pop("price", 100) * ONE, cum_qty=cum * ONE, leaves_qty=max(order.lots - cum, 0) * ONE,
            ns=self.ns, ref=ref,
        )  # fmt: skip
        self.put(entry_in(report, order.parent))
        if kind is X.TRADE:
            self.trades.append(report)

    def step(self) -> None:
        self.ns += self.draw.choice([1, 10**6, 10**9, 10**10, 4 * 10**11])
        act = self.draw.choice([self.ask, self.order, self.order, self.answer, self.answer, self.answer, self.fill,
                                self.fill, self.end, self.over, self.over, self.bust, self.double, self.break_,
                                self.mark, self.change])  # fmt: skip
        act()

    def ask(self) -> None:
        instrument, side, agent = (
            self.draw.choice("XY"),
            self.draw.choice([1, -1]),
            self.draw.choice(["ann", "bob"]),
        )
        order = ParentRequest(f"p{self.number()}", instrument, side, 50, 10**12, 5, "t", agent)
        self.put(acceptance_entry(order, self.ns))

    def order(self) -> None:
        for parent in self.draw.sample(
            self.ledger.parents.open(), min(1, len(self.ledger.parents.open()))
        ):
            name, asked = f"{parent.id}.{self.ledger.next_child(parent.id)}", parent.order
            lots = self.draw.randint(1, 9)
            price = self.draw.choice([None, 99, 100])
            self.put(
                entry_out(
                    NewOrder(
                        name,
                        asked.instrument,
                        asked.side,
                        lots,
                        price,
                        Tif.DAY,
                        asked.agent,
                        parent.id,
                        self.ns,
                    )
                )
            )

    def live(self) -> ChildOrder | None:
        live = self.ledger.orders.live()
        return self.draw.choice(live) if live else None

    def answer(self) -> None:
        if (order := self.live()) is not None:
            self.told(order, X.NEW, S.NEW)

    def fill(self) -> None:
        if (order := self.live()) is not None and (cum := whole(order.cum_qty)) < order.lots:
            lots = self.draw.randint(1, order.lots - cum)
            done = cum + lots == order.lots
            self.told(
                order,
                X.TRADE,
                S.FILLED if done else S.PARTIALLY_FILLED,
                lots,
                price=self.draw.randint(95, 105),
            )

    def end(self) -> None:
        if (order := self.live()) is not None:
            kind = self.draw.choice([X.CANCELED, X.EXPIRED])
            self.told(order, kind, S.CANCELED if kind is X.CANCELED else S.EXPIRED)

    def over(self) -> None:
        for parent in self.ledger.parents.open():
            if not self.ledger.orders.live(parent=parent.id) and parent.status == "working":
                done = ParentEntry("done", filled=parent.filled, left=parent.left, refused=0)
                order = parent.order
                self.put(entry_of(parent.id, done, self.ns, order.instrument, order.agent))
                return

    def bust(self) -> None:
        """Of any execution ever, often long after its order and parent are over; sometimes by its name alone."""
        if not self.trades:
            return
        trade = self.draw.choice(self.trades)
        order = self.ledger.orders.get(trade.cl_ord_id)
        kind = self.draw.choice([X.BUSTED, X.CORRECTED])
        lots = 0 if kind is X.BUSTED else whole(trade.last_qty)
        cum = max(whole(order.cum_qty) - whole(trade.last_qty) + lots, 0)
        self.told(
            order,
            kind,
            S.PARTIALLY_FILLED,
            lots,
            ref=trade.exec_id,
            cum=cum,
            price=self.draw.randint(95, 105),
        )

    def double(self) -> None:
        if self.trades:
            self.put(entry_in(self.draw.choice(self.trades)))

    def break_(self) -> None:
        what = self.draw.randrange(8)
        if what == 0:
            body = {
                "session": self.ledger.orders.session + 1,
                "venue": "v",
                "holder": "",
                "resume": True,
            }
            self.put(Entry(kinds.SESSION, self.ns, body=body))
        elif what == 1:
            self.put(entry_in(LinkStatus(False, self.ns, "gone")))
            self.put(
                Entry(
                    kinds.ALERT,
                    self.ns,
                    body={"severity": "critical", "code": kinds.LINK_DOWN, "text": ""},
                )
            )
        elif what == 2:
            self.put(entry_out(MassCancel(f"~1.{self.number()}", "ann", "", self.ns)))

    def mark(self) -> None:
        bid = self.draw.randint(95, 104)
        self.put(
            Entry(kinds.MARKET, self.ns, self.draw.choice("XY"), body={"bid": bid, "ask": bid + 1})
        )

    def change(self) -> None:
        if (order := self.live()) is not None and not order.done:
            name = f"~1.{self.number()}"
            if self.draw.randrange(2) or order.price is None:
                out = CancelOrder(
                    name, order.name, order.instrument, order.side, order.account, self.ns
                )
            else:
                out = ReplaceOrder(
                    name,
                    order.name,
                    order.instrument,
                    order.side,
                    order.lots + 1,
                    99,
                    order.account,
                    order.parent,
                    self.ns,
                )
            self.put(entry_out(out, order.parent))
            if self.draw.randrange(2):
                self.put(
                    entry_in(
                        CancelReject(name, order.name, order.account, order.status, self.ns),
                        order.parent,
                    )
                )
