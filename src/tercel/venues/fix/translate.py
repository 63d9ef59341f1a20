"""Commands and reports on them as FIX fields, and back: pure functions, exact in both directions.

A message is a list of (tag, value) on its way out, and a mapping of tags to values on its way in. FIX carries decimal
prices and numbers of shares; a :class:`PriceScale` turns ticks and lots into them without rounding.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.vocabulary import BUY, NO_ASK, SELL
from tercel.venues.fix import words as w

Fields = list[tuple[int, str]]
Tags = Mapping[int, str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RefusedError(OrderError):
    """A message that cannot be obeyed; `reason` is the value of 103 of the reason."""

    def __init__(self, expected: str, received: str, reason: str = w.OTHER) -> None:
        super().__init__(expected, received, "correct the message and send it under a new name")
        self.reason = reason

    @property
    def text(self) -> str:
        """One line for field 58."""
        return f"expected {self.expected}; received {self.received}"


class PriceScale:
    """Ticks and lots of one instrument in decimals.

    Parameters
    ----------
    tick : float
        Price units of a tick; taken for the shortest decimal that reads the same.
    lot : int
        Shares of a lot.

    >>> PriceScale(0.01).price(1005), PriceScale(0.01).ticks("10.050"), PriceScale(0.01, 100).lots("300")
    ('10.05', 1005, 3)
    """

    def __init__(self, tick: float = 1.0, lot: int = 1) -> None:
        self.tick, self.lot = Decimal(repr(float(tick))), lot

    def price(self, ticks: int) -> str:
        """Ticks as a decimal price."""
        return format(self.tick * ticks, "f")

    def ticks(self, text: str) -> int:
        """A decimal price as ticks.

        Raises
        ------
        RefusedError
            When it is no number, between two ticks or beyond every book.
        """
        try:
            whole, rest = divmod(Decimal(text), self.tick)
        except (InvalidOperation, ValueError):
            raise RefusedError("a price", f"44={text[:40]}") from None
        if rest:
            raise RefusedError(f"a price on the tick of {self.tick}", f"44={text[:40]}")
        if not -NO_ASK < whole < NO_ASK:
            raise RefusedError(f"a price within {NO_ASK} ticks of zero", f"44={text[:40]}")
        return int(whole)

    def quantity(self, lots: int) -> str:
        """Lots as a number of shares."""
        return str(lots * self.lot)

    def lots(self, text: str) -> int:
        """A number of shares as lots, zero included.

        Raises
        ------
        RefusedError
            When it is no number of whole lots.
        """
        try:
            whole, rest = divmod(Decimal(text), self.lot)
        except (InvalidOperation, ValueError):
            raise RefusedError("a quantity", f"38={text[:40]}", w.INCORRECT_QUANTITY) from None
        if rest or not 0 <= whole < 2**31:
            raise RefusedError(f"a quantity in whole lots of {self.lot}", f"38={text[:40]}", w.INCORRECT_QUANTITY)
        return int(whole)


PLAIN = PriceScale()
"""Ticks and lots as they are: for instruments that nobody has listed."""


def scales(listings: Mapping[str, o.Listing]) -> dict[str, PriceScale]:
    """A scale for each listed instrument."""
    return {name: PriceScale(listing.tick, listing.lot) for name, listing in listings.items()}


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S")


def utc_time(ns: int) -> str:
    """FIX time of ns since 1970, cut to microseconds.

    >>> utc_time(1_500_000_999)
    '19700101-00:00:01.500000'
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}"


def named(text: str) -> str:
    """A name for the wire.

    Raises
    ------
    OrderError
        When it holds control characters, which FIX cannot carry.
    """
    if not text.isprintable():
        raise OrderError("a name of printable characters", repr(text), "choose another name")
    return text


