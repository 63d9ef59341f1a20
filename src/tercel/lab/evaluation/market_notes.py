"""Sentences on a market for readers of its results: impact law, limit prices, hidden volume, order sizes."""

from tercel.core.arrays import Ints
from tercel.execution.task import Task, describe_size
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.tape_split import has_other_hours
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source
from tercel.market.tape.schema import EXECUTE, TRADE, TRADE_HIDDEN

FEW_ORDERS = 60
"""Number of judged orders below which a warning is added: two days of half hours, bought and sold."""


def describe_impact(market: Source) -> list[str]:
    """Sentence on the impact law of own trades; empty list without a law."""
    law = market.impact
    if law is None:
        return []
    if law.law == "weights":
        return ["Impact: own flow leans on the weights of public market orders."]
    shape = (
        "linear in own volume"
        if law.exponent == 1.0
        else f"own volume to the power {law.exponent:g}"
    )
    return [
        f"Impact: the book is translated, {shape}; {law.scale_ticks:.3g} ticks after one mean trade of "
        f"{law.mean_trade_lots:.3g} lots; a resting fill counts "
        f"{law.passive_impact:g} of a take. The law is a prior, the ratio an assumption."
    ]


def describe_limit(scenario: Scenario) -> list[str]:
    """Sentence on an order's limit price, or on the number of listed orders with one; empty list without a limit."""
    text = ""
    limit = scenario.task.limit_price
    if scenario.orders:
        count = sum(order.limit_price is not None for order in scenario.orders)
        text = f"{count} of {len(scenario.orders)} orders have one" if count else ""
    elif limit is not None:
        text = f"{limit} beyond the mid at arrival" if isinstance(limit, str) else f"{limit}"
    remainder = "what it leaves unfilled is booked at the price of the next lot plus the law for the whole order"
    return [f"Limit: {text}; {remainder}."] if text else []


def describe_hindsight(scenario: Scenario) -> list[str]:
    """Warning if listed orders leave no other hours to learn from; else an empty list."""
    if not scenario.orders or has_other_hours(scenario):
        return []
    symbol = scenario.market.symbol
    return [
        f"What strategies know of {symbol} beforehand is of the judged hours too: there are no others."
    ]


def describe_hidden_volume(judged: Source) -> list[str]:
    """Sentence on the share of a tape's volume executed against hidden orders, which fill no own orders; else empty."""
    kinds = judged.tape[:, sim.T_KIND]
    lots = judged.tape[:, sim.T_LOTS]
    hidden = int(lots[kinds == TRADE_HIDDEN].sum())
    displayed = int(lots[(kinds == EXECUTE) | (kinds == TRADE)].sum())
    if not hidden:
        return []
    return [
        f"Executed against hidden orders: {hidden / (hidden + displayed):.1%} of the lots; no own order fills there."
    ]


def format_minutes(task: Task) -> str:
    """Horizon of a task in minutes, as text."""
    return f"{task.horizon_s / 60:g} minutes"


def lot_unit(lot: int) -> str:
    """Unit of a quantity in lots of `lot` shares: "shares", or "lots of 100 shares"."""
    return "shares" if lot == 1 else f"lots of {lot} shares"


def describe_order_size(
    task: Task, quantities: Ints, lot: int, listed_count: int, waiting_count: int = 0
) -> str:
    """Sentence on the sizes of the orders on a tape, `quantities` in lots; of a list with how many arrive in a break.

    >>> import numpy as np
    >>> describe_order_size(Task(), np.array([500, 1000]), 1, listed_count=2, waiting_count=1)
    'The orders: 2 of a list, 500 to 1,000 lots of 1 share; 1 arrives in a break and is worked after it.'
    """
    unit = "1 share" if lot == 1 else f"{lot} shares"
    if listed_count:
        verbs = "arrives in a break and is" if waiting_count == 1 else "arrive in a break and are"
        waits = f"; {waiting_count} {verbs} worked after it" if waiting_count else ""
        return f"The orders: {listed_count} of a list, {quantities.min():,} to {quantities.max():,} lots of {unit}{waits}."
    size = describe_size(task.share, task.quantity)
    minutes = format_minutes(task)
    if task.share is None:
        return f"The orders: {size} of {unit} in {minutes}."
    least = quantities.min()
    most = quantities.max()
    if least == most:
        return f"The orders: {size} in {minutes}, {least:,} lots of {unit} at any time of day."
    return f"The orders: {size} in {minutes} at that time of day, {least:,} to {most:,} lots of {unit}."


def describe_judged_orders(name: str, judged: int) -> str:
    """Sentence on how many orders of a tape are judged, with a warning below `FEW_ORDERS`.

    >>> describe_judged_orders("SIM replay", 6)
    'SIM replay: 6 orders are judged, which tells little: more days in the lake tell more'
    """
    few = ", which tells little: more days in the lake tell more" if judged < FEW_ORDERS else ""
    return f"{name}: {judged} orders are judged{few}"
