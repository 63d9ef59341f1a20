"""Cancels of open orders until the venue confirms: after a kill, and of accounts without a session (`OrderWithdrawal`).

The latch itself refuses new orders (limits ask it before every order). Here open orders at the venue are cancelled,
and cancelled again, until the venue has reported the end of every order; only then is a kill *confirmed*. The cancel
leaves first and is journaled after: a disk that is full or locked delays no kill. `LatchWatch` is a thread that does
this while the session's loop hangs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from typing import Final

from tercel.core.errors import TercelError
from tercel.core.lifecycle import ChildOrder, S
from tercel.core.orders import CancelOrder, Command, MassCancel, StatusRequest, shown
from tercel.core.ports import Entry
from tercel.core.system import PeriodicThread
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import KillEntry, RearmEntry
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.risk.kill_switch import Latch
from tercel.desk.trading.risk.trading_state import Sender, StateReason

STILL_S: Final = 3.0
"""Seconds without a turn of the session's loop after which people are notified."""
FIRST_S: Final = 60.0
"""Seconds that the first decision of a parent may take: kernels are compiled in it."""
AGAIN_NS: Final = 1_000_000_000
"""Venue time, ns, after which an unanswered cancel or status request is sent again."""


class KillCanceller:
    """Cancels killed agents' open orders until the venue confirms.

    Parameters
    ----------
    gateway : OrderGateway
    latch : Latch
    name : callable
        Makes a cl_ord_id that was never used.
    """

    def __init__(self, gateway: OrderGateway, latch: Latch, name: Callable[[], str]) -> None:
        self._gateway = gateway
        self._latch = latch
        self._name = name
        self._requested_ns: dict[str, int] = {}
        self._mutex = Lock()
        self._seen: set[str] = set()
        """Killed agents whose kill this session has handled."""
        self._cancelled: set[str] = set()
        """Those whose cancels have left and whose kill is journaled: none is confirmed before that."""
        self.open: set[str] = set()
        """Killed agents with orders that have not ended."""

    @property
    def killed(self) -> dict[str, str]:
        """Kill reasons by agent."""
        return self._gateway.states.held(StateReason.KILLED)

    def look(self, agents: Iterable[str]) -> list[str]:
        """Read the latch; agents killed since the last look, whose cancels leave before all else."""
        whys = {agent: self._latch.killed(agent) for agent in agents}
        if not self._seen and set(whys.values()) <= {None}:
            return []
        killed = {
            agent: why for agent, why in whys.items() if why is not None and self._claim(agent, why)
        }
        if killed:
            self._engage(killed)
        for agent, why in whys.items():
            if why is None and agent in self._seen:
                with self._gateway.lock:
                    if agent in self._seen:  # the other thread may have been first
                        self._rearmed(agent)
        return list(killed)

    def _claim(self, agent: str, why: str) -> bool:
        """Whether this call is the first to handle the kill; two threads look."""
        with self._mutex:
            fresh = agent not in self._seen
            if fresh:
                self._seen.add(agent)
                self._cancelled.discard(agent)
                self._gateway.states.add(StateReason.KILLED, why, agent)
                self.open.add(agent)
        return fresh

    def begin(self) -> None:
        """Release agents killed in the journal that were re-armed while no session ran."""
        for agent in self.killed:
            if self._latch.killed(agent) is None:
                self._rearmed(agent)

    def _engage(self, killed: Mapping[str, str]) -> None:
        """Send the cancels of all killed agents together, as journaling the first may hang."""
        now, entries = self._gateway.venue.now_ns, list[Entry]()
        for agent, why in killed.items():
            qty = sum(order.open_qty for order in self._gateway.ledger.orders.live(agent))
            self._requested_ns[agent] = now
            body = KillEntry(
                event="latched", scope=agent, by=self._by(), reason=why, open=shown(qty)
            )
            entries.append(Entry(kinds.KILL, now, agent=agent, body=body.json()))
        try:
            self._gateway.withdraw([self._mass(agent) for agent in killed], before=entries)
        finally:
            self._cancelled.update(killed)

    def _rearmed(self, agent: str) -> None:
        history = self._latch.state().history
        last: Mapping[str, str] = history[-1] if history else {}
        body = RearmEntry(scope=agent, by=last.get("by", ""), reason=last.get("reason", ""))
        now = self._gateway.venue.now_ns
        self._gateway.write([Entry(kinds.REARM, now, agent=agent, body=body.json())])
        self._seen.discard(agent)
        self.open.discard(agent)

    def _by(self) -> str:
        history = self._latch.state().history
        return str(history[-1].get("by", "")) if history else ""

    def _mass(self, agent: str) -> MassCancel:
        return MassCancel(self._name(), agent, "", self._gateway.venue.now_ns)

    def follow_up(self) -> None:
        """Confirm cancelled orders; resend cancels not answered in time."""
        with self._gateway.lock:
            now = self._gateway.venue.now_ns
            for agent in sorted(self._seen & self._cancelled):
                trades = self._gateway.may_trade(agent)
                if trades:
                    self.open.add(
                        agent
                    )  # also after its kill was confirmed: a venue may accept a replace late
                if agent in self.open and not trades:
                    body = KillEntry(event="confirmed", scope=agent, reason=self.killed[agent])
                    self._gateway.write([Entry(kinds.KILL, now, agent=agent, body=body.json())])
                    self.open.discard(agent)
                elif trades and now - self._requested_ns[agent] >= AGAIN_NS:
                    self._requested_ns[agent] = now
                    again = [self._mass(agent), *questions(self._gateway, self._name)]
                    self._gateway.submit(again, sender=Sender.STOPPER)


