"""Commands and reports as FIX fields, and back: pure functions, exact in both directions.

A message is a list of (tag, value) on its way out, and a mapping of tags to values on its way in. FIX carries decimal
prices and numbers of shares; a :class:`PriceScale` turns ticks and lots into them without rounding.
"""

from collections.abc import Mapping
from decimal import Decimal

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.fixed import ONE, ceiled
from tercel.core.vocabulary import BUY, SELL
from tercel.fix import reasons
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


def _times(ns: int) -> Fields:
    return [(t.TRANSACT_TIME, utc_text(ns, 6)), (t.EXACT_NS, str(ns))]


def _priced(price: int | None, scale: PriceScale) -> Fields:
    return (
        [(t.ORD_TYPE, t.MARKET)]
        if price is None
        else [(t.ORD_TYPE, t.LIMIT), (t.PRICE, scale.price(price))]
    )


def _present(fields: Fields) -> Fields:
    """Without empty values, which FIX forbids."""
    return [field for field in fields if field[1]]


# -- commands ---------------------------------------------------------------------------------------------------------
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
        return t.MASS_CANCEL, _present(
            [*fields, (t.FOR_ACCOUNT, named(command.account)), *_times(command.sent_ns)]
        )
    fields += [(t.ACCOUNT, named(command.account)), (t.SYMBOL, named(command.instrument))]
    fields += [(t.SIDE, side_code(command.side)), *_times(command.sent_ns)]
    if isinstance(command, o.CancelOrder):
        return t.CANCEL, _present([*fields, (t.ORIG_CL_ORD_ID, named(command.orig))])
    fields += [(t.ORDER_QTY, scale.quantity(command.lots)), *_priced(command.price, scale)]
    fields += [(t.PARENT, named(command.parent))]
    if isinstance(command, o.ReplaceOrder):
        return t.REPLACE, _present([*fields, (t.ORIG_CL_ORD_ID, named(command.orig))])
    return t.NEW_ORDER, _present([*fields, (t.TIME_IN_FORCE, t.TIF_CODES[command.tif])])


def _status_out(command: o.StatusRequest) -> tuple[str, Fields]:
    account, exact = (t.ACCOUNT, named(command.account)), (t.EXACT_NS, str(command.sent_ns))
    if not command.cl_ord_id:
        scope = [(t.MASS_STATUS_ID, f"all-{command.sent_ns}"), (t.MASS_STATUS_TYPE, "7")]
        return t.MASS_STATUS, _present([*scope, account, exact])
    which = [
        (t.CL_ORD_ID, named(command.cl_ord_id)),
        (t.SYMBOL, t.NO_SYMBOL),
        (t.SIDE, t.NO_SIDE_CODE),
    ]
    return t.STATUS, _present([*which, account, exact])


def command_in(kind: str, tags: Tags, known: Mapping[str, PriceScale], now_ns: int) -> o.Command:
    """Command of a message; `now_ns` is its time where it states no exact one.

    Raises
    ------
    RefusedError
        When a field is missing, off the tick, of no instrument in `known` or not dealt in here.
    """
    sent_ns = _whole(tags, t.EXACT_NS, now_ns)
    account = tags.get(t.ACCOUNT, "")
    if kind == t.STATUS:
        return o.StatusRequest(_need(tags, t.CL_ORD_ID), account, sent_ns)
    if kind == t.MASS_STATUS:
        if tags.get(t.MASS_STATUS_TYPE) != "7":
            raise RefusedError(
                "585=7, all orders", f"585={tags.get(t.MASS_STATUS_TYPE, '')}", t.UNSUPPORTED
            )
        return o.StatusRequest("", account, sent_ns)
    name = _need(tags, t.CL_ORD_ID)
    if kind == t.MASS_CANCEL:
        return o.MassCancel(
            name, tags.get(t.FOR_ACCOUNT, ""), _mass_instrument(tags, known), sent_ns
        )
    instrument = _instrument(tags, known)
    side = {t.BUY_CODE: BUY, t.SELL_CODE: SELL}.get(_need(tags, t.SIDE))
    if side is None:
        raise RefusedError("54=1 or 54=2", f"54={tags[t.SIDE]}", t.UNSUPPORTED)
    if kind == t.CANCEL:
        return o.CancelOrder(
            name, _need(tags, t.ORIG_CL_ORD_ID), instrument, side, account, sent_ns
        )
    scale, parent = known[instrument], tags.get(t.PARENT, "")
    lots = scale.lots(_need(tags, t.ORDER_QTY, t.INCORRECT_QUANTITY))
    if lots == 0:
        raise RefusedError("a quantity above zero", f"38={tags[t.ORDER_QTY]}", t.INCORRECT_QUANTITY)
    price = _price(tags, scale)
    if kind == t.REPLACE:
        if price is None:
            raise RefusedError("40=2 in a replace", "40=1", t.UNSUPPORTED)
        orig = _need(tags, t.ORIG_CL_ORD_ID)
        return o.ReplaceOrder(name, orig, instrument, side, lots, price, account, parent, sent_ns)
    tif = t.TIFS.get(tags.get(t.TIME_IN_FORCE, t.TIF_CODES[o.Tif.DAY]))
    if tif is None:
        raise RefusedError("59=0 or 59=3", f"59={tags[t.TIME_IN_FORCE]}", t.UNSUPPORTED)
    return o.NewOrder(name, instrument, side, lots, price, tif, account, parent, sent_ns)


def _need(tags: Tags, tag: int, reason: str = t.OTHER) -> str:
    value = tags.get(tag, "")
    if not value:
        raise RefusedError(f"tag {tag}", "none", reason)
    return value


