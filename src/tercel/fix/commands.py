"""Commands as standard FIX messages, less the fields that a venue's dictionary lacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.orders import ceiled
from tercel.fix import tags as t
from tercel.fix.memory import OrderMemory, SentOrder
from tercel.fix.profiles import ProfileTerms
from tercel.fix.protocol.message import utc_text
from tercel.fix.translate import PLAIN, Fields, PriceScale, named, side_code

AMEND: Final = "XAK"
CANCEL_AND_NEW: Final = "XCN"
MODE, CANCEL_NAME = 25033, 25034
"""What a cancel-and-new does when its cancel fails (1: stop), and the name of its cancel."""
_STOP_ON_FAILURE: Final = "1"
_HANDLING: Final = 21


@dataclass(frozen=True)
class OutgoingMessage:
    """A message about to be sent.

    Parameters
    ----------
    kind : str
    fields : list of (tag, value)
    about : Command or message
        The command or report that it carries.
    """

    kind: str
    fields: Fields
    about: o.Command | o.Report | o.CancelReject | o.Unread | None


class Commands:
    """Builds messages of commands for one venue.

    Parameters
    ----------
    terms : ProfileTerms
    memory : OrderMemory
    scales : mapping of str to PriceScale
        By instrument; looked at whenever a command comes.
    clock : callable
        ns since 1970, for TransactTime.
    """

    def __init__(
        self,
        terms: ProfileTerms,
        memory: OrderMemory,
        scales: Mapping[str, PriceScale],
        clock: Callable[[], int],
    ) -> None:
        self._orders = terms.profile.orders
        self._memory = memory
        self._scales = scales
        self._clock = clock
        self._digits = min(terms.profile.session.digits, 6)
        self._rules = terms.dictionary.messages if terms.dictionary is not None else {}
        self.unknown: set[str] = set()
        """Message types that the venue said it does not know."""

    def messages(self, command: o.Command) -> tuple[list[OutgoingMessage], str]:
        """Messages of a command, or why it has none.

        Raises
        ------
        OrderError
            For a command that the venue's messages cannot express.
        """
        if isinstance(command, o.NewOrder):
            return [self._new(command)], ""
        if isinstance(command, o.ReplaceOrder):
            return [self._replace(command)], ""
        if isinstance(command, o.CancelOrder):
            return [self._cancel(self._memory.tell(command), command)], ""
        if isinstance(command, o.MassCancel):
            return self._mass_cancel(command), ""
        return self._status(command)

    def answer(self, one: OutgoingMessage) -> list[OutgoingMessage]:
        """DK or business reject of a report, where the venue takes one."""
        takes = {t.DONT_KNOW: self._orders.disown, t.BUSINESS_REJECT: self._orders.business_reject}
        wanted = takes.get(one.kind, True) and one.kind in self._rules
        return [self._ready(one.kind, one.fields, one.about)] if wanted else []

    # -- each kind ----------------------------------------------------------------------------------------------------
    def _ready(self, kind: str, fields: Fields, about: object) -> OutgoingMessage:
        """A message without empty fields and fields that the venue's dictionary lacks."""
        rule = self._rules.get(kind)
        if rule is None:
            raise OrderError(
                f"35={kind} in the venue's dictionary", "none", "choose another orders.replace"
            )
        members = [(tag, value) for tag, value in fields if value and tag in rule.block.members]
        return OutgoingMessage(kind, members, about)  # type: ignore[arg-type]

    def _scale(self, instrument: str) -> PriceScale:
        return self._scales.get(instrument, PLAIN)

    def _head(self, sent: SentOrder) -> Fields:
        fields: Fields = [(t.CL_ORD_ID, named(sent.wire)), (_HANDLING, self._orders.handling)]
        if self._orders.account:
            fields.append((t.ACCOUNT, named(sent.account)))
        fields += [(t.SYMBOL, named(sent.instrument)), (t.SIDE, side_code(sent.side))]
        return [*fields, (t.TRANSACT_TIME, utc_text(self._clock(), self._digits))]

    def _terms(self, sent: SentOrder, tif: o.Tif = o.Tif.DAY) -> Fields:
        scale = self._scale(sent.instrument)
        priced = [(t.ORD_TYPE, t.MARKET)]
        if sent.price is not None:
            priced = [(t.ORD_TYPE, t.LIMIT), (t.PRICE, scale.price(sent.price))]
        force = "" if sent.price is None and tif is o.Tif.DAY else self._orders.ioc
        force = self._orders.day if tif is o.Tif.DAY and sent.price is not None else force
        fields = [(t.ORDER_QTY, scale.quantity(sent.lots)), *priced, (t.TIME_IN_FORCE, force)]
        return fields + [(int(tag), value) for tag, value in self._orders.fields.items()]

    def _new(self, command: o.NewOrder) -> OutgoingMessage:
        sent = self._memory.tell(command)
        return self._ready(
            t.NEW_ORDER, [*self._head(sent), *self._terms(sent, command.tif)], command
        )

    def _orig(self, name: str) -> Fields:
        old = self._memory.by_name.get(name)
        number = old.order_id if old is not None and self._orders.order_id else ""
        return [(t.ORIG_CL_ORD_ID, self._memory.wire(name)), (t.ORDER_ID, number)]

    def _cancel(self, sent: SentOrder, about: o.Command) -> OutgoingMessage:
        lots = self._scale(sent.instrument).quantity(sent.lots) if sent.lots else ""
        return self._ready(
            t.CANCEL, [*self._head(sent), *self._orig(sent.orig), (t.ORDER_QTY, lots)], about
        )

    def _replace(self, command: o.ReplaceOrder) -> OutgoingMessage:
        style, old = self._orders.replace, self._memory.by_name.get(command.orig)
        if style == "cancel":
            sent = self._memory.tell(
                o.CancelOrder(
                    command.cl_ord_id,
                    command.orig,
                    command.instrument,
                    command.side,
                    command.account,
                    0,
                )
            )
            return self._cancel(sent, command)
        sent = self._memory.tell(command)
        if style == "G":
            fields = [*self._head(sent), *self._orig(command.orig), *self._terms(sent)]
            return self._ready(t.REPLACE, fields, command)
        base = ceiled(old.base_qty) if old is not None else 0
        if (
            style == AMEND
            and old is not None
            and old.price == command.price
            and sent.lots - base < old.lots
        ):
            sent.base_qty = old.base_qty
            sent.lots -= base
            self._memory.write(sent)
            lots = (t.ORDER_QTY, self._scale(sent.instrument).quantity(sent.lots))
            return self._ready(AMEND, [*self._head(sent), *self._orig(command.orig), lots], command)
        # a new order has a total of its own: what is filled already is not ordered again
        sent.base_qty = old.cum_qty if old is not None else 0
        sent.lots = max(sent.lots - ceiled(sent.base_qty), 1)
        sent.swaps = self._memory.wire(f"{sent.name}-C")
        self._memory.write(sent)
        mode = [(MODE, _STOP_ON_FAILURE), (CANCEL_NAME, sent.swaps)]
        fields = [*mode, *self._orig(command.orig), *self._head(sent), *self._terms(sent)]
        return self._ready(CANCEL_AND_NEW, fields, command)

    def _mass_cancel(self, command: o.MassCancel) -> list[OutgoingMessage]:
        """Messages of a mass cancel: one where the venue's has the same scope, else a cancel for each live order."""
        meant = self._memory.live(command.account, command.instrument)
        everybody = self._memory.live("", command.instrument)
        style = self._orders.mass_cancel
        if style == "none" or t.MASS_CANCEL in self.unknown or len(meant) < len(everybody):
            return [self._cancel(self._one_of(command, sent), command) for sent in meant]
        instruments = [command.instrument] if command.instrument else [""]
        if style == "symbol" and not command.instrument:
            instruments = sorted({sent.instrument for sent in meant})
        found = []
        for instrument in instruments:
            sent = self._memory.tell(command, f"-{instrument}" if len(instruments) > 1 else "")
            sent.instrument = instrument
            scope = [
                (t.MASS_CANCEL_TYPE, "1" if instrument else "7"),
                (t.SYMBOL, named(instrument)),
            ]
            at = (t.TRANSACT_TIME, utc_text(self._clock(), self._digits))
            found.append(
                self._ready(t.MASS_CANCEL, [(t.CL_ORD_ID, sent.wire), *scope, at], command)
            )
        return found

    def _one_of(self, command: o.MassCancel, sent: SentOrder) -> SentOrder:
        name = f"{command.cl_ord_id}-{sent.name}"
        return self._memory.tell(
            o.CancelOrder(name, sent.name, sent.instrument, sent.side, sent.account, 0)
        )

    def _status(self, command: o.StatusRequest) -> tuple[list[OutgoingMessage], str]:
        if (
            not command.cl_ord_id
            and self._orders.mass_status
            and t.MASS_STATUS in self._rules.keys() - self.unknown
        ):
            scope = [(t.MASS_STATUS_ID, f"all-{self._clock()}"), (t.MASS_STATUS_TYPE, "7")]
            return [self._ready(t.MASS_STATUS, [*scope, (t.ACCOUNT, command.account)], command)], ""
        if not self._orders.status or t.STATUS not in self._rules.keys() - self.unknown:
            what = command.cl_ord_id or "any order"
            return (
                [],
                f"the venue answers no questions: the status of {what} is its last report, until another one comes",
            )
        asked = (
            [command.cl_ord_id]
            if command.cl_ord_id
            else [one.name for one in self._memory.live(command.account)]
        )
        return [self._asked(name, command) for name in asked], ""

    def _asked(self, name: str, command: o.StatusRequest) -> OutgoingMessage:
        sent = self._memory.by_name.get(name)
        side = side_code(sent.side if sent else 0)
        which = [
            (t.CL_ORD_ID, self._memory.ask(name, command.account)),
            (t.ORDER_ID, sent.order_id if sent else ""),
        ]
        what = [(t.SYMBOL, sent.instrument if sent else t.NO_SYMBOL), (t.SIDE, side)]
        account = [(t.ACCOUNT, command.account)] if self._orders.account else []
        return self._ready(t.STATUS, [*which, *what, *account], command)
