"""How far an account may trade: active, reducing or halted, and why. The journal has every change of it.

    gateway.stand("ann", Standing(TradingState.REDUCING, ORDERS_OPEN, "the venue does not know o1", ("o1",)))
    gateway.standing("ann").state

An account that is reducing may cancel, ask, and send what makes its position smaller whatever becomes of the orders
that it has open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tercel.core.fixed import ONE
from tercel.core.orders import Command, NewOrder, ReplaceOrder
from tercel.core.ports import Entry
from tercel.trading.journal import kinds
from tercel.trading.orders import Orders
from tercel.trading.positions import Positions

ORDERS_OPEN: Final = "ORDERS_OPEN"
"""Orders of an earlier session that the venue has not ended."""


class TradingState(StrEnum):
    """How far an account may trade."""

    ACTIVE = "active"
    REDUCING = "reducing"
    """Cancels, questions, and orders that make a position smaller."""
    HALTED = "halted"
    """Cancels and questions alone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of an account.

    Parameters
    ----------
    state : TradingState
    code : str
        Why, one of few words.
    reason : str
        Why, for people.
    orders : tuple of str
        Those on which it waits, by their first name.
    """

    state: TradingState = TradingState.ACTIVE
    code: str = ""
    reason: str = ""
    orders: tuple[str, ...] = ()


class TradingStates:
    """The standing of every account that is not active, folded from a journal.

    >>> states = TradingStates()
    >>> states.apply(entry_of("ann", Standing(TradingState.REDUCING, "ORDERS_OPEN", "o1"), 0))
    >>> states.get("ann").state.value, states.get("bob").state.value
    ('reducing', 'active')
    """

    def __init__(self) -> None:
        self.of: dict[str, Standing] = {}

    def get(self, account: str) -> Standing:
        """How an account stands."""
        return self.of.get(account, Standing())

    def apply(self, entry: Entry) -> None:
        """Take an entry: a session that begins finds out anew."""
        if entry.kind == kinds.SESSION:
            self.of.clear()
        elif entry.kind == kinds.STATE:
            body = entry.body
            stands = Standing(TradingState(body["state"]), body["code"], body["reason"], tuple(body["orders"]))
            self.of.pop(entry.agent, None)
            if stands.state is not TradingState.ACTIVE:
                self.of[entry.agent] = stands

    def rows(self) -> list[dict[str, object]]:
        """Accounts that are not active, for tables."""
        return [
            {"account": account, "state": str(one.state), "code": one.code, "reason": one.reason}
            for account, one in sorted(self.of.items())
        ]


def entry_of(account: str, standing: Standing, ns: int) -> Entry:
    """The journal's entry of a change."""
    body = {"state": str(standing.state), "code": standing.code, "reason": standing.reason}
    return Entry(kinds.STATE, ns, agent=account, body={**body, "orders": list(standing.orders)})


def reduces(command: NewOrder | ReplaceOrder, orders: Orders, held: Positions, before: Sequence[Command]) -> bool:
    """Whether a command makes a position smaller, whatever fills of all that is open on its side.

    Parameters
    ----------
    command : NewOrder or ReplaceOrder
    orders : Orders
    held : Positions
    before : sequence of Command
        What leaves with it, before it.
    """
    qty, side = held.of(command.account, command.instrument).qty, command.side
    open_qty = sum(
        order.open_qty for order in orders.live(command.account, None, command.instrument) if order.side == side
    )
    also = [one for one in before if isinstance(one, NewOrder | ReplaceOrder) and _where(one) == _where(command)]
    return qty * side < 0 and open_qty + sum(_more(one, orders) for one in [*also, command]) <= abs(qty)


def _where(command: NewOrder | ReplaceOrder) -> tuple[str, str, int]:
    return command.account, command.instrument, command.side


def _more(command: NewOrder | ReplaceOrder, orders: Orders) -> int:
    """What a command adds to what may fill."""
    order = orders.get(command.orig) if isinstance(command, ReplaceOrder) else None
    qty = command.lots * ONE
    return qty if order is None else max(qty - order.cum_qty - order.open_qty, 0)