def _whole(tags: Tags, tag: int, default: int) -> int:
    text = tags.get(tag, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or (value := int(text)) >= 2**63:
        raise RefusedError(f"nanoseconds since 1970 in tag {tag}", text[:40])
    return value


def _instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    instrument = _need(tags, t.SYMBOL, t.UNKNOWN_SYMBOL)
    if instrument not in known:
        raise RefusedError(
            "an instrument that is listed here", f"55={instrument[:40]}", t.UNKNOWN_SYMBOL
        )
    return instrument


def _mass_instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    scope = _need(tags, t.MASS_CANCEL_TYPE)
    if scope == "1":
        return _instrument(tags, known)
    if scope != "7":
        raise RefusedError("530=1 or 530=7", f"530={scope}", t.UNSUPPORTED)
    return ""


def _price(tags: Tags, scale: PriceScale) -> int | None:
    kind = _need(tags, t.ORD_TYPE)
    if kind == t.MARKET:
        return None
    if kind != t.LIMIT:
        raise RefusedError("40=1 or 40=2", f"40={kind}", t.UNSUPPORTED)
    return scale.ticks(_need(tags, t.PRICE))


# -- reports on commands -----------------------------------------------------------------------------------------------
def report_out(
    report: o.Report, scale: PriceScale = PLAIN, average: Decimal = Decimal(0), exact: bool = True
) -> Fields:
    """Fields of an execution report; `average` is the mean price of fills so far.

    `exact`: the reader takes the reason "unknown order" for the status UNKNOWN (`reasons`).
    """
    fields: Fields = [
        (t.ORDER_ID, report.order_id or t.NO_NAME),
        (t.EXEC_ID, report.exec_id or t.NO_NAME),
        (t.EXEC_REF_ID, report.ref),
        (t.EXEC_TYPE, t.EXEC_CODES[report.exec_type]),
        (t.ORD_STATUS, t.STATUS_CODES[report.status]),
        (t.ORD_REJ_REASON, reasons.of_order(report.status, report.text, not exact)),
        (t.RESTATEMENT_REASON, t.BROKER_OPTION if report.exec_type is o.ExecType.RESTATED else ""),
        (t.CL_ORD_ID, report.cl_ord_id),
        (t.ORIG_CL_ORD_ID, report.orig),
        (t.ACCOUNT, report.account),
        (t.SYMBOL, report.instrument or t.NO_SYMBOL),
        (t.SIDE, side_code(report.side)),
        (t.ORDER_QTY, scale.quantity(report.lots)),
        *_priced(report.price, scale),
        (t.CUM_QTY, scale.qty_text(report.cum_qty)),
        (t.LEAVES_QTY, scale.qty_text(report.leaves_qty)),
        (t.AVG_PX, format(average, "f")),
        *_times(report.ns),
        (t.TEXT, line(report.text)),
    ]
    if report.last_qty or report.last_px:
        fields += [
            (t.LAST_QTY, scale.qty_text(report.last_qty)),
            (t.LAST_PX, scale.px_text(report.last_px)),
        ]
    if report.last_qty or report.passive:
        fields.append((t.LIQUIDITY, "1" if report.passive else "2"))
    return _present(fields)


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
        _need(tags, t.LAST_PX)
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
            lambda _: _whole(tags, t.EXACT_NS, 0),
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
    return t.BUSINESS_REJECT, _present([(t.REF_SEQ_NUM, number), (t.REF_MSG_TYPE, kind), *reason])


def name_of(text: str) -> str:
    """A name that was told; "" for the word that stands where there is none."""
    return "" if text == t.NO_NAME else text


def cancel_reject_out(
    reject: o.CancelReject, of_replace: bool, order_id: str = "", exact: bool = True
) -> Fields:
    """Fields of a cancel reject; the reject itself does not tell cancel from replace."""
    return _present(
        [
            (t.ORDER_ID, order_id or t.NO_NAME),
            (t.CL_ORD_ID, reject.cl_ord_id or t.NO_NAME),
            (t.ORIG_CL_ORD_ID, reject.orig or t.NO_NAME),
            (t.ORD_STATUS, t.STATUS_CODES[reject.status]),
            (t.CXL_REJ_RESPONSE_TO, "2" if of_replace else "1"),
            (t.CXL_REJ_REASON, reasons.of_cancel(reject.status, reject.text, not exact)),
            (t.ACCOUNT, reject.account),
            *_times(reject.ns),
            (t.TEXT, line(reject.text)),
        ]
    )


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
        *names, tags.get(t.ACCOUNT, ""), status, _whole(tags, t.EXACT_NS, 0), tags.get(t.TEXT, "")
    )


def order_refusal(tags: Tags, refused: RefusedError, exec_id: str, ns: int) -> Fields:
    """Fields of the report that rejects a new order before the venue saw it, with the order's own fields."""
    echoed = (t.CL_ORD_ID, t.ACCOUNT, t.ORDER_QTY, t.ORD_TYPE, t.PRICE)
    return _present(
        [
            (t.ORDER_ID, t.NO_NAME),
            (t.EXEC_ID, exec_id),
            (t.EXEC_TYPE, t.EXEC_CODES[o.ExecType.REJECTED]),
            (t.ORD_STATUS, t.STATUS_CODES[o.OrdStatus.REJECTED]),
            (t.ORD_REJ_REASON, refused.reason),
            *((tag, tags.get(tag, "")) for tag in echoed),
            (t.SYMBOL, tags.get(t.SYMBOL, t.NO_SYMBOL)),
            (t.SIDE, tags.get(t.SIDE, t.NO_SIDE_CODE)),
            (t.CUM_QTY, "0"),
            (t.LEAVES_QTY, "0"),
            (t.AVG_PX, "0"),
            *_times(ns),
            (t.TEXT, line(refused.text)),
        ]
    )
