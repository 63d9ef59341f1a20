"""Fold of all child orders over a journal: found by any of their names, every execution booked once."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from tercel.core import orders as o
from tercel.core.executions import Execution, Executions, Key, strange
from tercel.core.lifecycle import (
    ChildOrder,
    Code,
    Notice,
    S,
    X,
    lost,
    opened,
    rebooked,
    refused,
    reported,
    requested,
)
from tercel.core.orders import CancelReject, Holdings, Report, ceiled, text as decimals
from tercel.core.ports import Entry
from tercel.core.serialization import fast_replace
from tercel.desk.trading.child_orders.positions import Fill
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, OperatorEntry, SessionEntry
from tercel.desk.trading.journal.codec import (
    OrderMessage,
    command_of,
    entry_alert,
    message_of,
    readable,
)

_LOSES: Final = {kinds.SEND_FAILED: "sending failed", kinds.NO_ACK: "no word from the venue"}
_Content = tuple[o.ExecType, int, int, int, str]
"""Kind, side, quantity and price of an execution, and the one that it changes."""


class Orders:
    """All child orders of a journal.

    `apply` takes entries in order; entries of other kinds pass it by. What it holds after a journal is the same
    for every reader, at any time.
    """

    def __init__(self) -> None:
        self._orders: dict[str, ChildOrder] = {}
        self._root: dict[str, str] = {}
        self._by_id: dict[tuple[str, str], str] = {}
        self._live: dict[str, None] = {}
        self._of_parent: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._reports: dict[str, list[Key]] = {}
        self.accounts: dict[str, None] = {}
        """Every account that has had an order."""
        self.last_ns = 0
        """Venue time, ns, of the last report of an order."""
        self._executions: dict[Key, _Content] = {}
        self._booked: Executions[Fill] = Executions()
        self._aside: list[o.Report | o.CancelReject | o.Unread] = []
        self.fills: list[Fill] = []
        """Every execution in force, in the order of booking."""
        self.rebooked: list[tuple[Fill, Fill | None]] = []
        """Every fill that was busted (None) or corrected after it was booked: before and after."""
        self._fences: set[str] = set()
        """Cancels of unused names: their refusal shows that the venue has processed all earlier messages."""
        self.session = 0
        """Number of the session that wrote last."""
        self.damaged = False
        """Whether a person acknowledged lost entries: unknown orders that the venue reports then count as the desk's."""

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[ChildOrder]:
        return iter(self._orders.values())

    def get(self, name: str) -> ChildOrder | None:
        """The order by any cl_ord_id it has had or was requested under."""
        return self._orders.get(self._root.get(name, ""))

    def knows(self, report: o.Report) -> bool:
        """Whether an execution was booked already."""
        order = self.get(report.cl_ord_id) or self.get(report.orig)
        root = "" if report.cl_ord_id else self._booked.order_of(report.account, report.exec_id)
        root = root if order is None else order.root
        return (report.account, root, report.exec_id) in self._executions

    @property
    def quarantined(self) -> list[o.Report | o.CancelReject | o.Unread]:
        """Reports set aside: of unknown orders, busts of executions still to come (applied then), unreadable ones."""
        return [*self._aside, *(report for *_, report in self._booked.early)]

    def changes_nothing(self, report: o.Report) -> bool:
        """Whether a report only answers a status request about an unknown name."""
        named = report.cl_ord_id in self._root or report.orig in self._root
        return (
            not named and report.exec_type == X.STATUS and not (report.cum_qty or report.leaves_qty)
        )

    def live(
        self, account: str | None = None, parent: str | None = None, instrument: str = ""
    ) -> list[ChildOrder]:
        """Unsettled orders, oldest first."""
        live = [self._orders[root] for root in list(self._live)]
        if account is None and parent is None and not instrument:
            return live
        return [
            order
            for order in live
            if (account is None or order.account == account)
            and (parent is None or order.parent == parent)
            and (not instrument or order.instrument == instrument)
        ]

    def rebooked_qty(self, account: str) -> Counter[str]:
        """Net effect of busts and corrections on an account's fills, signed, 10^-8 of a lot, by instrument."""
        found: Counter[str] = Counter()
        for before, now in self.rebooked:
            if before.account == account:
                found[before.instrument] += before.side * ((now.qty if now else 0) - before.qty)
        return found

    def executions_of(self, parent: str) -> list[tuple[str, str, Execution[Fill]]]:
        """Executions in force of a parent's orders, by every name: order, name, execution."""
        found: dict[tuple[str, str], Execution[Fill]] = {}
        for root in self._of_parent.get(parent, ()):
            for account, _, name in self._reports.get(root, ()):
                one = self._booked.find(account or self._orders[root].account, root, name)
                if one is not None:
                    found[root, name] = one
        return [(*key, one) for key, one in found.items()]

    def names_of(self, root: str) -> list[str]:
        """Every name that an order has had or was requested under."""
        return self._names[root]

    def of_parent(self, parent: str) -> list[ChildOrder]:
        """Orders of a parent that are in memory."""
        return [self._orders[root] for root in self._of_parent.get(parent, ())]

    def retire(self, parent: str, fills: int) -> tuple[list[str], list[Key]]:
        """Drop a parent's orders and so many fills from memory; their names and those of their executions."""
        names: list[str] = []
        executions: dict[Key, None] = {}
        for root in self._of_parent.pop(parent, ()):
            order = self._orders.pop(root)
            names += self._names.pop(root)
            if self._by_id.get(where := (order.instrument, order.order_id)) == root:
                del self._by_id[where]
            for key in self._reports.pop(root, ()):
                del self._executions[key]
                here = key[0] or order.account, *key[1:]
                if self._booked.forget(here) is not None:
                    executions |= dict.fromkeys((key, here))
        for name in names:
            self._root.pop(name, None)
        theirs = (at for at, fill in enumerate(self.fills) if fill.parent == parent)
        for at in reversed(
            [*islice(theirs, fills)]
        ):  # finished parents are old: their fills are among the first
            del self.fills[at]
        return names, list(executions)

    def recall(self, parent: str, old: "Orders") -> None:
        """Take a parent's orders back from another fold."""
        for root in old._of_parent.get(parent, ()):
            order = old._orders[root]
            self._of_parent.setdefault(parent, []).append(root)
            self._orders[root] = order
            self._names[root] = old._names[root]
            self._root |= dict.fromkeys(old._names[root], root)
            if order.order_id:
                self._by_id.setdefault((order.instrument, order.order_id), root)
            self._reports[root] = old._reports.get(root, [])
            for key in self._reports[root]:
                self._executions[key] = old._executions[key]
                here = key[0] or order.account, *key[1:]
                if (one := old._booked.find(*here)) is not None:
                    self._booked.recall(here, one)
        self.fills += [fill for fill in old.fills if fill.parent == parent]

    def unknown(self) -> list[ChildOrder]:
        """Orders to ask the venue about: fate unknown, or executions missing."""
        return [
            order
            for order in self.live()
            if order.base is S.UNKNOWN or order.cum_qty < order.counted_qty
        ]

    def apply(self, entry: Entry) -> list[Notice]:
        """Fold one journal entry."""
        if entry.kind == kinds.REPORT_IN:
            return self._report_in(entry)
        if entry.kind == kinds.ORDER_OUT:
            self._sent(command_of(entry.body))
        elif entry.kind == kinds.SESSION:
            self.session = SessionEntry.of(entry).session
            return self._lose([order.root for order in self.live()], "a new session began")
        elif entry.kind == kinds.OPERATOR:
            self.damaged = self.damaged or OperatorEntry.of(entry).command == "acknowledge"
        elif entry.kind == kinds.ALERT:
            body = AlertEntry.of(entry)
            if body.code in _LOSES:
                named = (self._root.get(name, "") for name in body.orders or ())
                return self._lose(
                    [root for root in dict.fromkeys(named) if root], _LOSES[body.code]
                )
            if body.code == kinds.LINK_DOWN:
                return self._lose(
                    [order.root for order in self.live()], "the way to the venue went down"
                )
        return []

    def _name(self, root: str, name: str) -> None:
        self._root[name] = root
        self._names.setdefault(root, []).append(name)

    def _open(self, order: ChildOrder) -> None:
        self._name(order.root, order.root)
        self._of_parent.setdefault(order.parent, []).append(order.root)
        self.accounts.setdefault(order.account)
        self._put(order)

    def _put(self, order: ChildOrder) -> None:
        self._orders[order.root] = order
        self.last_ns = max(self.last_ns, order.last_ns)
        if order.settled:
            self._live.pop(order.root, None)
        else:
            self._live.setdefault(order.root)

    def _lose(self, roots: list[str], why: str) -> list[Notice]:
        notices = []
        for root in roots:
            order = self._orders[root]
            self._put(lost(order))
            if not order.done:
                notices.append(Notice(Code.UNKNOWN, root, why))
        return notices

    def _sent(self, command: o.Command) -> None:
        if isinstance(command, o.NewOrder):
            self._open(opened(command))
        elif isinstance(command, o.CancelOrder | o.ReplaceOrder):
            if (order := self.get(command.orig)) is not None:
                self._name(order.root, command.cl_ord_id)
                if not order.settled:
                    self._put(requested(order, command))
            else:
                self._fences.add(command.cl_ord_id)
        elif isinstance(command, o.MassCancel):
            for order in self.live(command.account or None, None, command.instrument):
                if not order.done:
                    self._put(requested(order, command))

    def _report_in(self, entry: Entry) -> list[Notice]:
        message = message_of(entry.body)
        if isinstance(message, o.LinkStatus):
            return []
        if isinstance(message, o.Unread):
            return self._unread(message)
        order = self._meant(message)
        if (
            order is None
            and self.damaged
            and isinstance(message, o.Report)
            and (order := _lost_order(message)) is not None
        ):
            self._open(order)
        found = (
            [Notice(Code.FAULTY, message.cl_ord_id, message.fault)]
            if isinstance(message, o.Report) and message.fault
            else []
        )
        if (
            order is None
            and isinstance(message, o.Report)
            and (order := _strange_order(message)) is not None
        ):
            self._open(order)
            found.append(Notice(Code.UNALLOCATED, order.root, f"not sent by this desk: {message}"))
        if order is None:
            if isinstance(message, o.Report) and self.changes_nothing(message):
                return []
            if isinstance(message, o.CancelReject) and message.cl_ord_id in self._fences:
                self._fences.discard(message.cl_ord_id)
                return []
            if isinstance(message, o.CancelReject) and (notices := self._mass_refused(message)):
                return notices
            self._aside.append(message)
            return [Notice(Code.UNKNOWN_ORDER, message.cl_ord_id, f"{message}", message)]
        if isinstance(message, o.CancelReject):
            order, notices = refused(order, message)
            self._put(order)
            return notices
        return [*found, *(self._seen(order, message) or self._report(order, message))]

    def _mass_refused(self, reject: o.CancelReject) -> list[Notice]:
        """A mass cancel was refused: its orders stay as they were."""
        found = []
        for order in self.live(reject.account or None):
            left = tuple(
                pending for pending in order.pending if pending.cl_ord_id != reject.cl_ord_id
            )
            if left != order.pending:
                self._put(fast_replace(order, pending=left))
                found.append(Notice(Code.CANCEL_REJECTED, order.root, reject.text))
        return found

    def _unread(self, message: o.Unread) -> list[Notice]:
        self._aside.append(message)
        if (order := self.get(message.cl_ord_id)) is not None:
            self._lose([order.root], message.why)
        raw = "".join(letter if letter.isprintable() else "|" for letter in message.raw)
        return [Notice(Code.UNREADABLE, message.cl_ord_id, f"{message.why}: {raw}", message)]

    def _meant(self, message: o.Report | o.CancelReject) -> ChildOrder | None:
        names = [message.cl_ord_id, message.orig]
        root = next((self._root[name] for name in names if name in self._root), None)
        if root is None and isinstance(message, o.Report):
            root = (
                self._by_id.get((message.instrument, message.order_id))
                if message.order_id
                else None
            )
            root = root or self._booked.order_of(message.account, message.ref) or None
        return None if root is None else self._orders[root]

    def _seen(self, order: ChildOrder, report: o.Report) -> list[Notice]:
        """A report that came before changes nothing; one that comes with other content is an alarm."""
        if report.exec_type == X.STATUS or not report.exec_id:
            return []
        key = (report.account, order.root, report.exec_id)
        core = (report.exec_type, report.side, report.last_qty, report.last_px, report.ref)
        before = self._executions.setdefault(key, core)
        if before is core:
            self._reports.setdefault(order.root, []).append(key)
            return []
        if before == core:
            return [Notice(Code.DUPLICATE, order.root, report.exec_id)]
        return [
            Notice(
                Code.EXEC_CHANGED,
                order.root,
                f"{report.exec_id}: {_content(before)} before, {_content(core)} now",
            )
        ]

    def _report(self, order: ChildOrder, report: o.Report) -> list[Notice]:
        found: list[Notice] = []
        if report.exec_type == X.TRADE:
            report, found = self._booking(order, report)
        elif report.exec_type in o.REBOOKS:
            order, found = self._rebooking(order, report)
        order, notices = reported(order, report)
        if order.order_id:  # a venue may give the number of an order that is over to another
            self._by_id[order.instrument, order.order_id] = order.root
        self._put(order)
        return [*found, *notices]

    def _booking(self, order: ChildOrder, report: o.Report) -> tuple[o.Report, list[Notice]]:
        """Book a trade as now in force: its bust or correction may have come before it."""
        fill = Fill(
            exec_id=report.exec_id,
            order=order.root,
            parent=order.parent,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            qty=report.last_qty,
            px=report.last_px,
            ns=report.ns,
            passive=report.passive,
        )
        key = report.account or order.account, order.root, report.exec_id
        one = self._booked.book(key, fill, fill.qty, fill.px)
        now = _standing(one)
        if now is not None:
            self.fills.append(now)
        found = [] if one.changed is None else [_rebook_notice(order.root, fill, now)]
        return fast_replace(report, last_qty=one.qty, last_px=one.px), found

    def _rebooking(self, order: ChildOrder, report: o.Report) -> tuple[ChildOrder, list[Notice]]:
        """Take back or correct the execution that a report names, and no other."""
        account, root = report.account or order.account, order.root
        one = self._booked.find(account, root, report.ref)
        if one is None:
            self._booked.change(account, root, report)
            text = f"{report.exec_type} of {report.ref!r}, which was never reported: {report}"
            return order, [Notice(Code.UNKNOWN_EXECUTION, root, text, report)]
        before, last = _standing(one), one.changed
        self._booked.change(account, root, report)
        now = _standing(one)
        if (
            before is None
            and report.exec_type == X.CORRECTED
            and last is not None
            and report.ns >= last.ns
        ):
            self._aside.append(report)
            return order, [
                Notice(Code.CONFLICT, root, f"correction of {report.ref}, which was busted")
            ]
        if before is None or before == now:
            return order, [Notice(Code.DUPLICATE, root, f"{report.exec_type} of {report.ref}")]
        at = self.fills.index(before)
        self.fills[at : at + 1] = [] if now is None else [now]
        self.rebooked.append((before, now))
        qty, paid = (0, 0) if now is None else (now.qty, now.qty * now.px)
        order = rebooked(order, qty - before.qty, paid - before.qty * before.px)
        return order, [_rebook_notice(root, before, now)]


