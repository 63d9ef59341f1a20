"""Cancels of open orders, repeated until the venue confirms: of killed agents, and of accounts without a session.

The latch itself refuses new orders (limits ask it before every order). Here open orders at the venue are cancelled,
and cancelled again, until the venue has reported the end of every order; only then is a kill *confirmed*. The cancel
leaves first and is journaled after: a disk that is full or locked delays no kill. `LatchWatch` is a thread that does
this while the session's loop hangs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from typing import Final

from tercel.core.child_order import ChildOrder
from tercel.core.errors import TercelError
from tercel.core.fixed_point import to_number
from tercel.core.orders import CancelOrder, Command, OrdStatus, StatusRequest
from tercel.core.ports import Entry
from tercel.core.system import PeriodicThread
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import KillEntry, RearmEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.trading_state import Sender, StateReason

STALL_S: Final = 3.0
"""Seconds without a turn of the session's loop after which people are notified."""
FIRST_S: Final = 60.0
"""Seconds that the first decision of a parent may take: kernels are compiled in it."""
AGAIN_NS: Final = 1_000_000_000
"""Venue time, ns, after which an unanswered cancel or status request is sent again."""


UNWATCHED = "unwatched"
LATE_NS = 3 * AGAIN_NS
"""Venue time, ns, after which orders left open by a session that ended in order raise a critical alert."""


class KillCanceller:
    """Cancels killed agents' open orders until the venue confirms.

    Parameters
    ----------
    gateway : OrderGateway
    latch : Latch
    """

    def __init__(self, gateway: OrderGateway, latch: Latch) -> None:
        self._gateway = gateway
        self._latch = latch
        self._cancelled_ns: dict[str, int] = {}
        """Venue time, ns, at which the last cancels of killed agents had left; their kill is journaled, and none is confirmed
        before that."""
        self._mutex = Lock()
        self._claimed: set[str] = set()
        """Killed agents whose kill this session has handled."""
        self.open: set[str] = set()
        """Killed agents with orders that have not ended."""

    @property
    def killed(self) -> dict[str, str]:
        """Kill reasons by agent."""
        return self._gateway.states.texts_by_owner(StateReason.KILLED)

    def poll_latch(self, agents: Iterable[str]) -> list[str]:
        """Read the latch for some agents: cancel and return those newly killed, release those re-armed."""
        reasons = {agent: self._latch.kill_reason(agent) for agent in agents}
        if not self._claimed and set(reasons.values()) <= {None}:
            return []
        killed = {
            agent: reason
            for agent, reason in reasons.items()
            if reason is not None and self._claim(agent, reason)
        }
        if killed:
            self._engage(killed)
        for agent, reason in reasons.items():
            if reason is None and agent in self._claimed:
                with self._gateway.lock:
                    if agent in self._claimed:  # the other thread may have been first
                        self._release(agent)
        return list(killed)

    def _claim(self, agent: str, reason: str) -> bool:
        """Claim an agent's kill and put its KILLED state in force; False if the other polling thread has claimed it."""
        with self._mutex:
            fresh = agent not in self._claimed
            if fresh:
                self._claimed.add(agent)
                self._cancelled_ns.pop(agent, None)
                self._gateway.states.add(StateReason.KILLED, reason, agent)
                self.open.add(agent)
        return fresh

    def begin(self) -> None:
        """Release agents killed in the journal that were re-armed while no session ran."""
        for agent in self.killed:
            if self._latch.kill_reason(agent) is None:
                self._release(agent)

    def _engage(self, killed: Mapping[str, str]) -> None:
        """Send the cancels of all killed agents together, then journal the kills, as journaling the first may hang."""
        now = self._gateway.venue.now_ns
        entries = list[Entry]()
        for agent, reason in killed.items():
            qty = sum(order.open_qty for order in self._gateway.ledger.orders.live(agent))
            body = KillEntry(
                event="latched",
                scope=agent,
                by=str(self._latch.state().last_act.get("by", "")),
                reason=reason,
                open=to_number(qty),
            )
            entries.append(Entry(kinds.KILL, now, agent=agent, body=body.json()))
        try:
            self._gateway.withdraw(self._gateway.mass_cancels(killed), preceding=entries)
        finally:
            self._cancelled_ns |= dict.fromkeys(killed, now)

    def _release(self, agent: str) -> None:
        """Journal that an agent was re-armed at the latch, and stop cancelling its orders."""
        last_act = self._latch.state().last_act
        body = RearmEntry(scope=agent, by=last_act.get("by", ""), reason=last_act.get("reason", ""))
        now = self._gateway.venue.now_ns
        self._gateway.write([Entry(kinds.REARM, now, agent=agent, body=body.json())])
        self._claimed.discard(agent)
        self.open.discard(agent)

    def follow_up(self) -> None:
        """Journal kills whose orders have all ended; cancel again where the venue has not answered in time."""
        with self._gateway.lock:
            now = self._gateway.venue.now_ns
            for agent in sorted(self._claimed & self._cancelled_ns.keys()):
                may_trade = self._gateway.can_still_trade(agent)
                if may_trade:
                    self.open.add(
                        agent
                    )  # also after its kill was confirmed: a venue may accept a replace late
                if agent in self.open and not may_trade:
                    body = KillEntry(event="confirmed", scope=agent, reason=self.killed[agent])
                    self._gateway.write([Entry(kinds.KILL, now, agent=agent, body=body.json())])
                    self.open.discard(agent)
                elif may_trade and now - self._cancelled_ns[agent] >= AGAIN_NS:
                    self._cancelled_ns[agent] = now
                    commands = [
                        *self._gateway.mass_cancels([agent]),
                        *status_requests(self._gateway),
                    ]
                    self._gateway.submit(commands, sender=Sender.STOPPER)


