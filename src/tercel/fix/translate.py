"""Commands as FIX fields, and reports of them: an initiator's pure functions, exact in both directions.

A message is a list of (tag, value) on its way out, and a mapping of tags to values on its way in. FIX carries decimal
prices and numbers of shares; a :class:`PriceScale` turns ticks and lots into them: whole for orders, exact in 10^-8
of the unit for executions.

    out: 35=D|11=a-1|1=DESK|55=XYZ|54=1|60=20231114-22:13:20.000000|38=300|40=2|44=10.05|59=0|
    in:  35=8|37=17.4|11=a-1|17=XYZ:9|150=F|39=1|55=XYZ|54=1|38=300|44=10.05|32=100|31=10.05|14=100|151=200|
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, TypeVar

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.orders import ONE, PLACES, ceiled, text
from tercel.core.vocabulary import BUY, NO_ASK, SELL
from tercel.fix import tags as t
from tercel.fix.protocol.message import utc_ns, utc_text

T = TypeVar("T")
_MOST_DIGITS: Final = 40


class RefusedError(OrderError):
    """A message that cannot be carried out; `reason` is the value for 103."""

    def __init__(self, expected: str, received: str, reason: str = t.OTHER) -> None:
        super().__init__(expected, received, "correct the message and send it under a new name")
        self.reason = reason

    @property
    def text(self) -> str:
        """One line for Text (58)."""
        return f"expected {self.expected}; received {self.received}"


class _Unit(NamedTuple):
    """A tick or a lot, as a fraction, and the decimals that a number in it may have on the wire."""

    numerator: int
    denominator: int
    places: int

    @classmethod
    def of(cls, size: int | Decimal) -> "_Unit":
        """Unit of a tick or lot size."""
        exact = Decimal(size).normalize()
        return cls(*exact.as_integer_ratio(), max(PLACES, -int(exact.as_tuple().exponent)))

    def parts(self, text: str, tag: int, what: str) -> int:
        """A decimal number in 10^-8 of the unit."""
        head, _, tail = text.removeprefix("-").partition(".")
        digits, tail = head + tail, tail.rstrip("0")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _MOST_DIGITS:
            raise RefusedError(f"{what} in decimals", f"{tag}={text[:40]}")
        number = int(head + tail or "0") * self.denominator * ONE
        found, rest = divmod(number, int(10 ** len(tail)) * self.numerator)
        if rest or len(tail) > self.places:
            size = self.text(ONE)
            raise RefusedError(
                f"{what} of {self.places} decimals at most, in whole 10^-{PLACES} of {size}",
                f"{tag}={text[:40]}",
            )
        return -found if text.startswith("-") else found

    def text(self, parts: int) -> str:
        """10^-8 units as a decimal number, which is always finite."""
        places = self.places + PLACES
        return text(parts * self.numerator * 10**places // (self.denominator * ONE), places)


class PriceScale:
    """Conversion between an instrument's ticks and lots and decimals.

    Parameters
    ----------
    tick : float
        Price units of a tick; taken for the shortest decimal that reads the same.
    lot : int or Decimal
        Shares of a lot, or units of a currency.

    >>> PriceScale(0.01).price(1005), PriceScale(0.01).ticks("10.050"), PriceScale(0.01, 100).lots("300")
    ('10.05', 1005, 3)
    """

    def __init__(self, tick: float = 1.0, lot: int | Decimal = 1) -> None:
        self.tick = Decimal(repr(float(tick)))
        self.lot = lot
        self._tick = _Unit.of(self.tick)
        self._lot = _Unit.of(lot)

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
        whole, rest = _units(text, self.tick, "a price", 44, t.OTHER)
        if rest:
            raise RefusedError(f"a price on the tick of {self.tick}", f"44={text[:40]}")
        if not -NO_ASK < whole < NO_ASK:
            raise RefusedError(f"a price within {NO_ASK} ticks of zero", f"44={text[:40]}")
        return int(whole)

    def px_text(self, px: int) -> str:
        """Execution price, in 10^-8 of a tick, as a decimal price."""
        whole, rest = divmod(px, ONE)
        return self._tick.text(px) if rest else self.price(whole)

    def px(self, text: str, tag: int = t.LAST_PX) -> int:
        """Execution price as 10^-8 of a tick, from a decimal price.

        Raises
        ------
        RefusedError
            When it is no number, is finer than that or than eight decimals, or lies beyond every book.

        >>> PriceScale(0.01).px("99.985")
        999850000000
        """
        px = self._tick.parts(text, tag, "a price")
        if not -NO_ASK * ONE < px < NO_ASK * ONE:
            raise RefusedError(f"a price within {NO_ASK} ticks of zero", f"{tag}={text[:40]}")
        return px

    def qty_text(self, qty: int) -> str:
        """Execution quantity, in 10^-8 of a lot, as a number of shares."""
        whole, rest = divmod(qty, ONE)
        return self._lot.text(qty) if rest else self.quantity(whole)

    def qty(self, text: str, tag: int = t.LAST_QTY) -> int:
        """Execution quantity as 10^-8 of a lot, from a number of shares, zero included.

        Raises
        ------
        RefusedError
            When it is no number, or finer than that or than eight decimals.

        >>> PriceScale(0.01, 100).qty("50")
        50000000
        """
        qty = self._lot.parts(text, tag, "a quantity")
        if not 0 <= qty < 2**31 * ONE:
            raise RefusedError(
                f"a quantity within {2**31} lots", f"{tag}={text[:40]}", t.INCORRECT_QUANTITY
            )
        return qty

    def quantity(self, lots: int) -> str:
        """Lots as a number of shares."""
        whole = lots * self.lot
        return str(whole) if isinstance(whole, int) else format(whole, "f")

    def lots(self, text: str) -> int:
        """A number of shares as lots, zero included.

        Raises
        ------
        RefusedError
            When it is no number of whole lots.
        """
        whole, rest = _units(text, self.lot, "a quantity", 38, t.INCORRECT_QUANTITY)
        if rest or not 0 <= whole < 2**31:
            raise RefusedError(
                f"a quantity in whole lots of {self.lot}", f"38={text[:40]}", t.INCORRECT_QUANTITY
            )
        return int(whole)


def _units(
    text: str, unit: int | Decimal, what: str, tag: int, reason: str
) -> tuple[Decimal, Decimal]:
    """Whole units of a decimal number, and the remainder."""
    try:
        return divmod(Decimal(text), unit)
    except (InvalidOperation, ValueError):
        raise RefusedError(what, f"{tag}={text[:40]}", reason) from None


PLAIN = PriceScale()
"""Ticks and lots as they are: for instruments that are not listed."""


def optional(
    tags: Mapping[int, str], tag: int, read: Callable[[str], T], default: T, faults: list[str]
) -> T:
    """Value of a field without which a report is booked, too: `default` where it is missing or cannot be read.

    >>> faults = []
    >>> optional({38: "ten"}, 38, PLAIN.lots, 7, faults), faults
    (7, ['expected a quantity; received 38=ten'])
    """
    try:
        return read(tags[tag]) if tag in tags else default
    except RefusedError as error:
        faults.append(error.text)
        return default


def scales(listings: Mapping[str, o.Listing]) -> dict[str, PriceScale]:
    """Price scale of each listed instrument."""
    return {name: PriceScale(listing.tick, listing.lot) for name, listing in listings.items()}


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
        account, exact = (t.ACCOUNT, named(command.account)), (t.EXACT_NS, str(command.sent_ns))
        if not command.cl_ord_id:
            scope = [(t.MASS_STATUS_ID, f"all-{command.sent_ns}"), (t.MASS_STATUS_TYPE, "7")]
            return t.MASS_STATUS, present([*scope, account, exact])
        name, symbol = (t.CL_ORD_ID, named(command.cl_ord_id)), (t.SYMBOL, t.NO_SYMBOL)
        return t.STATUS, present([name, symbol, (t.SIDE, t.NO_SIDE_CODE), account, exact])
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
    fields += [(t.TIME_IN_FORCE, t.TIF_CODES[command.tif])]
    return t.NEW_ORDER, present(quoted(fields, command))


def quoted(fields: Fields, command: o.NewOrder) -> Fields:
    """Fields of an order; one that takes a quote (117) is previously quoted (40=D), fill or kill (59=4)."""
    if not isinstance(command, o.QuotedOrder):
        return fields
    codes = {t.ORD_TYPE: t.PREVIOUSLY_QUOTED, t.TIME_IN_FORCE: t.FILL_OR_KILL}
    own = [(tag, codes.get(tag, value)) for tag, value in fields]
    return [*own, (t.QUOTE_ID, named(command.quote))]


def response_out(wire: str, fields: Fields, quote: str) -> Fields:
    """Fields of an order as those of a QuoteResponse that hits its quote (694=1)."""
    gone = (t.ORD_TYPE, t.TIME_IN_FORCE)
    head = [(t.QUOTE_RESP_ID, wire), (t.QUOTE_ID, named(quote)), (t.QUOTE_RESP_TYPE, t.HIT)]
    return [*head, *(field for field in fields if field[0] not in gone)]


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
        need(tags, t.LAST_PX)
    faults = [fault] if fault else []
    faults += [f"150={code} of FIX 4.2"] if code in ("1", "2") else []
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
    """A name from the wire; "" for the placeholder of a missing one."""
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
