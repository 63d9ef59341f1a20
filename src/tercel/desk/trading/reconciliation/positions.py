"""Reconciliation of positions with the venue's, which trading requires; orders settled by a person's word.

A venue returns positions from a call (`TellsPositions`), or reports them in a message on request (`ReportsPositions`), or
repeats its executions, or none of it, as its `capabilities` declare. They are compared when a session begins, when the link to
the venue comes back, and with every heartbeat. While they differ no new order leaves, until they are equal or a named person
explains the difference, which is then journaled and accepted from there on.

No call waits for the message: it is compared with the booked positions in its turn between reports. While the answer to the
first request of a session, or of a restored link, is missing, no new order leaves. If a later one is missing, the venue's last
reported positions stay in force, until two in a row are missing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tercel.core.errors import OrderError, VenueError
from tercel.core.lifecycle import ChildOrder
from tercel.core.orders import CancelReject, ExecType, Holdings, OrdStatus, Report, text
from tercel.core.ports import Entry
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry, RearmEntry
from tercel.desk.trading.risk.trading_state import StateReason


def paused_agents(gateway: OrderGateway) -> dict[str, list[str]]:
    """Paused agents with the codes they wait on; killed agents are left out, as a person has to re-arm them, and
    implausible executions, as a person has to confirm each."""
    states = gateway.states
    waits = [
        agent
        for agent in states.held(StateReason.STOPPED)
        if states.why(StateReason.KILLED, agent) is None
    ]
    of = gateway.limits.doubts
    found = {
        agent: [
            code for code in states.causes(StateReason.STOPPED, agent) if (agent, code) not in of
        ]
        for agent in waits
    }
    return {agent: codes for agent, codes in found.items() if codes}


def clear_codes(
    gateway: OrderGateway,
    agent: str,
    by: str,
    reason: str,
    codes: Iterable[str],
    operator: int | None = None,
) -> None:
    """Clear a code an agent waited on and journal it; it resumes unless it is stopped for another reason."""
    body = RearmEntry(scope=agent, by=by, reason=reason, ends=list(codes), operator=operator).json()
    gateway.write([Entry(kinds.REARM, gateway.venue.now_ns, agent=agent, body=body)])


# -- positions that differ from the venue's ---------------------------------------------------------------------------
AGREE: Final = "POSITIONS_AGREE"
UNCHECKED: Final = "POSITIONS_UNCHECKED"
_SHUT: Final = (
    StateReason.POSITIONS_DIFFER,
    StateReason.POSITIONS_UNKNOWN,
    StateReason.POSITIONS_AWAITED,
)
_TURN_NS: Final = 10_000_000
Found = dict[tuple[str, str], tuple[int, int]]
"""Held here and at the venue, 10^-8 of a lot, by account and instrument."""


class PositionKeeper:
    """Compares own positions with the venue's.

    Parameters
    ----------
    gateway : OrderGateway
    accounts : callable
        Whose.
    """

    def __init__(self, gateway: OrderGateway, accounts: Callable[[], Sequence[str]]) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._states = gateway.states
        self._before: Found = {}
        self._asker = gateway.venue.capabilities.position_reports
        self._asked: set[str] = set()
        """Accounts whose requested positions have not been reported."""
        self._strict = False
        """Whether these are the first positions since the link to the venue came up."""
        self._gaps: dict[tuple[str, str], int] = {}
        """Position gaps to the venue by its last report, 10^-8 of a lot."""
        self._missing: dict[str, str] = {}
        """Accounts whose last request was not answered, with the reasons."""
        self._missed: set[str] = set()
        """Accounts whose request before the last was not answered."""
        self._vouched: set[str] = set()
        """Accounts without an answer whose positions a person has confirmed."""
        gateway.on_holdings = self._on_holdings

    def begin(self, wait: bool = False) -> None:
        """Compare while nothing can be in flight: any difference halts trading.

        A venue that reports in a message answers later, and no new order leaves until then; with `wait` it is stepped up to
        its answer or its refusal.
        """
        if self._asker is not None:
            self._strict = True
            self._states.add(
                StateReason.POSITIONS_AWAITED, "the venue has not reported its positions yet"
            )
            self._ask()
            while wait and self._asked:
                venue = self._gateway.venue
                self._gateway.step(venue.now_ns + (0 if venue.capabilities.stepped else _TURN_NS))
        elif self._reported():
            self._before = found = self.differences()
            self._judge(found)
        elif self._gateway.ledger.acknowledged:
            self._gateway.alert(
                "critical",
                UNCHECKED,
                "entries of the journal were lost, and the venue tells neither positions nor executions",
            )

    @property
    def _shut(self) -> bool:
        """Whether nothing new leaves because of positions."""
        return any(self._states.why(reason) is not None for reason in _SHUT)

    def look(self) -> None:
        """Compare while orders work: only a difference seen twice halts, as reports may be in flight."""
        if (
            self._asker is not None
            and not self._asked
            and self._states.why(StateReason.LINK_DOWN) is None
        ):
            self._ask()
        if self._gateway.venue.capabilities.positions is None:
            return
        try:
            found = self.differences()
        except VenueError:  # the way is down: `begin` when it is up
            return
        self._judge(self._again(found))

    def _again(self, found: Found) -> Found:
        """Differences seen for the second time; all of them while trading is halted."""
        before = self._before
        self._before = found
        again = {where: lots for where, lots in found.items() if where in before}
        return found if self._shut else again

    # -- positions that come in a message -----------------------------------------------------------------------------
    def _ask(self) -> None:
        """Request positions of every account without an open request."""
        for account in self._accounts():
            if account in self._asked or self._asker is None:
                continue
            try:
                with self._gateway.wire:
                    self._asker.ask_positions(account)
                self._asked.add(account)
            except VenueError as error:
                self._missing[account] = error.received
        if not self._asked:
            self._answered()

    def _on_holdings(self, holdings: Holdings) -> None:
        """Process a position report, once all earlier reports are booked."""
        if not holdings.asked:
            self._on_unsolicited(holdings)
            return
        if holdings.account not in self._asked:
            return
        self._asked.discard(holdings.account)
        if holdings.never:
            # The venue does not tell positions after all.
            self._asker = None
            self._asked.clear()
            self._gateway.alert(
                "warning",
                StateReason.POSITIONS_UNKNOWN,
                f"the venue does not tell positions ({holdings.why}): they are compared with nothing",
            )
            self.begin()
            return
        self._missing.pop(holdings.account, None)
        if holdings.why:
            self._missing[holdings.account] = holdings.why
        else:
            here = self._gateway.ledger.positions.qty().get(holdings.account, {})
            gaps = {
                (holdings.account, name): holdings.qty.get(name, 0) - here.get(name, 0)
                for name in {*here, *holdings.qty}
            }
            self._gaps = {
                where: qty for where, qty in self._gaps.items() if where[0] != holdings.account
            }
            self._gaps |= {where: qty for where, qty in sorted(gaps.items()) if qty}
            self._vouched.discard(holdings.account)
        if not self._asked:
            self._answered()

    def _on_unsolicited(self, holdings: Holdings) -> None:
        """Take an unsolicited position; if it differs from the desk's, all positions are requested."""
        here = self._gateway.ledger.positions.qty().get(holdings.account, {})
        known = {
            name: here.get(name, 0) + self._gaps.get((holdings.account, name), 0)
            for name in holdings.qty
        }
        if holdings.account in self._accounts() and known != holdings.qty:
            self.look()

    def _answered(self) -> None:
        """Compare positions, as every request has been answered or has failed."""
        strict = self._strict
        self._strict = False
        found = self.differences()
        again = self._again(found)
        missing = self._missing.keys() - self._vouched
        doubtful = missing if strict or self._shut else missing & self._missed
        self._missed = set(self._missing)
        self._judge(
            found if strict else again,
            {account: self._missing[account] for account in sorted(doubtful)},
        )

    def last_reported(self, account: str) -> Mapping[str, int]:
        """The venue's last reported positions of an account, with fills booked since."""
        held = Counter(self._gateway.ledger.positions.qty().get(account, {}))
        held.update({name: gap for (whose, name), gap in self._gaps.items() if whose == account})
        return held

    def settle(self, said: OperatorEntry) -> list[Report | CancelReject]:
        """Obey a person who declares orders ended, executions right, or differences of positions explained; returns the reports
        that end the orders, as if the venue had sent them.

        Raises
        ------
        OrderError
            For an order that is not open, or if no position differs: nothing is written.
        """
        asked = said.asked()
        if asked.orders is not None:
            return self._settle_orders(said, asked.orders)
        self._settle_positions(said, asked.executions)
        return []

    def _settle_orders(
        self, said: OperatorEntry, names: Sequence[str]
    ) -> list[Report | CancelReject]:
        gateway = self._gateway
        orders = gateway.ledger.orders
        limits = gateway.limits
        live = {order.root: order for order in orders.live()}
        ended = [order for root in limits.unanswered if (order := orders.get(root)) is not None]
        live |= {order.root: order for order in ended}
        if missing := [name for name in names if name not in live]:
            raise OrderError(
                "orders that are not over", ", ".join(missing), "see `tercel trade orders`"
            )
        by, reason, number = said.by, said.reason, said.id
        known = [[*where, gap] for where, gap in gateway.ledger.settled.items()]
        body = {"qty_gaps": known, "orders": names, "by": by, "reason": reason, "operator": number}
        gateway.write([Entry(kinds.SETTLED, gateway.venue.now_ns, body=body)])
        ns = max(gateway.venue.now_ns, orders.last_ns)
        asked = {name: limits.orders[name].requested for name in names if name in limits.orders}
        settled = [live[name] for name in names]
        return ends(settled, f"{orders.session}.{number}", ns, by, reason, asked)

    def _settle_positions(self, said: OperatorEntry, names: Sequence[str]) -> None:
        """Confirm the named executions, or else accept all differences of positions; paused agents may resume."""
        waits = {name: agent for agent, name in self._gateway.limits.doubts}
        if missing := ", ".join(name for name in names if name not in waits):
            raise OrderError(
                f"executions that await a person's confirmation: {', '.join(waits) or 'none'}",
                missing,
                "name them as alerts do",
            )
        for name in names:
            clear_codes(self._gateway, waits[name], said.by, said.reason, [name], said.id)
        if names:
            return
        found, silent = self.differences(), self._missing.keys() - self._vouched
        if not (found or silent or paused_agents(self._gateway)):
            raise OrderError(
                "positions that differ from the venue's", "none that do", "nothing is to be settled"
            )
        gaps = [
            [account, instrument, there - here]
            for (account, instrument), (here, there) in found.items()
        ]
        known = [
            [*where, gap]
            for where, gap in self._gateway.ledger.settled.items()
            if where not in found
        ]
        body = {
            "qty_gaps": [*known, *gaps],
            "by": said.by,
            "reason": said.reason,
            "operator": said.id,
        }
        self._gateway.write([Entry(kinds.SETTLED, self._gateway.venue.now_ns, body=body)])
        self._before = {}
        self._vouched |= silent
        self._judge({})

    def differences(self) -> Found:
        """Own and venue positions that differ by more than was settled."""
        ledger, found = self._gateway.ledger, Found()
        if not self._reported():
            return found
        ours = ledger.positions.qty()
        for account in self._accounts():
            here, there = ours.get(account, {}), self._theirs(account)
            for instrument in sorted(here.keys() | there.keys()):
                pair = here.get(instrument, 0), there.get(instrument, 0)
                if pair[1] - pair[0] != ledger.settled.get((account, instrument), 0):
                    found[account, instrument] = pair
        return found

    def _reported(self) -> bool:
        can = self._gateway.venue.capabilities
        return not (can.positions is None and can.executions is None and self._asker is None)

    def _theirs(self, account: str) -> Mapping[str, int]:
        if self._asker is not None:
            return self.last_reported(account)
        can = self._gateway.venue.capabilities
        if can.positions is not None:
            return can.positions.positions(account)
        held: Counter[str] = Counter()
        for report in () if can.executions is None else can.executions.executions(account):
            held[report.instrument] += report.side * report.last_qty
        held.update(self._gateway.ledger.orders.rebooked_qty(account))
        return held

    def _judge(self, found: Found, silent: Mapping[str, str] = MappingProxyType({})) -> None:
        if not found and not silent:
            self._states.end(StateReason.POSITIONS_AWAITED)
            if self._shut:
                self._gateway.alert(
                    "info", AGREE, "positions are the venue's, or settled: trading continues"
                )
            # Agents that wait until positions agree resume: unsolicited executions are booked, and nothing differs.
            for agent, codes in paused_agents(self._gateway).items():
                why = f"{', '.join(codes)}: it is booked, and positions agree"
                clear_codes(self._gateway, agent, "positions", why, codes)
            return
        texts = [
            f"{account} holds {text(here)} lots of {name} here and {text(there)} at the venue"
            for (account, name), (here, there) in found.items()
        ]
        texts += [
            f"the venue does not tell the positions of {account}: {why}"
            for account, why in silent.items()
        ]
        reason, why = (
            StateReason.POSITIONS_DIFFER if found else StateReason.POSITIONS_UNKNOWN,
            "; ".join(texts),
        )
        if self._states.why(reason) != why:
            self._states.add(reason, why)
            self._gateway.alert("critical", reason, why)
        self._states.end(StateReason.POSITIONS_AWAITED)


def ends(
    orders: Sequence[ChildOrder],
    mark: str,
    ns: int,
    by: str,
    reason: str,
    asked: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> list[Report | CancelReject]:
    """Reports that end orders with the fills a person confirmed, and refuse the replaces that the venue has not answered:
    those of the orders and those in `asked`, by root; `mark` identifies this confirmation."""
    why = f"settled by {by}: {reason}"
    refused = [
        CancelReject(name, order.root, order.account, OrdStatus.CANCELED, ns, why)
        for order in orders
        for name in {*(each.cl_ord_id for each in order.pending), *asked.get(order.root, ())}
    ]
    ended = [
        Report(
            exec_id=f"settled-{mark}-{n}",
            exec_type=ExecType.CANCELED,
            status=OrdStatus.CANCELED,
            cl_ord_id=order.root,
            orig="",
            order_id=order.order_id,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            lots=order.lots,
            price=order.price,
            last_qty=0,
            last_px=0,
            cum_qty=order.cum_qty,
            leaves_qty=0,
            ns=ns,
            text=why,
        )
        for n, order in enumerate(orders)
        if not order.done or order.cum_qty < order.venue_qty
    ]
    return [*ended, *refused]