def questions(
    gateway: OrderGateway, name: Callable[[], str], about: Sequence[ChildOrder] | None = None
) -> list[Command]:
    """Status requests for orders of unknown fate; where the venue answers none, cancels in their place.

    The report of such a cancel's end says what the order had filled; a refusal says that the venue does not have it. Where
    none are named, also cancels of orders that ended while a replace is not answered: a refusal answers the replace.
    """
    now = gateway.venue.now_ns
    unknown = about
    probes: list[Command] = []
    if unknown is None:
        unknown = gateway.ledger.orders.unknown()
        ended = [order for order in gateway.limits.unanswered.values() if not order.probes]
        probes = [order.probe(name(), now) for order in ended]
    if gateway.venue.capabilities.answers_questions:
        return probes + [StatusRequest(order.root, order.account, now) for order in unknown]
    return probes + [
        CancelOrder(name(), order.name, order.instrument, order.side, order.account, now)
        for order in unknown
        if not (order.done or order.gone)
    ]


def cancels(
    gateway: OrderGateway, orders: Iterable[ChildOrder], name: Callable[[], str]
) -> list[Command]:
    """Cancels for those of some orders that are live, of known fate and without one in flight."""
    now = gateway.venue.now_ns
    return [
        CancelOrder(name(), order.name, order.instrument, order.side, order.account, now)
        for order in orders
        if not order.done
        and order.base != S.UNKNOWN
        and all(pending.lots for pending in order.pending)
    ]


