"""Commands to FIX fields, and reports and cancel rejects of Tercel's own venues from them (others: `report_reader`): an
initiator's pure functions, exact.

A message is a list of (tag, value) on its way out, and a mapping of tags to values on its way in. FIX carries decimal
prices and numbers of shares; a :class:`PriceScale` turns ticks and lots into them: whole for orders, exact in 10^-8
of the unit for executions.

    out: 35=D|11=a-1|1=DESK|55=XYZ|54=1|60=20231114-22:13:20.000000|38=300|40=2|44=10.05|59=0|
    in:  35=8|37=17.4|11=a-1|17=XYZ:9|150=F|39=1|55=XYZ|54=1|38=300|44=10.05|32=100|31=10.05|14=100|151=200|
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE, ceil_units
from tercel.core.link.price_scale import PLAIN, PriceScale, RefusedError
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import utc_ns, utc_text

T = TypeVar("T")


Fields = list[tuple[int, str]]
Tags = Mapping[int, str]


def read_optional(
    tags: Mapping[int, str], tag: int, read: Callable[[str], T], default: T, faults: list[str]
) -> T:
    """Value of a field that a report can be booked without: `default` if missing, or unreadable, noted in `faults`.

    >>> faults = []
    >>> read_optional({38: "ten"}, 38, PLAIN.lots, 7, faults), faults
    (7, ['expected a quantity; received 38=ten'])
    """
    try:
        return read(tags[tag]) if tag in tags else default
    except RefusedError as error:
        faults.append(error.text)
        return default


def check_name(text: str) -> str:
    """The name itself; raises OrderError if it has control characters, which FIX cannot carry.

    Raises
    ------
    OrderError
        When it holds control characters, which FIX cannot carry.
    """
    if not text.isprintable():
        raise OrderError("a name of printable characters", repr(text), "choose another name")
    return text


def one_line(text: str) -> str:
    """One line for Text (58); unprintable characters become blanks."""
    return (
        text
        if text.isprintable()
        else "".join(letter if letter.isprintable() else " " for letter in text)
    )


def side_code(side: int) -> str:
    """Code of Side (54): buy, sell, or 7 (undisclosed) for any other number."""
    return t.BUY_CODE if side == BUY else t.SELL_CODE if side == SELL else t.NO_SIDE_CODE


def time_fields(ns: int) -> Fields:
    """Time of a message, with that to the nanosecond in a tag of our own."""
    return [(t.TRANSACT_TIME, utc_text(ns, 6)), (t.EXACT_NS, str(ns))]


def price_fields(price: int | None, scale: PriceScale) -> Fields:
    """Type and price of an order; None: at the market."""
    return (
        [(t.ORD_TYPE, t.MARKET)]
        if price is None
        else [(t.ORD_TYPE, t.LIMIT), (t.PRICE, scale.price(price))]
    )


def drop_empty(fields: Fields) -> Fields:
    """Fields without empty values, which FIX forbids."""
    return [field for field in fields if field[1]]


def command_out(command: o.Command, scale: PriceScale = PLAIN) -> tuple[str, Fields]:
    """Message type and fields of a command.

    Raises
    ------
    OrderError
        For a name that FIX cannot carry.
    """
    if isinstance(command, o.StatusRequest):
        account = (t.ACCOUNT, check_name(command.account))
        exact = (t.EXACT_NS, str(command.sent_ns))
        if not command.cl_ord_id:
            scope = [(t.MASS_STATUS_ID, f"all-{command.sent_ns}"), (t.MASS_STATUS_TYPE, "7")]
            return t.MASS_STATUS, drop_empty([*scope, account, exact])
        name = (t.CL_ORD_ID, check_name(command.cl_ord_id))
        symbol = (t.SYMBOL, t.NO_SYMBOL)
        return t.STATUS, drop_empty([name, symbol, (t.SIDE, t.NO_SIDE_CODE), account, exact])
    fields: Fields = [(t.CL_ORD_ID, check_name(command.cl_ord_id))]
    if isinstance(command, o.MassCancel):
        fields += [
            (t.MASS_CANCEL_TYPE, "1" if command.instrument else "7"),
            (t.SYMBOL, check_name(command.instrument)),
        ]
        return t.MASS_CANCEL, drop_empty(
            [*fields, (t.FOR_ACCOUNT, check_name(command.account)), *time_fields(command.sent_ns)]
        )
    fields += [(t.ACCOUNT, check_name(command.account)), (t.SYMBOL, check_name(command.instrument))]
    fields += [(t.SIDE, side_code(command.side)), *time_fields(command.sent_ns)]
    if isinstance(command, o.CancelOrder):
        return t.CANCEL, drop_empty([*fields, (t.ORIG_CL_ORD_ID, check_name(command.orig))])
    fields += [(t.ORDER_QTY, scale.quantity(command.lots)), *price_fields(command.price, scale)]
    fields += [(t.PARENT, check_name(command.parent))]
    if isinstance(command, o.ReplaceOrder):
        return t.REPLACE, drop_empty([*fields, (t.ORIG_CL_ORD_ID, check_name(command.orig))])
    fields += [(t.TIME_IN_FORCE, t.TIF_CODES[command.tif])]
    return t.NEW_ORDER, drop_empty(add_quote(fields, command))


def add_quote(fields: Fields, command: o.NewOrder) -> Fields:
    """Fields of an order with its quote, previously quoted (40=D) and fill or kill (59=4); unchanged for an order without one."""
    if not isinstance(command, o.QuotedOrder):
        return fields
    codes = {t.ORD_TYPE: t.PREVIOUSLY_QUOTED, t.TIME_IN_FORCE: t.FILL_OR_KILL}
    order_fields = [(tag, codes.get(tag, value)) for tag, value in fields]
    return [*order_fields, (t.QUOTE_ID, check_name(command.quote))]


def response_out(wire_id: str, fields: Fields, quote_id: str) -> Fields:
    """Fields of an order as those of a QuoteResponse, of this id on the wire, that hits its quote (694=1)."""
    dropped = (t.ORD_TYPE, t.TIME_IN_FORCE)
    head = [
        (t.QUOTE_RESP_ID, wire_id),
        (t.QUOTE_ID, check_name(quote_id)),
        (t.QUOTE_RESP_TYPE, t.HIT),
    ]
    return [*head, *(field for field in fields if field[0] not in dropped)]


def require(tags: Tags, tag: int, reason: str = t.OTHER) -> str:
    """Value of a tag; raises RefusedError, with `reason` as OrdRejReason (103), where it is missing or empty.

    Raises
    ------
    RefusedError
        It is not.
    """
    value = tags.get(tag, "")
    if not value:
        raise RefusedError(f"tag {tag}", "none", reason)
    return value


def parse_ns(tags: Tags, tag: int, default: int) -> int:
    """Value of a tag as nanoseconds since 1970; `default` if it is missing, RefusedError if it is no such number.

    Raises
    ------
    RefusedError
        They are none, or too many.
    """
    text = tags.get(tag, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (value := int(text)) >= 2**63:
        raise RefusedError(f"nanoseconds since 1970 in tag {tag}", text[:40])
    return value


def report_in(tags: Tags, known: Mapping[str, PriceScale], fault: str = "") -> o.Report:
    """Report of an ExecutionReport; `fault`: its other faults, in words.

    Lots, price, open lots and the time are taken from other fields if their own are unreadable; `fault` names them.

    Raises
    ------
    RefusedError
        For codes, prices or numbers that it cannot have meant.
    """
    symbol = tags.get(t.SYMBOL, "")
    instrument = "" if symbol == t.NO_SYMBOL else symbol
    scale = known.get(instrument, PLAIN)
    code = tags.get(t.EXEC_TYPE, "")
    kind = o.ExecType.TRADE if code in ("1", "2") else t.EXECS.get(code)
    status = t.STATUSES.get(tags.get(t.ORD_STATUS, ""))
    if kind is None or status is None:
        raise RefusedError(
            "150 and 39 that are known here",
            f"150={code}, 39={tags.get(t.ORD_STATUS)}",
        )
    if status is o.OrdStatus.REJECTED and tags.get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER:
        status = o.OrdStatus.UNKNOWN
    if kind in (o.ExecType.TRADE, o.ExecType.CORRECTED) and t.LAST_QTY in tags:
        require(tags, t.LAST_PX)
    faults = [fault] if fault else []
    faults += [f"150={code} of FIX 4.2"] if code in ("1", "2") else []
    cum = scale.qty(tags.get(t.CUM_QTY, "0"), t.CUM_QTY)
    leaves = read_optional(
        tags, t.LEAVES_QTY, lambda text: scale.qty(text, t.LEAVES_QTY), -1, faults
    )
    lots = read_optional(tags, t.ORDER_QTY, scale.lots, ceil_units(cum + max(leaves, 0)), faults)
    over = status in o.TERMINAL or status is o.OrdStatus.UNKNOWN
    return o.Report(
        exec_id=name_of(tags.get(t.EXEC_ID, "")),
        exec_type=kind,
        status=status,
        cl_ord_id=tags.get(t.CL_ORD_ID, ""),
        orig=tags.get(t.ORIG_CL_ORD_ID, ""),
        order_id=name_of(tags.get(t.ORDER_ID, "")),
        account=tags.get(t.ACCOUNT, ""),
        instrument=instrument,
        side={t.BUY_CODE: BUY, t.SELL_CODE: SELL}.get(tags.get(t.SIDE, ""), 0),
        lots=lots,
        price=read_optional(tags, t.PRICE, scale.ticks, None, faults),
        last_qty=scale.qty(tags.get(t.LAST_QTY, "0"), t.LAST_QTY),
        last_px=scale.px(tags.get(t.LAST_PX, "0"), t.LAST_PX),
        cum_qty=cum,
        leaves_qty=leaves if leaves >= 0 else 0 if over else max(lots * ONE - cum, 1),
        ns=read_optional(
            tags,
            t.EXACT_NS,
            lambda _: parse_ns(tags, t.EXACT_NS, 0),
            utc_ns(tags.get(t.TRANSACT_TIME, "")) or 0,
            faults,
        ),
        passive=tags.get(t.LIQUIDITY) == "1",
        text=tags.get(t.TEXT, ""),
        ref=tags.get(t.EXEC_REF_ID, ""),
        fault="; ".join(faults),
    )


def disowned_out(
    message: o.Report | o.CancelReject | o.Unread, scale: PriceScale = PLAIN
) -> tuple[str, Fields] | None:
    """Type and fields of the answer to a report that was set aside: DK or business reject; None where FIX has none.

    A DK is for an execution of no order of ours, or a bust or correction of one never reported; a business reject for a
    message that cannot be read.
    """
    if isinstance(message, o.Report) and (message.exec_type in o.REBOOKS or message.last_qty):
        rebooks = message.exec_type in o.REBOOKS
        fields = [
            (t.ORDER_ID, message.order_id or t.NO_NAME),
            (t.EXEC_ID, message.exec_id or t.NO_NAME),
        ]
        fields += [
            (t.DK_REASON, t.OTHER_DK if rebooks else t.NO_MATCH),
            (t.SYMBOL, message.instrument or t.NO_SYMBOL),
        ]
        fields += [(t.SIDE, side_code(message.side)), (t.ORDER_QTY, scale.quantity(message.lots))]
        if rebooks:
            text = one_line(
                f"{message.exec_type} of {message.ref or 'nothing'}, which was never reported"
            )
            return t.DONT_KNOW, [*fields, (t.TEXT, text)]
        traded = [
            (t.LAST_QTY, scale.qty_text(message.last_qty)),
            (t.LAST_PX, scale.px_text(message.last_px)),
        ]
        return t.DONT_KNOW, [*fields, *traded]
    if not isinstance(message, o.Unread):
        return None
    head = dict(field.partition("=")[::2] for field in message.raw.split(t.SOH))
    number = head.get(str(t.SEQ_NUM), "")
    kind = head.get(str(t.MSG_TYPE), "")
    if not number or kind in ("", t.REJECT, t.BUSINESS_REJECT):
        return None
    reason = [(t.REJECT_REASON, t.BUSINESS_OTHER), (t.TEXT, one_line(message.why))]
    return t.BUSINESS_REJECT, drop_empty([(t.REF_SEQ_NUM, number), (t.REF_MSG_TYPE, kind), *reason])


def name_of(text: str) -> str:
    """A name from the wire; "" for "NONE", the placeholder of a missing one."""
    return "" if text == t.NO_NAME else text


def cancel_reject_in(tags: Tags) -> o.CancelReject:
    """Cancel reject of an OrderCancelReject.

    Raises
    ------
    RefusedError
        For a status that is none.
    """
    status = t.STATUSES.get(tags.get(t.ORD_STATUS, ""))
    if status is None:
        raise RefusedError("39 that is known here", f"39={tags.get(t.ORD_STATUS)}")
    if status is o.OrdStatus.REJECTED and tags.get(t.CXL_REJ_REASON) == t.NOT_KNOWN:
        status = o.OrdStatus.UNKNOWN
    names = name_of(tags.get(t.CL_ORD_ID, "")), name_of(tags.get(t.ORIG_CL_ORD_ID, ""))
    return o.CancelReject(
        *names, tags.get(t.ACCOUNT, ""), status, parse_ns(tags, t.EXACT_NS, 0), tags.get(t.TEXT, "")
    )
