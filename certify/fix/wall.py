"""The whole path as a desk uses it, from a gate's file on: limits, journal, ledger, latch, our FIX session.

A case turns it by hand: nothing happens in it but in :meth:`Wall.settle` and what calls it. After every case the
journal is held against the wire, and limits against the ledger.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from certify.fix.case import Bench, MissedError, expect, holds
from certify.fix.scripted import BY_HAND, DESK, PATIENCE_S, VENUE, ScriptedVenue
from certify.fix.terms import initiator_terms, with_market
from tercel.core import (
    ONE,
    CancelOrder,
    Command,
    Entry,
    MassCancel,
    NewOrder,
    ReplaceOrder,
    StatusRequest,
    Tif,
    Venue,
    to_number,
)
from tercel.desk.gate import DropCopyTerms, Gate, GateConfig, GateTerms, open_gate as opened
from tercel.desk.limits import Holding
from tercel.desk.trading import ChildOrder, ParentRequest, SendOutcome, acceptance_entry
from tercel.desk.trading.journal import command_of, kinds
from tercel.fix import (
    FixVenue,
    MarketTable,
    Message,
    ProfileTerms,
    QuoteDesk,
    SequenceNumbers,
    SessionTimes,
    SymbolsTable,
    SymbolTable,
    TimesTable,
    WaitLimits,
    load_profile as load,
    open_fix_venue,
    tags as t,
    tercel_dictionary as own_dictionary,
)

XYZ: Final = "XYZ"
Quantity = int | float | Decimal
_SCOPE: Final = {
    "order_lots": 1000,
    "order_value": 1_000_000,
    "gross_value": 10_000_000,
    "messages": 500,
}
_SCOPE_TOO: Final = {"window_ms": 1000, "daily_loss": 1_000_000, "drawdown": 1_000_000}
LIMITS: Final[dict[str, dict[str, int]]] = {
    "desk": {"duplicate_ms": 0, "person_accepts": False},
    "instruments": {
        "long_lots": 5000,
        "short_lots": 5000,
        "collar_bps": 500,
        "reference_age_ms": 60_000,
    },
    "agents": {
        "long_lots": 5000,
        "short_lots": 5000,
        "executions": 500,
        "executions_ms": 60_000,
        "person_accepts": False,
    },
}
"""What a wall allows beside `_SCOPE`, unless a case says otherwise."""
PARENT_LOTS: Final = 100_000
_DAILY: Final = SessionTimes(datetime.min.time(), datetime.min.time())


def limits_text(changes: dict[str, dict[str, Any]]) -> str:
    """A limits file with changes, by section: "desk", "instruments", "agents"."""
    lines = []
    for section, defaults in LIMITS.items():
        values: dict[str, Any] = {**_SCOPE, **_SCOPE_TOO, **defaults, **changes.get(section, {})}
        hours = [] if section != "instruments" else ['hours = "always"']
        name = section if section == "desk" else f'{section}."*"'
        lines += [
            f"[{name}]",
            *(f"{key} = {value}".lower() for key, value in values.items()),
            *hours,
        ]
    return "\n".join(lines) + "\n"


class Wall:
    """A gate at a scripted venue.

    Parameters
    ----------
    bench : Bench
    accounts : sequence of str
    cancels : bool
        Whether the logon asks the venue to cancel on disconnect, in the field that the profile of the case has for it.
    limits : mapping
        Changes to `LIMITS`, by section.
    quiet : bool
        Do not ask for market data: limits have no reference.
    copies : bool
        Whether there is a drop copy, `copy`, too.
    daily : bool
        Whether sessions last a day, midnight to midnight, UTC.
    """

    def __init__(
        self,
        bench: Bench,
        accounts: Sequence[str] = ("ann",),
        cancels: bool = False,
        quiet: bool = False,
        copies: bool = False,
        daily: bool = False,
        **limits: Any,
    ) -> None:
        self._stack, self._accounts, self._quiet = ExitStack(), tuple(accounts), quiet
        self.folder = bench.folder / "gate"
        self.folder.mkdir(parents=True)
        (self.folder / "limits.toml").write_text(limits_text(limits), encoding="utf-8")
        terms = _terms(bench.terms, cancels, daily)
        hosted_terms = (
            terms if bench.terms.dictionary not in (None, own_dictionary(bench.begin)) else None
        )
        self.venue = self._stack.enter_context(
            ScriptedVenue(bench.begin, _DAILY if daily else None, hosted_terms)
        )
        session = terms.profile.session.model_copy(update={"port": self.venue.port})
        self._terms = replace(terms, profile=terms.profile.model_copy(update={"session": session}))
        self.copy = self._stack.enter_context(ScriptedVenue(bench.begin)) if copies else None
        self._orders = 0
        self._since = 0
        self._restarted = False
        self.lost: set[str] = set()
        """Names of commands that a case keeps from the venue."""
        self.gate: Gate
        self.fix: FixVenue

    # -- beginning and end --------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.close()
            self._stack.close()

    def open(self) -> None:
        """Open the gate; questions of its beginning are answered by the venue itself."""
        self.venue.by_hand, self._inner = set(), ExitStack()
        names: dict[str, Any] = {
            "venue": "fix:certified",
            "accounts": self._accounts,
            "limits": "limits.toml",
        }
        if self.copy is not None:
            base = "generic-44" if self.copy.begin == "FIX.4.4" else "generic-42"
            address = f"fix://{DESK}@127.0.0.1:{self.copy.port}?profile=copy.toml"
            names["drop_copy"] = DropCopyTerms(venue=address)
            text = f'base = "{base}"\n[session]\ntarget = "{VENUE}"\n'
            (self.folder / "copy.toml").write_text(text, encoding="utf-8")
        section = GateTerms(**names)
        gate = opened(GateConfig(gate=section), self.folder, "certification", reach=self.reach)
        self.gate = self._inner.enter_context(gate)
        if not self._quiet:
            self.gate.on_subscribe(XYZ)
            self.until(
                lambda: self.gateway.limits.instruments[XYZ].sane, "a reference for the limits"
            )
            self.settle()
        for account in self._accounts:
            for side in (1, -1):
                self.announce(f"p{account}{side}", account, side, PARENT_LOTS)
        self.venue.by_hand = set(BY_HAND)
        self._since = self.gateway.journal.last

    def reach(self, address: str, accounts: Sequence[str], store: Path, *_: object) -> Venue:
        self.fix = open_fix_venue(
            profile=self._terms,
            store=store,
            patience=WaitLimits(logon_s=PATIENCE_S),
            wall=self.venue.now_ns,
        )
        return self.fix

    def close(self) -> None:
        """Close the gate, as a person does who stops it; what is open stays open."""
        self._inner.close()

    def restart(self) -> None:
        """Close it, and open it again in the same folder."""
        self.close()
        self._restarted = True
        self.open()

    def announce(self, parent: str, account: str, side: int, lots: int) -> None:
        """Announce a parent order, as a session does."""
        if self.gateway.ledger.parents.get(parent) is None:
            request = ParentRequest(parent, XYZ, side, lots, 10**15, 1, "by hand", account)
            self.gateway.limits.register_parent(parent, XYZ, account, side, lots)
            self.gateway.write([acceptance_entry(request, self.fix.now_ns)])

    # -- what it is made of -------------------------------------------------------------------------------------------
    @property
    def numbers(self) -> SequenceNumbers:
        """Where the session stands."""
        return self.fix._link.session.numbers

    @property
    def quotes(self) -> QuoteDesk:
        """Requests for quotes, and what came."""
        return self.fix._quotes

    def name_of(self, message: Message) -> str:
        """The name here of what a message names."""
        return self.fix._dialect.own_name(message.get(t.CL_ORD_ID))

    @property
    def gateway(self) -> Any:
        """Its order gateway."""
        return self.gate.gateway

    def state(self, name: str) -> ChildOrder:
        """An order by any of its names."""
        order: ChildOrder | None = self.gateway.ledger.orders.get(name)
        if order is None:
            raise MissedError(f"an order {name} in the ledger: there is none")
        return order

    def position(self, account: str = "ann") -> int | float:
        """Lots held."""
        held: int | float = self.gateway.ledger.positions.lots().get(account, {}).get(XYZ, 0)
        return held

    def holding(self, account: str = "ann") -> Holding:
        """What limits count."""
        held: Holding = self.gateway.limits.holdings[account, XYZ]
        return held

    def counted_lots(self, account: str = "ann") -> int | float:
        """Lots held, as limits count them."""
        return to_number(self.holding(account).position)

    def reserved_lots(self, account: str = "ann") -> int | float:
        """Lots that limits reserve for what is to be bought."""
        return to_number(self.holding(account).buys)

    def entries(self, *wanted: str) -> list[Entry]:
        """Of the journal since the gate was opened."""
        return [entry for _, entry in self.gateway.journal.read(self._since, wanted)]

    def alerts(self) -> list[str]:
        """Codes of alerts since the gate was opened."""
        return [str(entry.body["code"]) for entry in self.entries(kinds.ALERT)]

    # -- what a case does ---------------------------------------------------------------------------------------------
    def submit(self, *commands: Command) -> SendOutcome:
        """Hand commands to the gateway, as the gate does with a session's."""
        outcome: SendOutcome = self.gateway.submit(list(commands))
        return outcome

    def new(self, lots: int = 10, price: int | None = 1000, side: int = 1, **more: Any) -> NewOrder:
        """An order that nobody has sent yet."""
        self._orders += 1
        account = more.get("account", "ann")
        tif = more.get("tif", Tif.DAY if price is not None else Tif.IOC)
        parent = more.get("parent", f"p{account}{side}")
        name = more.get("name", f"o{self._orders}")
        return NewOrder(name, XYZ, side, lots, price, tif, account, parent, self.fix.now_ns)

    def order(self, lots: int = 10, price: int | None = 1000, side: int = 1, **more: Any) -> str:
        """Send an order, which the venue then has; its name."""
        return self.send(self.new(lots, price, side, **more))

    def send(self, command: Command) -> str:
        """Send a command that passes; the venue then has it."""
        outcome = self.submit(command)
        expect([denial.code for _, denial in outcome.denied], [], "denials")
        self.settle()
        return command.cl_ord_id

    def live(self, lots: int = 10, price: int | None = 1000, side: int = 1, **more: Any) -> str:
        """An order that the venue has acknowledged."""
        name = self.order(lots, price, side, **more)
        self.say(name, "0", "0")
        return name

    def cancel(self, name: str) -> Message:
        """Send a cancel; the request that the venue has."""
        self._orders += 1
        order = self.state(name)
        command = CancelOrder(
            f"c{self._orders}", order.name, XYZ, order.side, order.account, self.fix.now_ns
        )
        return self._request(self.send(command))

    def replace(self, name: str, lots: int, price: int) -> Message:
        """Send a replace; the request that the venue has."""
        self._orders += 1
        order = self.state(name)
        names = f"r{self._orders}", order.name, XYZ
        command = ReplaceOrder(
            *names, order.side, lots, price, order.account, order.parent, self.fix.now_ns
        )
        return self._request(self.send(command))

    def _request(self, name: str) -> Message:
        return next(
            message
            for message in self.venue.of_kind(t.CANCEL, t.REPLACE)
            if message.get(t.CL_ORD_ID) == name
        )

    def say(self, name: str, kind: str, status: str, **more: Any) -> str:
        """Have the venue say an execution report, and take it; its ExecID."""
        exec_id = self.venue.report(name, kind, status, **more)
        self.settle()
        return exec_id

    def ahead(self, ns: int) -> None:
        """Put the clock of both sides ahead, over a broken connection: it is read anew with the next one."""
        self.venue.cut(stay_down=True)
        self.until(lambda: not self.fix.up, "the broken link")
        self.venue.ahead_ns += ns
        self.venue.shut = False

    def turn(self) -> None:
        """One turn of the gate."""
        self.gate.turn(0.0)

    def settle(self) -> None:
        """Turn until both sides have taken what the other said, and what follows from it."""
        self.until(self._has_settled, "both sides have taken what was said")
        self.turn()

    def _has_settled(self) -> bool:
        ours = self.numbers
        theirs = self.venue.numbers
        return (ours.next_out, ours.next_in) == (theirs.next_in, theirs.next_out) and self.fix.up

    def until(self, condition: Callable[[], Any], subject: str) -> Any:
        """Turn until something holds.

        Raises
        ------
        MissedError
            When it does not.
        """
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.turn()
            if result := condition():
                return result
            time.sleep(0.0005)
        raise MissedError(f"{subject} within {PATIENCE_S:g} s: it never came")

    # -- what has to hold after every case ----------------------------------------------------------------------------
    def expect_order(
        self, name: str, status: str, cum: Quantity, leaves: Quantity, average: float = 0.0
    ) -> None:
        """Hold an order against what it has to be; the average price in ticks."""
        order = self.state(name)
        mean = order.paid / (order.cum_qty * ONE) if order.cum_qty else 0.0
        seen = (
            str(order.status),
            to_number(order.cum_qty),
            to_number(order.open_qty),
            round(mean, 6),
        )
        expect(
            seen,
            (status, cum, leaves, round(average, 6)),
            f"status, cum, leaves, average of {name}",
        )

    def check(self) -> None:
        """Journal against wire, limits against ledger, and no name twice."""
        self._check_wire()
        for account in self._accounts:
            held = self.holding(account)
            orders = self.gateway.ledger.orders.live(account)
            expect(
                to_number(held.position), self.position(account), f"position of {account} in limits"
            )
            ours = Counter[int]()
            for order in (
                child for child in orders if child.parent
            ):  # what nobody here sent is reserved for nobody
                ours[order.side] += order.open_qty
            expect(
                (held.buys, held.sells),
                (ours[1], ours[-1]),
                f"reserved lots of {account} in limits",
            )

    def _check_wire(self) -> None:
        commands = [
            command_of(entry.body) for _, entry in self.gateway.journal.read(0, (kinds.ORDER_OUT,))
        ]
        names = [
            command.cl_ord_id
            for command in commands
            if isinstance(command, NewOrder | ReplaceOrder)
        ]
        wired = [self.name_of(message) for message in self.venue.of_kind(t.NEW_ORDER, t.REPLACE)]
        expect(
            wired,
            [name for name in names if name not in self.lost],
            "orders on the wire, as journaled",
        )
        holds(len(set(wired)) == len(wired), "no ClOrdID came twice")
        cancels = {
            command.cl_ord_id
            for command in commands
            if isinstance(command, CancelOrder | MassCancel)
        }
        for message in self.venue.of_kind(t.CANCEL, t.MASS_CANCEL):
            name = self.name_of(message)
            holds(_is_known(name, cancels), f"{message.kind} {name} is in the journal")
        question_count = sum(isinstance(command, StatusRequest) for command in commands)
        holds(
            len(self.venue.of_kind(t.STATUS, t.MASS_STATUS)) <= question_count,
            "every question is in the journal",
        )
        heard = [entry.body for _, entry in self.gateway.journal.read(0, (kinds.REPORT_IN,))]
        reports = [dict(fields) for kind, fields in self.venue.said if kind == t.EXECUTION_REPORT]
        ours = Counter(str(body["exec_id"]) for body in heard if body["what"] == "report")
        unread = "".join(str(body["raw"]) for body in heard if body["what"] == "unread")
        for exec_id, times in Counter(report[t.EXEC_ID] for report in reports).items():
            seen = ours[exec_id] + unread.count(f"{t.SOH}{t.EXEC_ID}={exec_id}{t.SOH}")
            again = (
                self._restarted and seen > times
            )  # what came last is asked for again, and changes nothing
            expect(times if again else seen, times, f"execution {exec_id} in the journal")