def _strange_order(report: o.Report) -> ChildOrder | None:
    """The order behind an execution of one that was never sent here: over as far as it filled, of no parent."""
    if report.exec_type != X.TRADE or not (report.account and report.instrument and report.exec_id):
        return None
    root = strange(report)
    lots = max(report.lots, ceiled(report.cum_qty), ceiled(report.last_qty))
    names = report.instrument, report.side, lots, report.price, o.Tif.DAY, report.account
    return fast_replace(
        opened(o.NewOrder(root, *names, "", report.ns)), base=S.CANCELED, acked=True
    )


def _lost_order(report: o.Report) -> ChildOrder | None:
    """The order behind a report whose own entries were lost: of unknown fate, its parent the one in its name."""
    if report.exec_type == X.STATUS or not (
        report.cl_ord_id and report.instrument and report.lots > 0
    ):
        return None
    root, (stem, _, number) = report.cl_ord_id, report.cl_ord_id.rpartition(".")
    command = o.NewOrder(
        cl_ord_id=root,
        instrument=report.instrument,
        side=report.side,
        lots=report.lots,
        price=report.price,
        tif=o.Tif.DAY,
        account=report.account,
        parent=stem if number.isdigit() else "",
        sent_ns=report.ns,
    )
    return lost(opened(command))


