"""What fills cost on the tape of `tests.reports.tape`, by a plain loop."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from tests.reports.tape import mid


class Fill(NamedTuple):
    """A fill as it was: the moment, the side, units, price units."""

    when: datetime
    side: int
    quantity: float
    price: float
    symbol: str = "RWE"


def at(clock: str, date: str = "2024-04-03") -> datetime:
    """A moment of UTC."""
    return datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=UTC)


def holds(found: dict[str, Any], fills: Sequence[Fill], fees: float = 0.0) -> None:
    """The totals are those of a loop over the fills: one parent a symbol, side and day, arrived with its first fill."""
    arrival: dict[tuple[str, int, str], float] = {}
    cost = quantity = notional = 0.0
    for fill in sorted(fills):
        mine = fill.symbol, fill.side, f"{fill.when:%Y%m%d}"
        price = arrival.setdefault(mine, mid(fill.symbol, fill.when))
        cost += fill.side * (fill.price - price) * fill.quantity
        quantity += fill.quantity
        notional += price * fill.quantity
    total = found["total"]
    assert found["fills"] == len(fills)
    assert float(total["filled"]) == pytest.approx(quantity, rel=1e-9)
    assert total["notional"] == pytest.approx(notional, rel=1e-9)
    assert total["money"]["fees"] == pytest.approx(fees, abs=1e-9)
    assert total["money"]["fills"] - total["money"]["fees"] == pytest.approx(cost, abs=1e-6)
