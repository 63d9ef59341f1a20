"""Refusal of a command that its account's trading state does not permit; whether an order only reduces a position."""

from collections.abc import Sequence

from tercel.core.fixed_point import ONE
from tercel.core.orders import CancelOrder, Command, MassCancel, NewOrder, ReplaceOrder
from tercel.desk.limits import Denial
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Positions
from tercel.desk.trading.risk.trading_state import (
    REASONS,
    Act,
    ReasonScope,
    Sender,
    Standing,
    StateReason,
    TradingState,
    permits,
)


def refusal(
    sender: Sender,
    command: Command,
    standing: Standing,
    orders: Orders,
    positions: Positions,
    preceding: Sequence[Command] = (),
) -> Denial | None:
    """Denial of a command that its account's trading state does not permit; None if it does.

    Parameters
    ----------
    sender : Sender
    command : Command
    standing : Standing
    orders, positions : Orders, Positions
        As booked.
    preceding : sequence of Command
        What leaves with it, before it.
    """
    state = standing.state
    if not isinstance(command, NewOrder | ReplaceOrder):
        act = Act.CANCEL if isinstance(command, CancelOrder | MassCancel) else Act.QUERY
        return None if permits(sender, act, state) else _not_permitted(sender, act)
    if permits(sender, Act.GROWS, state):
        return None
    if permits(sender, Act.REDUCES, state) and reduces(command, orders, positions, preceding):
        return None
    if state is TradingState.ACTIVE:
        return _not_permitted(sender, Act.GROWS)
    if state is TradingState.REDUCING:
        return Denial(
            "REDUCING", f"{command.account} may make positions smaller alone: {standing.reason}"
        )
    scope = REASONS[StateReason(standing.code)].scope
    text = (
        standing.reason
        if scope is ReasonScope.DESK
        else f"agent={command.account} reason={standing.reason}"
    )
    return Denial(standing.code, text)


def _not_permitted(sender: Sender, act: Act) -> Denial:
    """Denial of what a sender may never send."""
    return Denial("NOT_PERMITTED", f"sender={sender} act={act}")


def reduces(
    command: NewOrder | ReplaceOrder,
    orders: Orders,
    positions: Positions,
    preceding: Sequence[Command],
) -> bool:
    """Whether an order can only reduce a position, even if all open orders of its side fill, or only cancels lots.

    Parameters
    ----------
    command : NewOrder or ReplaceOrder
    orders : Orders
    positions : Positions
    preceding : sequence of Command
        What leaves with it, before it.
    """
    if isinstance(command, ReplaceOrder):
        order = orders.get(command.orig)
        if order is not None and order.price == command.price and _added_qty(command, orders) == 0:
            return True
    qty = positions.of(command.account, command.instrument).qty
    side = command.side
    open_qty = sum(
        order.open_qty
        for order in orders.live(command.account, None, command.instrument)
        if order.side == side
    )
    same_side = [
        earlier
        for earlier in preceding
        if isinstance(earlier, NewOrder | ReplaceOrder)
        and (earlier.account, earlier.instrument, earlier.side)
        == (command.account, command.instrument, side)
    ]
    return qty * side < 0 and open_qty + sum(
        _added_qty(earlier, orders) for earlier in [*same_side, command]
    ) <= abs(qty)


def _added_qty(command: NewOrder | ReplaceOrder, orders: Orders) -> int:
    """Open quantity added by a command, 10^-8 of a lot."""
    order = orders.get(command.orig) if isinstance(command, ReplaceOrder) else None
    qty = command.lots * ONE
    return qty if order is None else max(qty - order.cum_qty - order.open_qty, 0)
