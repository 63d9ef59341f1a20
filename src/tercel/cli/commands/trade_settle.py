"""`tercel trade settle --order`: orders of which the venue will never speak again, ended by a person's word."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tercel.cli.commands.trade_look import ask
from tercel.cli.desks import find_desk
from tercel.cli.trade import Settle
from tercel.core.errors import OrderError
from tercel.core.fixed import shown
from tercel.core.machine import person
from tercel.core.names import offer
from tercel.core.ports import Entry
from tercel.report.terminal import print_json, say
from tercel.trading.desk.wall import FOLDER
from tercel.trading.journal import kinds
from tercel.trading.journal.codec import entry_in
from tercel.trading.journal.database import DATABASE
from tercel.trading.journal.lock import holder
from tercel.trading.journal.reader import JournalReader
from tercel.trading.journal.store import SqlJournal
from tercel.trading.ledger import Ledger
from tercel.trading.order import ChildOrder
from tercel.trading.settlement import ends


def settle_orders(request: Settle) -> None:
    """End orders in the journals of a desk and of its gate, with what was filled. A gate that runs, or a desk without
    one, is asked to: what it says goes to whoever is behind it.

    Raises
    ------
    OrderError
        For an order that is not known, or is over: nothing was written.
    """
    desk = find_desk(request.desk)
    names = list(dict.fromkeys(request.order or []))
    found = {folder: _ledger(folder) for folder in (desk / FOLDER, desk) if (folder / DATABASE).exists()}
    known = sorted({order.root for ledger in found.values() for order in ledger.orders.live()})
    if missing := [name for name in names if name not in known]:
        received = f"{', '.join(missing)}; nothing was written"
        raise OrderError("orders that are not over", received, offer(missing[0], known, "see `tercel trade orders`"))
    rows, told = [], set[str]()
    for folder, ledger in found.items():
        chosen = [order for order in ledger.orders.live() if order.root in names and order.root not in told]
        if chosen and holder(folder):
            ask(replace(request, desk=folder), "settle", {"orders": [order.root for order in chosen]})
            told |= {order.root for order in chosen} if holder(desk) else set()
        elif chosen:
            _end(folder, chosen, ledger.orders.last_ns, request.reason)
            rows += [{"order": order.root, "filled": shown(order.cum_qty), "journal": str(folder)} for order in chosen]
    if request.as_json and rows:
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
        over = zip(ends(orders, f"{wall_ns}", ns, by, reason), orders, strict=True)
        journal.append([Entry(kinds.OPERATOR, ns, body=said), *(entry_in(end, order.parent) for end, order in over)])
