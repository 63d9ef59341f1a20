"""What a FIX server does in its venue's thread: commands of counterparties to the venue, its reports back to them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from tercel.core import orders as o
from tercel.core.errors import TercelError
from tercel.core.ports import Venue
from tercel.venues.fix import engine, market, translate
from tercel.venues.fix import tags as t
from tercel.venues.fix.desk import Counterparty
from tercel.venues.fix.translate import PLAIN, RefusedError
from tercel.venues.pace import Pace

ORDERS: Final = (t.NEW_ORDER, t.REPLACE, t.CANCEL, t.STATUS, t.MASS_STATUS, t.MASS_CANCEL)
UP, DOWN = "up", "down"


class VenueService:
    """The counterparties of a FIX server and its venue. One thread calls it.

    Parameters
    ----------
    venue : Venue
    parties : mapping of CompID to Counterparty
    outlets : mapping of CompID to engine.Outlet
        What is sent to a counterparty leaves here.
    pace : Pace or None
        Lets time pass by itself; None: the first counterparty that sends U1 moves the venue's clock.
    """

    def __init__(
        self,
        venue: Venue,
        parties: Mapping[str, Counterparty],
        outlets: Mapping[str, engine.Outlet],
        pace: Pace | None,
    ) -> None:
        self.venue, self._parties, self._outlets, self._pace = venue, parties, outlets, pace
        self._owner = {name: name for name in parties}
        self._scales = translate.scales({one.instrument: one for one in venue.listings()})
        self._stepper = ""

    def begin(self) -> None:
        """The venue's time passes from now on."""
        if self._pace is not None:
            self._pace.begin(self.venue.now_ns)

    def take(self, peer: str, kind: str, tags: dict[int, str]) -> None:
        """A counterparty came, left, or sent a message of a kind."""
        party = self._parties[peer]
        if kind == UP:
            party.up = True
        elif kind == DOWN:
            self._leave(party)
        elif kind in ORDERS:
            self._command(party, kind, tags)
        elif kind == t.STEP:
            self._step(party, tags)
        elif kind == t.MARKET_DATA_REQUEST:
            self._subscribe(party, tags)
        else:
            self._list(party, tags)

    def _send(self, party: Counterparty, kind: str, text: str, owed: bool = True) -> None:
        party.owed |= owed
        self._outlets[party.login.comp_id].send(kind, text)

    def _leave(self, party: Counterparty) -> None:
        """A counterparty is gone: forget what it waited for, and cancel its orders if it wished so."""
        if not party.up:
            return
        party.hang_up()
        if self._stepper == party.login.comp_id:
            self._stepper = ""
        if party.login.cancel_on_disconnect:
            for account in sorted(party.accounts):
                self._cancel_all(party, account)

    def _cancel_all(self, party: Counterparty, account: str) -> None:
        number = self._outlets[party.login.comp_id].next_number
        name = f"{party.prefix}gone-{number}-{account}"
        self.venue.send(o.MassCancel(name, account, "", self.venue.now_ns))

    def _command(self, party: Counterparty, kind: str, tags: dict[int, str]) -> None:
        """Hand a command to the venue, or refuse it with a reason."""
        try:
            command = translate.command_in(kind, tags, self._scales, self.venue.now_ns)
            if isinstance(command, o.NewOrder) and tags.get(t.POSS_RESEND) == "Y" and command.cl_ord_id in party.names:
                command = o.StatusRequest(command.cl_ord_id, command.account, command.sent_ns)
            for one in self._accounts_of(party, command):
                self._claim(party, one.account)
                self._note(party, one)
                inward = party.inward(one)
                self.venue.send(replace(inward, sent_ns=self.venue.now_ns) if self._pace else inward)
        except RefusedError as refused:
            self._refuse(party, kind, tags, refused)
        except TercelError as error:
            self._refuse(party, kind, tags, RefusedError(error.expected, error.received))
        else:
            if isinstance(command, o.MassCancel):
                self._mass_report(party, tags, "")

    def _accounts_of(self, party: Counterparty, command: o.Command) -> list[o.Command]:
        """A command for every account that it means."""
        if command.account or not isinstance(command, o.MassCancel | o.StatusRequest):
            return [command]
        if isinstance(command, o.StatusRequest) and command.cl_ord_id:
            return [command]
        return [replace(command, account=account) for account in sorted(party.accounts)]

    def _claim(self, party: Counterparty, account: str) -> None:
        """An account belongs to the login that named it first."""
        if not account:
            return
        owner = self._owner.setdefault(account, party.login.comp_id)
        if owner != party.login.comp_id:
            raise RefusedError("an account of this login", f"1={account}, of another", t.UNKNOWN_ACCOUNT)
        party.accounts.add(account)

    def _note(self, party: Counterparty, command: o.Command) -> None:
        if isinstance(command, o.CancelOrder | o.ReplaceOrder):
            party.requested[command.cl_ord_id] = isinstance(command, o.ReplaceOrder)
        if isinstance(command, o.NewOrder):
            party.names.add(command.cl_ord_id)

    def _refuse(self, party: Counterparty, kind: str, tags: dict[int, str], refused: RefusedError) -> None:
        """A command that does not reach the venue is answered in the way of its kind."""
        now, name = self.venue.now_ns, tags.get(t.CL_ORD_ID, "")
        if kind == t.MASS_CANCEL:
            self._mass_report(party, tags, refused.text)
        elif kind in (t.CANCEL, t.REPLACE):
            account = tags.get(t.ACCOUNT, party.login.comp_id)
            original = tags.get(t.ORIG_CL_ORD_ID, "")
            reject = o.CancelReject(name, original, account, o.OrdStatus.REJECTED, now, refused.text)
            body = engine.body(translate.cancel_reject_out(reject, kind == t.REPLACE))
            self._send(party, t.CANCEL_REJECT, body)
        elif kind == t.NEW_ORDER:
            exec_id = f"R{self._outlets[party.login.comp_id].next_number}"
            fields = translate.order_refusal(tags, refused, exec_id, now)
            self._send(party, t.EXECUTION_REPORT, engine.body(fields))
        else:
            self._business_reject(party, kind, tags, refused.text)

    def _business_reject(self, party: Counterparty, kind: str, tags: dict[int, str], text: str) -> None:
        fields = [(t.REF_SEQ_NUM, tags[t.SEQ_NUM]), (t.REF_MSG_TYPE, kind), (t.REJECT_REASON, "0")]
        self._send(party, t.BUSINESS_REJECT, engine.body([*fields, (t.TEXT, translate.line(text))]))

    def _mass_report(self, party: Counterparty, tags: dict[int, str], refused: str) -> None:
        scope = tags.get(t.MASS_CANCEL_TYPE, "7")
        fields = [
            *((t.ORDER_ID, t.NO_NAME), (t.CL_ORD_ID, tags.get(t.CL_ORD_ID, t.NO_NAME)), (t.MASS_CANCEL_TYPE, scope)),
            *((t.MASS_CANCEL_RESPONSE, "0" if refused else scope), (t.EXACT_NS, str(self.venue.now_ns))),
            (t.FOR_ACCOUNT, tags.get(t.FOR_ACCOUNT, party.login.comp_id)),
        ]
        if refused:
            fields += [(t.MASS_CANCEL_REASON, "99"), (t.TEXT, translate.line(refused))]
        self._send(party, t.MASS_CANCEL_REPORT, engine.body(fields), owed=bool(refused))

    def _list(self, party: Counterparty, tags: dict[int, str]) -> None:
        request = tags[t.SECURITY_REQ_ID]
        party.live.add(request)
        listings, venue = self.venue.listings(), self.venue
        shapes = {}
        if hasattr(venue, "width") and hasattr(venue, "feed_levels"):  # a simulated exchange knows how deep its book is
            names = [one.instrument for one in listings]
            shapes = {name: (int(venue.width(name)), int(venue.feed_levels(name))) for name in names}
        listed = market.listings_out(listings, request, self._pace is None, venue.now_ns, shapes)
        self._send(party, t.SECURITY_LIST, listed, owed=False)

    def _subscribe(self, party: Counterparty, tags: dict[int, str]) -> None:
        request, wanted = tags[t.MD_REQ_ID], tags[t.SYMBOL].split("\x01")
        if tags[t.SUBSCRIPTION] == "2":
            for instruments in (party.wanted, party.followed):
                for instrument in [one for one in wanted if one in instruments]:
                    del instruments[instrument]
            return
        unknown = [one for one in wanted if one not in self._scales]
        if unknown:
            text = f"expected instruments that are listed here; received 55={unknown[0]}"
            fields = [(t.MD_REQ_ID, request), (t.MD_REJ_REASON, "0"), (t.TEXT, translate.line(text))]
            self._send(party, t.MARKET_DATA_REJECT, engine.body(fields))
            return
        party.live.add(request)
        for instrument in wanted:
            party.followed.pop(instrument, None)
            party.wanted[instrument] = request
            self.venue.subscribe(instrument)

    def _step(self, party: Counterparty, tags: dict[int, str]) -> None:
        """Move the clock for its sender, or note that it waits."""
        name = party.login.comp_id
        try:
            until_ns = int(tags[t.UNTIL_NS])
        except ValueError:
            self._business_reject(party, t.STEP, tags, f"expected nanoseconds; received {tags[t.UNTIL_NS][:40]}")
            return
        moves = self._pace is None and tags.get(t.WAIT_ONLY) != "Y"
        if moves and self._stepper not in ("", name):
            text = f"the clock is moved by {self._stepper}; wait for it (follow=True)"
            self._business_reject(party, t.STEP, tags, text)
            return
        party.live.discard(party.stepped)  # an answer may be lost in a gap: it is repeated until the next question
        party.stepped = tags[t.STEP_ID]
        party.live.add(party.stepped)
        party.waits = (party.stepped, until_ns)
        if moves:
            self._stepper = name
            if not party.owed:
                self._pass_on(self.venue.step(until_ns))
            self._answer(party)
        self._answer_waiting()

    def flow(self) -> None:
        """Let a free clock's time pass."""
        if self._pace is None:
            return
        until_ns = self._pace.now_ns
        while self.venue.now_ns < until_ns:
            before, events = self.venue.now_ns, self.venue.step(until_ns)
            self._pass_on(events)
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
        (name, _), party.waits = party.waits, None
        fields = [(t.EXACT_NS, str(self.venue.now_ns)), (t.STEP_ID, name)]
        self._send(party, t.STEPPED_TO, engine.body(fields), owed=False)
        party.owed = False

    # -- what the venue reports ----------------------------------------------------------------------------------------
    def _pass_on(self, events: Iterable[o.VenueEvent]) -> None:
        for event in events:
            if isinstance(event, o.MarketRows):
                self._send_market(event)
            elif isinstance(event, o.Report | o.CancelReject):
                owner = self._owner.get(event.account)
                if owner is not None:
                    self._report(self._parties[owner], event)

    def _report(self, party: Counterparty, event: o.Report | o.CancelReject) -> None:
        """A report on its own orders; the engine stores it for a counterparty that is away."""
        of_replace = party.requested.pop(event.cl_ord_id.removeprefix(party.prefix), False)
        if isinstance(event, o.CancelReject):
            fields = translate.cancel_reject_out(party.outward(event), of_replace)
            self._send(party, t.CANCEL_REJECT, engine.body(fields))
            return
        scale = self._scales.get(event.instrument, PLAIN)
        average = round(party.average(event) * scale.tick, 9)
        self._send(party, t.EXECUTION_REPORT, engine.body(translate.report_out(party.outward(event), scale, average)))

    def _send_market(self, change: o.MarketRows) -> None:
        """A change of a book goes to all that follow it; a snapshot to those that wait for one."""
        instrument, scale = change.instrument, self._scales[change.instrument]
        for party in self._parties.values():
            if change.snapshot and instrument in party.wanted:
                party.followed[instrument] = party.wanted.pop(instrument)
            elif change.snapshot or instrument not in party.followed:
                continue
            for kind, text in market.market_out(change, party.followed[instrument], scale):
                self._send(party, kind, text)