class LatchWatch(PeriodicThread):
    """Thread that watches the latch beside the session, and cancels through the venue when its loop stalls.

    Parameters
    ----------
    look : callable
        Look at the latch.
    pump : callable
        Let the venue step once; False when nothing is open any more.
    beats : callable
        A number that grows while the session's loop turns; 0 before its first turn.
    every_s : float
        Seconds between two looks.
    still : callable
        Called with the seconds, once the loop has stood still for `STILL_S`, again until it returns True.
    """

    def __init__(
        self,
        look: Callable[[], object],
        pump: Callable[[], bool],
        beats: Callable[[], int],
        every_s: float = 0.05,
        still: Callable[[float], bool] = lambda seconds: True,
    ) -> None:
        super().__init__("tercel-kill-watch", every_s, self._watch)
        self._look = look
        self._pump = pump
        self._beats = beats
        self._seen = -1
        self._still = still
        self._stood_s = 0.0
        self._reported = False
        self.failure: TercelError | None = None
        """Why it could not look: journal or venue are gone. It keeps trying."""

    def _watch(self) -> None:
        try:
            self._look()
            while self._seen == self._beats() and not self.over and self._pump():
                pass
            # Add up how long the loop has stood still, in looks: what stops this thread too is not counted.
            self._stood_s = self._stood_s + self.every_s if self._seen == self._beats() > 0 else 0.0
            if self._stood_s < STILL_S:
                self._reported = False
            elif not self._reported:
                self._reported = self._still(self._stood_s)
        except TercelError as error:
            self.failure = error
        self._seen = self._beats()


UNWATCHED = "unwatched"
LATE_NS = 3 * AGAIN_NS
"""Venue time, ns, after which orders left open by a session that ended in order raise a critical alert."""


class OrderWithdrawal:
    """Accounts whose session is silent or disconnected, and the cancels of their orders.

    Parameters
    ----------
    gateway : OrderGateway
    name : callable
        Makes a cl_ord_id that was never used.
    """

    def __init__(self, gateway: OrderGateway, name: Callable[[], str]) -> None:
        self._gateway = gateway
        self._name = name
        self._since_ns: dict[str, int] = {}
        self._calm_ns: dict[str, int] = {}
        """Venue time, ns, since which an account's orders are cancelled without an alarm."""

    def __bool__(self) -> bool:
        return bool(self._since_ns)

    def begin(self, accounts: Iterable[str], why: str, *, calm: bool = False) -> None:
        """Cancel the open orders of accounts that no session watches, unless they are being cancelled.

        A session that ends in order (`calm`) raises no alarm, unless the venue has not ended its orders after `LATE_NS`.
        """
        new = [
            account
            for account in sorted(accounts)
            if account not in self._since_ns and self._open(account)
        ]
        now = self._gateway.venue.now_ns
        self._since_ns |= dict.fromkeys(new, now)
        self._calm_ns |= dict.fromkeys(new, now) if calm else {}
        severity, what = "info" if calm else "critical", f"{why}; its orders are cancelled"
        alerts = [
            entry_alert(severity, UNWATCHED, f"{account}: {what}", now, agent=account)
            for account in new
        ]
        self._gateway.withdraw(
            [MassCancel(self._name(), account, "", now) for account in new], before=alerts
        )

    def _open(self, account: str) -> int:
        return len(self._gateway.ledger.orders.live(account))

    def end(self, account: str) -> None:
        """A session watches the account again."""
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
                f"{account}: {self._open(account)} of its orders open {open_ns / 1e9:.1f} s after its session ended",
                "",
                account,
            )

    def follow_up(self) -> None:
        """Drop accounts without open orders; resend cancels that were not answered in time."""
        now, again = self._gateway.venue.now_ns, list[str]()
        for account, since_ns in list(self._since_ns.items()):
            if not (self._open(account) or self._gateway.may_trade(account)):
                self.end(account)
            elif now - since_ns >= AGAIN_NS:
                self._since_ns[account] = now
                again.append(account)
        if again:
            commands = [*self._commands(again), *questions(self._gateway, self._name)]
            self._gateway.submit(commands, sender=Sender.STOPPER)
        self.alarm(LATE_NS)

    def _commands(self, accounts: list[str]) -> list[Command]:
        now, orders = self._gateway.venue.now_ns, self._gateway.ledger.orders
        found: list[Command] = [MassCancel(self._name(), account, "", now) for account in accounts]
        live = sorted(
            (order for account in accounts for order in orders.live(account)),
            key=attrgetter("parent"),
        )
        return found + cancels(self._gateway, live, self._name)
