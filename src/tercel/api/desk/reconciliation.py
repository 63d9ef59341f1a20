"""Reconciliation of a desk's orders with its venue, and ends of orders that the venue will never report."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tercel.api.desk.posted_commands import PostedCommand, operator_entry, post_and_wait
from tercel.core.child_order import ChildOrder
from tercel.core.errors import OrderError, suggest_name
from tercel.core.fixed_point import to_number
from tercel.core.system import user_name
from tercel.desk.gate.process import FOLDER, connect_venue
from tercel.desk.trading.folder_ledger import fold_folder
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.database import DATABASE, holder
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.reconciliation.positions import end_reports
from tercel.desk.trading.reconciliation.recovery import RecoveryLine


@dataclass(frozen=True)
class Agreement:
    """Comparison of a desk's orders with the venue's reports: compared orders, unknown ones, and those still open.

    Parameters
    ----------
    venue_queried : bool
        Whether the venue was queried now.
    orders : list of RecoveryLine
    unknown, open : list of ChildOrder
        Of unknown fate, and open.
    faults : list of str
        Of the journal.
    """

    venue_queried: bool
    orders: list[RecoveryLine]
    unknown: list[ChildOrder]
    open: list[ChildOrder]
    faults: list[str]

    @property
    def differ(self) -> int:
        """Number of orders that differ from the venue's report."""
        return sum(row.action != "agreed" for row in self.orders)


def agreement_of(folder: Path, venue: str | None = None) -> Agreement:
    """Compare every order with the venue's report: the one in the journal, or with a `venue` a new one.

    Then the desk's journal is opened as a new session would open it, and open orders are cancelled.
    """
    if venue is not None:
        return _reconcile_with_venue(folder, venue)
    with closing(JournalReader(folder)) as reader:
        rows = [
            RecoveryLine(entry.order, entry.instrument, entry.agent, entry.parent, **entry.body)
            for _, entry in reader.read(0, (kinds.RECONCILED,))
        ]
        return _agreement(rows, Ledger.of(reader), venue_queried=False)


def _agreement(rows: Sequence[RecoveryLine], ledger: Ledger, venue_queried: bool) -> Agreement:
    """The comparison from the lines of a recovery and the ledger after it."""
    unknown = {order.root: order for order in ledger.orders.unknown()}
    live = [order for order in ledger.orders.live() if order.root not in unknown]
    return Agreement(venue_queried, list(rows), list(unknown.values()), live, ledger.faults())


def _reconcile_with_venue(folder: Path, address: str) -> Agreement:
    """Open the desk's journal as a new session would, ask the venue, cancel open orders."""
    from tercel.desk.engine.configured_agents import strategy_of
    from tercel.desk.limits import LimitGate, from_json, read_packaged
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch
    from tercel.desk.trading.session_opening import open_session
    from tercel.desk.trading.session_terms import SessionTerms
    from tercel.venues.address import mark_of

    ledger = fold_folder(folder)
    agents = sorted({parent.order.agent for parent in ledger.parents})
    in_force = ledger.limits.in_force
    journal = SqlJournal(folder, f"{user_name()} (tercel trade reconcile)")
    latch = KillLatch(folder / LATCH)
    with closing(journal), ExitStack() as stack:
        link = connect_venue(
            address, agents, folder, None, latch.path, stack, agree=lambda money: {}
        )  # it cancels alone
        limits = read_packaged() if in_force is None else from_json(in_force)
        gate = LimitGate(limits, link.listings(), agents, latch.kill_reason)
        terms = SessionTerms(name_tag=mark_of(address))
        with open_session(
            link, journal, gate, lambda name, _: strategy_of(name, None), terms, latch=latch
        ) as session:
            return _agreement(session.recovered, session.ledger, venue_queried=True)


@dataclass(frozen=True)
class EndedOrder:
    """An order that a person ended in a journal, and the lots that it had filled."""

    order: str
    filled: float
    journal: Path


def settle_orders(
    desk: Path, orders: Sequence[str], reason: str, wait_s: float
) -> Iterator[PostedCommand | EndedOrder]:
    """End orders in the journals of a desk and of its gate, at their filled quantities.

    A running gate, or a running desk without one, gets a command to do so: its reports reach all desks behind it.

    Yields
    ------
    PostedCommand or EndedOrder
        The command that was posted, or an order that was ended here.

    Raises
    ------
    OrderError
        An unknown or finished order: nothing was written.
    """
    names = list(dict.fromkeys(orders))
    ledgers = {
        folder: fold_folder(folder)
        for folder in (desk / FOLDER, desk)
        if (folder / DATABASE).exists()
    }
    open_roots = sorted(
        {order.root for ledger in ledgers.values() for order in ledger.orders.live()}
    )
    if missing := [name for name in names if name not in open_roots]:
        raise OrderError(
            "orders that are not over",
            f"{', '.join(missing)}; nothing was written",
            suggest_name(missing[0], open_roots, "see `tercel trade orders`"),
        )
    settled = set[str]()
    for folder, ledger in ledgers.items():
        to_end = [
            order
            for order in ledger.orders.live()
            if order.root in names and order.root not in settled
        ]
        if to_end and holder(folder):
            yield post_and_wait(
                folder, "settle", {"orders": [order.root for order in to_end]}, reason, wait_s
            )
            settled |= {order.root for order in to_end} if holder(desk) else set()
        elif to_end:
            _end_orders(folder, to_end, ledger.orders.last_ns, reason)
            for order in to_end:
                yield EndedOrder(order.root, to_number(order.cum_qty), folder)


def _end_orders(folder: Path, orders: Sequence[ChildOrder], ns: int, reason: str) -> None:
    """Write the operator's statement, then the end of each order as if the venue had reported it."""
    by = user_name()
    with closing(SqlJournal(folder, f"{by} (tercel trade settle)")) as journal:
        statement = operator_entry(
            "settle", {"orders": [order.root for order in orders]}, by, reason, ns
        )
        parents = {order.root: order.parent for order in orders}
        reports = end_reports(orders, f"{statement.body['wall_ns']}", ns, by, reason)
        entries = [entry_in(report, parents[report.orig or report.cl_ord_id]) for report in reports]
        journal.append([statement, *entries])
