"""Withdrawal of unattended orders: cancels are repeated until the venue has ended every order."""

from collections.abc import Callable, Iterable
from operator import attrgetter

from tercel.core.orders import Command, MassCancel
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.state import Sender
from tercel.desk.trading.stopping import AGAIN_NS, cancels, questions

UNWATCHED = "unwatched"
LATE_NS = 3 * AGAIN_NS
"""Venue time after which what a session that ended in order had open alarms people, where it is not over."""


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
        """Since when orders are cancelled that nobody was alarmed at."""

    def __bool__(self) -> bool:
        return bool(self._since_ns)

    def begin(self, accounts: Iterable[str], why: str, *, calm: bool = False) -> None:
        """Cancel the open orders of accounts that no session watches, unless that goes on already.

        Who ends in order (`calm`) alarms nobody, unless the venue has not ended its orders after `LATE_NS`.
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
        """Alarm people at what is still open so long after a session ended in order."""
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
            if not self._open(account):
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
