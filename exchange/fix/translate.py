"""What an acceptor reads and says, as FIX fields: commands; reports, rejects, market data, listings. Pure functions.

The counterpart is `tercel.fix.translate` and `tercel.fix.dialect`. Source: FIX 4.4, volume 6, OrdRejReason (103) and
CxlRejReason (102).
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from exchange.fix import acceptor
from tercel.core import BUY, SELL, TERMINAL, OrdStatus, orders as o
from tercel.fix import (
    PLAIN,
    FieldList,
    PriceScale,
    RefusedError,
    Shape,
    Tags,
    check_name,
    drop_empty,
    one_line,
    parse_ns,
    price_fields,
    require,
    side_code,
    tags as t,
    time_fields,
)
from tercel.market.tape import schema

ENTRIES_EACH = 250
"""Entries of one message at most; a longer change continues in the next (CONTINUES)."""

# 269 of what is no side of a book: a trade, a status.
_NEITHER = "2"
_ACTIONS = {schema.ADD: "0", schema.ROLL_IN: "0", schema.DELETE: "2", schema.ROLL_OUT: "2"}
_CHANGED = "1"
_ORDER_REJECT_CODES: Final = (
    ("duplicate", acceptor.DUPLICATE_ORDER),
    ("unknown instrument", acceptor.UNKNOWN_SYMBOL),
    ("too late", acceptor.TOO_LATE_TO_ENTER),
    (" lots; ", t.INCORRECT_QUANTITY),
    ("has expired", acceptor.STALE_ORDER),
    ("was withdrawn", acceptor.STALE_ORDER),
    ("places for client orders", acceptor.EXCEEDS_LIMIT),
)


_YES_NO = {True: "Y", False: "N"}


# -- commands ---------------------------------------------------------------------------------------------------------
def command_in(kind: str, tags: Tags, known: Mapping[str, PriceScale], now_ns: int) -> o.Command:
    """Command of a message; `now_ns` is its time where it states no exact one.

    Raises
    ------
    RefusedError
        When a field is missing, off the tick, of no instrument in `known` or not dealt in here.
    """
    sent_ns = parse_ns(tags, t.EXACT_NS, now_ns)
    account = tags.get(t.ACCOUNT, "")
    if kind == t.STATUS:
        return o.StatusRequest(require(tags, t.CL_ORD_ID), account, sent_ns)
    if kind == t.MASS_STATUS:
        if tags.get(t.MASS_STATUS_TYPE) != "7":
            raise RefusedError(
                "585=7, all orders", f"585={tags.get(t.MASS_STATUS_TYPE, '')}", t.UNSUPPORTED
            )
        return o.StatusRequest("", account, sent_ns)
    name = require(tags, t.CL_ORD_ID)
    if kind == t.MASS_CANCEL:
        return o.MassCancel(
            name, tags.get(t.FOR_ACCOUNT, ""), _mass_instrument(tags, known), sent_ns
        )
    instrument = _instrument(tags, known)
    side = {t.BUY_CODE: BUY, t.SELL_CODE: SELL}.get(require(tags, t.SIDE))
    if side is None:
        raise RefusedError("54=1 or 54=2", f"54={tags[t.SIDE]}", t.UNSUPPORTED)
    if kind == t.CANCEL:
        return o.CancelOrder(
            name, require(tags, t.ORIG_CL_ORD_ID), instrument, side, account, sent_ns
        )
    scale = known[instrument]
    parent = tags.get(t.PARENT, "")
    lots = scale.lots(require(tags, t.ORDER_QTY, t.INCORRECT_QUANTITY))
    if lots == 0:
        raise RefusedError("a quantity above zero", f"38={tags[t.ORDER_QTY]}", t.INCORRECT_QUANTITY)
    price = _price(tags, scale)
    if kind == t.REPLACE:
        if price is None:
            raise RefusedError("40=2 in a replace", "40=1", t.UNSUPPORTED)
        orig = require(tags, t.ORIG_CL_ORD_ID)
        return o.ReplaceOrder(name, orig, instrument, side, lots, price, account, parent, sent_ns)
    if t.QUOTE_ID in tags or tags[t.ORD_TYPE] == t.PREVIOUSLY_QUOTED:
        if tags.get(t.TIME_IN_FORCE) != t.FILL_OR_KILL:
            raise RefusedError(
                "59=4 in an order that takes a quote",
                f"59={tags.get(t.TIME_IN_FORCE)}",
                t.UNSUPPORTED,
            )
        quote = require(tags, t.QUOTE_ID)
        terms = lots, price, o.Tif.IOC, account, parent, sent_ns
        return o.QuotedOrder(name, instrument, side, *terms, quote)
    tif = acceptor.TIFS.get(tags.get(t.TIME_IN_FORCE, t.TIF_CODES[o.Tif.DAY]))
    if tif is None:
        raise RefusedError("59=0 or 59=3", f"59={tags[t.TIME_IN_FORCE]}", t.UNSUPPORTED)
    return o.NewOrder(name, instrument, side, lots, price, tif, account, parent, sent_ns)


def _instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    instrument = require(tags, t.SYMBOL, acceptor.UNKNOWN_SYMBOL)
    if instrument not in known:
        raise RefusedError(
            "an instrument that is listed here", f"55={instrument[:40]}", acceptor.UNKNOWN_SYMBOL
        )
    return instrument


def _mass_instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    scope = require(tags, t.MASS_CANCEL_TYPE)
    if scope == "1":
        return _instrument(tags, known)
    if scope != "7":
        raise RefusedError("530=1 or 530=7", f"530={scope}", t.UNSUPPORTED)
    return ""


def _price(tags: Tags, scale: PriceScale) -> int | None:
    kind = require(tags, t.ORD_TYPE)
    if kind == t.MARKET:
        return None
    if kind not in (t.LIMIT, t.PREVIOUSLY_QUOTED):
        raise RefusedError("40=1 or 40=2", f"40={kind}", t.UNSUPPORTED)
    return scale.ticks(require(tags, t.PRICE))


# -- reports on commands -----------------------------------------------------------------------------------------------
def order_reject_code(status: OrdStatus, text: str, unknown: bool = True) -> str:
    """OrdRejReason of a report, "" if nothing was rejected.

    Parameters
    ----------
    status : OrdStatus
    text : str
        The venue's words.
    unknown : bool
        Whether a refusal that speaks of an unknown order has the code of one. A peer of this package reads the code as
        the status UNKNOWN, and is reported so only by a venue that says so.

    >>> order_reject_code(OrdStatus.REJECTED, "duplicate cl_ord_id 'a'"), order_reject_code(OrdStatus.NEW, "")
    ('6', '')
    """
    if status is OrdStatus.UNKNOWN or (
        unknown and status is OrdStatus.REJECTED and text.startswith("unknown order")
    ):
        return t.UNKNOWN_ORDER
    if status is not OrdStatus.REJECTED:
        return ""
    return next((code for phrase, code in _ORDER_REJECT_CODES if phrase in text), t.OTHER)


def cancel_reject_code(status: OrdStatus, text: str, unknown: bool = True) -> str:
    """CxlRejReason of a cancel reject; parameters as for :func:`order_reject_code`.

    >>> cancel_reject_code(OrdStatus.FILLED, "too late: the order is filled"), cancel_reject_code(OrdStatus.UNKNOWN, "")
    ('0', '1')
    """
    if status is OrdStatus.UNKNOWN or (unknown and text.startswith("unknown order")):
        return t.NOT_KNOWN
    if text.startswith("duplicate"):
        return acceptor.DUPLICATE_CANCEL
    if status in TERMINAL and status is not OrdStatus.REJECTED:
        return acceptor.TOO_LATE
    return acceptor.ALREADY_PENDING if text.startswith("pending") else t.OTHER


def report_out(
    report: o.Report, scale: PriceScale = PLAIN, average: Decimal = Decimal(0), exact: bool = True
) -> FieldList:
    """Fields of an execution report; `average` is the mean price of fills so far.

    `exact`: the reader takes the reason "unknown order" for the status UNKNOWN (`order_reject_code`).
    """
    fields: FieldList = [
        (t.ORDER_ID, report.order_id or t.NO_NAME),
        (t.EXEC_ID, report.exec_id or t.NO_NAME),
        (t.EXEC_REF_ID, report.ref),
        (t.EXEC_TYPE, t.EXEC_CODES[report.exec_type]),
        (t.ORD_STATUS, t.STATUS_CODES[report.status]),
        (t.ORD_REJ_REASON, order_reject_code(report.status, report.text, not exact)),
        (
            acceptor.RESTATEMENT_REASON,
            acceptor.BROKER_OPTION if report.exec_type is o.ExecType.RESTATED else "",
        ),
        (t.CL_ORD_ID, report.cl_ord_id),
        (t.ORIG_CL_ORD_ID, report.orig),
        (t.ACCOUNT, report.account),
        (t.SYMBOL, report.instrument or t.NO_SYMBOL),
        (t.SIDE, side_code(report.side)),
        (t.ORDER_QTY, scale.quantity(report.lots)),
        *price_fields(report.price, scale),
        (t.CUM_QTY, scale.qty_text(report.cum_qty)),
        (t.LEAVES_QTY, scale.qty_text(report.leaves_qty)),
        (acceptor.AVG_PX, format(average, "f")),
        *time_fields(report.ns),
        (t.TEXT, one_line(report.text)),
    ]
    if report.last_qty or report.last_px:
        fields += [
            (t.LAST_QTY, scale.qty_text(report.last_qty)),
            (t.LAST_PX, scale.px_text(report.last_px)),
        ]
    if report.last_qty or report.passive:
        fields.append((t.LIQUIDITY, "1" if report.passive else "2"))
    return drop_empty(fields)


def cancel_reject_out(
    reject: o.CancelReject, of_replace: bool, order_id: str = "", exact: bool = True
) -> FieldList:
    """Fields of a cancel reject; the reject itself does not tell cancel from replace."""
    return drop_empty(
        [
            (t.ORDER_ID, order_id or t.NO_NAME),
            (t.CL_ORD_ID, reject.cl_ord_id or t.NO_NAME),
            (t.ORIG_CL_ORD_ID, reject.orig or t.NO_NAME),
            (t.ORD_STATUS, t.STATUS_CODES[reject.status]),
            (acceptor.CXL_REJ_RESPONSE_TO, "2" if of_replace else "1"),
            (t.CXL_REJ_REASON, cancel_reject_code(reject.status, reject.text, not exact)),
            (t.ACCOUNT, reject.account),
            *time_fields(reject.ns),
            (t.TEXT, one_line(reject.text)),
        ]
    )


def order_refusal(tags: Tags, refused: RefusedError, exec_id: str, ns: int) -> FieldList:
    """Fields of the report that rejects a new order before the venue saw it, with the order's own fields."""
    echoed = (t.CL_ORD_ID, t.ACCOUNT, t.ORDER_QTY, t.ORD_TYPE, t.PRICE)
    return drop_empty(
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
            (acceptor.AVG_PX, "0"),
            *time_fields(ns),
            (t.TEXT, one_line(refused.text)),
        ]
    )