def _standing(one: Execution[Fill]) -> Fill | None:
    """The fill in force; None once it is busted."""
    return fast_replace(one.owner, qty=one.qty, px=one.px) if one.qty else None


def _rebook_notice(root: str, before: Fill, now: Fill | None) -> Notice:
    was = f"{before.exec_id} of {_terms(before)}"
    if now is None:
        return Notice(Code.BUSTED, root, f"{was} never was")
    return Notice(Code.CORRECTED, root, f"{was} was {_terms(now)}")


def _content(core: _Content) -> str:
    """Content of an execution report, for people."""
    kind, side, qty, px, ref = core
    return f"{kind} {side:+d} {decimals(qty)} lots at {decimals(px)} {ref}".rstrip()


def _terms(fill: Fill) -> str:
    return f"{decimals(fill.qty)} lots at {decimals(fill.px)}"


# -- reports as they come in ------------------------------------------------------------------------------------------
TOLERANCE_NS: Final = 120_000_000_000
"""Largest difference of two clocks, ns: that of a message's SendingTime (52) in FIX."""
REPORT_TIME: Final = "report_time"


class Intake:
    """Sanitises reports; alerts wrong timestamps once until they are right again."""

    def __init__(self) -> None:
        self._wrong = False
        self._alerts: list[Entry] = []

    def alerts(self) -> list[Entry]:
        """Alerts since the last call."""
        found = self._alerts
        self._alerts = []
        return found

    def taken(
        self, event: OrderMessage | Holdings, orders: Orders, now_ns: int
    ) -> OrderMessage | Holdings:
        """The message in sanitised form."""
        if not isinstance(event, Report | CancelReject):
            return event
        return readable(
            self._dated(event, orders.get(event.cl_ord_id) or orders.get(event.orig), now_ns)
        )

    def _dated(
        self, report: Report | CancelReject, order: ChildOrder | None, now_ns: int
    ) -> Report | CancelReject:
        since_ns = report.ns if order is None else order.sent_ns
        before = self._wrong
        self._wrong = not since_ns - TOLERANCE_NS <= report.ns <= now_ns + TOLERANCE_NS
        if not self._wrong:
            return report
        if not before:
            off_s = (report.ns - now_ns) / 1e9
            text = f"a report is dated {off_s:+.0f} s from the clock here, which cannot be: it is taken as of now"
            where = (
                report.instrument,
                report.account,
                "" if order is None else order.parent,
                report.cl_ord_id,
            )
            self._alerts.append(entry_alert("critical", REPORT_TIME, text, now_ns, *where))
        return replace(report, ns=now_ns)
