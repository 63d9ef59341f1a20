"""Record of sent orders by name: reports may omit their fields, and a venue may not accept their names.

One line of JSON an order, written before the order leaves; a process that is killed reads them again.
"""

import errno
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import VenueError
from tercel.core.lifecycle import TRANSITIONS, next_base_state

FILE: Final = "orders.jsonl"
MOST_STORED: Final = 10_000
"""Commands that are remembered, beside orders that may still trade."""
_MOST_ASKED: Final = 10_000
_KINDS: Final[dict[type, str]] = {
    o.NewOrder: "new",
    o.ReplaceOrder: "replace",
    o.CancelOrder: "cancel",
}
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(slots=True)
class SentOrder:
    """An order, or a cancel or replace request, as sent.

    Parameters
    ----------
    wire, name : str
        Its ClOrdID there and here.
    orig : str
        Here: the order that it changes.
    account, instrument, side, lots, price, parent
        As in the command; price None: a market order.
    kind : {"new", "replace", "cancel", "mass"}
    order_id : str
        The venue's number, once it is known.
    status : OrdStatus
        By the venue's reports, in the cautious column of `core.lifecycle.next_base_state`: without pending requests.
    cum_qty : int
        Filled so far, that of the orders that it replaced among it, 10^-8 of a lot.
    base_qty : int
        Filled quantity of the orders before it, if the venue replaces by cancel and new order.
    swaps : str
        ClOrdID of the cancel in the same message, for a cancel and new order.
    skipped : bool
        The venue requested it again over a later connection, and received a gap fill instead.
    quote : str
        The quote that it takes: it does not enter the book.
    """

    wire: str
    name: str
    orig: str
    account: str
    instrument: str
    side: int
    lots: int
    price: int | None
    parent: str
    kind: str
    order_id: str = ""
    status: o.OrdStatus = o.OrdStatus.PENDING_NEW
    cum_qty: int = 0
    base_qty: int = 0
    swaps: str = ""
    skipped: bool = False
    quote: str = ""

    @property
    def live(self) -> bool:
        """Whether the order may still trade."""
        return self.kind in ("new", "replace") and self.status not in o.TERMINAL


