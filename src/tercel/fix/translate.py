"""Commands as FIX fields, and reports of them: an initiator's pure functions, exact in both directions.

A message is a list of (tag, value) on its way out, and a mapping of tags to values on its way in. FIX carries decimal
prices and numbers of shares; a :class:`PriceScale` turns ticks and lots into them without rounding.
"""

from collections.abc import Mapping

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.orders import ONE, ceiled
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import utc_ns, utc_text
from tercel.fix.scale import PLAIN, PriceScale, RefusedError, optional

Fields = list[tuple[int, str]]
Tags = Mapping[int, str]


def named(text: str) -> str:
    """A name valid on the wire.

    Raises
    ------
    OrderError
        When it holds control characters, which FIX cannot carry.
    """
    if not text.isprintable():
        raise OrderError("a name of printable characters", repr(text), "choose another name")
    return text


def line(text: str) -> str:
    """One line for Text (58); unprintable characters become blanks."""
    return (
        text
        if text.isprintable()
        else "".join(letter if letter.isprintable() else " " for letter in text)
    )


def side_code(side: int) -> str:
    """Side (54)."""
    return t.BUY_CODE if side == BUY else t.SELL_CODE if side == SELL else t.NO_SIDE_CODE


def times(ns: int) -> Fields:
    """Time of a message, with that to the nanosecond in a tag of our own."""
    return [(t.TRANSACT_TIME, utc_text(ns, 6)), (t.EXACT_NS, str(ns))]


def priced(price: int | None, scale: PriceScale) -> Fields:
    """Type and price of an order; None: at the market."""
    return (
        [(t.ORD_TYPE, t.MARKET)]
        if price is None
        else [(t.ORD_TYPE, t.LIMIT), (t.PRICE, scale.price(price))]
    )


def present(fields: Fields) -> Fields:
    """Without empty values, which FIX forbids."""
    return [field for field in fields if field[1]]


def command_out(command: o.Command, scale: PriceScale = PLAIN) -> tuple[str, Fields]:
    """Message type and fields of a command.

    Raises
    ------
    OrderError
        For a name that FIX cannot carry.
    """
    if isinstance(command, o.StatusRequest):
        return _status_out(command)
    fields: Fields = [(t.CL_ORD_ID, named(command.cl_ord_id))]
    if isinstance(command, o.MassCancel):
        fields += [
            (t.MASS_CANCEL_TYPE, "1" if command.instrument else "7"),
            (t.SYMBOL, named(command.instrument)),
        ]
        return t.MASS_CANCEL, present(
            [*fields, (t.FOR_ACCOUNT, named(command.account)), *times(command.sent_ns)]
        )
    fields += [(t.ACCOUNT, named(command.account)), (t.SYMBOL, named(command.instrument))]
    fields += [(t.SIDE, side_code(command.side)), *times(command.sent_ns)]
    if isinstance(command, o.CancelOrder):
        return t.CANCEL, present([*fields, (t.ORIG_CL_ORD_ID, named(command.orig))])
    fields += [(t.ORDER_QTY, scale.quantity(command.lots)), *priced(command.price, scale)]
    fields += [(t.PARENT, named(command.parent))]
    if isinstance(command, o.ReplaceOrder):
        return t.REPLACE, present([*fields, (t.ORIG_CL_ORD_ID, named(command.orig))])
    return t.NEW_ORDER, present([*fields, (t.TIME_IN_FORCE, t.TIF_CODES[command.tif])])


def _status_out(command: o.StatusRequest) -> tuple[str, Fields]:
    account, exact = (t.ACCOUNT, named(command.account)), (t.EXACT_NS, str(command.sent_ns))
    if not command.cl_ord_id:
        scope = [(t.MASS_STATUS_ID, f"all-{command.sent_ns}"), (t.MASS_STATUS_TYPE, "7")]
        return t.MASS_STATUS, present([*scope, account, exact])
    which = [
        (t.CL_ORD_ID, named(command.cl_ord_id)),
        (t.SYMBOL, t.NO_SYMBOL),
        (t.SIDE, t.NO_SIDE_CODE),
    ]
    return t.STATUS, present([*which, account, exact])


def need(tags: Tags, tag: int, reason: str = t.OTHER) -> str:
    """Value of a tag that has to be there.

    Raises
    ------
    RefusedError
        It is not.
    """
    value = tags.get(tag, "")
    if not value:
        raise RefusedError(f"tag {tag}", "none", reason)
    return value


def whole(tags: Tags, tag: int, default: int) -> int:
    """Nanoseconds since 1970 of a tag.

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
    """Report of an ExecutionReport; `fault`: what else was wrong with it.

    Lots, price, what is open and the time are taken from the other fields where theirs cannot be read, which is told.

    Raises
    ------
    RefusedError
        For codes, prices or numbers that it cannot have meant.
    """
    symbol = tags.get(t.SYMBOL, "")
    instrument = "" if symbol == t.NO_SYMBOL else symbol
    scale = known.get(instrument, PLAIN)
    kind, status = (
        t.EXECS.get(tags.get(t.EXEC_TYPE, "")),
        t.STATUSES.get(tags.get(t.ORD_STATUS, "")),
    )
    if kind is None or status is None:
        raise RefusedError(
            "150 and 39 that are known here",
            f"150={tags.get(t.EXEC_TYPE)}, 39={tags.get(t.ORD_STATUS)}",
        )
    if status is o.OrdStatus.REJECTED and tags.get(t.ORD_REJ_REASON) == t.UNKNOWN_ORDER:
        status = o.OrdStatus.UNKNOWN
    if kind in (o.ExecType.TRADE, o.ExecType.CORRECTED) and t.LAST_QTY in tags:
        need(tags, t.LAST_PX)
    faults = [fault] if fault else []
    cum = scale.qty(tags.get(t.CUM_QTY, "0"), t.CUM_QTY)
    left = optional(tags, t.LEAVES_QTY, lambda text: scale.qty(text, t.LEAVES_QTY), -1, faults)
    lots = optional(tags, t.ORDER_QTY, scale.lots, ceiled(cum + max(left, 0)), faults)
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
        price=optional(tags, t.PRICE, scale.ticks, None, faults),
        last_qty=scale.qty(tags.get(t.LAST_QTY, "0"), t.LAST_QTY),
        last_px=scale.px(tags.get(t.LAST_PX, "0"), t.LAST_PX),
        cum_qty=cum,
        leaves_qty=left if left >= 0 else 0 if over else max(lots * ONE - cum, 1),
        ns=optional(
            tags,
            t.EXACT_NS,
            lambda _: whole(tags, t.EXACT_NS, 0),
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
    """Message type and fields of the answer to a report that was set aside: a DK of an execution of no order of ours, a
    business reject of a message that cannot be read; None where FIX has no answer. A bust or correction of what was
    never reported is disowned too."""
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
            text = line(
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
    number, kind = head.get(str(t.SEQ_NUM), ""), head.get(str(t.MSG_TYPE), "")
    if not number or kind in ("", t.REJECT, t.BUSINESS_REJECT):
        return None
    reason = [(t.REJECT_REASON, t.BUSINESS_OTHER), (t.TEXT, line(message.why))]
    return t.BUSINESS_REJECT, present([(t.REF_SEQ_NUM, number), (t.REF_MSG_TYPE, kind), *reason])


def name_of(text: str) -> str:
    """A name that was told; "" for the word that stands where there is none."""
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
        *names, tags.get(t.ACCOUNT, ""), status, whole(tags, t.EXACT_NS, 0), tags.get(t.TEXT, "")
    )
