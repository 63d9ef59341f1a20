"""Ledger and limit counts of a session, rebuilt from its journal."""

from tercel.core.errors import OrderError
from tercel.core.orders import CancelReject, Report
from tercel.core.ports import Entry, Journal
from tercel.desk.limits import BestQuotes, LimitGate
from tercel.desk.trading.archive import ArchiveIndex
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import MarketEntry, ParentEntry, QuoteEntry
from tercel.desk.trading.journal.codec import command_of, message_of
from tercel.desk.trading.ledger import FOLDED, Ledger, apply_to_limits
from tercel.desk.trading.reconciliation.snapshot import restore_newest


def refold(journal: Journal, limits: LimitGate) -> Ledger:
    """Rebuild the ledger and the limit counts from a journal, starting at its newest snapshot if there is one.

    Raises
    ------
    OrderError
        When limits no longer know an agent or instrument that has a parent in the journal.
    """
    ledger = Ledger(ArchiveIndex(journal), limits)
    restore_newest(journal, ledger, limits)
    for seq, entry in journal.read(ledger.last, [*FOLDED, kinds.MARKET, kinds.HEARTBEAT]):
        ledger.last = seq
        ledger.apply(entry)
        count_entry(entry, limits, ledger)
    return ledger


def count_entry(entry: Entry, limits: LimitGate, ledger: Ledger) -> None:
    """Count a journal entry in the limits, as it was counted when it was written."""
    event = ParentEntry.of(entry) if entry.kind == kinds.PARENT else None
    if event is not None and event.event == "accepted":
        lots = event.lots or 0
        try:
            limits.register_parent(entry.parent, entry.instrument, entry.agent, event.side, lots)
        except OrderError as error:
            raise OrderError(
                "limits for every agent and instrument of the journal",
                f"{error.received} (parent {entry.parent})",
                "put them back into the limits file; they may be as low as you like",
            ) from error
    elif event is not None and event.event == "amended" and event.lots is not None:
        limits.amend(entry.parent, event.lots)
    elif entry.kind == kinds.ORDER_OUT:
        limits.count_sent(command_of(entry.body), entry.ns)
    elif entry.kind == kinds.QUOTE and (quote_body := QuoteEntry.of(entry)).event == "requested":
        limits.count_request(
            entry.instrument,
            entry.agent,
            quote_body.lots,
            quote_body.mid2 or 0,
            quote_body.dealers or (),
            entry.ns,
        )
    elif entry.kind == kinds.REPORT_IN:
        message = message_of(entry.body)
        if isinstance(message, Report):
            if not ledger.orders.is_empty_status(message):
                limits.report(message, entry.ns)
        elif isinstance(message, CancelReject):
            limits.cancel_reject(message)
    elif entry.kind == kinds.MARKET:
        market = MarketEntry.of(entry)
        limits.mark(entry.instrument, BestQuotes(market.bid, market.ask), entry.ns)
    elif entry.kind == kinds.HEARTBEAT and "day" in entry.body:
        limits.restore_day(**entry.body["day"])
    else:
        apply_to_limits(entry, limits)