def _is_known(name: str, cancels: Iterable[str]) -> bool:
    return any(name == cancel or name.startswith(f"{cancel}-") for cancel in cancels)


def _terms(terms: ProfileTerms, cancels: bool, daily: bool) -> ProfileTerms:
    """The profile of a case."""
    if terms.profile.extension:
        terms = load("generic-44")
    times = TimesTable(start="00:00:00", end="00:00:00") if daily else None
    wish = {"20022": "Y"} if cancels else {}
    case_terms = initiator_terms(terms, heartbeat_s=30, cancel_on_disconnect=wish, times=times)
    dictionary = case_terms.dictionary and with_market(case_terms.dictionary)
    symbol = SymbolTable(name=XYZ, tick=Decimal("0.01"), lot=Decimal(1))
    plain: dict[str, Any] = {
        "times": times,
        "symbols": SymbolsTable(),
        "market": MarketTable(),
    }
    if case_terms.profile.version == "FIX.4.4" and "S" in (
        dictionary.messages if dictionary else ()
    ):
        plain |= {"orders": case_terms.profile.orders.model_copy(update={"quotes": "order"})}
    return replace(
        case_terms,
        profile=case_terms.profile.model_copy(update=plain),
        symbols=(symbol,),
        dictionary=dictionary,
    )