def status_requests(
    gateway: OrderGateway, orders: Sequence[ChildOrder] | None = None
) -> list[Command]:
    """Status requests, not sent here, for orders of unknown fate (by default all); cancels instead if the venue answers none.

    The report of such a cancel's end says what the order had filled; a refusal says that the venue does not have it. Where
    none are named, also cancels of orders that ended while a replace is not answered: a refusal answers the replace.
    """
    now = gateway.venue.now_ns
    unknown = orders
    probes: list[Command] = []
    if unknown is None:
        unknown = gateway.ledger.orders.unknown()
        ended = [order for order in gateway.limits.unanswered.values() if not order.probes]
        probes = [order.probe(gateway.new_name(), now) for order in ended]
    if gateway.venue.capabilities.answers_questions:
        return probes + [StatusRequest(order.root, order.account, now) for order in unknown]
    return probes + [
        CancelOrder(
            gateway.new_name(), order.name, order.instrument, order.side, order.account, now
        )
        for order in unknown
        if not (order.done or order.gone)
    ]


def cancels(gateway: OrderGateway, orders: Iterable[ChildOrder]) -> list[Command]:
    """Cancel commands, not sent here, for those orders that are live, of known fate, and without a cancel in flight."""
    now = gateway.venue.now_ns
    return [
        CancelOrder(
            gateway.new_name(), order.name, order.instrument, order.side, order.account, now
        )
        for order in orders
        if not order.done
        and order.base != OrdStatus.UNKNOWN
        and all(pending.lots for pending in order.pending)
    ]