class OrderMemory:
    """Sent orders of one session, by internal and wire name.

    Parameters
    ----------
    folder : Path, optional
        Where its file is; None: it lasts as long as the process.
    letters : re.Pattern
        A letter of a name that the venue accepts.
    most : int
        Letters of one at most.

    >>> memory = OrderMemory(letters=re.compile("[A-Z0-9]"), most=12)
    >>> sent = memory.record(o.NewOrder("p.1", "XYZ", 1, 2, 9, o.Tif.DAY, "a", "p", 0))
    >>> memory.by_wire.get(sent.wire).name, len(sent.wire) <= 12
    ('p.1', True)
    """

    def __init__(
        self,
        folder: Path | None = None,
        letters: re.Pattern[str] = re.compile(r"[!-~]"),
        most: int = 64,
    ) -> None:
        """Read the orders of earlier processes from the folder's file, and keep it open for appending."""
        self._fits = re.compile(f"(?:{letters.pattern})+")
        self.most = most
        self.by_wire: dict[str, SentOrder] = {}
        """Sent orders, by ClOrdID."""
        self.by_name: dict[str, SentOrder] = {}
        """Sent orders, by own name."""
        self._by_order_id: dict[str, SentOrder] = {}
        self._status_accounts: dict[str, str] = {}
        self.by_swap: dict[str, SentOrder] = {}
        """The new order of a cancel-and-new, by the ClOrdID of the cancel."""
        self._mark = _base36(time.time_ns() // 1_000_000)
        self._count = 0
        self._file = -1
        self._unwritten = dict[str, SentOrder]()
        self.write_error = ""
        """Reason why the file is incomplete, else "": no new order should be sent."""
        if folder is not None:
            self._read(folder / FILE)

    def _read(self, path: Path) -> None:
        """Read the stored orders of earlier processes (torn lines are skipped), rewrite a long file, and open it for
        appending."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            for line in lines:
                with suppress(
                    ValueError, TypeError, KeyError
                ):  # a torn line is of an order that never left
                    sent = SentOrder(**json.loads(line))
                    status = o.OrdStatus(sent.status)
                    sent.status = (
                        status if status in TRANSITIONS else o.working_status(sent.cum_qty)
                    )
                    self._put(sent)
            self._forget(len(self.by_wire))
            if len(lines) > 20 * MOST_STORED:
                temporary = path.with_suffix(".new")
                temporary.touch(mode=0o600)
                temporary.write_text(
                    "".join([_line(sent) for sent in self.by_wire.values()]), encoding="utf-8"
                )
                temporary.replace(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise VenueError(
                f"the orders of a session in {path}", f"{error.strerror}", "mend the file"
            ) from None

    def _put(self, sent: SentOrder) -> None:
        """Index an order by its wire name, internal name, swap name and OrderID."""
        self.by_wire[sent.wire] = self.by_name[sent.name] = sent
        if sent.swaps:
            self.by_swap[sent.swaps] = sent
        if sent.order_id and sent.kind in ("new", "replace"):
            self._by_order_id[sent.order_id] = sent

    def _forget(self, most_checks: int) -> None:
        """Drop the oldest commands beyond `MOST_STORED` except orders that may still trade; looks at `most_checks` at most."""
        for _ in range(min(most_checks, len(self.by_wire) - MOST_STORED)):
            sent = self.by_wire.pop(next(iter(self.by_wire)))
            if sent.live:
                self.by_wire[sent.wire] = sent
                continue
            for index, name in (
                (self.by_name, sent.name),
                (self.by_swap, sent.swaps),
                (self._by_order_id, sent.order_id),
            ):
                if index.get(name) is sent:
                    del index[name]

    def order_to_cancel(self, sent: SentOrder) -> SentOrder | None:
        """Order that `sent`, a cancel, refers to; None if `sent` is no cancel, or its order is unknown."""
        return self.by_name.get(sent.orig) if sent.kind == "cancel" else None

    def find_by_order_id(self, order_id: str) -> SentOrder | None:
        """New order or replacement with a venue's OrderID; None if it is unknown."""
        return self._by_order_id.get(order_id)

    def write(self, sent: SentOrder) -> None:
        """Store an order's state; a failed write is retried with the next, and `write_error` holds the reason."""
        self._put(sent)
        if self._file < 0:
            return
        self._unwritten[sent.wire] = sent
        lines = "".join(map(_line, self._unwritten.values())).encode()
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.write_error = error.strerror or str(error)
            with suppress(OSError):
                os.ftruncate(self._file, size)  # half a line would spoil the next one
        else:
            self.write_error = ""
            self._unwritten.clear()

    def wire_name(self, name: str) -> str:
        """ClOrdID of an internal name: the recorded one, else the name itself or, where the venue does not accept it, a
        new one with each call (`record` stores it)."""
        if (sent := self.by_name.get(name)) is not None:
            return sent.wire
        if len(name) <= self.most and self._fits.fullmatch(name) and name not in self.by_wire:
            return name
        generated = ""
        while not generated or generated in self.by_wire:
            self._count += 1
            generated = f"T{self._mark}X{_base36(self._count)}"[-self.most :]
        return generated

    def record(
        self, command: o.NewOrder | o.ReplaceOrder | o.CancelOrder | o.MassCancel, suffix: str = ""
    ) -> SentOrder:
        """Record a command under its name and `suffix` before it is sent, and return the record, with its ClOrdID;
        VenueError for an order that cannot be written down, a cancel leaves all the same.

        Raises
        ------
        VenueError
            For a new order or a replacement that cannot be written down; a cancel leaves all the same.
        """
        name = command.cl_ord_id + suffix
        old = self.by_name.get(command.orig)
        last = command if isinstance(command, o.NewOrder | o.ReplaceOrder) else old
        lots, price, parent = (
            (last.lots, last.price, last.parent) if last is not None else (0, None, "")
        )
        sent = SentOrder(
            self.wire_name(name),
            name,
            command.orig,
            command.account,
            command.instrument,
            0 if isinstance(command, o.MassCancel) else command.side,
            lots,
            price,
            parent,
            next(
                (
                    kind
                    for command_type, kind in _KINDS.items()
                    if isinstance(command, command_type)
                ),
                "mass",
            ),
            old.order_id if old else "",
            quote=command.quote if isinstance(command, o.QuotedOrder) else "",
        )
        self.write(sent)
        self._forget(2)
        if self.write_error and sent.kind in ("new", "replace"):
            del self.by_wire[sent.wire], self.by_name[sent.name], self._unwritten[sent.wire]
            raise VenueError(
                "orders that can be written down before they leave",
                self.write_error,
                "make room on its disk",
            )
        return sent

    def skip(self, sent: SentOrder, cannot_arrive: bool) -> str:
        """Name of a command that is not resent to a ResendRequest, "" if nothing follows; one that `cannot_arrive` is
        marked skipped.

        That is where the venue has reported on the order since, or no order that it would cancel is left.
        """
        if sent.kind in ("new", "replace"):
            is_open = sent.status is o.OrdStatus.PENDING_NEW
        elif sent.kind == "cancel":
            is_open = sent.orig in self.by_name and self.by_name[sent.orig].live
        else:
            is_open = bool(self.live(sent.account, sent.instrument))
        if is_open and cannot_arrive:
            sent.skipped = True
            self.write(sent)
        return sent.name if is_open else ""

    def record_status_request(self, name: str, account: str) -> str:
        """ClOrdID of a status request, with its account recorded: the answer may not state it."""
        wire = self.wire_name(name)
        self._status_accounts.pop(wire, None)
        self._status_accounts[wire] = account
        if len(self._status_accounts) > _MOST_ASKED:
            del self._status_accounts[next(iter(self._status_accounts))]
        return wire

    def account(self, wire: str) -> str:
        """Account of an order or of the last status request; "": unknown."""
        sent = self.by_wire.get(wire)
        return sent.account if sent is not None else self._status_accounts.get(wire, "")

    def live(self, account: str = "", instrument: str = "") -> list[SentOrder]:
        """Orders that may still trade, of an account and an instrument ("": all)."""
        return [
            sent
            for sent in self.by_wire.values()
            if sent.live and account in ("", sent.account) and instrument in ("", sent.instrument)
        ]

    def update(self, report: o.Report) -> None:
        """Record a report's OrderID, status and fills in the order that it names and in the one that this changed."""
        sent = self.by_name.get(report.cl_ord_id)
        old = self.by_name.get(report.orig)
        for order in (sent, old):
            if order is None or order.kind not in ("new", "replace"):
                continue
            # A report may carry a cancel's name: it is of the other order then.
            renamed = (
                order is old
                and sent is not None
                and sent.kind in ("new", "replace")
                and report.exec_type is o.ExecType.REPLACED
            )
            counts = report.cum_qty, report.cum_qty, order.lots
            status = o.OrdStatus.CANCELED
            if not renamed:
                status = next_base_state(order.status, report, *counts, cautious=True)
                named = order is sent or sent is None or sent.kind not in ("new", "replace")
                if named and report.leaves_qty > 0 and report.status not in o.TERMINAL:
                    # A kill cancels all orders that are open at the venue, whatever was reported before.
                    status = (
                        status if status not in o.TERMINAL else o.working_status(report.cum_qty)
                    )
            if (order.order_id, order.status, order.cum_qty) != (
                report.order_id or order.order_id,
                status,
                report.cum_qty,
            ):
                self.write(
                    replace(
                        order,
                        order_id=report.order_id or order.order_id,
                        status=status,
                        cum_qty=report.cum_qty,
                    )
                )

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _line(sent: SentOrder) -> str:
    """An order as one line of JSON."""
    return (
        json.dumps({key: getattr(sent, key) for key in SentOrder.__slots__}, separators=(",", ":"))
        + "\n"
    )


def _base36(number: int) -> str:
    """A whole number in base 36."""
    text = ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
