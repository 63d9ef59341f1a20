"""Tables of a desk's rows on the terminal: orders, states of accounts, short names of strategies."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tercel.cli.output import print_table, result_console
from tercel.core.fixed_point import to_number as shown_lots
from tercel.core.vocabulary import SIDE_NAMES

if TYPE_CHECKING:
    from tercel.core.child_order import ChildOrder
    from tercel.desk.trading.risk.trading_state import AccountStanding

LIMIT = "limit, ticks"


def child_row(order: "ChildOrder", tick: Decimal | int = 1) -> dict[str, object]:
    """Columns of a child order; its price in units of which a tick has `tick`, by default in ticks."""
    return {
        "instrument": order.instrument,
        "agent": order.account,
        "side": order.side,
        "lots": order.lots,
        "filled": shown_lots(order.cum_qty),
        "price": None if order.price is None else order.price * tick,
        "status": str(order.status),
    }


def print_states(states: Sequence["AccountStanding"]) -> None:
    """Print the trading states of accounts that are not active, and of the desk (all)."""
    if states:
        state_rows = [
            {
                "account": row.account or "all",
                "state": row.state,
                "reasons": ", ".join(row.reasons),
                "reason": row.reason,
            }
            for row in states
        ]
        print_rows("not active", state_rows, ("account",), wraps=("reason",))


def short_strategy(strategy: str) -> str:
    """Name of a strategy without common parts (`packaged:`, `+alpha+posture`).

    >>> short_strategy("packaged:ppo+alpha+posture"), short_strategy("twap_passive+alpha"), short_strategy("twap_take+posture")
    ('ppo', 'twap_passive+alpha', 'twap_take')
    """
    return (
        strategy.removeprefix("packaged:")
        .removesuffix("+alpha+posture")
        .replace("twap_take+posture", "twap_take")
    )


def print_rows(
    title: str,
    rows: Iterable[Mapping[str, Any]],
    drop_order: Sequence[str] = (),
    wraps: Sequence[str] = (),
    digits: int = 1,
) -> None:
    """Print rows of equal keys as a table; "none" without rows. `digits`: decimals of floats."""
    table_rows = list(rows)
    if not table_rows:
        result_console().print(f"{title}: none", markup=False)
        return
    keys = list(table_rows[0])
    text_columns = [
        key
        for key in keys
        if key == "side"
        or not any(
            isinstance(row[key], int | float | Decimal) or str(row[key]).endswith("%")
            for row in table_rows
        )
    ]
    cells = [[_cell_text(key, row[key], digits) for key in keys] for row in table_rows]
    print_table(title, keys, cells, drop_order, text_columns, wraps)


def _cell_text(key: str, value: Any, digits: int) -> str:
    """Text of a cell: sides as words, quantities with up to 8 decimals, floats with `digits`; "-" for None."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if key == "side":
        return SIDE_NAMES.get(value, str(value))
    if key == "qty":  # coins are held in small parts
        integer, _, fraction = f"{value:.8f}".partition(".")
        return f"{integer}.{fraction.rstrip('0').ljust(digits, '0')}"
    return f"{round(value, digits) + 0.0:.{digits}f}" if isinstance(value, float) else str(value)
