"""State of all child orders, folded from a journal: found by any of their names, every execution booked once."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Final

from tercel.core import orders as o
from tercel.core.child_order import (
    ChildOrder,
    Code,
    Notice,
    add_request,
    apply_reject,
    apply_report,
    mark_unknown,
    open_order,
    rebook,
)
from tercel.core.executions import Execution, Executions, Key
from tercel.core.fixed_point import format_decimal
from tercel.core.orders import ExecType, OrdStatus
from tercel.core.ports import Entry
from tercel.core.records import fast_replace
from tercel.desk.trading.child_orders.positions import Fill, Move
from tercel.desk.trading.child_orders.unsent_orders import lost_order, strange_order
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, OperatorEntry, SessionEntry
from tercel.desk.trading.journal.codec import command_of, message_of

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
        self._root_by_order_id: dict[tuple[str, str], str] = {}
        self._live: dict[str, None] = {}
        self._roots_by_parent: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._executions: dict[str, dict[tuple[str, str], _Content]] = {}
        """Contents of the reports of each order, by their accounts and ExecIDs."""
        self.accounts: dict[str, None] = {}
        """Every account that has had an order."""
        self.last_ns = 0
        """Venue time, ns, of the last report of an order."""
        self._booked: Executions[Fill] = Executions()
        self._quarantine: list[o.Report | o.CancelReject | o.Unread] = []
        self.fills_of: dict[str, list[Fill]] = defaultdict(list)
        """Executions in force by parent, each once, in the order of booking."""
        self.moves: list[Move] = []
        """Fills that the last entry booked, busted or corrected."""
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
        """Order by any cl_ord_id that it has had or was requested under; None if there is none."""
        return self._orders.get(self._root.get(name, ""))

    def has_execution(self, report: o.Report) -> bool:
        """Whether an execution report of this account, order and exec_id was folded already; those of retired orders do not
        count."""
        order = self.get(report.cl_ord_id) or self.get(report.orig)
        root = "" if report.cl_ord_id else self._booked.order_of(report.account, report.exec_id)
        root = root if order is None else order.root
        return (report.account, report.exec_id) in self._executions.get(root, ())

    @property
    def fills(self) -> list[Fill]:
        """Every execution in force, by parent in the order of booking."""
        return [*chain.from_iterable(self.fills_of.values())]

    @property
    def quarantined(self) -> list[o.Report | o.CancelReject | o.Unread]:
        """Reports set aside: of unknown orders, unreadable ones, and busts and corrections of executions that have not come
        yet."""
        return [*self._quarantine, *(report for *_, report in self._booked.early)]

    def is_empty_status(self, report: o.Report) -> bool:
        """Whether a report is a status without quantities, as answered to a status request, of an order name that nothing here
        has."""
        is_known = report.cl_ord_id in self._root or report.orig in self._root
        return (
            not is_known
            and report.exec_type == ExecType.STATUS
            and not (report.cum_qty or report.leaves_qty)
        )

    def live(
        self, account: str | None = None, parent: str | None = None, instrument: str = ""
    ) -> list[ChildOrder]:
        """Orders that have not ended or lack executions, oldest first, of an account, parent or instrument if given."""
        return [
            order
            for order in [self._orders[root] for root in list(self._live)]
            if (account is None or order.account == account)
            and (parent is None or order.parent == parent)
            and (not instrument or order.instrument == instrument)
        ]

    def rebooked_qty(self, account: str) -> Counter[str]:
        """Net effect of busts and corrections on an account's fills, signed, 10^-8 of a lot, by instrument."""
        net_qty: Counter[str] = Counter()
        for before, after in self.rebooked:
            if before.account == account:
                net_qty[before.instrument] += before.side * (
                    (after.qty if after else 0) - before.qty
                )
        return net_qty

    def executions_of(self, parent: str) -> list[tuple[str, str, Execution[Fill]]]:
        """Executions of a parent's orders, busted ones (quantity 0) too, as (root of order, name, execution) by name."""
        executions: dict[tuple[str, str], Execution[Fill]] = {}
        for root in self._roots_by_parent.get(parent, ()):
            for account, name in self._executions.get(root, ()):
                execution = self._booked.find(account or self._orders[root].account, root, name)
                if execution is not None:
                    executions[root, name] = execution
        return [(*key, execution) for key, execution in executions.items()]

    def names_of(self, root: str) -> list[str]:
        """Every name that an order has had or was requested under."""
        return self._names[root]

    def of_parent(self, parent: str) -> list[ChildOrder]:
        """Orders of a parent that are in memory."""
        return [self._orders[root] for root in self._roots_by_parent.get(parent, ())]

    def retire(self, parent: str) -> tuple[list[str], list[Key], int]:
        """Drop a parent's orders and fills from memory; returns all names of the orders and of their executions, and the number
        of fills."""
        names: list[str] = []
        executions: dict[Key, None] = {}
        for root in self._roots_by_parent.pop(parent, ()):
            order = self._orders.pop(root)
            names += self._names.pop(root)
            if self._root_by_order_id.get(venue_key := (order.instrument, order.order_id)) == root:
                del self._root_by_order_id[venue_key]
            for account, name in self._executions.pop(root, ()):
                booked_key = account or order.account, root, name
                if self._booked.forget(booked_key) is not None:
                    executions |= dict.fromkeys(((account, root, name), booked_key))
        for name in names:
            self._root.pop(name, None)
        return names, list(executions), len(self.fills_of.pop(parent, ()))

    def recall(self, parent: str, source: "Orders") -> None:
        """Put a retired parent's orders and fills back into this fold, from another fold that holds them."""
        for root in source._roots_by_parent.get(parent, ()):
            order = source._orders[root]
            self._roots_by_parent.setdefault(parent, []).append(root)
            self._orders[root] = order
            self._names[root] = source._names[root]
            self._root |= dict.fromkeys(source._names[root], root)
            if order.order_id:
                self._root_by_order_id.setdefault((order.instrument, order.order_id), root)
            self._executions[root] = source._executions.get(root, {})
            for account, name in self._executions[root]:
                booked_key = account or order.account, root, name
                if (execution := source._booked.find(*booked_key)) is not None:
                    self._booked.recall(booked_key, execution)
        if fills := source.fills_of.get(parent):
            self.fills_of[parent] = fills

    def unknown(self) -> list[ChildOrder]:
        """Orders to ask the venue about: fate unknown, or executions missing."""
        return [
            order
            for order in self.live()
            if order.base is OrdStatus.UNKNOWN or order.cum_qty < order.counted_qty
        ]

    def apply(self, entry: Entry) -> list[Notice]:
        """Fold one journal entry; returns the notices that it gives rise to."""
        self.moves = []
        if entry.kind == kinds.REPORT_IN:
            return self._apply_report(entry)
        if entry.kind == kinds.ORDER_OUT:
            self._apply_command(command_of(entry.body))
        elif entry.kind == kinds.SESSION:
            self.session = SessionEntry.of(entry).session
            return self._mark_lost([order.root for order in self.live()], "a new session began")
        elif entry.kind == kinds.OPERATOR:
            self.damaged = self.damaged or OperatorEntry.of(entry).command == "acknowledge"
        elif entry.kind == kinds.ALERT:
            body = AlertEntry.of(entry)
            if body.code in _LOSES:
                roots = (self._root.get(name, "") for name in body.orders or ())
                return self._mark_lost(
                    [root for root in dict.fromkeys(roots) if root], _LOSES[body.code]
                )
            if body.code == kinds.LINK_DOWN:
                return self._mark_lost(
                    [order.root for order in self.live()], "the way to the venue went down"
                )
        return []

    def _add_name(self, root: str, name: str) -> None:
        """Record a cl_ord_id of an order."""
        self._root[name] = root
        self._names.setdefault(root, []).append(name)

    def _add(self, order: ChildOrder) -> None:
        """Add a new order under its first name."""
        self._add_name(order.root, order.root)
        self._roots_by_parent.setdefault(order.parent, []).append(order.root)
        self.accounts.setdefault(order.account)
        self._store(order)

    def _store(self, order: ChildOrder) -> None:
        """Store an order's new state in place of the old; it is live until it is settled."""
        self._orders[order.root] = order
        self.last_ns = max(self.last_ns, order.last_ns)
        if order.settled:
            self._live.pop(order.root, None)
        else:
            self._live.setdefault(order.root)

    def _mark_lost(self, roots: list[str], reason: str) -> list[Notice]:
        """Mark orders UNKNOWN for a reason; a notice for each that had not ended."""
        notices = []
        for root in roots:
            order = self._orders[root]
            self._store(mark_unknown(order))
            if not order.done:
                notices.append(Notice(Code.UNKNOWN, root, reason))
        return notices

    def _apply_command(self, command: o.Command) -> None:
        """Fold a sent command: add a new order, or add a cancel, replace or mass cancel to the pending requests of its orders."""
        if isinstance(command, o.NewOrder):
            self._add(open_order(command))
        elif isinstance(command, o.CancelOrder | o.ReplaceOrder):
            if (order := self.get(command.orig)) is not None:
                self._add_name(order.root, command.cl_ord_id)
                if not order.settled:
                    self._store(add_request(order, command))
            else:
                self._fences.add(command.cl_ord_id)
        elif isinstance(command, o.MassCancel):
            for order in self.live(command.account or None, None, command.instrument):
                if not order.done:
                    self._store(add_request(order, command))

    def _apply_report(self, entry: Entry) -> list[Notice]:
        """Fold a venue's report: find its order, book its execution, or set it aside."""
        message = message_of(entry.body)
        if isinstance(message, o.LinkStatus):
            return []
        if isinstance(message, o.Unread):
            return self._set_aside_unread(message)
        order = self.find(message)
        if (
            order is None
            and self.damaged
            and isinstance(message, o.Report)
            and (order := lost_order(message)) is not None
        ):
            self._add(order)
        fault_notices = (
            [Notice(Code.FAULTY, message.cl_ord_id, message.fault)]
            if isinstance(message, o.Report) and message.fault
            else []
        )
        if (
            order is None
            and isinstance(message, o.Report)
            and (order := strange_order(message)) is not None
        ):
            self._add(order)
            fault_notices.append(
                Notice(Code.UNALLOCATED, order.root, f"not sent by this desk: {message}")
            )
        if order is None:
            if isinstance(message, o.Report) and self.is_empty_status(message):
                return []
            if isinstance(message, o.CancelReject) and message.cl_ord_id in self._fences:
                self._fences.discard(message.cl_ord_id)
                return []
            if isinstance(message, o.CancelReject) and (
                notices := self._restore_after_mass_reject(message)
            ):
                return notices
            self._quarantine.append(message)
            return [Notice(Code.UNKNOWN_ORDER, message.cl_ord_id, f"{message}", message)]
        if isinstance(message, o.CancelReject):
            order, notices = apply_reject(order, message)
            self._store(order)
            return notices
        return [
            *fault_notices,
            *(self._check_repeated(order, message) or self._book_report(order, message)),
        ]

    def _restore_after_mass_reject(self, reject: o.CancelReject) -> list[Notice]:
        """Drop a refused mass cancel from the pending requests of its orders; a notice for each."""
        notices = []
        for order in self.live(reject.account or None):
            still_pending = tuple(
                pending for pending in order.pending if pending.cl_ord_id != reject.cl_ord_id
            )
            if still_pending != order.pending:
                self._store(fast_replace(order, pending=still_pending))
                notices.append(Notice(Code.CANCEL_REJECTED, order.root, reject.text))
        return notices

    def _set_aside_unread(self, message: o.Unread) -> list[Notice]:
        """Set an unreadable report aside; the order that it names becomes UNKNOWN."""
        self._quarantine.append(message)
        if (order := self.get(message.cl_ord_id)) is not None:
            self._mark_lost([order.root], message.why)
        raw = "".join(letter if letter.isprintable() else "|" for letter in message.raw)
        return [Notice(Code.UNREADABLE, message.cl_ord_id, f"{message.why}: {raw}", message)]

    def find(self, message: o.Report | o.CancelReject) -> ChildOrder | None:
        """Order of a report, by its names, the venue's order id, or an execution that it changes; None if none fits."""
        names = [message.cl_ord_id, message.orig]
        root = next((self._root[name] for name in names if name in self._root), None)
        if root is None and isinstance(message, o.Report):
            root = (
                self._root_by_order_id.get((message.instrument, message.order_id))
                if message.order_id
                else None
            )
            root = root or self._booked.order_of(message.account, message.ref) or None
        return None if root is None else self._orders[root]

    def _check_repeated(self, order: ChildOrder, report: o.Report) -> list[Notice]:
        """Notice of an execution that was reported before, with the same or other content; [] for a new one, now recorded."""
        if report.exec_type == ExecType.STATUS or not report.exec_id:
            return []
        key = report.account, report.exec_id
        content = (report.exec_type, report.side, report.last_qty, report.last_px, report.ref)
        known_content = self._executions.setdefault(order.root, {}).setdefault(key, content)
        if known_content is content:
            return []
        if known_content == content:
            return [Notice(Code.DUPLICATE, order.root, report.exec_id)]
        return [
            Notice(
                Code.EXEC_CHANGED,
                order.root,
                f"{report.exec_id}: {_describe_content(known_content)} before, {_describe_content(content)} now",
            )
        ]

    def _book_report(self, order: ChildOrder, report: o.Report) -> list[Notice]:
        """Book a report of a known order: its execution, then its effect on the order's state."""
        rebook_notices: list[Notice] = []
        if report.exec_type == ExecType.TRADE:
            report, rebook_notices = self._book_trade(order, report)
        elif report.exec_type in o.REBOOKS:
            order, rebook_notices = self._change_execution(order, report)
        order, notices = apply_report(order, report)
        if order.order_id:  # a venue may give the number of an order that is over to another
            self._root_by_order_id[order.instrument, order.order_id] = order.root
        self._store(order)
        return [*rebook_notices, *notices]

    def _book_trade(self, order: ChildOrder, report: o.Report) -> tuple[o.Report, list[Notice]]:
        """Book a trade with the quantity and price now in force: its bust or correction may have come before it. Returns the
        report with these, and notices."""
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
        execution = self._booked.book(key, fill, fill.qty, fill.px)
        booked = _fill_in_force(execution)
        if booked is not None:
            self.fills_of[order.parent].append(booked)
            self.moves.append((None, booked))
        notices = [] if execution.changed is None else [_rebook_notice(order.root, fill, booked)]
        return fast_replace(report, last_qty=execution.qty, last_px=execution.px), notices

    def _change_execution(
        self, order: ChildOrder, report: o.Report
    ) -> tuple[ChildOrder, list[Notice]]:
        """Bust or correct the one execution that a report refers to, and its fill; if it has not come yet, the change waits for
        it. Returns the order and notices."""
        account = report.account or order.account
        root = order.root
        execution = self._booked.find(account, root, report.ref)
        if execution is None:
            self._booked.change(account, root, report)
            text = f"{report.exec_type} of {report.ref!r}, which was never reported: {report}"
            return order, [Notice(Code.UNKNOWN_EXECUTION, root, text, report)]
        before = _fill_in_force(execution)
        last_change = execution.changed
        self._booked.change(account, root, report)
        after = _fill_in_force(execution)
        if (
            before is None
            and report.exec_type == ExecType.CORRECTED
            and last_change is not None
            and report.ns >= last_change.ns
        ):
            self._quarantine.append(report)
            return order, [
                Notice(Code.CONFLICT, root, f"correction of {report.ref}, which was busted")
            ]
        if before is None or before == after:
            return order, [Notice(Code.DUPLICATE, root, f"{report.exec_type} of {report.ref}")]
        fills = self.fills_of[order.parent]
        index = fills.index(before)
        fills[index : index + 1] = [] if after is None else [after]
        self.rebooked.append((before, after))
        self.moves.append((before, after))
        qty, paid = (0, 0) if after is None else (after.qty, after.qty * after.px)
        order = rebook(order, qty - before.qty, paid - before.qty * before.px)
        return order, [_rebook_notice(root, before, after)]


def _fill_in_force(execution: Execution[Fill]) -> Fill | None:
    """Fill of an execution as last corrected; None if it was busted."""
    return (
        fast_replace(execution.owner, qty=execution.qty, px=execution.px) if execution.qty else None
    )


def _rebook_notice(root: str, before: Fill, after: Fill | None) -> Notice:
    """Notice that a fill was busted (`after` None) or corrected."""
    before_text = f"{before.exec_id} of {_describe_fill(before)}"
    if after is None:
        return Notice(Code.BUSTED, root, f"{before_text} never was")
    return Notice(Code.CORRECTED, root, f"{before_text} was {_describe_fill(after)}")


def _describe_content(content: _Content) -> str:
    """Kind, side, lots and price of an execution report as text."""
    kind, side, qty, px, ref = content
    return f"{kind} {side:+d} {format_decimal(qty)} lots at {format_decimal(px)} {ref}".rstrip()


def _describe_fill(fill: Fill) -> str:
    """Lots and price of a fill as text."""
    return f"{format_decimal(fill.qty)} lots at {format_decimal(fill.px)}"
