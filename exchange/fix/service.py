"""Application layer of a FIX server: counterparties' commands to its venue, and reports back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from exchange.fix import acceptor, positions, translate
from exchange.fix.counterparties import Counterparty
from exchange.fix.hosted_dialect import HostedDialect
from exchange.fix.publisher import Publisher
from exchange.fix.quotes import QuoteService
from exchange.fix.reports import none_to_report, plain_report, to_standard
from tercel import TercelError
from tercel.core import Pace, QuoteEvent, Venue, check_capabilities, orders as o
from tercel.fix import PLAIN, Fields, Message, RefusedError, one_line, scales, tags as t

ORDERS: Final = (t.NEW_ORDER, t.REPLACE, t.CANCEL, t.STATUS, t.MASS_STATUS, t.MASS_CANCEL)
TAKES: Final = frozenset(
    {
        *(*ORDERS, t.MARKET_DATA_REQUEST, t.SECURITY_LIST_REQUEST, t.POSITIONS_REQUEST),
        *(t.STEP, t.BUSINESS_REJECT, t.DONT_KNOW, t.QUOTE_REQUEST, t.QUOTE_RESPONSE),
    }
)
"""What a server takes."""
_QUOTES: Final = (t.QUOTE_REQUEST, t.QUOTE_RESPONSE)
# A counterparty that cannot use what it received.
_IGNORED: Final = frozenset({t.REJECT, t.BUSINESS_REJECT, t.DONT_KNOW})
# Fields that change what an order does, in ways that no venue here knows.
_NOT_DEALT_IN: Final = (18, 99, 110, 111, 126, 168, 210, 211, 388, 389, 432)
# Longest time that a counterparty moves the clock at once: the server's thread does nothing else meanwhile.
_LONGEST_STEP_NS: Final = 100 * 86_400 * 10**9
# Longest time that a stranger's command moves a clock that no counterparty moves.
_STIR_NS: Final = 1_000_000_000


class VenueService:
    """A FIX server's counterparties and its venue. Called from one thread.

    What is to be sent is put into the `outbox` of its counterparty.

    Parameters
    ----------
    venue : Venue
    parties : mapping of CompID to Counterparty
    pace : Pace or None
        Lets time pass by itself; None: the first counterparty that sends U1 moves the venue's clock, unless the venue's
        time passes anyway. Where none does, a command of a stranger, who cannot, moves it up to its answer.
    wall_ns : callable
        The time of day, ns since 1970.
    """

    def __init__(
        self,
        venue: Venue,
        parties: Mapping[str, Counterparty],
        pace: Pace | None,
        wall_ns: Callable[[], int],
    ) -> None:
        self.venue = venue
        self._parties = parties
        self._wall_ns = wall_ns
        check_capabilities(venue)
        self._connection = venue.capabilities.connection
        self.runs = self._connection is not None and not venue.capabilities.stepped
        """Whether the venue's time passes without us: what it has to say is heard as it comes, by its own clock."""
        self._pace = None if self.runs else pace
        self._free = self.runs or pace is not None
        self._owner = {name: name for name in parties}
        self._scales = scales({listing.instrument: listing for listing in venue.listings()})
        self._stepper = ""
        self._began_ns = wall_ns()
        self._count = 0
        speak = [(name, party.login.terms) for name, party in parties.items()]
        self.hosted = {
            name: HostedDialect(terms, self._began_ns) for name, terms in speak if terms is not None
        }
        """Logins that speak a venue's own words, with those."""
        self._publisher = Publisher(
            venue, parties, self._scales, self._send, not self._free, self.hosted
        )
        self.quotes = QuoteService(
            venue,
            parties,
            self._scales,
            self._send,
            wall_ns,
            pace.speed if pace is not None else 1.0,
        )
        self._copies = [party for party in parties.values() if party.login.copies]

    def begin(self) -> None:
        """Start the venue's clock."""
        if self._pace is not None:
            self._pace.begin(self.venue.now_ns)

    # -- counterparties -----------------------------------------------------------------------------------------------
    def handle_disconnect(self, party: Counterparty) -> None:
        """A counterparty disconnected: drop its requests, and cancel its orders if it asked for that."""
        if not party.up:
            return
        party.hang_up()
        self._publisher.forget(party)
        if self._stepper == party.login.comp_id:
            self._stepper = ""
        if party.cancels and not party.login.copies:
            for account in sorted(party.accounts):
                name = f"{party.prefix}gone-{self._exec_id()}-{account}"
                self.venue.send(o.MassCancel(name, account, "", self.venue.now_ns))

    def take(self, party: Counterparty, message: Message) -> None:
        """Process a counterparty's message."""
        host = self.hosted.get(party.login.comp_id)
        for standard_message in [message] if host is None else host.inward(message):
            self._take(party, standard_message)

    def _take(self, party: Counterparty, message: Message) -> None:
        kind = message.kind
        if kind in _IGNORED:
            return
        order_kinds = (*ORDERS, *_QUOTES)
        if party.login.copies and kind in order_kinds:
            self._business_reject(
                party, message, "this login gets copies, and gives no orders", t.NOT_AUTHORIZED
            )
        elif party.login.risk and kind in order_kinds and kind != t.MASS_CANCEL:
            self._business_reject(
                party, message, "this login cancels, and gives no orders", t.NOT_AUTHORIZED
            )
        elif kind in ORDERS:
            self._command(party, message)
        elif kind == t.MARKET_DATA_REQUEST:
            self._publisher.request(party, message)
            self._advance_idle_clock(party, self.venue.now_ns)
        elif kind == t.SECURITY_LIST_REQUEST:
            self._publisher.list(party, message)
        elif kind == t.POSITIONS_REQUEST:
            self._positions(party, message)
        elif kind in _QUOTES and self.quotes.offered:
            self._quoting(party, message)
        elif party.uses_private_tags and kind not in _QUOTES:
            self._step(party, message)
        else:
            self._business_reject(
                party, message, "this message type is not supported", t.NOT_SUPPORTED
            )

    def _quoting(self, party: Counterparty, message: Message) -> None:
        """A request for quotes, or the answer to a quote."""
        if message.kind == t.QUOTE_REQUEST:
            until = self.quotes.request(party, message, lambda account: self._claim(party, account))
        else:
            until = self.venue.now_ns
            if (order := self.quotes.respond(party, message)) is not None:
                self._command(party, order)
        self._advance_idle_clock(party, until)

    def _positions(self, party: Counterparty, message: Message) -> None:
        """Who gives no orders sees what it gets copies of; an account is its owner's alone."""
        account = message.get(t.ACCOUNT)
        now = self._wall_ns()
        try:
            if not (party.login.copies or party.login.risk):
                self._claim(party, account)
            elif not party.login.sees(account):
                raise RefusedError(
                    "an account whose copies it gets", f"1={account}", acceptor.UNKNOWN_ACCOUNT
                )
            replies = positions.answers(message, self.venue, self._scales, self._exec_id, now)
        except RefusedError as refused:
            replies = [positions.refusal(message, refused, self._exec_id())]
        for kind, fields in replies:
            self._send(party, kind, fields, owed=False)

    def _send(self, party: Counterparty, kind: str, fields: Fields, owed: bool = True) -> None:
        party.owed |= owed
        if not party.uses_private_tags:
            fields = to_standard(kind, fields, party.login.begin, self._wall_ns())
        host = self.hosted.get(party.login.comp_id)
        party.outbox += [(kind, fields)] if host is None else host.outward(kind, fields)

    def _exec_id(self) -> str:
        """A name for what is said here and not at the venue; unique, after a restart too."""
        self._count += 1
        return f"R{self._began_ns:x}-{self._count}"

    # -- commands -----------------------------------------------------------------------------------------------------
    def _command(self, party: Counterparty, message: Message) -> None:
        """Hand a command to the venue, or refuse it with a reason."""
        kind = message.kind
        tags = {tag: message.get(tag) for tag in acceptor.READ[kind] if tag in message}
        try:
            if not party.uses_private_tags:
                self._refuse_unknown(party, message)
            command = translate.command_in(kind, tags, self._scales, self.venue.now_ns)
            if (
                isinstance(command, o.NewOrder)
                and message.is_yes(t.POSS_RESEND)
                and command.cl_ord_id in party.orders
            ):
                command = o.StatusRequest(command.cl_ord_id, command.account, command.sent_ns)
            if isinstance(command, o.QuotedOrder):
                self.quotes.check(party, command)
            hit = 0
            for account_command in self._accounts_of(party, command):
                if not party.login.risk:
                    self._claim(party, account_command.account)
                if isinstance(account_command, o.MassCancel):
                    hit += sum(
                        counterparty.living(account_command.account, account_command.instrument)
                        for counterparty in self._parties.values()
                    )
                self._record_request(party, account_command, tags)
                inward = party.inward(account_command)
                self.venue.send(
                    replace(inward, sent_ns=self.venue.now_ns) if self._free else inward
                )
        except RefusedError as refused:
            self._refuse(party, message, tags, refused)
        except TercelError as error:
            self._refuse(party, message, tags, RefusedError(error.expected, error.received))
        else:
            if isinstance(command, o.MassCancel):
                self._mass_report(party, tags, None, hit)
            elif kind == t.MASS_STATUS and not party.orders:
                fields = none_to_report(
                    party, tags.get(t.ACCOUNT, ""), self._exec_id(), self.venue.now_ns
                )
                self._send(party, t.EXECUTION_REPORT, fields)
            self._advance_idle_clock(party, self.venue.now_ns + _STIR_NS)

    def _refuse_unknown(self, party: Counterparty, message: Message) -> None:
        """What no venue here can do is refused, not passed over; and a cancel of what is being cancelled."""
        if (host := self.hosted.get(party.login.comp_id)) is not None:
            host.refuse(message)
        if message.kind in (t.NEW_ORDER, t.REPLACE):
            for tag in _NOT_DEALT_IN:
                if tag in message:
                    raise RefusedError(
                        f"an order without field {tag}",
                        f"{tag}={message.get(tag)[:40]}",
                        t.UNSUPPORTED,
                    )
        if message.kind == t.REPLACE and message.get(t.TIME_IN_FORCE, "0") != "0":
            raise RefusedError(
                "59=0 in a replace", f"59={message.get(t.TIME_IN_FORCE)}", t.UNSUPPORTED
            )
        original = message.get(t.ORIG_CL_ORD_ID)
        if message.kind == t.CANCEL and (False, original) in party.requested.values():
            raise RefusedError(
                "an order that is not being cancelled", "one that is", acceptor.ALREADY_PENDING
            )

    def _advance_idle_clock(self, party: Counterparty, until_ns: int) -> None:
        """Advance a clock that no counterparty moves up to the answer, for one that cannot ask for it."""
        moves = not (self._free or self._stepper or party.uses_private_tags)
        while moves:
            before = self.venue.now_ns
            self._dispatch_events(self.venue.step(until_ns))
            moves = not party.outbox and before < self.venue.now_ns < until_ns

    def _accounts_of(self, party: Counterparty, command: o.Command) -> list[o.Command]:
        """A command for every account that it means."""
        of_all = isinstance(command, o.StatusRequest) and not command.cl_ord_id
        if command.account or not (of_all or isinstance(command, o.MassCancel)):
            return [command]
        return [replace(command, account=account) for account in sorted(party.accounts)]

    def _claim(self, party: Counterparty, account: str) -> None:
        """An account belongs to the login that named it first."""
        if not account:
            return
        owner = self._owner.setdefault(account, party.login.comp_id)
        if owner != party.login.comp_id:
            received = f"1={account}, which another login named first: choose another name"
            raise RefusedError("an account of this login", received, acceptor.UNKNOWN_ACCOUNT)
        party.accounts.add(account)

    @staticmethod
    def _record_request(party: Counterparty, command: o.Command, tags: dict[int, str]) -> None:
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            party.requested[command.cl_ord_id] = isinstance(command, o.ReplaceOrder), command.orig
        elif isinstance(command, o.NewOrder):
            party.orders.setdefault(command.cl_ord_id, "")
        elif isinstance(command, o.StatusRequest) and command.cl_ord_id:
            party.status_requests[command.cl_ord_id] = tags
        elif isinstance(command, o.StatusRequest):
            party.mass_status = tags.get(t.MASS_STATUS_ID, "")

    def _refuse(
        self, party: Counterparty, message: Message, tags: dict[int, str], refused: RefusedError
    ) -> None:
        """A command that does not reach the venue is answered in the way of its kind."""
        now = self.venue.now_ns
        name = tags.get(t.CL_ORD_ID, "")
        kind = message.kind
        if kind == t.MASS_CANCEL:
            self._mass_report(party, tags, refused)
        elif kind in (t.CANCEL, t.REPLACE):
            account = tags.get(t.ACCOUNT, party.login.comp_id)
            original = tags.get(t.ORIG_CL_ORD_ID, "")
            reject = o.CancelReject(
                name, original, account, party.status_of(original), now, refused.text
            )
            fields = translate.cancel_reject_out(
                reject, kind == t.REPLACE, party.orders.get(original, "")
            )
            code = (
                acceptor.ALREADY_PENDING if refused.reason == acceptor.ALREADY_PENDING else t.OTHER
            )
            self._send(
                party,
                t.CANCEL_REJECT,
                [(tag, code if tag == t.CXL_REJ_REASON else v) for tag, v in fields],
            )
        elif kind == t.NEW_ORDER:
            fields = translate.order_refusal(tags, refused, self._exec_id(), now)
            self._send(party, t.EXECUTION_REPORT, fields)
            self._copy(party, tags.get(t.ACCOUNT, party.login.comp_id), fields)
        else:
            self._business_reject(party, message, refused.text)

    def _business_reject(
        self, party: Counterparty, message: Message, text: str, reason: str = t.BUSINESS_OTHER
    ) -> None:
        fields = [
            (t.REF_SEQ_NUM, message.get(t.SEQ_NUM)),
            (t.REF_MSG_TYPE, message.kind),
            (t.REJECT_REASON, reason),
        ]
        self._send(party, t.BUSINESS_REJECT, [*fields, (t.TEXT, one_line(text))])

    def _mass_report(
        self, party: Counterparty, tags: dict[int, str], refused: RefusedError | None, hit: int = 0
    ) -> None:
        scope = tags.get(t.MASS_CANCEL_TYPE, "7")
        number = t.NO_NAME if refused else self._exec_id()
        fields = [
            *(
                (t.ORDER_ID, number),
                (t.CL_ORD_ID, tags.get(t.CL_ORD_ID, t.NO_NAME)),
                (t.MASS_CANCEL_TYPE, scope),
            ),
            *(
                (t.MASS_CANCEL_RESPONSE, "0" if refused else scope),
                (acceptor.MASS_CANCEL_ORDERS, str(hit)),
            ),
            (t.EXACT_NS, str(self.venue.now_ns)),
            (t.FOR_ACCOUNT, tags.get(t.FOR_ACCOUNT, party.login.comp_id)),
        ]
        if refused:
            codes = {acceptor.UNKNOWN_SYMBOL: "1", t.UNSUPPORTED: "0"}
            fields += [
                (t.MASS_CANCEL_REASON, codes.get(refused.reason, "99")),
                (t.TEXT, one_line(refused.text)),
            ]
        self._send(party, t.MASS_CANCEL_REPORT, fields, owed=refused is not None)

    # -- time ---------------------------------------------------------------------------------------------------------
    def _step(self, party: Counterparty, message: Message) -> None:
        """Move the clock for its sender, or note that it waits."""
        name = party.login.comp_id
        until = message.get(t.UNTIL_NS)
        if not until.isdigit():  # the dictionary lets negative ones through
            self._business_reject(party, message, f"expected nanoseconds; received {until[:40]}")
            return
        moves = not self._free and message.get(t.WAIT_ONLY) != "Y"
        if moves and int(until) - self.venue.now_ns > _LONGEST_STEP_NS:
            self._business_reject(
                party, message, f"expected a step of at most 100 days; received {until[:40]} ns"
            )
            return
        if moves and self._stepper not in ("", name):
            self._business_reject(
                party, message, f"the clock is moved by {self._stepper}; wait for it (follow=True)"
            )
            return
        party.waits = (message.get(t.STEP_ID), int(until))
        if moves:
            self._stepper = name
            if not party.owed:
                self._dispatch_events(self.venue.step(int(until)))
            self._answer(party)
        self._answer_waiting()

    def flow(self) -> None:
        """Advance a venue with a free clock, or poll one with its own."""
        if self.runs and self._connection is not None:
            self._dispatch_events(
                self.venue.step(self.venue.now_ns) if self._connection.poll() else ()
            )
            self._answer_waiting()
        if self._pace is None:
            return
        until_ns = self._pace.now_ns
        while self.venue.now_ns < until_ns:
            before = self.venue.now_ns
            events = self.venue.step(until_ns)
            self._dispatch_events(events)
            if not events and self.venue.now_ns <= before:
                break
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        for party in self._parties.values():
            if party.waits and (party.owed or self.venue.now_ns >= party.waits[1]):
                self._answer(party)

    def _answer(self, party: Counterparty) -> None:
        if party.waits is None:
            return
        (name, _) = party.waits
        party.waits = None
        self._send(
            party,
            t.STEPPED_TO,
            [(t.EXACT_NS, str(self.venue.now_ns)), (t.STEP_ID, name)],
            owed=False,
        )
        party.owed = False

    # -- what the venue reports ---------------------------------------------------------------------------------------
    def _dispatch_events(self, events: Iterable[o.VenueEvent]) -> None:
        for event in events:
            if isinstance(event, o.MarketRows):
                self._publisher.publish(event)
            elif isinstance(event, o.Report | o.CancelReject):
                owner = self._owner.get(event.account)
                if owner is not None:
                    self._report(self._parties[owner], event)
            elif isinstance(event, QuoteEvent):
                self.quotes.say(event)
        for name, host in self.hosted.items():
            for message in host.due():
                self._take(self._parties[name], message)

    def _report(self, party: Counterparty, event: o.Report | o.CancelReject) -> None:
        """A report on its own orders; the session keeps it for a counterparty that is away."""
        if isinstance(event, o.CancelReject):
            event = party.outward(event)
            of_replace, original = party.requested.pop(event.cl_ord_id, (False, event.orig))
            order_id = party.orders.get(original, "")
            self._send(
                party,
                t.CANCEL_REJECT,
                translate.cancel_reject_out(event, of_replace, order_id, party.uses_private_tags),
            )
            return
        event = party.outward(event)
        party.requested.pop(event.cl_ord_id, None)
        new = party.book(event)
        scale = self._scales.get(event.instrument, PLAIN)
        average = round(party.average(event) * scale.tick, 9)
        if party.uses_private_tags:
            fields: Fields = translate.report_out(event, scale, average)
        elif new:  # a stranger that asks for a status does not get its trades again
            fields = plain_report(party, event, scale, average)
        else:
            return
        self._send(
            party, t.EXECUTION_REPORT, self.quotes.add_quote_fields(party, event.cl_ord_id, fields)
        )
        if new and self._copies:
            self._copy(
                party, event.account, translate.report_out(event, scale, average, exact=False)
            )

    def _copy(self, party: Counterparty, account: str, fields: Fields) -> None:
        """An execution report goes to every drop copy that sees its account, with the name of the login whose it is."""
        for watcher in self._copies:
            if watcher.login.sees(account):
                self._send(
                    watcher, t.EXECUTION_REPORT, [(t.ON_BEHALF_OF, party.login.comp_id), *fields]
                )
