"""Venue messages as JSON values for the journal, and back."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tercel.core import orders as o
from tercel.core.errors import JournalError
from tercel.core.orders import shown
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
_WORDS: Final[dict[str, type[Any]]] = {
    "report": o.Report,
    "cancel_reject": o.CancelReject,
    "link": o.LinkStatus,
    "unread": o.Unread,
}
_NAMES: Final = {kind: name for name, kind in {**_COMMANDS, **_WORDS}.items()}

OrderMessage = o.Report | o.CancelReject | o.LinkStatus | o.Unread


def to_json(message: o.Command | OrderMessage) -> dict[str, Any]:
    """A message as a mapping of JSON values.

    >>> to_json(o.CancelReject("c2", "c1", "a", o.OrdStatus.FILLED, 5))["status"]
    'filled'
    """
    return {"what": _NAMES[type(message)], **msgspec.to_builtins(message)}


def _from_json(body: Mapping[str, Any], known: Mapping[str, type[Any]]) -> Any:
    try:
        return msgspec.convert(body, known[body["what"]])
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise JournalError(
            f"a message that is one of {', '.join(known)}",
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
    message: OrderMessage = _from_json(body, _WORDS)
    return message


def entry_out(
    command: o.Command, parent: str = "", limits: str = "", now_ns: int | None = None
) -> Entry:
    """Entry of an outgoing command at `now_ns` (or its own time); `limits`: hash of the limits that it passed."""
    parent = parent or command.parent
    passed = (
        {"limits": limits} if limits and isinstance(command, o.NewOrder | o.ReplaceOrder) else {}
    )
    body = to_json(command) | passed
    ns = command.sent_ns if now_ns is None else now_ns
    return Entry(
        kinds.ORDER_OUT, ns, command.instrument, command.account, parent, command.cl_ord_id, body
    )


def entry_unsent(command: o.Command, severity: str, why: str) -> Entry:
    """Alert of a command that may not have left: the orders it names become UNKNOWN."""
    text = f"{command.cl_ord_id}: {why}"
    where = command.instrument, command.account, command.parent, command.cl_ord_id
    orders = [name for name in (command.cl_ord_id, command.orig) if name]
    return entry_alert(severity, kinds.SEND_FAILED, text, command.sent_ns, *where, orders=orders)


def entry_denied(command: o.Command, code: str, text: str, parent: str = "") -> Entry:
    """Entry of a denied command."""
    out = entry_out(command, parent)
    body = DeniedEntry(out.body, code, text).json()
    return Entry(kinds.DENIED, out.ns, out.instrument, out.agent, out.parent, out.order, body)


def entry_alert(
    severity: str,
    code: str,
    text: str,
    ns: int,
    instrument: str = "",
    agent: str = "",
    parent: str = "",
    order: str = "",
    **more: Any,
) -> Entry:
    """Entry of an alert of severity "info", "warning" or "critical", about the named objects; `more`: `AlertEntry` fields."""
    body = AlertEntry(severity, str(code), text, **more)
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
    """Messages up to the first position report; a bust or correction is one by itself, as what was booked before it
    judges it."""
    found: list[OrderMessage] = []
    for one in received:
        kinds = {each.exec_type for each in (one, *found[:1]) if isinstance(each, o.Report)}
        if isinstance(one, o.Holdings) or (found and kinds & o.REBOOKS):
            break
        found.append(one)
    return found


def readable(event: OrderMessage | o.Holdings) -> OrderMessage | o.Holdings:
    """The event; an execution of zero quantity, or beyond 64 bits, which no sum can take, becomes an unreadable one."""
    if (
        isinstance(event, o.Report)
        and event.exec_type in (o.ExecType.TRADE, o.ExecType.CORRECTED)
        and not (0 < event.last_qty < 2**63 > abs(event.last_px))
    ):
        names = event.cl_ord_id, event.account, event.instrument
        return o.Unread(
            f"{event}", f"{event.exec_type} of {shown(event.last_qty)} lots", event.ns, *names
        )
    return event