# -- market data and listings ------------------------------------------------------------------------------------------
def market_out(
    change: o.MarketRows, request: str, scale: PriceScale
) -> Iterator[tuple[str, FieldList]]:
    """Message type and fields of each message that carries a change to the subscription `request`."""
    kind = t.SNAPSHOT if change.snapshot else t.INCREMENT
    rows = change.rows.tolist()
    head = [(t.MD_REQ_ID, request)]
    if change.snapshot:
        head.append((t.SYMBOL, check_name(change.instrument)))
    for start in range(0, max(len(rows), 1), ENTRIES_EACH):
        part = rows[start : start + ENTRIES_EACH]
        fields = [*head, (t.CONTINUES, "Y")] if start + ENTRIES_EACH < len(rows) else [*head]
        fields.append((t.NO_ENTRIES, str(len(part))))
        for row in part:
            _entry(row, scale, change.snapshot, fields)
        yield kind, fields


def _entry(
    row: Sequence[int], scale: PriceScale, snapshot: bool, fields: list[tuple[int, str]]
) -> None:
    """Append one entry, 269 first in W and 279 first in X."""
    side = row[o.M_SIDE]
    kind = row[o.M_KIND]
    name = str(row[o.M_ID])
    entry_type = "0" if side == BUY else "1" if side == SELL else _NEITHER
    price = (t.ENTRY_PX, scale.price(row[o.M_PRICE]))
    size = (t.ENTRY_SIZE, scale.quantity(row[o.M_LOTS]))
    if snapshot:
        fields += [(t.ENTRY_TYPE, entry_type), price, size, (t.ORDER_ID, name)]
    else:
        action = _ACTIONS.get(kind, _CHANGED)
        fields += [
            (t.UPDATE_ACTION, action),
            (t.ENTRY_TYPE, entry_type),
            (t.ENTRY_ID, name),
            price,
            size,
        ]
    fields += [(t.EXACT_NS, str(row[o.M_NS])), (t.ROW_KIND, str(kind))]
    if row[o.M_AGGRESSOR] >= 0:
        fields.append((t.AGGRESSOR, str(row[o.M_AGGRESSOR])))


