"""Commands, venue messages and alerts as journal entries, and back."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tercel.core import orders as o
from tercel.core.errors import JournalError
from tercel.core.fixed_point import to_number
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry, DeniedEntry

_COMMANDS: Final[dict[str, type[Any]]] = {
    "new": o.NewOrder,
    "quoted": o.QuotedOrder,
    "cancel": o.CancelOrder,
    "replace": o.ReplaceOrder,
    "status": o.StatusRequest,
    "mass_cancel": o.MassCancel,
}
_MESSAGES: Final[dict[str, type[Any]]] = {
    "report": o.Report,
    "cancel_reject": o.CancelReject,
    "link": o.LinkStatus,
    "unread": o.Unread,
}
_NAMES: Final = {kind: name for name, kind in {**_COMMANDS, **_MESSAGES}.items()}

OrderMessage = o.Report | o.CancelReject | o.LinkStatus | o.Unread


def to_json(message: o.Command | OrderMessage) -> dict[str, Any]:
    """A command or venue message as a mapping of JSON values; "what" names its type.

    >>> to_json(o.CancelReject("c2", "c1", "a", o.OrdStatus.FILLED, 5))["status"]
    'filled'
    """
    return {"what": _NAMES[type(message)], **msgspec.to_builtins(message)}


def _from_json(body: Mapping[str, Any], types: Mapping[str, type[Any]]) -> Any:
    """Message of one of some types from its JSON body; raises JournalError if it does not fit."""
    try:
        return msgspec.convert(body, types[body["what"]])
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise JournalError(
            f"a message that is one of {', '.join(types)}",
            f"{dict(body)!r:.200} ({error})",
            "read it as its writer does",
        ) from error


def command_of(body: Mapping[str, Any]) -> o.Command:
    """The command of an `order_out` body.

    Raises
    ------
    JournalError
        For a body that is no command.

    >>> command_of(to_json(o.StatusRequest("", "a", 3)))
    StatusRequest(cl_ord_id='', account='a', sent_ns=3)
    """
    command: o.Command = _from_json(body, _COMMANDS)
    return command


def message_of(body: Mapping[str, Any]) -> OrderMessage:
    """The venue's message of a `report_in` body.

    Raises
    ------
    JournalError
        For a body that is none.
    """
    message: OrderMessage = _from_json(body, _MESSAGES)
    return message


def entry_out(
    command: o.Command, parent: str = "", limits: str = "", now_ns: int | None = None
) -> Entry:
    """Entry of an outgoing command at `now_ns` (or its own time); `limits`: hash of the limits that it passed."""
    parent = parent or command.parent
    limits_field = (
        {"limits": limits} if limits and isinstance(command, o.NewOrder | o.ReplaceOrder) else {}
    )
    body = to_json(command) | limits_field
    ns = command.sent_ns if now_ns is None else now_ns
    return Entry(
        kinds.ORDER_OUT, ns, command.instrument, command.account, parent, command.cl_ord_id, body
    )


def entry_unsent(command: o.Command, severity: str, reason: str) -> Entry:
    """Alert entry of a command that may not have been sent: the orders that it names become UNKNOWN."""
    text = f"{command.cl_ord_id}: {reason}"
    subject = command.instrument, command.account, command.parent, command.cl_ord_id
    orders = [name for name in (command.cl_ord_id, command.orig) if name]
    return entry_alert(severity, kinds.SEND_FAILED, text, command.sent_ns, *subject, orders=orders)


def entry_denied(command: o.Command, code: str, text: str, parent: str = "") -> Entry:
    """Entry of a denied command."""
    order_entry = entry_out(command, parent)
    body = DeniedEntry(order_entry.body, code, text).json()
    return Entry(
        kinds.DENIED,
        order_entry.ns,
        order_entry.instrument,
        order_entry.agent,
        order_entry.parent,
        order_entry.order,
        body,
    )


def entry_alert(
    severity: str,
    code: str,
    text: str,
    ns: int,
    instrument: str = "",
    agent: str = "",
    parent: str = "",
    order: str = "",
    **details: Any,
) -> Entry:
    """Entry of an alert of severity "info", "warning" or "critical", about the named objects; `details`: `AlertEntry` fields."""
    body = AlertEntry(severity, str(code), text, **details)
    return Entry(kinds.ALERT, ns, instrument, agent, parent, order, body.json())


def entry_in(message: OrderMessage, parent: str = "", now_ns: int | None = None) -> Entry:
    """Entry of an incoming venue message at `now_ns` (or its own time)."""
    ns = message.ns if now_ns is None else now_ns
    return Entry(
        kinds.REPORT_IN,
        ns,
        message.instrument,
        message.account,
        parent,
        message.cl_ord_id,
        to_json(message),
    )


def next_batch(received: Iterable[OrderMessage | o.Holdings]) -> list[OrderMessage]:
    """The first messages, to be journaled together: those before the first position report; a bust or correction is alone in its
    batch."""
    batch: list[OrderMessage] = []
    for message in received:
        exec_types = {
            report.exec_type for report in (message, *batch[:1]) if isinstance(report, o.Report)
        }
        if isinstance(message, o.Holdings) or (batch and exec_types & o.REBOOKS):
            break
        batch.append(message)
    return batch


def replace_impossible(event: OrderMessage | o.Holdings) -> OrderMessage | o.Holdings:
    """The message; a trade or correction whose quantity is not positive, or with a number beyond 64 bits, is replaced by an
    `Unread`."""
    if (
        isinstance(event, o.Report)
        and event.exec_type in (o.ExecType.TRADE, o.ExecType.CORRECTED)
        and not (0 < event.last_qty < 2**63 > abs(event.last_px))
    ):
        names = event.cl_ord_id, event.account, event.instrument
        return o.Unread(
            f"{event}", f"{event.exec_type} of {to_number(event.last_qty)} lots", event.ns, *names
        )
    return event