def line(text: str) -> str:
    """A text for field 58: what does not print becomes a blank."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def _side(side: int) -> str:
    return w.BUY_CODE if side == BUY else w.SELL_CODE if side == SELL else w.NO_SIDE_CODE


def _times(ns: int) -> Fields:
    return [(w.TRANSACT_TIME, utc_time(ns)), (w.EXACT_NS, str(ns))]


def _priced(price: int | None, scale: PriceScale) -> Fields:
    return [(w.ORD_TYPE, w.MARKET)] if price is None else [(w.ORD_TYPE, w.LIMIT), (w.PRICE, scale.price(price))]


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
    fields: Fields = [(w.CL_ORD_ID, named(command.cl_ord_id))]
    if isinstance(command, o.MassCancel):
        fields += [(w.MASS_CANCEL_TYPE, "1" if command.instrument else "7"), (w.SYMBOL, named(command.instrument))]
        return w.MASS_CANCEL, _present([*fields, (w.FOR_ACCOUNT, named(command.account)), *_times(command.sent_ns)])
    fields += [(w.ACCOUNT, named(command.account)), (w.SYMBOL, named(command.instrument))]
    fields += [(w.SIDE, _side(command.side)), *_times(command.sent_ns)]
    if isinstance(command, o.CancelOrder):
        return w.CANCEL, _present([*fields, (w.ORIG_CL_ORD_ID, named(command.orig))])
    fields += [(w.ORDER_QTY, scale.quantity(command.lots)), *_priced(command.price, scale)]
    fields += [(w.PARENT, named(command.parent))]
    if isinstance(command, o.ReplaceOrder):
        return w.REPLACE, _present([*fields, (w.ORIG_CL_ORD_ID, named(command.orig))])
    return w.NEW_ORDER, _present([*fields, (w.TIME_IN_FORCE, w.TIF_CODES[command.tif])])


def _status_out(command: o.StatusRequest) -> tuple[str, Fields]:
    account, exact = (w.ACCOUNT, named(command.account)), (w.EXACT_NS, str(command.sent_ns))
    if not command.cl_ord_id:
        scope = [(w.MASS_STATUS_ID, f"all-{command.sent_ns}"), (w.MASS_STATUS_TYPE, "7")]
        return w.MASS_STATUS, _present([*scope, account, exact])
    which = [(w.CL_ORD_ID, named(command.cl_ord_id)), (w.SYMBOL, w.NO_SYMBOL), (w.SIDE, w.NO_SIDE_CODE)]
    return w.STATUS, _present([*which, account, exact])


def command_in(kind: str, tags: Tags, known: Mapping[str, PriceScale], now_ns: int) -> o.Command:
    """The command that a message is. Where it names no exact time, `now_ns` is when it was sent.

    Raises
    ------
    RefusedError
        When a field is missing, off the tick, of no instrument in `known` or not dealt in here.
    """
    sent_ns = _whole(tags, w.EXACT_NS, now_ns)
    account = tags.get(w.ACCOUNT, "")
    if kind == w.STATUS:
        return o.StatusRequest(_need(tags, w.CL_ORD_ID), account, sent_ns)
    if kind == w.MASS_STATUS:
        if tags.get(w.MASS_STATUS_TYPE) != "7":
            raise RefusedError("585=7, all orders", f"585={tags.get(w.MASS_STATUS_TYPE, '')}", w.UNSUPPORTED)
        return o.StatusRequest("", account, sent_ns)
    name = _need(tags, w.CL_ORD_ID)
    if kind == w.MASS_CANCEL:
        return o.MassCancel(name, tags.get(w.FOR_ACCOUNT, ""), _mass_instrument(tags, known), sent_ns)
    instrument = _instrument(tags, known)
    side = {w.BUY_CODE: BUY, w.SELL_CODE: SELL}.get(_need(tags, w.SIDE))
    if side is None:
        raise RefusedError("54=1 or 54=2", f"54={tags[w.SIDE]}", w.UNSUPPORTED)
    if kind == w.CANCEL:
        return o.CancelOrder(name, _need(tags, w.ORIG_CL_ORD_ID), instrument, side, account, sent_ns)
    scale, parent = known[instrument], tags.get(w.PARENT, "")
    lots = scale.lots(_need(tags, w.ORDER_QTY, w.INCORRECT_QUANTITY))
    if lots == 0:
        raise RefusedError("a quantity above zero", f"38={tags[w.ORDER_QTY]}", w.INCORRECT_QUANTITY)
    price = _price(tags, scale)
    if kind == w.REPLACE:
        if price is None:
            raise RefusedError("40=2 in a replace", "40=1", w.UNSUPPORTED)
        orig = _need(tags, w.ORIG_CL_ORD_ID)
        return o.ReplaceOrder(name, orig, instrument, side, lots, price, account, parent, sent_ns)
    tif = w.TIFS.get(tags.get(w.TIME_IN_FORCE, w.TIF_CODES[o.Tif.DAY]))
    if tif is None:
        raise RefusedError("59=0 or 59=3", f"59={tags[w.TIME_IN_FORCE]}", w.UNSUPPORTED)
    return o.NewOrder(name, instrument, side, lots, price, tif, account, parent, sent_ns)


def _need(tags: Tags, tag: int, reason: str = w.OTHER) -> str:
    value = tags.get(tag, "")
    if not value:
        raise RefusedError(f"tag {tag}", "none", reason)
    return value


def _whole(tags: Tags, tag: int, default: int) -> int:
    text = tags.get(tag, "")
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise RefusedError(f"nanoseconds in tag {tag}", text[:40]) from None
    if not 0 <= value < 2**63:
        raise RefusedError(f"nanoseconds since 1970 in tag {tag}", text[:40])
    return value


def _instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    instrument = _need(tags, w.SYMBOL, w.UNKNOWN_SYMBOL)
    if instrument not in known:
        raise RefusedError("an instrument that is listed here", f"55={instrument[:40]}", w.UNKNOWN_SYMBOL)
    return instrument


def _mass_instrument(tags: Tags, known: Mapping[str, PriceScale]) -> str:
    scope = _need(tags, w.MASS_CANCEL_TYPE)
    if scope == "1":
        return _instrument(tags, known)
    if scope != "7":
        raise RefusedError("530=1 or 530=7", f"530={scope}", w.UNSUPPORTED)
    return ""


def _price(tags: Tags, scale: PriceScale) -> int | None:
    kind = _need(tags, w.ORD_TYPE)
    if kind == w.MARKET:
        return None
    if kind != w.LIMIT:
        raise RefusedError("40=1 or 40=2", f"40={kind}", w.UNSUPPORTED)
    return scale.ticks(_need(tags, w.PRICE))


# -- reports on commands -----------------------------------------------------------------------------------------------
def report_out(report: o.Report, scale: PriceScale = PLAIN, average: Decimal = Decimal(0)) -> Fields:
    """Fields of an execution report; `average` is the mean price of what is filled so far."""
    reason = ""
    if report.status is o.OrdStatus.UNKNOWN:
        reason = w.UNKNOWN_ORDER
    elif report.status is o.OrdStatus.REJECTED:
        reason = w.DUPLICATE_ORDER if report.text.startswith("duplicate") else w.OTHER
    fields: Fields = [
        (w.ORDER_ID, report.order_id or w.NO_NAME),
        (w.EXEC_ID, report.exec_id or w.NO_NAME),
        (w.EXEC_TYPE, w.EXEC_CODES[report.exec_type]),
        (w.ORD_STATUS, w.STATUS_CODES[report.status]),
        (w.ORD_REJ_REASON, reason),
        (w.CL_ORD_ID, report.cl_ord_id),
        (w.ORIG_CL_ORD_ID, report.orig),
        (w.ACCOUNT, report.account),
        (w.SYMBOL, report.instrument or w.NO_SYMBOL),
        (w.SIDE, _side(report.side)),
        (w.ORDER_QTY, scale.quantity(report.lots)),
        *_priced(report.price, scale),
        (w.CUM_QTY, scale.quantity(report.cum)),
        (w.LEAVES_QTY, scale.quantity(report.leaves)),
        (w.AVG_PX, format(average, "f")),
        *_times(report.ns),
        (w.TEXT, line(report.text)),
    ]
    if report.last_lots or report.last_price:
        fields += [(w.LAST_QTY, scale.quantity(report.last_lots)), (w.LAST_PX, scale.price(report.last_price))]
    if report.last_lots or report.passive:
        fields.append((w.LIQUIDITY, "1" if report.passive else "2"))
    return _present(fields)


def report_in(tags: Tags, known: Mapping[str, PriceScale]) -> o.Report:
    """The report that an execution report is.

    Raises
    ------
    RefusedError
        For codes, prices or numbers that it cannot have meant.
    """
    symbol = tags.get(w.SYMBOL, "")
    instrument = "" if symbol == w.NO_SYMBOL else symbol
    scale = known.get(instrument, PLAIN)
    kind, status = w.EXECS.get(tags.get(w.EXEC_TYPE, "")), w.STATUSES.get(tags.get(w.ORD_STATUS, ""))
    if kind is None or status is None:
        raise RefusedError(
            "150 and 39 that are known here", f"150={tags.get(w.EXEC_TYPE)}, 39={tags.get(w.ORD_STATUS)}"
        )
    if status is o.OrdStatus.REJECTED and tags.get(w.ORD_REJ_REASON) == w.UNKNOWN_ORDER:
        status = o.OrdStatus.UNKNOWN
    return o.Report(
        exec_id=_name(tags, w.EXEC_ID),
        exec_type=kind,
        status=status,
        cl_ord_id=tags.get(w.CL_ORD_ID, ""),
        orig=tags.get(w.ORIG_CL_ORD_ID, ""),
        order_id=_name(tags, w.ORDER_ID),
        account=tags.get(w.ACCOUNT, ""),
        instrument=instrument,
        side={w.BUY_CODE: BUY, w.SELL_CODE: SELL}.get(tags.get(w.SIDE, ""), 0),
        lots=scale.lots(tags.get(w.ORDER_QTY, "0")),
        price=scale.ticks(tags[w.PRICE]) if w.PRICE in tags else None,
        last_lots=scale.lots(tags.get(w.LAST_QTY, "0")),
        last_price=scale.ticks(tags.get(w.LAST_PX, "0")),
        cum=scale.lots(tags.get(w.CUM_QTY, "0")),
        leaves=scale.lots(tags.get(w.LEAVES_QTY, "0")),
        ns=_whole(tags, w.EXACT_NS, 0),
        passive=tags.get(w.LIQUIDITY) == "1",
        text=tags.get(w.TEXT, ""),
    )


def _name(tags: Tags, tag: int) -> str:
    value = tags.get(tag, "")
    return "" if value == w.NO_NAME else value


def cancel_reject_out(reject: o.CancelReject, of_replace: bool) -> Fields:
    """Fields of a cancel reject; the message itself does not know which of the two commands it answers."""
    reason = w.OTHER
    if reject.status is o.OrdStatus.UNKNOWN:
        reason = w.NOT_KNOWN
    elif reject.status in o.TERMINAL and reject.status is not o.OrdStatus.REJECTED:
        reason = w.TOO_LATE
    return _present(
        [
            (w.ORDER_ID, w.NO_NAME),
            (w.CL_ORD_ID, reject.cl_ord_id or w.NO_NAME),
            (w.ORIG_CL_ORD_ID, reject.orig or w.NO_NAME),
            (w.ORD_STATUS, w.STATUS_CODES[reject.status]),
            (w.CXL_REJ_RESPONSE_TO, "2" if of_replace else "1"),
            (w.CXL_REJ_REASON, reason),
            (w.ACCOUNT, reject.account),
            *_times(reject.ns),
            (w.TEXT, line(reject.text)),
        ]
    )


def cancel_reject_in(tags: Tags) -> o.CancelReject:
    """The cancel reject that a message is.

    Raises
    ------
    RefusedError
        For a status that is none.
    """
    status = w.STATUSES.get(tags.get(w.ORD_STATUS, ""))
    if status is None:
        raise RefusedError("39 that is known here", f"39={tags.get(w.ORD_STATUS)}")
    if status is o.OrdStatus.REJECTED and tags.get(w.CXL_REJ_REASON) == w.NOT_KNOWN:
        status = o.OrdStatus.UNKNOWN
    names = _name(tags, w.CL_ORD_ID), _name(tags, w.ORIG_CL_ORD_ID)
    return o.CancelReject(*names, tags.get(w.ACCOUNT, ""), status, _whole(tags, w.EXACT_NS, 0), tags.get(w.TEXT, ""))


def order_refusal(tags: Tags, refused: RefusedError, exec_id: str, ns: int) -> Fields:
    """Fields of the report that refuses a new order before the venue saw it, with the order's own fields."""
    echoed = (w.CL_ORD_ID, w.ACCOUNT, w.ORDER_QTY, w.ORD_TYPE, w.PRICE)
    return _present(
        [
            (w.ORDER_ID, w.NO_NAME),
            (w.EXEC_ID, exec_id),
            (w.EXEC_TYPE, w.EXEC_CODES[o.ExecType.REJECTED]),
            (w.ORD_STATUS, w.STATUS_CODES[o.OrdStatus.REJECTED]),
            (w.ORD_REJ_REASON, refused.reason),
            *((tag, tags.get(tag, "")) for tag in echoed),
            (w.SYMBOL, tags.get(w.SYMBOL, w.NO_SYMBOL)),
            (w.SIDE, tags.get(w.SIDE, w.NO_SIDE_CODE)),
            (w.CUM_QTY, "0"),
            (w.LEAVES_QTY, "0"),
            (w.AVG_PX, "0"),
            *_times(ns),
            (w.TEXT, line(refused.text)),
        ]
    )
