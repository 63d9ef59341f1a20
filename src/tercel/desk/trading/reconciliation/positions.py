"""Comparison of booked positions with the venue's, which halts trading while they differ, and settlement by a person.

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

from tercel.core.child_order import ChildOrder
from tercel.core.errors import OrderError, VenueError, refuse_if
from tercel.core.fixed_point import format_decimal
from tercel.core.orders import CancelReject, ExecType, Holdings, OrdStatus, Report
from tercel.core.ports import Entry
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import OperatorEntry, RearmEntry
from tercel.desk.trading.risk.trading_state import StateReason

AGREE: Final = "POSITIONS_AGREE"
UNCHECKED: Final = "POSITIONS_UNCHECKED"
_HALTING_REASONS: Final = (
    StateReason.POSITIONS_DIFFER,
    StateReason.POSITIONS_UNKNOWN,
    StateReason.POSITIONS_AWAITED,
)
_TURN_NS: Final = 10_000_000
Differences = dict[tuple[str, str], tuple[int, int]]
"""Held here and at the venue, 10^-8 of a lot, by account and instrument."""


def paused_agents(gateway: OrderGateway) -> dict[str, list[str]]:
    """Agents paused by a doubt, with the codes they wait on; not killed ones, and not doubts that a person has to confirm."""
    states = gateway.states
    stopped = [
        agent
        for agent in states.texts_by_owner(StateReason.STOPPED)
        if states.text_of(StateReason.KILLED, agent) is None
    ]
    doubts = gateway.limits.doubts
    codes_by_agent = {
        agent: [
            code
            for code in states.causes(StateReason.STOPPED, agent)
            if (agent, code) not in doubts
        ]
        for agent in stopped
    }
    return {agent: codes for agent, codes in codes_by_agent.items() if codes}


def clear_codes(
    gateway: OrderGateway,
    agent: str,
    by: str,
    reason: str,
    codes: Iterable[str],
    operator: int | None = None,
) -> None:
    """Journal that codes which an agent waited on are cleared; the agent resumes unless something else stops it."""
    body = RearmEntry(scope=agent, by=by, reason=reason, ends=list(codes), operator=operator).json()
    gateway.write([Entry(kinds.REARM, gateway.venue.now_ns, agent=agent, body=body)])


class PositionKeeper:
    """Compares own positions with the venue's, and halts new orders while they differ.

    Parameters
    ----------
    gateway : OrderGateway
    accounts : callable
        Accounts whose positions are compared.
    """

    def __init__(self, gateway: OrderGateway, accounts: Callable[[], Sequence[str]]) -> None:
        self._gateway = gateway
        self._accounts = accounts
        self._states = gateway.states
        self._last_differences: Differences = {}
        self._asker = gateway.venue.capabilities.position_reports
        self._awaited: set[str] = set()
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
        """Compare positions while no report can be in flight: any difference halts new orders.

        A venue that reports in a message answers later, and no new order leaves until then; with `wait` it is stepped up to
        its answer or its refusal.
        """
        if self._asker is not None:
            self._strict = True
            self._states.add(
                StateReason.POSITIONS_AWAITED, "the venue has not reported its positions yet"
            )
            self._ask()
            while wait and self._awaited:
                venue = self._gateway.venue
                self._gateway.step(venue.now_ns + (0 if venue.capabilities.stepped else _TURN_NS))
        elif self._can_compare():
            self._last_differences = differences = self.differences()
            self._apply_differences(differences)
        elif self._gateway.ledger.acknowledged:
            self._gateway.alert(
                "critical",
                UNCHECKED,
                "entries of the journal were lost, and the venue tells neither positions nor executions",
            )

    @property
    def _is_halted(self) -> bool:
        """Whether new orders are halted because of positions."""
        return any(self._states.text_of(reason) is not None for reason in _HALTING_REASONS)

    def check(self) -> None:
        """Compare positions while orders work: a difference has to be seen twice to halt, as reports may be in flight."""
        if (
            self._asker is not None
            and not self._awaited
            and self._states.text_of(StateReason.LINK_DOWN) is None
        ):
            self._ask()
        if self._gateway.venue.capabilities.positions is None:
            return
        try:
            differences = self.differences()
        except VenueError:  # the way is down: `begin` when it is up
            return
        self._apply_differences(self._confirm_twice(differences))

    def _confirm_twice(self, differences: Differences) -> Differences:
        """Differences seen in two comparisons in a row; all of them while trading is halted."""
        last_differences = self._last_differences
        self._last_differences = differences
        confirmed = {key: lots for key, lots in differences.items() if key in last_differences}
        return differences if self._is_halted else confirmed

    def _ask(self) -> None:
        """Request the venue's positions of all accounts without an open request; compare at once if no answer is to come."""
        for account in self._accounts():
            if account in self._awaited or self._asker is None:
                continue
            try:
                with self._gateway.wire:
                    self._asker.ask_positions(account)
                self._awaited.add(account)
            except VenueError as error:
                self._missing[account] = error.received
        if not self._awaited:
            self._on_all_answered()

    def _on_holdings(self, holdings: Holdings) -> None:
        """Store a venue's position report as gaps to the booked positions; compare once all accounts are answered."""
        if not holdings.asked:
            self._on_unsolicited(holdings)
            return
        if holdings.account not in self._awaited:
            return
        self._awaited.discard(holdings.account)
        if holdings.never:
            # The venue does not tell positions after all.
            self._asker = None
            self._awaited.clear()
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
            own_qty = self._gateway.ledger.positions.qty().get(holdings.account, {})
            gaps = {
                (holdings.account, name): holdings.qty.get(name, 0) - own_qty.get(name, 0)
                for name in {*own_qty, *holdings.qty}
            }
            self._gaps = {key: qty for key, qty in self._gaps.items() if key[0] != holdings.account}
            self._gaps |= {key: qty for key, qty in sorted(gaps.items()) if qty}
            self._vouched.discard(holdings.account)
        if not self._awaited:
            self._on_all_answered()

    def _on_unsolicited(self, holdings: Holdings) -> None:
        """Compare an unsolicited position report with what is expected; if it differs, check all positions."""
        own_qty = self._gateway.ledger.positions.qty().get(holdings.account, {})
        expected = {
            name: own_qty.get(name, 0) + self._gaps.get((holdings.account, name), 0)
            for name in holdings.qty
        }
        if holdings.account in self._accounts() and expected != holdings.qty:
            self.check()

    def _on_all_answered(self) -> None:
        """Compare positions, once every request was answered or has failed."""
        strict = self._strict
        self._strict = False
        differences = self.differences()
        confirmed = self._confirm_twice(differences)
        missing = self._missing.keys() - self._vouched
        doubtful = missing if strict or self._is_halted else missing & self._missed
        self._missed = set(self._missing)
        self._apply_differences(
            differences if strict else confirmed,
            {account: self._missing[account] for account in sorted(doubtful)},
        )

    def last_reported(self, account: str) -> Mapping[str, int]:
        """Quantities by instrument that the venue last reported of an account, plus fills since, 10^-8 of a lot."""
        quantities = Counter(self._gateway.ledger.positions.qty().get(account, {}))
        quantities.update(
            {name: gap for (owner, name), gap in self._gaps.items() if owner == account}
        )
        return quantities

    def settle(self, operator_entry: OperatorEntry) -> list[Report | CancelReject]:
        """Carry out a person's declaration that orders have ended, executions are right or differences explained; returns the
        reports that end the orders, for the caller to book, else [].

        Raises
        ------
        OrderError
            For an order that is not open, or if no position differs: nothing is written.
        """
        args = operator_entry.parse_body()
        if args.orders is not None:
            return self._settle_orders(operator_entry, args.orders)
        self._settle_positions(operator_entry, args.executions)
        return []

    def _settle_orders(
        self, operator_entry: OperatorEntry, names: Sequence[str]
    ) -> list[Report | CancelReject]:
        """Journal that the named orders are over as a person declares; returns reports that end them, as if from the venue, to
        book."""
        gateway = self._gateway
        orders = gateway.ledger.orders
        limits = gateway.limits
        live = {order.root: order for order in orders.live()}
        ended = [order for root in limits.unanswered if (order := orders.get(root)) is not None]
        live |= {order.root: order for order in ended}
        if missing := [name for name in names if name not in live]:
            raise OrderError(
                "orders that are not over",
                ", ".join(missing),
                "see `tercel trade orders`",
            )
        by = operator_entry.by
        reason = operator_entry.reason
        number = operator_entry.id
        gaps = [[*key, gap] for key, gap in gateway.ledger.settled.items()]
        body = {"qty_gaps": gaps, "orders": names, "by": by, "reason": reason, "operator": number}
        gateway.write([Entry(kinds.SETTLED, gateway.venue.now_ns, body=body)])
        ns = max(gateway.venue.now_ns, orders.last_ns)
        open_replaces = {
            name: limits.orders[name].requested for name in names if name in limits.orders
        }
        settled = [live[name] for name in names]
        return end_reports(settled, f"{orders.session}.{number}", ns, by, reason, open_replaces)

    def _settle_positions(self, operator_entry: OperatorEntry, names: Sequence[str]) -> None:
        """Journal that a person confirms the named executions, or (none named) accepts all differences of positions."""
        awaiting = {name: agent for agent, name in self._gateway.limits.doubts}
        if missing := ", ".join(name for name in names if name not in awaiting):
            raise OrderError(
                f"executions that await a person's confirmation: {', '.join(awaiting) or 'none'}",
                missing,
                "name them as alerts do",
            )
        for name in names:
            clear_codes(
                self._gateway,
                awaiting[name],
                operator_entry.by,
                operator_entry.reason,
                [name],
                operator_entry.id,
            )
        if names:
            return
        differences = self.differences()
        silent = self._missing.keys() - self._vouched
        refuse_if(
            not (differences or silent or paused_agents(self._gateway)),
            "positions that differ from the venue's",
            "none that do",
            "nothing is to be settled",
            OrderError,
        )
        gaps = [
            [account, instrument, venue_qty - own_qty]
            for (account, instrument), (own_qty, venue_qty) in differences.items()
        ]
        kept_gaps = [
            [*key, gap]
            for key, gap in self._gateway.ledger.settled.items()
            if key not in differences
        ]
        body = {
            "qty_gaps": [*kept_gaps, *gaps],
            "by": operator_entry.by,
            "reason": operator_entry.reason,
            "operator": operator_entry.id,
        }
        self._gateway.write([Entry(kinds.SETTLED, self._gateway.venue.now_ns, body=body)])
        self._last_differences = {}
        self._vouched |= silent
        self._apply_differences({})

    def differences(self) -> Differences:
        """Own and venue quantities, 10^-8 of a lot, whose gap is not the one that a person has explained, by account and
        instrument; {} if the venue tells nothing."""
        ledger = self._gateway.ledger
        differing = Differences()
        if not self._can_compare():
            return differing
        own_positions = ledger.positions.qty()
        for account in self._accounts():
            own_qty = own_positions.get(account, {})
            venue_qty = self._venue_positions(account)
            for instrument in sorted(own_qty.keys() | venue_qty.keys()):
                pair = own_qty.get(instrument, 0), venue_qty.get(instrument, 0)
                if pair[1] - pair[0] != ledger.settled.get((account, instrument), 0):
                    differing[account, instrument] = pair
        return differing

    def _can_compare(self) -> bool:
        """Whether the venue tells positions or executions in any way."""
        capabilities = self._gateway.venue.capabilities
        return not (
            capabilities.positions is None
            and capabilities.executions is None
            and self._asker is None
        )

    def _venue_positions(self, account: str) -> Mapping[str, int]:
        """Quantities by instrument that the venue holds for an account, 10^-8 of a lot."""
        if self._asker is not None:
            return self.last_reported(account)
        capabilities = self._gateway.venue.capabilities
        if capabilities.positions is not None:
            return capabilities.positions.positions(account)
        quantities: Counter[str] = Counter()
        for report in (
            () if capabilities.executions is None else capabilities.executions.executions(account)
        ):
            quantities[report.instrument] += report.side * report.last_qty
        quantities.update(self._gateway.ledger.orders.rebooked_qty(account))
        return quantities

    def _apply_differences(
        self, differences: Differences, silent: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Halt trading on differences or missing answers (`silent`: reason by account), or end the halt if there are none."""
        if not differences and not silent:
            self._states.end(StateReason.POSITIONS_AWAITED)
            if self._is_halted:
                self._gateway.alert(
                    "info", AGREE, "positions are the venue's, or settled: trading continues"
                )
            # Agents that wait until positions agree resume: unsolicited executions are booked, and nothing differs.
            for agent, codes in paused_agents(self._gateway).items():
                explanation = f"{', '.join(codes)}: it is booked, and positions agree"
                clear_codes(self._gateway, agent, "positions", explanation, codes)
            return
        texts = [
            f"{account} holds {format_decimal(own_qty)} lots of {name} here and {format_decimal(venue_qty)} at the venue"
            for (account, name), (own_qty, venue_qty) in differences.items()
        ]
        texts += [
            f"the venue does not tell the positions of {account}: {explanation}"
            for account, explanation in silent.items()
        ]
        reason = StateReason.POSITIONS_DIFFER if differences else StateReason.POSITIONS_UNKNOWN
        explanation = "; ".join(texts)
        if self._states.text_of(reason) != explanation:
            self._states.add(reason, explanation)
            self._gateway.alert("critical", reason, explanation)
        self._states.end(StateReason.POSITIONS_AWAITED)


def end_reports(
    orders: Sequence[ChildOrder],
    mark: str,
    ns: int,
    by: str,
    reason: str,
    open_replaces: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> list[Report | CancelReject]:
    """Reports that end orders with their booked fills, and refusals of their replaces, on a person's word; `mark` is in
    their ids."""
    reason_text = f"settled by {by}: {reason}"
    refused = [
        CancelReject(name, order.root, order.account, OrdStatus.CANCELED, ns, reason_text)
        for order in orders
        for name in {
            *(pending.cl_ord_id for pending in order.pending),
            *open_replaces.get(order.root, ()),
        }
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
            text=reason_text,
        )
        for n, order in enumerate(orders)
        if not order.done or order.cum_qty < order.venue_qty
    ]
    return [*ended, *refused]
