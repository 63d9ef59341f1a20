"""Operators' commands at a session or a gate: taken from the journal's inbox, run by the caller's function, refused by an alert.
What a session's commands do is in `operator_commands`."""

from collections.abc import Callable

from tercel.core.errors import JournalError, TercelError
from tercel.core.ports import Entry
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.bodies import OperatorEntry
from tercel.desk.trading.journal.codec import entry_alert


def take_inbox(gateway: OrderGateway) -> list[Entry]:
    """Take operators' commands from the journal's inbox, as journaled and folded entries; [] where there is no inbox.

    Raises
    ------
    JournalError
        It cannot be written; open orders have been cancelled.
    """
    take = getattr(gateway.journal, "take_inbox", None)
    if take is None:
        return []
    with gateway.lock:
        try:
            entries: list[Entry] = take(gateway.venue.now_ns)
        except JournalError as error:
            gateway.on_journal_error(error)
            raise
        for entry in entries:
            gateway.ledger.last += 1
            gateway.ledger.apply(entry)
    return entries


def carry_out(gateway: OrderGateway, entry: Entry, execute: Callable[[Entry], None]) -> None:
    """Execute a person's command; journal an error in it (also a TypeError, no JournalError) as an "info" alert, its answer."""
    try:
        execute(entry)
        gateway.ledger.pending_commands.pop(OperatorEntry.of(entry).id, None)
    except JournalError:
        raise
    except (
        TercelError,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        ArithmeticError,
    ) as error:
        # Alert (not an alarm) that an operator's command cannot be carried out.
        operator_entry = OperatorEntry.of(entry)
        parent = (
            str(operator_entry.body.get("parent", ""))
            if isinstance(operator_entry.body, dict)
            else ""
        )
        alert = entry_alert(
            "info",
            "operator_refused",
            f"{operator_entry.command}: {error}",
            gateway.venue.now_ns,
            parent=parent,
            expected=error.expected if isinstance(error, TercelError) else "",
            received=error.received if isinstance(error, TercelError) else "",
            remedy=error.remedy if isinstance(error, TercelError) else "",
            operator=operator_entry.id,
        )
        gateway.write([alert])
