"""Emulation of a venue's dialect at this package's acceptor: from its messages to the standard's, and back.

A login with a profile (`counterparties.Login.terms`) finds an acceptor of that venue's kind: every message of its session is
one of the venue's dictionary. Beside the standard's D, F, q, V and x that are Binance's amend (XAK, here a replace) and
cancel-and-new (XCN, here a cancel, and an order once that has its answer). What the dictionary has no word for, a bust
or a correction, is not sent.
Source: "FIX API" of Binance, each message by its name; "Errors" for the codes.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import Final
from uuid import uuid4

from exchange.fix import acceptor
from tercel.core import ConfigError, Listing
from tercel.fix import (
    AMEND,
    AMEND_REJECT,
    CANCEL_AND_NEW,
    CANCEL_NAME,
    INCORRECT_VALUE,
    MODE,
    UNKNOWN_ORDER_TEXT,
    Dictionary,
    Fields,
    Message,
    MessageFault,
    PriceScale,
    ProfileTerms,
    RefusedError,
    SessionSettings,
    tags as t,
)

# MODE: the new order is sent though the cancel was refused.
_GO_ON: Final = "2"
_UUID = 25037
_ERROR = 25016
# ErrorCode of what is refused, by message.
_CODES: Final = {
    t.EXECUTION_REPORT: "-2010",
    t.CANCEL_REJECT: "-2011",
    AMEND_REJECT: "-2038",
    t.REJECT: "-1013",
    t.MASS_CANCEL_REPORT: "-2011",
}
# Fields that change what an order or a cancel does, in ways that no venue here knows.
_NOT_OFFERED: Final = (152, 18, 111, 211, 25001, 25002, 25009, 25032, 25038)
_HEADER: Final = frozenset({t.SEQ_NUM, t.SENDER, t.TARGET, 52})
_NAMES: Final = (t.CL_ORD_ID, t.ORIG_CL_ORD_ID, t.MD_REQ_ID, CANCEL_NAME)
# ISO 4217.
_NO_CURRENCY: Final = "XXX"


@dataclass(slots=True)
class _Order:
    """The last report of an order."""

    side: str
    price: str
    lots: str


class HostedDialect:
    """Dialect of one login that speaks as to a given venue.

    Parameters
    ----------
    terms : ProfileTerms
        Its profile.
    began_ns : int
        When the server began: numbers that are made here begin there, so that none comes twice.

    Raises
    ------
    ConfigError
        When the profile names no dictionary.
    """

    def __init__(self, terms: ProfileTerms, began_ns: int) -> None:
        if terms.dictionary is None:
            wanted = f"the dictionary of {terms.name}"
            raise ConfigError(
                wanted,
                "none",
                'name the XML file that the venue publishes: dictionary = "FILE.xml"',
            )
        self._rules: Dictionary = terms.dictionary
        self._profile = terms.profile
        self._currencies = {
            symbol.name: symbol.currency for symbol in terms.symbols if symbol.currency
        }
        self._name_form = re.compile(
            f"(?:{terms.profile.names.letters.pattern}){{1,{terms.profile.names.most}}}"
        )
        self._uuid = str(uuid4())
        self._count = count(began_ns // 1000)
        self._numbers: dict[tuple[int, str], str] = {}
        self._orders: dict[str, _Order] = {}
        self._name_of: dict[str, str] = {}
        self._requests: dict[str, Message] = {}
        self._waiting_orders: dict[str, tuple[Message, str]] = {}
        self._due: list[Message] = []

    def settings(self, ours: SessionSettings) -> SessionSettings:
        """Session settings with the venue's dictionary and conventions."""
        session = self._profile.session
        uuid = [(_UUID, self._uuid)] if _UUID in self._rules.messages[t.LOGON].block.members else []
        return replace(
            ours,
            dictionary=self._rules,
            logon_fields=lambda _sent, _number: uuid,
            takes=None,
            examine=self._fault,
            reset=ours.reset | frozenset(session.reset),
            on_gap=session.on_gap,
            accuracy_s=session.clock_tolerance_s,
            digits=session.digits,
            user_tags=False,
        )

    def _fault(self, message: Message) -> MessageFault | None:
        """What does not print, and a name that the venue's rule of names does not allow."""
        for tag, value in message.fields:
            if not value.isprintable() and tag not in self._rules.data_fields.values():
                return MessageFault(INCORRECT_VALUE, tag)
        for tag in _NAMES:
            if tag in message and self._name_form.fullmatch(message.get(tag)) is None:
                return MessageFault(INCORRECT_VALUE, tag)
        return None

    # -- what comes in ------------------------------------------------------------------------------------------------
    def inward(self, message: Message) -> list[Message]:
        """The login's message as standard messages."""
        kind = message.kind
        name = message.get(t.CL_ORD_ID)
        if kind in (t.CANCEL, AMEND, t.MASS_CANCEL):
            self._requests[name] = message
        if kind == CANCEL_AND_NEW:
            return self._cancel_and_new(message)
        depth_fields = [] if t.MARKET_DEPTH in message else [(t.MARKET_DEPTH, "0")]
        readers: dict[str, Callable[[], Message]] = {
            t.NEW_ORDER: lambda: self._new(message),
            t.CANCEL: lambda: self._cancel(message, name),
            AMEND: lambda: self._amend(message),
            t.MARKET_DATA_REQUEST: lambda: Message(message.begin, [*message.fields, *depth_fields]),
        }
        return [readers.get(kind, lambda: message)()]

    def due(self) -> list[Message]:
        """New orders of cancel-and-new messages whose cancel has been answered."""
        orders = self._due
        self._due = []
        return orders

    def refuse(self, message: Message) -> None:
        """Refuse messages that no venue here can carry out as the emulated one would.

        Raises
        ------
        RefusedError
            For fields that change what an order or a cancel does, and for an amend that takes nothing away.
        """
        for tag in _NOT_OFFERED:
            if tag in message:
                raise RefusedError(
                    f"a message without field {tag}",
                    f"{tag}={message.get(tag)[:40]}",
                    t.UNSUPPORTED,
                )
        if message.kind == t.REPLACE:
            orig = message.get(t.ORIG_CL_ORD_ID)
            lots = message.get(t.ORDER_QTY)
            if (order := self._orders.get(orig)) is None:
                raise RefusedError("an order of this login", f"41={orig[:40]}")
            if Decimal(lots) >= Decimal(order.lots):
                raise RefusedError(f"fewer than {order.lots}", f"38={lots}", t.INCORRECT_QUANTITY)

    def _new(self, message: Message) -> Message:
        orders = self._profile.orders
        force = {orders.day: "0", orders.ioc: "3"}.get(message.get(t.TIME_IN_FORCE))
        fields = [
            (tag, force if tag == t.TIME_IN_FORCE and force else value)
            for tag, value in message.fields
        ]
        name, side, price, lots = (
            message.get(field_tag) for field_tag in (t.CL_ORD_ID, t.SIDE, t.PRICE, t.ORDER_QTY)
        )
        self._orders.setdefault(name, _Order(side, price, lots))
        return Message(message.begin, fields)

    def _target_name(self, message: Message) -> str:
        """Name of the order that a request is about; one that no order can have where its number is not its name's."""
        number = message.get(t.ORDER_ID)
        name = message.get(t.ORIG_CL_ORD_ID)
        if not number:
            return name
        numbered_name = self._name_of.get(number, "")
        return (
            numbered_name
            if numbered_name and name in ("", numbered_name)
            else f"{t.ORDER_ID}={number}"
        )

    def _cancel(self, message: Message, name: str) -> Message:
        target = self._target_name(message)
        order = self._orders.get(target)
        fields = [
            (t.CL_ORD_ID, name),
            (t.ORIG_CL_ORD_ID, target),
            (t.SYMBOL, message.get(t.SYMBOL)),
        ]
        fields += [(tag, message.get(tag)) for tag in _NOT_OFFERED if tag in message]
        return _convert(message, t.CANCEL, [*fields, (t.SIDE, order.side if order else t.BUY_CODE)])

    def _amend(self, message: Message) -> Message:
        """A replace at the order's own price."""
        target = self._target_name(message)
        order = self._orders.get(target) or _Order(t.BUY_CODE, "0", "0")
        fields = [(t.CL_ORD_ID, message.get(t.CL_ORD_ID)), (t.ORIG_CL_ORD_ID, target)]
        fields += [
            (t.SYMBOL, message.get(t.SYMBOL)),
            (t.SIDE, order.side),
            (t.ORDER_QTY, message.get(t.ORDER_QTY)),
        ]
        return _convert(
            message, t.REPLACE, [*fields, (t.ORD_TYPE, t.LIMIT), (t.PRICE, order.price)]
        )

    def _cancel_and_new(self, message: Message) -> list[Message]:
        """The cancel; the order waits for its answer. An order that cannot be is refused before anything is done."""
        members = self._rules.messages[t.NEW_ORDER].block.tags
        body = [
            (tag, value) for tag, value in message.fields if tag in members or tag in _NOT_OFFERED
        ]
        order = self._new(_convert(message, t.NEW_ORDER, body))
        try:
            self.refuse(order)
        except RefusedError:
            return [order]
        name = message.get(CANCEL_NAME) or f"C{next(self._count)}"
        self._requests[name], self._waiting_orders[name] = message, (order, message.get(MODE))
        return [self._cancel(message, name)]

    # -- what goes out ------------------------------------------------------------------------------------------------
    def outward(self, kind: str, fields: Fields) -> list[tuple[str, Fields]]:
        """A standard message in the venue's dialect; [] where it has none."""
        values = dict(fields)
        if kind == t.EXECUTION_REPORT:
            return self._report(values)
        if kind == t.CANCEL_REJECT:
            return self._cancel_reject(values)
        if kind == t.BUSINESS_REJECT and kind not in self._rules.messages:
            return [
                (
                    t.REJECT,
                    self._fit_fields(
                        t.REJECT, {**values, 373: t.OTHER, _ERROR: _CODES[t.REJECT]}.items()
                    ),
                )
            ]
        if kind == t.SECURITY_LIST and t.NO_RELATED_SYM not in values:
            reject_fields = [
                (371, str(t.SYMBOL)),
                (t.REF_MSG_TYPE, t.SECURITY_LIST_REQUEST),
                (373, "5"),
            ]
            return [
                (
                    t.REJECT,
                    [*reject_fields, (_ERROR, _CODES[t.REJECT]), (t.TEXT, "no such instrument")],
                )
            ]
        if kind == t.MASS_CANCEL_REPORT:
            request = self._requests.pop(values[t.CL_ORD_ID], None)
            values[t.SYMBOL] = request.get(t.SYMBOL) if request else t.NO_SYMBOL
            if values[t.MASS_CANCEL_RESPONSE] == "0":
                values[_ERROR] = _CODES[kind]
            return [(kind, self._fit_fields(kind, values.items()))]
        return [(kind, self._fit_fields(kind, fields))]

    def entry(self, listing: Listing) -> Fields:
        """An instrument's entry in the venue's security list."""
        table = self._profile.symbols
        name = listing.instrument
        quoted = self._currencies.get(name, _NO_CURRENCY)
        steps = [
            (table.lot_tag, str(listing.lot)),
            (table.tick_tag, PriceScale(listing.tick).price(1)),
        ]
        return [(t.SYMBOL, name), (table.currency_tag, quoted), *steps]

    def _report(self, values: dict[int, str]) -> list[tuple[str, Fields]]:
        rules = self._rules.fields
        name = values.get(t.CL_ORD_ID, "")
        kind = values[t.EXEC_TYPE]
        if rules[t.EXEC_TYPE].fault(kind) or rules[t.ORD_STATUS].fault(values[t.ORD_STATUS]):
            return []
        if t.LIQUIDITY in values:
            values[self._profile.orders.liquidity_tag] = (
                "N" if values.pop(t.LIQUIDITY) == "1" else "Y"
            )
        values.setdefault(t.LAST_QTY, "0")
        if kind == "8":
            values[_ERROR] = _CODES[t.EXECUTION_REPORT]
        fitted = self._fit_fields(t.EXECUTION_REPORT, values.items())
        if not {*self._rules.messages[t.EXECUTION_REPORT].block.required} <= dict(fitted).keys():
            return []
        if kind in ("4", "8"):
            self._release_order(name, kind == "4")
        else:
            self._orders[name] = _Order(
                values[t.SIDE], values.get(t.PRICE, ""), values[t.ORDER_QTY]
            )
            self._name_of[dict(fitted).get(t.ORDER_ID, "")] = name
        return [(t.EXECUTION_REPORT, fitted)]

    def _cancel_reject(self, values: dict[int, str]) -> list[tuple[str, Fields]]:
        request = self._requests.pop(values[t.CL_ORD_ID], None)
        self._release_order(values[t.CL_ORD_ID], False)
        kind = AMEND_REJECT if request is not None and request.kind == AMEND else t.CANCEL_REJECT
        repeated = t.SYMBOL, t.ORDER_QTY, t.ORDER_ID, t.ORIG_CL_ORD_ID
        request_fields = {tag: request.get(tag) for tag in repeated} if request is not None else {}
        values |= {
            t.SYMBOL: t.NO_SYMBOL,
            t.ORDER_QTY: "0",
            t.ORDER_ID: "",
            acceptor.CXL_REJ_RESPONSE_TO: "1",
            **request_fields,
        }
        over = values[t.CXL_REJ_REASON] in (
            acceptor.TOO_LATE,
            t.NOT_KNOWN,
        )  # neither is there any more
        text = UNKNOWN_ORDER_TEXT if over else values.get(t.TEXT) or "The request is refused."
        values |= {_ERROR: _CODES[kind], t.TEXT: text}
        return [(kind, self._fit_fields(kind, values.items()))]

    def _release_order(self, name: str, cancelled: bool) -> None:
        """The cancel of a cancel-and-new has its answer: the order continues, or is dropped."""
        if cancelled:
            self._requests.pop(name, None)
        order, mode = self._waiting_orders.pop(name, (None, ""))
        if order is not None and (cancelled or mode == _GO_ON):
            self._due.append(order)

    def _fit_fields(self, kind: str, fields: Iterable[tuple[int, str]]) -> Fields:
        """Without what the dictionary lacks; a name where it wants a number becomes one."""
        members = self._rules.messages[kind].block.tags
        rules = self._rules.fields
        fitted = []
        for tag, value in fields:
            if tag in members and value:
                wrong = rules[tag].fault(value)
                if not wrong or rules[tag].kind == "INT":
                    fitted.append((tag, self._number(tag, value) if wrong else value))
        return fitted

    def _number(self, tag: int, text: str) -> str:
        known = self._rules.fields[tag].values
        if known:
            return t.OTHER if t.OTHER in known else next(iter(known))
        return self._numbers.setdefault((tag, text), str(next(self._count)))


def _convert(message: Message, kind: str, body: Fields) -> Message:
    """A message of another kind, with the header of one."""
    head = [(tag, value) for tag, value in message.fields if tag in _HEADER]
    return Message(
        message.begin, [(t.MSG_TYPE, kind), *head, *((tag, value) for tag, value in body if value)]
    )
