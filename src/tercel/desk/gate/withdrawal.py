"""Withdrawal of unattended orders: cancels are repeated until the venue has ended every order."""

from collections.abc import Callable, Iterable
from operator import attrgetter

from tercel.core.orders import Command, MassCancel
from tercel.desk.trading.gateway import OrderGateway
from tercel.desk.trading.journal.codec import entry_alert
from tercel.desk.trading.state import Sender
from tercel.desk.trading.stopping import AGAIN_NS, cancels, questions

UNWATCHED = "unwatched"


class OrderWithdrawal:
    """Accounts whose session is silent or disconnected, and the cancels of their orders.

    Parameters
    ----------
    gateway : OrderGateway
    name : callable
        Makes a cl_ord_id that was never used.
    """

    def __init__(self, gateway: OrderGateway, name: Callable[[], str]) -> None:
        self._gateway, self._name = gateway, name
        self._since_ns: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._since_ns)

    def begin(self, accounts: Iterable[str], why: str) -> None:
        """Cancel the open orders of accounts that no session watches."""
        live = [account for account in sorted(accounts) if any(self._gateway.ledger.orders.live(account))]
        now = self._gateway.venue.now_ns
        for account in live:
            self._since_ns[account] = now
        what = f"{why}; its orders are cancelled"
        alerts = [entry_alert("critical", UNWATCHED, f"{account}: {what}", now, agent=account) for account in live]
        self._gateway.withdraw([MassCancel(self._name(), account, "", now) for account in live], before=alerts)

    def end(self, account: str) -> None:
        """A session watches the account again."""
        self._since_ns.pop(account, None)

    def follow_up(self) -> None:
        """Drop accounts without open orders; resend cancels that were not answered in time."""
        now, again = self._gateway.venue.now_ns, list[str]()
        for account, since_ns in list(self._since_ns.items()):
            if not any(self._gateway.ledger.orders.live(account)):
                del self._since_ns[account]
            elif now - since_ns >= AGAIN_NS:
                self._since_ns[account] = now
                again.append(account)
        if again:
            commands = [*self._commands(again), *questions(self._gateway, self._name)]
            self._gateway.submit(commands, sender=Sender.STOPPER)

    def _commands(self, accounts: list[str]) -> list[Command]:
        now, orders = self._gateway.venue.now_ns, self._gateway.ledger.orders
        found: list[Command] = [MassCancel(self._name(), account, "", now) for account in accounts]
        live = sorted((order for account in accounts for order in orders.live(account)), key=attrgetter("parent"))
        return found + cancels(self._gateway, live, self._name)
