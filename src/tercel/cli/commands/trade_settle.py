"""`tercel trade settle --order`: orders of which the venue will never speak again, ended by a person's word."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tercel.cli.desks import find_desk
from tercel.cli.machine import person
from tercel.cli.trade import Settle
from tercel.core.errors import OrderError
from tercel.core.fixed import shown
from tercel.core.names import offer
from tercel.core.orders import ExecType, OrdStatus, Report
from tercel.core.ports import Entry
from tercel.report.terminal import print_json, say
from tercel.trading.desk.wall import FOLDER
from tercel.trading.journal import kinds
from tercel.trading.journal.codec import entry_in
from tercel.trading.journal.database import DATABASE
from tercel.trading.journal.reader import JournalReader
from tercel.trading.journal.store import SqlJournal
from tercel.trading.ledger import Ledger
from tercel.trading.order import ChildOrder


def settle_orders(request: Settle) -> None:
    """End orders in the journals of a desk and of its gate, with what was filled; the desk must not run.

    Raises
    ------
    OrderError
        For an order that is not known, or is over: nothing was written.
    """
    desk = find_desk(request.desk)
    names = list(dict.fromkeys(request.order or []))
    found = {folder: _ledger(folder) for folder in (desk, desk / FOLDER) if (folder / DATABASE).exists()}
    known = sorted({order.root for ledger in found.values() for order in ledger.orders.live()})
    if missing := [name for name in names if name not in known]:
        received = f"{', '.join(missing)}; nothing was written"
        raise OrderError("orders that are not over", received, offer(missing[0], known, "see `tercel trade orders`"))
    rows = []
    for folder, ledger in found.items():
        chosen = [order for order in ledger.orders.live() if order.root in names]
        if chosen:
            _end(folder, chosen, ledger.orders.last_ns, request.reason)
            rows += [{"order": order.root, "filled": shown(order.cum_qty), "journal": str(folder)} for order in chosen]
    if request.as_json:
        print_json({"desk": str(desk), "by": person(), "reason": request.reason, "settled": rows})
        return
    for row in rows:
        say(f"{row['order']} is over with {row['filled']} lots filled, by the word of {person()}: {row['journal']}")


def _ledger(folder: Path) -> Ledger:
    with closing(JournalReader(folder)) as reader:
        return Ledger.of(reader)


def _end(folder: Path, orders: Sequence[ChildOrder], ns: int, reason: str) -> None:
    """Who said so, then the end of each order as if the venue had told it."""
    by, wall_ns = person(), time.time_ns()
    with closing(SqlJournal(folder, f"{by} (tercel trade settle)")) as journal:
        said: dict[str, object] = {"command": "settle", "body": {"orders": [order.root for order in orders]}}
        said |= {"by": by, "reason": reason, "wall_ns": wall_ns}
        text = f"settled by {by}: {reason}"
        ends = [
            entry_in(_ended(order, f"settled-{wall_ns}-{n}", ns, text), order.parent) for n, order in enumerate(orders)
        ]
        journal.append([Entry(kinds.OPERATOR, ns, body=said), *ends])


def _ended(order: ChildOrder, exec_id: str, ns: int, text: str) -> Report:
    return Report(
        exec_id=exec_id, exec_type=ExecType.CANCELED, status=OrdStatus.CANCELED, cl_ord_id=order.root, orig="",
        order_id=order.order_id, account=order.account, instrument=order.instrument, side=order.side, lots=order.lots,
        price=order.price, last_qty=0, last_px=0, cum_qty=order.cum_qty, leaves_qty=0, ns=ns, text=text,
    )  # fmt: skip