def listings_out(
    listings: Sequence[o.Listing],
    request: str,
    stepped: bool,
    now_ns: int,
    shapes: Mapping[str, Shape] = MappingProxyType({}),
) -> FieldList:
    """Fields of a security list, with the venue's time and its clock's owner."""
    head = [
        (t.SECURITY_REQ_ID, request),
        (acceptor.SECURITY_RESPONSE_ID, request),
        (acceptor.SECURITY_RESULT, "0"),
    ]
    head += [
        (t.EXACT_NS, str(now_ns)),
        (t.STEPPED, _YES_NO[stepped]),
        (t.NO_RELATED_SYM, str(len(listings))),
    ]
    return [
        *head,
        *(
            pair
            for listing in listings
            for pair in _listing_fields(listing, shapes.get(listing.instrument))
        ),
    ]


def _listing_fields(listing: o.Listing, shape: Shape | None) -> FieldList:
    fields = [
        (t.SYMBOL, check_name(listing.instrument)),
        (t.TICK, repr(listing.tick)),
        (t.LOT, str(listing.lot)),
        (t.VOLUME_PER_S, repr(listing.volume_per_s)),
        (t.DENSE_IDS, str(listing.dense_ids)),
        (t.BEGAN_NS, str(listing.began_ns)),
        (t.ANSWERS, _YES_NO[listing.answers]),
    ]
    if any(listing.fees):
        fields.append((t.VENUE_FEES, ",".join(map(str, listing.fees))))
    return (
        fields
        if shape is None
        else [*fields, (t.BOOK_WIDTH, str(shape[0])), (t.FEED_LEVELS, str(shape[1]))]
    )