class LatchWatch(PeriodicThread):
    """Thread that polls the kill latch beside the session's loop, and steps the venue for a kill while that loop stalls.

    Parameters
    ----------
    poll : callable
        Reads the kill latch.
    step_venue : callable
        Lets the venue step once; False when nothing is open any more.
    turn_count : callable
        A number that grows while the session's loop turns; 0 before its first turn.
    every_s : float
        Seconds between two reads.
    on_stall : callable
        Called with the seconds, once the loop has stalled for `STALL_S`, again until it returns True.
    """

    def __init__(
        self,
        poll: Callable[[], object],
        step_venue: Callable[[], bool],
        turn_count: Callable[[], int],
        every_s: float = 0.05,
        on_stall: Callable[[float], bool] = lambda seconds: True,
    ) -> None:
        super().__init__("tercel-kill-watch", every_s, self._watch)
        self._poll = poll
        self._step_venue = step_venue
        self._turn_count = turn_count
        self._seen = -1
        self._on_stall = on_stall
        self._stalled_s = 0.0
        self._reported = False

    def _watch(self) -> None:
        """Poll the latch once, step the venue while the loop stalls, and report a stall longer than `STALL_S`."""
        try:
            self._poll()
            while self._seen == self._turn_count() and not self.over and self._step_venue():
                pass
            # The stall is counted in polls: time in which this thread was stopped too does not count.
            self._stalled_s = (
                self._stalled_s + self.every_s if self._seen == self._turn_count() > 0 else 0.0
            )
            if self._stalled_s < STALL_S:
                self._reported = False
            elif not self._reported:
                self._reported = self._on_stall(self._stalled_s)
        except TercelError as error:
            self.failure = error
        self._seen = self._turn_count()


class SilentSessionCanceller:
    """Cancels the orders of accounts whose session is silent or disconnected, until the venue has ended them.

    Parameters
    ----------
    gateway : OrderGateway
    """

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._since_ns: dict[str, int] = {}
        self._calm_ns: dict[str, int] = {}
        """Venue time, ns, since which an account's orders are cancelled without an alarm."""

    def __bool__(self) -> bool:
        return bool(self._since_ns)

    def begin(self, accounts: Iterable[str], reason: str, *, calm: bool = False) -> None:
        """Cancel the open orders of accounts that no session watches, unless they are being cancelled.

        A session that ends in order (`calm`) raises no alarm, unless the venue has not ended its orders after `LATE_NS`.
        """
        unwatched = [
            account
            for account in sorted(accounts)
            if account not in self._since_ns and self._open_count(account)
        ]
        now = self._gateway.venue.now_ns
        self._since_ns |= dict.fromkeys(unwatched, now)
        self._calm_ns |= dict.fromkeys(unwatched, now) if calm else {}
        severity = "info" if calm else "critical"
        detail = f"{reason}; its orders are cancelled"
        alerts = [
            entry_alert(severity, UNWATCHED, f"{account}: {detail}", now, agent=account)
            for account in unwatched
        ]
        self._gateway.withdraw(self._gateway.mass_cancels(unwatched), preceding=alerts)

    def _open_count(self, account: str) -> int:
        """Number of an account's open orders."""
        return len(self._gateway.ledger.orders.live(account))

    def end(self, account: str) -> None:
        """Stop cancelling an account's orders, as a session watches it again."""
        self._since_ns.pop(account, None)
        self._calm_ns.pop(account, None)

    def alarm(self, after_ns: int = 0) -> None:
        """Raise a critical alert for orders still open `after_ns` after their session ended in order."""
        now = self._gateway.venue.now_ns
        late = {account: now - ns for account, ns in self._calm_ns.items() if now - ns >= after_ns}
        for account, open_ns in late.items():
            del self._calm_ns[account]
            self._gateway.alert(
                "critical",
                UNWATCHED,
                f"{account}: {self._open_count(account)} of its orders open {open_ns / 1e9:.1f} s after its session ended",
                "",
                account,
            )

    def follow_up(self) -> None:
        """Drop accounts without open orders; repeat cancels not answered in time; alert orders open after `LATE_NS`."""
        now = self._gateway.venue.now_ns
        accounts = list[str]()
        for account, since_ns in list(self._since_ns.items()):
            if not (self._open_count(account) or self._gateway.can_still_trade(account)):
                self.end(account)
            elif now - since_ns >= AGAIN_NS:
                self._since_ns[account] = now
                accounts.append(account)
        if accounts:
            orders = self._gateway.ledger.orders
            live = sorted(
                (order for account in accounts for order in orders.live(account)),
                key=attrgetter("parent"),
            )
            commands = [*self._gateway.mass_cancels(accounts), *cancels(self._gateway, live)]
            self._gateway.submit(
                [*commands, *status_requests(self._gateway)], sender=Sender.STOPPER
            )
        self.alarm(LATE_NS)
